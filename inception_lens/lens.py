"""The front door: anything that describes a network, to its Graph and its Analysis."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.analysis import analyze as analyze_graph
from inception_lens.architectures import catalogue
from inception_lens.architectures.network import Network
from inception_lens.errors import ConfigError, UnknownModelError, suggest
from inception_lens.graph import About, Graph, Mode
from inception_lens.ops import Shape, TensorType, by

Model = str | os.PathLike[str] | Network | Graph
"""A catalogue name, the path of a `.toml` config, a config or a Graph."""

Inputs = Sequence[Any] | Mapping[str, Any]
"""Shapes, or anything with a `.shape`: one, a sequence of them, or by the names of the inputs."""


def load(model: Model, inputs: Inputs | None = None, *, mode: Mode = "inference", **overrides: Any) -> Graph:
    """Load a network.

    Args:
        model: what to load.
        inputs: shape of the input, `(N, C, H, W)`; without it the network's own, with a batch of 1.
        mode: `training` keeps the auxiliary heads.
        **overrides: keys of the config and their values, for a catalogue network or a config: `classes=10`, or
            `**{"inception_3a/5x5_reduce": 24}`.

    Raises:
        UnknownModelError: there is no such network.
        ConfigError: an override is wrong, or the config is.
        GraphError: the network cannot take the input.
    """
    return load_with(model, overrides, inputs, mode)


def load_with(
    model: Model, overrides: Mapping[str, Any], inputs: Inputs | None = None, mode: Mode = "inference"
) -> Graph:
    """As `load`, with the overrides as a mapping."""
    if isinstance(model, Graph):
        if overrides:
            raise ConfigError(f"a Graph has no keys to override: {', '.join(overrides)}")
        return model if inputs is None else _with_inputs(model, inputs)
    config, about = configure(model, overrides)
    if inputs is None:
        return config.graph(mode, about=about)
    shape = _image_shape(inputs)
    return config.replace(input=shape[1:]).graph(mode, shape[0], about)


def analyze(
    model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, batch: int | None = None
) -> Analysis:
    """Analyse a network; `model` and `inputs` as in `load`.

    Args:
        model: what to analyse.
        inputs: shape of the input; without it the network's own.
        mode: None is the graph's own, inference for what has none.
        batch: how many samples at once; None is the graph's own.

    Raises:
        InceptionLensError: as `load` does.
    """
    graph = load(model, inputs) if mode is None else load(model, inputs, mode=mode)
    if mode is not None and graph.mode != mode:
        graph = msgspec.structs.replace(graph, mode=mode)
    return analyze_graph(graph if batch is None else graph.with_batch(batch))


def summary(model: Model, input_size: Inputs | None = None, *, depth: int = 1) -> Analysis:
    """Print the table of a network and return its Analysis: for fingers used to torchinfo."""
    from inception_lens.renderers.text import summary_table

    analysis = analyze(model, input_size)
    print(summary_table(analysis, depth=depth))  # noqa: T201
    return analysis


def configure(model: Model, overrides: Mapping[str, Any]) -> tuple[Network, About]:
    """The config that `model` names, with `overrides`, and what people know it by.

    Raises:
        UnknownModelError: there is no such network, or it has no config.
        ConfigError: an override is wrong, or the config is.
    """
    if isinstance(model, Graph):
        raise UnknownModelError(f"`{model.name}` is a Graph: there is no config to change")
    if isinstance(model, Network):
        config, about = model, About(type(model).__name__.lower(), source="config")
    elif isinstance(model, os.PathLike) or model.endswith(".toml"):
        from inception_lens.readers.config import read_config

        path = os.fspath(model)
        config, about = read_config(path), About(os.path.basename(path).removesuffix(".toml"), path, "config")
    else:
        if os.sep in model or os.path.splitext(model)[1]:
            raise UnknownModelError(
                f"`{model}` is no .toml config and no name of the catalogue{suggest(model, catalogue.ENTRIES)}"
            )
        entry = catalogue.find(model)
        config, about = entry.config, About(entry.name, entry.description, "catalogue")
    if overrides:
        from inception_lens.readers.config import override

        config = override(config, overrides)
    return config, about


def _image_shape(inputs: Inputs) -> tuple[int, int, int, int]:
    """The one image batch that a catalogue network takes: three sizes are one image, two a plain colour one."""
    given = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    shape = _shape(given[0] if len(given) == 1 else given)
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
    return graph.with_inputs(**{name: TensorType(shape, types[name].dtype) for name, shape in shapes.items()})
