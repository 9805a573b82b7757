"""A model as its Graph, its Analysis and its table."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Unpack

from inception_lens.analyses import analysis
from inception_lens.analyses.analysis import Analysis
from inception_lens.graph import Graph, Inputs, Mode
from inception_lens.lens.keys import Keys
from inception_lens.lens.resolution import source_of
from inception_lens.terminal import Terminal

if TYPE_CHECKING:
    from inception_lens.lens.resolution import Model


def load(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: str | os.PathLike[str] | None = None,
    **keys: Unpack[Keys],
) -> Graph:
    """Load a network.

    >>> graph = load("googlenet", (8, 3, 192, 192), classes=10, overrides={"inception_3a/5x5_reduce": 24})
    >>> graph["inception_3a/5x5_reduce"].op.out_channels
    24

    Args:
        model: a name of the catalogue; the path of a config (`.toml`), an ONNX model, a Caffe net, a TensorFlow graph,
            a Keras model, a Paddle program, a Darknet config, an exported program (`.pt2`) or a TorchScript archive;
            `package.module:callable` or `file.py:callable`, whose code is run; a config, a Graph, a PyTorch module or
            an exported program.
        inputs: shape of the input, `(N, C, H, W)`, or anything with a `.shape`; several in a sequence, or by name in a
            mapping. By default the network's own, with a batch of 1. For PyTorch a tuple of tensors, shapes and other
            arguments, or a mapping of keyword arguments; objects that hold tensors, such as a named tuple, a dataclass
            or a PackedSequence, are copied with traced tensors in them. A tuple of whole numbers is a shape. So is a
            list of them, unless a tensor or a shape that is not a list is among the inputs: in `(image, [16, 16])` the
            list is an argument, in `[[2, 8], [2, 8]]` both are shapes.
        mode: `inference`, the default for every model but a Graph, which stays in its own mode; or `training`, which
            keeps the auxiliary heads and is the phase TRAIN of a prototxt. A module's training flags are put back.
        batch: samples at once, the first axis of every input.
        dtype: of the parameters and the floating-point inputs, such as `float16`.
        overrides: further changes to the config by path, such as `{"inception_3a/5x5_reduce": 24}`; `stage` and `level`
            of a prototxt; the arguments of a callable.
        weights: a file with the `state_dict` of a callable's module, .pt, .pth or .safetensors. Its values are read
            only if the model decides by them.
        **keys: top-level keys of the config, such as `classes=10`.

    Raises:
        UnknownModelError: the model is unknown.
        ConfigError: an override is wrong, or the config is.
        FormatError: the file is damaged, does not exist, or is a placeholder of another file.
        GraphError: the network cannot take the input, the batch or the dtype.
        TraceError: a PyTorch model's forward pass, or the callable that returns it, ended in an error.
        WeightsError: the weights cannot be read, or do not fit the module.
        MissingExtraError: the model needs a package that is not installed.
    """
    return source_of(model, {**(overrides or {}), **keys}, weights).graph(mode, inputs, batch=batch, dtype=dtype)


def analyze(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: str | os.PathLike[str] | None = None,
    **keys: Unpack[Keys],
) -> Analysis:
    """Analyse a network: its cost, memory and receptive fields. Arguments and errors are those of `load`.

    A PyTorch model without inputs is the tree of its modules: their parameters are known, their shapes and costs not.

    >>> analysis = analyze("googlenet")
    >>> analysis.totals.params, analysis.totals.macs
    (6998552, 1582671872)
    >>> [(module.name, module.macs) for module in analysis.by_module()[:2]]
    [('conv1', 118013952), ('pool1', 0)]
    """
    source = source_of(model, {**(overrides or {}), **keys}, weights)
    return analysis.analyze(source.overview(mode, inputs, batch=batch, dtype=dtype))


def summary(
    model: Model,
    inputs: Inputs | None = None,
    *,
    mode: Mode | None = None,
    batch: int | None = None,
    dtype: str | None = None,
    overrides: Mapping[str, object] | None = None,
    weights: str | os.PathLike[str] | None = None,
    depth: int | None = 1,
    **keys: Unpack[Keys],
) -> Analysis:
    """Print the table of a network and return its Analysis. Arguments and errors are those of `load`.

    >>> analysis = summary("lenet")
    lenet: LeNet-5...

    A PyTorch model without inputs is shown as by `analyze`.

    `depth` is the number of levels of modules that the table opens; None opens all.
    """
    from inception_lens.renderers.tables.text import render
    from inception_lens.tables.summary import summary_table

    found = analyze(model, inputs, mode=mode, batch=batch, dtype=dtype, overrides=overrides, weights=weights, **keys)
    print(render(summary_table(found, depth=depth), **Terminal().style(to_file=False)), end="")  # noqa: T201
    return found
