"""The front door: anything that describes a network, to its Graph and its Analysis."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard, get_args

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.analysis import analyze as analyze_graph
from inception_lens.analyses.compare_records import Comparison
from inception_lens.architectures import catalogue
from inception_lens.architectures.network import Network
from inception_lens.errors import ConfigError, GraphError, ShapeError, UnknownModelError, require, suggest
from inception_lens.graph import About, Graph, Mode
from inception_lens.ops import Shape, TensorType, by
from inception_lens.terminal import Terminal

if TYPE_CHECKING:
    from torch.nn import Module

    from inception_lens.analyses.savings import Savings
    from inception_lens.pytorch.build import BuiltNetwork
    from inception_lens.pytorch.weights import Weights
    from inception_lens.renderers.diagram import Diagram
    from inception_lens.renderers.report import Report

Model = Any
"""A catalogue name, the path of a `.toml` config or of a file of `FILES`, a config or a Graph; and of PyTorch an
`nn.Module`, an exported program or the path of one, `package.module:callable` or `file.py:callable`."""

CALLABLE = re.compile(r"[^:]+:[A-Za-z_][\w.]*")
"""How a callable of PyTorch is written; its code is run."""

FILES = (".prototxt", ".onnx")
"""Suffixes of files that hold a network as others wrote it, and no config."""

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
        inputs: shape of the input, `(N, C, H, W)`; without it the network's own, with a batch of 1. By name where
            there are several. For PyTorch a tuple of tensors, shapes and other arguments, or a mapping of keyword
            arguments.
        mode: `training` keeps the auxiliary heads, and is a prototxt's phase TRAIN; None is a Graph's own, and
            inference for all else.
        **overrides: keys of the config and their values, for a catalogue network or a config: `classes=10`, or
            `**{"inception_3a/5x5_reduce": 24}`; for a prototxt `stage` and `level`; arguments of a callable.

    Raises:
        UnknownModelError: there is no such network.
        ConfigError: an override is wrong, or the config is.
        FormatError: the file is not what its suffix says.
        GraphError: the network cannot take the input.
        TraceError: a PyTorch model's forward pass, or what makes the model, ended in an error.
    """
    return load_with(model, overrides, inputs, mode)


def load_with(
    model: Model,
    overrides: Mapping[str, Any],
    inputs: Inputs | None = None,
    mode: Mode | None = None,
    batch: int | None = None,
) -> Graph:
    """As `load`, with the overrides as a mapping, and `batch` samples at once."""
    if mode not in (None, *get_args(Mode)):
        raise ConfigError(f"`{mode}` is no mode{suggest(str(mode), get_args(Mode))}")
    if is_pytorch(model):
        require("torch", extra="torch")
        from inception_lens.pytorch.models import load as load_module

        return load_module(model, overrides, unnamed(inputs), mode, batch)
    graph = _load(model, overrides, inputs, mode)
    return graph if batch is None else graph.with_batch(batch)


def _load(model: Model, overrides: Mapping[str, Any], inputs: Inputs | None, mode: Mode | None) -> Graph:
    if isinstance(model, Graph):
        if overrides:
            raise ConfigError(f"a Graph has no keys to override: {', '.join(overrides)}")
        graph = model if inputs is None else _with_inputs(model, inputs)
        return graph if mode in (None, graph.mode) else msgspec.structs.replace(graph, mode=mode)
    if is_file(model):
        return _read_file(os.fspath(model), overrides, inputs, mode or "inference")
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


def is_pytorch(model: object) -> bool:
    """Whether `model` is PyTorch's: a module, an exported program, or a text that names one."""
    if isinstance(model, str | os.PathLike):
        text = os.fspath(model)
        return text.endswith(".pt2") or CALLABLE.fullmatch(text) is not None
    torch = sys.modules.get("torch")  # where it is not loaded, nothing of it can have come
    return torch is not None and isinstance(model, torch.nn.Module | torch.export.ExportedProgram)


def unnamed(inputs: Inputs | None) -> Any:
    """Inputs as PyTorch takes them: by position where the one that is given has no name."""
    return (inputs[""],) if isinstance(inputs, Mapping) and list(inputs) == [""] else inputs


def is_file(model: object) -> TypeGuard[str | os.PathLike[str]]:
    """Whether `model` is the path of a file of `FILES`, which has no config to change."""
    return isinstance(model, str | os.PathLike) and os.fspath(model).lower().endswith(FILES)


