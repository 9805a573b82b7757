"""Every operation in every format: each writes it and reads it back, or an exemption states why it cannot.

A new operation fails here once for each format that does not have it yet. An exemption that is not needed fails too.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from inception_lens import ops
from inception_lens.errors import FormatError, GraphError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import OPS, Op, TensorType
from inception_lens.pytorch.build.network import build
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.readers.caffe.prototxt import read_prototxt
from inception_lens.readers.onnx.model import read_onnx
from inception_lens.writers.caffe.prototxt import to_prototxt
from inception_lens.writers.onnx.model import to_onnx
from inception_lens.writers.pytorch.source import torch_source
from tests.ops.test_table import IMAGE, SAMPLES, SEQUENCE, VOLUME

PLAIN: dict[type[Op], tuple[Op, tuple[TensorType, ...]]] = SAMPLES | {
    ops.ConvTranspose2d: (ops.ConvTranspose2d(6, (3, 3), (2, 2)), (IMAGE,)),
    ops.MaxPool2d: (ops.MaxPool2d((3, 3), (2, 2)), (IMAGE,)),
    ops.MaxPool3d: (ops.MaxPool3d((3, 3, 3), (2, 2, 2)), (VOLUME,)),
    ops.AvgPool2d: (ops.AvgPool2d((3, 3), (2, 2)), (IMAGE,)),
    ops.AdaptiveAvgPool1d: (ops.AdaptiveAvgPool1d(), (SEQUENCE,)),
    ops.AdaptiveAvgPool2d: (ops.AdaptiveAvgPool2d(), (IMAGE,)),
    ops.AdaptiveMaxPool2d: (ops.AdaptiveMaxPool2d(), (IMAGE,)),
    ops.AdaptiveMaxPool3d: (ops.AdaptiveMaxPool3d(), (VOLUME,)),
    ops.BatchNorm3d: (ops.BatchNorm3d(), (VOLUME,)),
    ops.InstanceNorm: (ops.InstanceNorm(affine=True), (IMAGE,)),
    ops.LSTM: (ops.LSTM(3), (SEQUENCE,)),
    ops.Elementwise: (ops.Elementwise("mul"), (IMAGE, IMAGE)),
    ops.Add: (ops.Add(), (IMAGE, IMAGE)),
}
"""The simplest form of each operation that is more than its default."""

UNDEFINED: tuple[str, list[type[Op]]] = ("it does not define what it computes", [ops.Declared, ops.Unknown])


def alone(op: Op, types: tuple[TensorType, ...]) -> Graph:
    """A network of one call; a tensor that no operation produces is added to an input."""
    inputs = [Input(f"x{i}", type_) for i, type_ in enumerate(types)]
    nodes = [Node("call", op, tuple(given.name for given in inputs))]
    if not inputs:
        inputs = [Input("x", op.output_types(())[0])]
        nodes.append(Node("sum", ops.Add(), ("x", "call")))
    return Graph.of(inputs, nodes, [Output(nodes[-1].name)])


def traced(graph: Graph, folder: Path, *, shortcuts: bool) -> Graph:
    return trace(build(graph), tuple(given.type for given in graph.inputs), shortcuts=shortcuts)


def through_modules(graph: Graph, folder: Path) -> Graph:
    """Build PyTorch's modules, and read them by their classes."""
    return traced(graph, folder, shortcuts=True)


def through_operators(graph: Graph, folder: Path) -> Graph:
    """Build PyTorch's modules, and read the operators that they call."""
    return traced(graph, folder, shortcuts=False)


def through_source(graph: Graph, folder: Path) -> Graph:
    """Write Python source that needs PyTorch alone, run it, and read the module."""
    source = torch_source(graph)
    names: dict[str, object] = {"__name__": "written"}
    exec(compile(source, "written.py", "exec"), names)  # noqa: S102
    (*_, network) = [name for name, value in names.items() if isinstance(value, type) and value.__module__ == "written"]
    kind = names[network]
    assert isinstance(kind, type)
    module = kind()
    assert isinstance(module, nn.Module)
    return trace(module, tuple(given.type for given in graph.inputs))


def through_onnx(graph: Graph, folder: Path) -> Graph:
    path = folder / "net.onnx"
    path.write_bytes(to_onnx(graph))
    return read_onnx(str(path))


