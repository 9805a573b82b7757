"""Anything that describes a network, to its Graph."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from inception_lens.errors import ConfigError, ShapeError, require, suggest
from inception_lens.graph import Graph, Mode
from inception_lens.lens.configs import configure
from inception_lens.lens.files import is_file, read_file
from inception_lens.lens.inputs import Inputs, image_shape, unnamed, with_inputs

Model = Any
"""A catalogue name, the path of a `.toml` config or of a file that a reader knows (`files.py`), a config, a Graph; and
of PyTorch an `nn.Module`, an exported program or the path of one, `package.module:callable` or `file.py:callable`."""

CALLABLE = re.compile(r"[^:]+:[A-Za-z_][\w.]*")
"""How a callable of PyTorch is written; its code is run."""


def load(model: Model, inputs: Inputs | None = None, *, mode: Mode | None = None, **overrides: Any) -> Graph:
    """Load a network.

    >>> graph = load("googlenet", (8, 3, 192, 192), **{"inception_3a/5x5_reduce": 24})
    >>> graph["inception_3a/5x5_reduce"].op.out_channels
    24

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
        graph = model if inputs is None else with_inputs(model, inputs)
        return graph if mode in (None, graph.mode) else msgspec.structs.replace(graph, mode=mode)
    if is_file(model):
        return read_file(model, overrides, inputs, mode or "inference")
    config, metadata, _ = configure(model, overrides)
    batch = 1
    if inputs is not None:
        batch, *image = image_shape(inputs)
        config = config.replace(input=tuple(image))
    try:
        return config.graph(mode or "inference", batch, metadata)
    except ShapeError as error:
        where = f"{metadata.description}: " if metadata.source == "config" and metadata.description else ""
        raise ShapeError(f"{where}{error}") from None


def both_modes(model: Model, overrides: Mapping[str, Any], inputs: Inputs | None) -> tuple[Graph, Graph]:
    """Load a network at inference and in training, as `load_with` does; a Graph is what it is."""
    if isinstance(model, Graph):
        graph = load_with(model, overrides, inputs)
        return graph, graph
    if is_pytorch(model):
        require("torch", extra="torch")
        from inception_lens.pytorch.models import load_both

        return load_both(model, overrides, unnamed(inputs))
    return load_with(model, overrides, inputs, "inference"), load_with(model, overrides, inputs, "training")


def is_pytorch(model: object) -> bool:
    """Whether `model` is PyTorch's: a module, an exported program, or a text that names one."""
    if isinstance(model, str | os.PathLike):
        text = os.fspath(model)
        return text.endswith(".pt2") or CALLABLE.fullmatch(text) is not None
    torch = sys.modules.get("torch")  # where it is not loaded, nothing of it can have come
    return torch is not None and isinstance(model, torch.nn.Module | torch.export.ExportedProgram)