def _read_file(path: str, overrides: Mapping[str, Any], inputs: Inputs | None, mode: Mode) -> Graph:
    if path.lower().endswith(".onnx"):
        from inception_lens.readers.onnx_model import read_onnx

        if overrides:
            raise ConfigError(f"an ONNX model has no keys to override: {', '.join(overrides)}")
        return read_onnx(path, inputs if isinstance(inputs, Mapping) else _shapes(inputs), mode)
    from inception_lens.readers.prototxt import read_prototxt, settings

    return read_prototxt(path, _shapes(inputs), mode, settings(overrides))


def _shapes(inputs: Inputs | None) -> dict[str, Shape] | Shape | None:
    """The shapes of inputs by name, or of the first alone."""
    if inputs is None:
        return None
    if isinstance(inputs, Mapping):
        return {name: _shape(given) for name, given in inputs.items()}
    if len(inputs) == 1 and not isinstance(inputs[0], int):
        return _shape(inputs[0])
    return _shape(inputs)


def analyze(
    model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, batch: int | None = None
) -> Analysis:
    """Analyse a network; `model`, `inputs` and `mode` as in `load`, and `batch` samples at once.

    Raises:
        InceptionLensError: as `load` does.
    """
    return analyze_graph(load_with(model, {}, inputs, mode, batch))


