"""The front door: anything that describes a network, to its Graph and its Analysis."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.analysis import analyze as analyze_graph
from inception_lens.analyses.compare_records import Comparison
from inception_lens.architectures import catalogue
from inception_lens.architectures.network import Network
from inception_lens.errors import ConfigError, ShapeError, UnknownModelError, suggest
from inception_lens.graph import About, Graph, Mode
from inception_lens.ops import Shape, TensorType, by
from inception_lens.terminal import Terminal

Model = str | os.PathLike[str] | Network | Graph
"""A catalogue name, the path of a `.toml` config, a config or a Graph."""

Inputs = Sequence[Any] | Mapping[str, Any]
"""Shapes, or anything with a `.shape`: one, a sequence of them, or by the names of the inputs."""


class Configured(NamedTuple):
    """A config by whatever name it was asked for."""

    config: Network
    about: About
    base: str
    """The catalogue's name of the network that it varies; empty for a config object."""


def load(model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, **overrides: Any) -> Graph:
    """Load a network.

    Args:
        model: what to load.
        inputs: shape of the input, `(N, C, H, W)`; without it the network's own, with a batch of 1.
        mode: `training` keeps the auxiliary heads; None is a Graph's own, and inference for all else.
        **overrides: keys of the config and their values, for a catalogue network or a config: `classes=10`, or
            `**{"inception_3a/5x5_reduce": 24}`.

    Raises:
        UnknownModelError: there is no such network.
        ConfigError: an override is wrong, or the config is.
        GraphError: the network cannot take the input.
    """
    return load_with(model, overrides, inputs, mode)


def load_with(
    model: Model, overrides: Mapping[str, Any], inputs: Inputs | None = None, mode: Mode | None = None
) -> Graph:
    """As `load`, with the overrides as a mapping."""
    if mode not in (None, *get_args(Mode)):
        raise ConfigError(f"`{mode}` is no mode{suggest(str(mode), get_args(Mode))}")
    if isinstance(model, Graph):
        if overrides:
            raise ConfigError(f"a Graph has no keys to override: {', '.join(overrides)}")
        graph = model if inputs is None else _with_inputs(model, inputs)
        return graph if mode in (None, graph.mode) else msgspec.structs.replace(graph, mode=mode)
    config, about, _ = configure(model, overrides)
    batch = 1
    if inputs is not None:
        batch, *image = _image_shape(inputs)
        config = config.replace(input=tuple(image))
    try:
        return config.graph(mode or "inference", batch, about)
    except ShapeError as error:
        where = f"{about.description}: " if about.source == "config" and about.description else ""
        raise ShapeError(f"{where}{error}") from None


def analyze(
    model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, batch: int | None = None
) -> Analysis:
    """Analyse a network; `model`, `inputs` and `mode` as in `load`, and `batch` samples at once.

    Raises:
        InceptionLensError: as `load` does.
    """
    graph = load(model, inputs, mode=mode)
    return analyze_graph(graph if batch is None else graph.with_batch(batch))