def through_caffe(graph: Graph, folder: Path) -> Graph:
    path = folder / "net.prototxt"
    path.write_text(to_prototxt(graph), encoding="utf-8")
    return read_prototxt(str(path), {given.name: given.type.shape for given in graph.inputs})


FORMATS: dict[Callable[[Graph, Path], Graph], list[tuple[str, list[type[Op]]]]] = {
    through_modules: [UNDEFINED],
    through_operators: [
        UNDEFINED,
        (
            "PyTorch's operator returns the indices too: it is a `Declared`",
            [ops.AdaptiveMaxPool1d, ops.AdaptiveMaxPool2d, ops.AdaptiveMaxPool3d],
        ),
        ("PyTorch composes it of other operators", [ops.LocalResponseNorm]),
    ],
    through_source: [UNDEFINED],
    through_onnx: [
        UNDEFINED,
        ("ONNX has other orders of the gates, and one layer per node", [ops.RNN, ops.LSTM, ops.GRU]),
        ("ONNX composes it of reshapes and a concatenation", [ops.Stack]),
    ],
    through_caffe: [
        UNDEFINED,
        (
            "Caffe's pools and transposed convolutions are those of images",
            [ops.ConvTranspose1d, *(kind for kind in OPS if kind.category == "pool" and kind.__name__[-2:] != "2d")],
        ),
        ("Caffe has no such norm", [ops.LayerNorm, ops.RMSNorm, ops.GroupNorm, ops.InstanceNorm]),
        (
            "Caffe has no such activation",
            [ops.GELU, ops.Mish, ops.Hardswish, ops.Hardsigmoid, ops.LogSoftmax],
        ),
        ("Caffe's recurrent layers have one bias, and its RNN has an output layer", [ops.RNN, ops.LSTM, ops.GRU]),
        ("Caffe multiplies by learned matrices only", [ops.MatMul, ops.ScaledDotProductAttention]),
        (
            "only forks of Caffe have it, if any",
            [
                ops.Permute,
                ops.Expand,
                ops.Select,
                ops.Pad,
                ops.Upsample,
                ops.Stack,
                ops.PixelShuffle,
                ops.PixelUnshuffle,
            ],
        ),
        ("Caffe's Slice returns all parts of its input", [ops.Slice]),
    ],
}
"""Each way through a format and back, with the operations that it cannot express: why, and which."""


@pytest.mark.filterwarnings("ignore:.*oneDNN")
@pytest.mark.parametrize("kind", OPS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("through", FORMATS, ids=lambda through: through.__name__)
def test_an_operation_survives_a_format(
    through: Callable[[Graph, Path], Graph], kind: type[Op], tmp_path: Path
) -> None:
    graph = alone(*PLAIN[kind])
    exempt = any(kind in kinds for _, kinds in FORMATS[through])
    try:
        found = through(graph, tmp_path).nodes
    except (FormatError, GraphError) as error:
        found, reason = (), str(error)
    else:
        reason = f"read as {[node.op.kind for node in found]}"
    survives = any(type(node.op) is kind for node in found)
    assert survives or exempt, f"{through.__name__} lacks {kind.__name__}: {reason}"
    assert not (survives and exempt), f"{through.__name__} needs no exemption for {kind.__name__}"


@pytest.mark.parametrize("kind", [nn.PixelShuffle(2), nn.PixelUnshuffle(2)], ids=repr)
@pytest.mark.parametrize("shape", [(2, 8, 4, 6), (1, 4, 2, 2), (2, 4, 6, 2)], ids=str)
def test_pixel_shuffles_compute_the_same_in_onnx(kind: nn.Module, shape: tuple[int, ...], tmp_path: Path) -> None:
    import onnxruntime

    graph = trace(kind, shape, mode="inference")
    (node,) = graph.nodes
    assert node.name == node.op.kind == type(kind).__name__
    assert through_onnx(graph, tmp_path) == graph
    session = onnxruntime.InferenceSession((tmp_path / "net.onnx").read_bytes())
    x = torch.rand(shape)
    (found,) = session.run(None, {graph.inputs[0].name: x.numpy()})
    assert torch.equal(torch.from_numpy(found), kind(x))