def compare(
    a: Model,
    b: Model,
    inputs: Inputs | None = None,
    *,
    overrides: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> Comparison:
    """Compare two networks by their structure, and their auxiliary heads; every delta is `b` less `a`.

    `overrides` are keys of the one config and of the other; the rest as in `load`. A Graph is compared as it is: its
    heads are there in training mode.

    Raises:
        InceptionLensError: as `load` does.
    """
    from inception_lens.analyses.compare import compare as compare_graphs

    sides = tuple(zip((a, b), overrides, strict=True))
    given_a, given_b = (load_with(model, keys, inputs) for model, keys in sides)
    training = [
        graph if isinstance(model, Graph) else load_with(model, keys, inputs, "training")
        for graph, (model, keys) in zip((given_a, given_b), sides, strict=True)
    ]
    return compare_graphs(given_a, given_b, (training[0], training[1]))


def savings(
    model: Model,
    inputs: Inputs | None = None,
    *,
    kinds: Sequence[str] = ("reductions", "naive"),
    machine: str = "h200",
    batch: int | None = None,
    **overrides: Any,
) -> Savings:
    """Count what a network saves by its 1x1 reductions, or by other tricks of its family.

    Args:
        model: as in `load`.
        inputs: as in `load`.
        kinds: names of `analyses.savings_kinds`, or `all` alone.
        machine: whose roofline times are told: a name of `analyses.machines`, or `name:dtype`.
        batch: samples at once.
        **overrides: as in `load`.

    Raises:
        ConfigError: there is no such kind or machine.
        InceptionLensError: as `load` does, or the network cannot be rewritten.
    """
    return savings_with(model, overrides, inputs, kinds, machine, batch)


def savings_with(
    model: Model,
    overrides: Mapping[str, Any],
    inputs: Inputs | None,
    kinds: Sequence[str],
    machine: str,
    batch: int | None,
) -> Savings:
    """As `savings`, with the overrides as a mapping."""
    from inception_lens.analyses import machines, savings_kinds
    from inception_lens.analyses.savings import savings as count

    asked = savings_kinds.kinds_called(kinds)
    graphs = {}
    for mode in dict.fromkeys(("inference", *(kind.mode for kind in asked))):
        graphs[mode] = load_with(model, overrides, inputs, mode, batch)
    return count(graphs, asked, machines.machine(machine))


def build(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    initialisation: str | None = None,
    **overrides: Any,
) -> BuiltNetwork:
    """Build a network as a PyTorch module, in training mode as every new module; needs the extra `torch`.

    A network of the catalogue or a config computes its auxiliary heads while it trains and returns a tuple, the logits
    first. After `.eval()` it is the inference network: no heads, and a softmax at the end where `softmax` says so.
    The module takes other batches, and other image sizes where its layers do.

    Args:
        model: as in `load`.
        inputs: as in `load`.
        mode: `inference` builds the inference network alone, without heads; a Graph is always built as it is.
        initialisation: whose initialisation draws the weights, a name of the catalogue or `pytorch`; by default that of
            the network that is built or varied.
        **overrides: as in `load`; `softmax=False` ends in logits.

    Raises:
        MissingExtraError: PyTorch is not installed.
        InceptionLensError: as `load` does, or the graph does not say all that a module needs.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.build import build as build_graph

    if is_file(model) or not isinstance(model, str | os.PathLike | Network):
        return build_graph(load_with(model, overrides, inputs, mode), initialisation=initialisation)
    if initialisation is None:
        initialisation = configure(model, overrides).base or "pytorch"
    inference = load_with(model, overrides, inputs, "inference")
    if mode == "inference":
        return build_graph(inference, initialisation=initialisation)
    training = load_with(model, overrides, inputs, "training")
    return build_graph(training, inference, initialisation=initialisation)


def load_weights(network: Module, weights: Weights) -> str:
    """Copy weights into a built network, all of them or none, and return whose names they came under.

    `weights` is a `state_dict` or the path of one, with the network's own names or those of a port: torchvision's
    googlenet, inception_v3, alexnet, vgg and resnet, timm's inception_v3, inception_v4 and inception_resnet_v2, each
    for the dialect of its name. Files are safetensors or what `torch.save` wrote; nothing in them is ever run.

    Raises:
        WeightsError: a tensor finds no place, has another shape or is missing; the network is as it was.
    """
    require("torch", extra="torch")
    from inception_lens.pytorch.weights import load_weights as load_into

    return load_into(network, weights)


def summary(model: Model, input_size: Inputs | None = None, *, depth: int = 1) -> Analysis:
    """Print the table of a network and return its Analysis: for fingers used to torchinfo."""
    from inception_lens.renderers.text import summary_table

    analysis, terminal = analyze(model, input_size), Terminal()
    print(summary_table(analysis, depth=depth, width=terminal.width, unicode=terminal.unicode))  # noqa: T201
    return analysis


def diagram(model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, **look: Any) -> Diagram:
    """Draw a network; `model`, `inputs` and `mode` as in `load`.

    Args:
        model: what to draw.
        inputs: shape of the input.
        mode: `training` draws the auxiliary heads.
        **look: as in `renderers.diagram.diagram`: `level="layer"`, `module="inception_3a"`, `style="paper"`,
            `heat="macs"`, `fold=True`, `direction="left-to-right"`, `dark=True`.

    Returns:
        A Diagram: `.dot` is its DOT text, `.draw("svg")`, `"png"` or `"pdf"` a file's bytes; a notebook shows it.

    Raises:
        InceptionLensError: as `load` does; there is no such module; or the picture would be too large.
    """
    from inception_lens.renderers.diagram import diagram as draw

    return draw(load(model, inputs, mode=mode), **look)


def report(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    against: Model | None = None,
    **overrides: Any,
) -> Report:
    """Make the page that shows everything about a network.

    Args:
        model: as in `load`.
        inputs: as in `load`.
        mode: `training` keeps the auxiliary heads.
        against: a second network, to compare with on the same input.
        **overrides: as in `load`.

    Returns:
        A Report: `.html` is the page, and `.files` every file that the command `report` writes, by name.

    Raises:
        InceptionLensError: as `load` does.
    """
    return report_with(model, overrides, inputs, mode, against, {})


def report_with(
    model: Model,
    overrides: Mapping[str, Any],
    inputs: Inputs | None,
    mode: Mode | None,
    against: Model | None,
    overrides_against: Mapping[str, Any],
) -> Report:
    """As `report`, with the overrides of each network as a mapping."""
    from inception_lens.analyses import machines, savings_kinds
    from inception_lens.analyses.savings import DEFAULT_KINDS
    from inception_lens.analyses.savings import savings as count
    from inception_lens.renderers.report import Report

    graph = load_with(model, overrides, inputs, mode)
    found, reason = None, ""
    try:
        kinds = savings_kinds.kinds_called(DEFAULT_KINDS)
        found = count({"inference": graph}, kinds, machines.machine(machines.DEFAULT))
    except GraphError as error:  # such a rewrite does not fit every network that has a place for it
        reason = f"not counted: {error}"
    compared = None
    if against is not None:
        compared = compare(model, against, inputs, overrides=(overrides, overrides_against))
    return Report(analysis=analyze_graph(graph), savings=found, no_savings=reason, comparison=compared)


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
        kinds = ", ".join((".toml", *FILES))
        raise UnknownModelError(f"`{path}` is no file that can be read ({kinds}) and no name of the catalogue{nearest}")
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