def compare(
    a: Model,
    b: Model,
    inputs: Inputs | None = None,
    *,
    overrides: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> Comparison:
    """Compare two networks by their structure, and their auxiliary heads; every delta is `b` less `a`.

    `overrides` are keys of the one config and of the other; the rest as in `load`. A Graph is compared as it is, and
    the other network in the Graph's mode; its heads are there in training mode.

    Raises:
        InceptionLensError: as `load` does.
    """
    from inception_lens.analyses.compare import compare as compare_graphs

    sides = tuple(zip((a, b), overrides, strict=True))
    mode = next((model.mode for model in (a, b) if isinstance(model, Graph)), None)
    given_a, given_b = (load_with(m, keys, inputs, None if isinstance(m, Graph) else mode) for m, keys in sides)
    training = [
        graph if isinstance(model, Graph) else load_with(model, keys, inputs, "training")
        for graph, (model, keys) in zip((given_a, given_b), sides, strict=True)
    ]
    return compare_graphs(given_a, given_b, (training[0], training[1]))


def summary(model: Model, input_size: Inputs | None = None, *, depth: int = 1) -> Analysis:
    """Print the table of a network and return its Analysis: for fingers used to torchinfo."""
    from inception_lens.renderers.text import summary_table

    analysis, terminal = analyze(model, input_size), Terminal()
    print(summary_table(analysis, depth=depth, width=terminal.width, unicode=terminal.unicode))  # noqa: T201
    return analysis


def configure(model: Model, overrides: Mapping[str, Any]) -> Configured:
    """The config that `model` names, with `overrides`.

    Raises:
        UnknownModelError: there is no such network, or it has no config.
        ConfigError: an override is wrong, or the config is.
    """
    found = _configured(model)
    if overrides:
        from inception_lens.readers.config import override

        found = found._replace(config=override(found.config, overrides))
    return found


def _configured(model: Model) -> Configured:
    if isinstance(model, Graph):
        raise UnknownModelError(f"`{model.name}` is a Graph: there is no config to change")
    if isinstance(model, Network):
        return Configured(model, About(type(model).__name__.lower(), source="config"), "")
    if not isinstance(model, str | os.PathLike):
        raise UnknownModelError(f"{model!r} is no model: a name of the catalogue, a .toml file, a config or a Graph")
    path = os.fspath(model)
    if isinstance(model, os.PathLike) or path.endswith(".toml"):
        from inception_lens.readers.config import read_config

        config, base = read_config(path)
        shown = os.fsencode(path).decode(errors="backslashreplace")
        return Configured(config, About(os.path.basename(shown).removesuffix(".toml"), shown, "config"), base)
    if os.sep in path or os.path.splitext(path)[1]:
        nearest = suggest(path, catalogue.names())
        raise UnknownModelError(f"`{path}` is no .toml config and no name of the catalogue{nearest}")
    entry = catalogue.find(path)
    return Configured(entry.config, About(entry.name, entry.description, "catalogue"), entry.name)


def _image_shape(inputs: Inputs) -> tuple[int, int, int, int]:
    """The one image batch that a catalogue network takes: three sizes are one image, two a plain colour one."""
    if isinstance(inputs, Mapping):
        if list(inputs) != ["input"]:
            raise ConfigError(f"the network has one input, `input`, not {', '.join(f'`{name}`' for name in inputs)}")
        inputs = inputs["input"]
    elif isinstance(inputs, list | tuple) and len(inputs) == 1 and not isinstance(inputs[0], int):
        inputs = inputs[0]
    shape = _shape(inputs)
    match shape:
        case (batch, channels, height, width):
            return batch, channels, height, width
        case (channels, height, width):
            return 1, channels, height, width
    raise ConfigError(f"an input of {by(shape)}: an image batch is (N, C, H, W), such as 1x3x224x224")


def _shape(given: Any) -> Shape:
    sizes = getattr(given, "shape", given)
    if not isinstance(sizes, Sequence) or not all(isinstance(size, int) for size in sizes):
        raise ConfigError(f"{given!r} is no shape: it is a sequence of whole numbers, or a tensor")
    return tuple(sizes)


def _with_inputs(graph: Graph, inputs: Inputs) -> Graph:
    if isinstance(inputs, Mapping):
        shapes = {name: _shape(given) for name, given in inputs.items()}
    else:
        several = bool(inputs) and not isinstance(inputs[0], int) and not hasattr(inputs, "shape")
        listed = [_shape(given) for given in inputs] if several else [_shape(inputs)]
        if len(listed) != len(graph.inputs):
            raise ConfigError(f"`{graph.name}` takes {len(graph.inputs)} inputs, not {len(listed)}")
        shapes = {given.name: shape for given, shape in zip(graph.inputs, listed, strict=True)}
    types = {given.name: given.type for given in graph.inputs}
    unknown = set(shapes) - set(types)
    if unknown:
        raise ConfigError(f"`{graph.name}` has no input `{min(unknown)}`{suggest(min(unknown), types)}")
    return graph.with_inputs({name: TensorType(shape, types[name].dtype) for name, shape in shapes.items()})
