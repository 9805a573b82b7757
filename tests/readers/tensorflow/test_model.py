"""What a GraphDef's nodes become: weights, layers of several calls, inputs, outputs and functions; and errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.errors import FormatError
from inception_lens.graph import Inputs
from inception_lens.readers.tensorflow import functions
from inception_lens.readers.tensorflow import graph_def as graph_def_reader
from tests.readers.tensorflow.graph_defs import (
    INT32,
    TEXT,
    field,
    graph_def,
    integers,
    node,
    placeholder,
    shape_of,
    small_graph,
    weights,
)

SAME: dict[str, object] = {"strides": [1, 1, 1, 1], "padding": "SAME"}


def read(tmp_path: Path, *nodes: bytes, inputs: Inputs | None = None, version: int = 1000) -> Analysis:
    path = tmp_path / "net.pb"
    path.write_bytes(nodes[0] if len(nodes) == 1 else graph_def(*nodes, version=version))
    return il.analyze(path, inputs)


def kinds(analysis: Analysis) -> list[str]:
    return [each.op.kind for each in analysis.graph.nodes]


def test_layers_of_several_calls_are_one(tmp_path: Path) -> None:
    found = read(tmp_path, small_graph())
    layers = [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "Conv2d",
        "MaxPool2d",
        "Concat",
        "AvgPool2d",
        "Flatten",
        "Linear",
        "Softmax",
    ]
    assert kinds(found) == layers
    assert found.graph["conv/Conv2D"].op.label == "3x3/2"
    assert found.totals.exact
    # 3x3x3x8 + 8, the shift of the norm, 1x1x8x4, 48x10 + 10; the scale of ones is not learned
    assert found.totals.params == 224 + 8 + 32 + 490
    assert found.totals.macs == 8 * 8 * 8 * 27 + 8 * 8 * 4 * 8 + 480
    assert found.graph.inputs[0].type.shape == (1, 3, 16, 16)


def norm(scale: str, end: str = "") -> list[bytes]:
    tensors = [name + end for name in (scale, "beta", "mean", "var")]
    statistics = [weights(name, 4) for name in ("beta", "mean", "var")]
    reads = [node(f"{name}/read", "Identity", name) for name in (scale, "beta", "mean", "var")]
    call = node("bn", "FusedBatchNorm", "image", *tensors, is_training=False)
    return [placeholder("image", (-1, 5, 5, 4)), *statistics, *reads, call]


def test_a_scale_of_ones_is_learned_if_it_was_a_variable(tmp_path: Path) -> None:
    ones = weights("ones", 4, value=1.0)
    assert read(tmp_path, ones, *norm("ones")).totals.params == 4
    assert read(tmp_path, ones, *norm("ones", "/read")).totals.params == 8
    assert read(tmp_path, weights("gamma", 4, value=1.0), *norm("gamma")).totals.params == 8


def test_statistics_are_buffers(tmp_path: Path) -> None:
    found = read(tmp_path, weights("scale", 4), *norm("scale"))
    assert (found.totals.params, found.totals.buffers) == (8, 8)


def test_constants_next_to_variables_are_not_learned(tmp_path: Path) -> None:
    """The mean image of a network whose kernels are read through an Identity, as variables are."""
    image = placeholder("image", (1, 8, 8, 3))
    subtraction = node("centred", "Sub", "image", "mean")
    kernel, mean = weights("kernel", 1, 1, 3, 5), weights("mean", 3)
    conv = node("conv", "Conv2D", "centred", "kernel/read", **SAME)
    frozen = read(tmp_path, image, mean, subtraction, kernel, node("kernel/read", "Identity", "kernel"), conv)
    assert frozen.totals.params == 15
    stripped = read(tmp_path, image, mean, subtraction, kernel, node("conv", "Conv2D", "centred", "kernel", **SAME))
    assert stripped.totals.params == 18  # the mean looks like a weight


def test_a_shared_kernel_counts_once(tmp_path: Path) -> None:
    calls = [node(name, "Conv2D", x, "kernel", **SAME) for name, x in (("a", "image"), ("b", "a"))]
    found = read(tmp_path, placeholder("image", (1, 8, 8, 4)), weights("kernel", 3, 3, 4, 4), *calls)
    assert found.totals.params == 144
    assert found.totals.macs == 2 * 64 * 144


def test_variables_of_a_graph_that_is_not_frozen(tmp_path: Path) -> None:
    shape = field(7, shape_of((3, 3, 3, 8)))
    found = read(
        tmp_path, placeholder("image", (-1, 8, 8, 3)), node("w", "VariableV2", dtype=field(6, 1), shape=shape),
        node("assign", "Assign", "w", "w"), node("conv", "Conv2D", "image", "w", **SAME),
    )  # fmt: skip
    assert found.totals.params == 216
    assert [each.node for each in found.graph.outputs] == ["conv"]


def test_inception_v3s_old_norm_has_a_scale_that_it_does_not_use(tmp_path: Path) -> None:
    tensors = [weights(name, 4) for name in ("m", "v", "beta", "gamma")]
    norm = node(
        "bn", "BatchNormWithGlobalNormalization", "image", "m", "v", "beta", "gamma", scale_after_normalization=False
    )
    assert read(tmp_path, placeholder("image", (1, 5, 5, 4)), *tensors, norm).totals.params == 4


def test_a_decoded_image_is_an_input(tmp_path: Path) -> None:
    nodes = (
        placeholder("contents", (), TEXT), node("DecodeJpeg", "DecodeJpeg", "contents", channels=3),
        node("cast", "Cast", "DecodeJpeg", DstT=field(6, 1)), integers("zero", 0), integers("size", 32, 32),
        node("batch", "ExpandDims", "cast", "zero"), node("resize", "ResizeBilinear", "batch", "size"),
        weights("kernel", 3, 3, 3, 8), node("conv", "Conv2D", "resize", "kernel", **SAME),
    )  # fmt: skip
    with pytest.raises(FormatError, match="--input DecodeJpeg=1x224x3"):
        read(tmp_path, *nodes)
    found = read(tmp_path, *nodes, inputs={"DecodeJpeg": (299, 299, 3)})
    assert found.graph.types["conv"][0].shape == (1, 8, 32, 32)


@pytest.mark.parametrize("given", [(2, 3, 20, 24), (2, 20, 24, 3), (3, 20, 24)])
def test_a_given_shape_may_have_tensorflows_order(tmp_path: Path, given: Sequence[int]) -> None:
    nodes = (
        placeholder("image", (-1, -1, -1, 3)),
        weights("w", 1, 1, 3, 2),
        node("conv", "Conv2D", "image", "w", **SAME),
    )
    assert read(tmp_path, *nodes, inputs=given).graph.inputs[0].type.shape[1:] == (3, 20, 24)


def test_an_old_placeholder_without_axes_is_of_unknown_shape(tmp_path: Path) -> None:
    nodes = placeholder("image", ()), weights("w", 1, 1, 3, 2), node("conv", "Conv2D", "image", "w", **SAME)
    with pytest.raises(FormatError, match="--input image=1x3x224x224"):
        read(tmp_path, *nodes, version=20)
    found = read(tmp_path, *nodes, inputs=(1, 3, 9, 9), version=20)
    assert found.graph.types["conv"][0].shape == (1, 2, 9, 9)


def test_unknown_operations_are_shown_and_what_follows_keeps_its_parameters(tmp_path: Path) -> None:
    found = read(
        tmp_path, placeholder("image", (1, 8, 8, 3)), node("odd", "Strange", "image"), weights("w", 3, 3, 3, 8),
        node("conv", "Conv2D", "odd", "w", **SAME), node("second", "Relu", "odd:1"),
    )  # fmt: skip
    assert not found.totals.exact
    assert not found.totals.macs_exact
    assert found.totals.params == 216
    assert "Strange" in kinds(found)


def test_the_shape_of_any_call_can_be_given(tmp_path: Path) -> None:
    """What follows an unknown operation is known again; what precedes it is left out."""
    nodes = (
        placeholder("image", (1, -1, -1, 3)), node("odd", "Strange", "image"), weights("w", 3, 3, 3, 8),
        node("conv", "Conv2D", "odd", "w", **SAME),
    )  # fmt: skip
    found = read(tmp_path, *nodes, inputs={"odd": (1, 3, 8, 8)})
    assert kinds(found) == ["Conv2d"]
    assert found.totals.exact


def test_quantized_weights_of_an_unknown_operation_are_not_counted_as_none(tmp_path: Path) -> None:
    content = field(8, field(1, 12) + field(2, shape_of((3, 3, 3, 8))) + field(4, bytes(216)))
    found = read(
        tmp_path, placeholder("image", (1, 8, 8, 3)), node("w", "Const", dtype=field(6, 12), value=content),
        node("conv", "QuantizedConv2D", "image", "w"),
    )  # fmt: skip
    assert not found.totals.params_exact


def test_a_loop_is_unknown(tmp_path: Path) -> None:
    found = read(
        tmp_path, placeholder("x", (1, 4)), node("enter", "Enter", "x"), node("merge", "Merge", "enter", "next"),
        node("body", "Relu", "merge"), node("next", "NextIteration", "body"), node("exit", "Exit", "merge"),
    )  # fmt: skip
    assert not found.totals.exact


def function(name: str, argument: str, nodes: Sequence[bytes], result: str) -> bytes:
    signature = field(1, name) + field(2, field(1, argument)) + field(3, field(1, "y"))
    body = b"".join(field(3, each) for each in nodes)
    return field(1, field(1, signature) + body + field(4, field(1, "y") + field(2, result)))


def call_of(name: str, f: str, x: str) -> bytes:
    return node(name, "PartitionedCall", x, f=field(10, field(1, f)))


def test_functions_are_expanded(tmp_path: Path) -> None:
    inner = function("inner", "a", [weights("w", 6, 4), node("fc", "MatMul", "a", "w:output:0")], "fc:product:0")
    outer = function(
        "outer", "b", [call_of("call", "inner", "b"), node("relu", "Relu", "call:output:0")], "relu:activations:0"
    )
    nodes = placeholder("x", (-1, 6)), call_of("first", "outer", "x"), node("last", "Softmax", "first")
    found = read(tmp_path, graph_def(*nodes, library=inner + outer))
    assert [(each.name, each.op.kind) for each in found.graph.nodes] == [
        ("first/call/fc", "Linear"),
        ("first/relu", "ReLU"),
        ("last", "Softmax"),
    ]
    assert found.totals.params == 24


def test_functions_that_call_each_other_without_end_are_refused(tmp_path: Path) -> None:
    endless = function("f", "a", [call_of("call", "f", "a")], "call:output:0")
    with pytest.raises(FormatError, match="functions inside each other"):
        read(tmp_path, graph_def(placeholder("x", (1, 4)), call_of("c", "f", "x"), library=endless))


def signature_of(name: str, output: str) -> bytes:
    """A signature of a SavedModel that returns one tensor."""
    return field(1, name) + field(2, field(2, field(1, "y") + field(2, field(1, output))))


def test_a_saved_model_has_the_outputs_of_its_signature(tmp_path: Path) -> None:
    nodes = placeholder("x", (-1, 6)), weights("w", 6, 4), node("fc", "MatMul", "x", "w"), node("other", "Relu", "x")
    signature = signature_of("serving_default", "fc:0")
    saved = field(1, 1) + field(2, field(2, graph_def(*nodes)) + field(5, signature))
    folder = tmp_path / "classifier"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(saved)
    graphs = read(tmp_path, saved).graph, il.load(folder), il.load(str(folder))
    assert [[each.node for each in graph.outputs] for graph in graphs] == 3 * [["fc"]]
    assert graphs[1].name == "classifier"


IMAGE = placeholder("image", (1, 8, 8, 3))
W = weights("w", 3, 3, 3, 8)
INVALID = {
    "has no nodes": [field(4, b"")],
    "no name or no operation": [graph_def(field(1, "x"))],
    "two nodes are called `a`": [IMAGE, node("a", "Relu", "image"), node("a", "Relu", "image")],
    "reads `imag`, which is not a node .did you mean `image`": [IMAGE, node("a", "Relu", "imag")],
    "depends on its own output": [
        IMAGE, node("a", "Add", "b", "image"), node("b", "Relu", "a"), node("c", "Relu", "b"),
    ],
    "no call depends on an input": [weights("w", 3), node("a", "Relu", "w")],
    "`a` .Conv2D.: weights of 8x4x3x3 do not fit": [
        IMAGE, weights("w", 3, 3, 4, 8), node("a", "Conv2D", "image", "w", **SAME),
    ],
    "`strides` is .1, 1.; expected 4": [
        IMAGE, weights("w", 3, 3, 3, 8), node("a", "Conv2D", "image", "w", strides=[1, 1], padding="SAME"),
    ],
    "a variable without a fixed shape": [
        IMAGE, node("w", "VariableV2", dtype=field(6, 1)), node("a", "Add", "image", "w"),
    ],
    "`explicit_paddings` is .1.; expected 8": [
        IMAGE, W, node("a", "Conv2D", "image", "w", padding="EXPLICIT", explicit_paddings=[1]),
    ],
    "a kernel of 3 for a map of 4 axes": [IMAGE, weights("k", 3), node("a", "Conv2D", "image", "k", **SAME)],
    "a kernel of 5 for a map of 4 axes": [
        IMAGE, weights("k", 5), integers("s", 1, 8, 8, 3), node("a", "Conv2DBackpropInput", "s", "k", "image", **SAME),
    ],
    "is a SavedModel without a graph": [field(1, 1) + field(2, field(5, b""))],
    "`a` has more than 1,000 attributes": [IMAGE, node("a", "Relu", "image", **{f"k{i}": i for i in range(1001)})],
    "more than 1,000 integers": [IMAGE, node("a", "Relu", "image", k=[1] * 1001)],
    "more than 1,000 values": [IMAGE, node("a", "Relu", "image", k=field(1, field(2, "x") * 1001))],
    "more than 64 axes": [placeholder("image", [1] * 65), node("a", "Relu", "image")],
    "a constant has an unknown shape": [
        IMAGE, node("c", "Const", value=field(8, field(1, 1) + field(2, field(3, 1)))), node("a", "Add", "image", "c"),
    ],
    "output `none` is not a node": [
        field(1, 1) + field(2, field(2, graph_def(IMAGE)) + field(5, signature_of("s", "none"))),
    ],
    "its inputs or attributes are invalid": [
        placeholder("v", (3,)), node("a", "FusedBatchNorm", "v", "v", "v", "v", "v"),
    ],
    "attribute `alpha` is not a number": [IMAGE, node("a", "LeakyRelu", "image", alpha="x")],
    "attribute `padding` is not a text": [IMAGE, W, node("a", "Conv2D", "image", "w", padding=1)],
    "attribute `strides` is not a list of integers": [
        IMAGE, W, node("a", "Conv2D", "image", "w", padding="SAME", strides=field(1, field(2, "x"))),
    ],
    "attribute `value` is not a tensor": [IMAGE, node("c", "Const", value=1), node("a", "Add", "image", "c")],
    "attribute `strides` is not a list": [IMAGE, W, node("a", "Conv2D", "image", "w", strides="x")],
    "cannot remove axes .1. of a tensor of .1, 8, 8, 3.": [IMAGE, node("a", "Squeeze", "image", squeeze_dims=[1])],
    "a split into 20,000 parts": [IMAGE, integers("i", 3), node("a", "Split", "i", "image", num_split=20_000)],
    "an axis of 3 cannot be split into 2 equal parts": [
        IMAGE, integers("i", 3), node("a", "Split", "i", "image", num_split=2),
    ],
    "a step of 0": [
        IMAGE, integers("b", 0), integers("e", 4), integers("z", 0), node("a", "StridedSlice", "image", "b", "e", "z"),
    ],
    "input 1 is missing": [IMAGE, node("a", "Conv2D", "image", **SAME)],
    "cannot be reshaped": [IMAGE, integers("s", 7, -1), node("a", "Reshape", "image", "s")],
    "attribute `axis` is not an integer": [IMAGE, node("a", "Pack", "image", axis="x")],
    "input is 1x0": [placeholder("input", (1, 0)), node("a", "Relu", "input")],
}  # fmt: skip


@pytest.mark.parametrize("message", INVALID)
def test_invalid_graphs_are_refused_in_one_line(tmp_path: Path, message: str) -> None:
    with pytest.raises(FormatError, match=message.replace("input is", "input.* is")) as caught:
        read(tmp_path, *INVALID[message])
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = [node("relu", "Relu", "a"), node("last", "Relu", "relu")]
    called = graph_def(
        placeholder("x", (1, 4)), call_of("c", "f", "x"), library=function("f", "a", body, "last:activations:0")
    )
    monkeypatch.setattr(functions, "MAX_NODES", 3)
    with pytest.raises(FormatError, match="more than 3 nodes, with functions expanded"):
        read(tmp_path, called)
    monkeypatch.setattr(functions, "MAX_NODES", 1)
    with pytest.raises(FormatError, match="more than 1 nodes in functions"):
        read(tmp_path, called)
    monkeypatch.setattr(graph_def_reader, "MAX_NODES", 3)
    with pytest.raises(FormatError, match="more than 3 nodes"):
        read(tmp_path, small_graph())


def test_an_input_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="has no input `imag`"):
        read(tmp_path, IMAGE, node("a", "Relu", "image"), inputs={"imag": (1, 3, 8, 8)})
    with pytest.raises(FormatError, match="has 4 axes, not 2"):
        read(tmp_path, IMAGE, node("a", "Relu", "image"), inputs=(3, 8))


def test_whole_numbers_of_an_image_are_an_input_too(tmp_path: Path) -> None:
    found = read(
        tmp_path, placeholder("ids", (-1, 5), INT32), weights("rows", 7, 3), node("e", "Gather", "rows", "ids")
    )
    assert kinds(found) == ["Embedding"]
    assert found.totals.params == 21
