"""ONNX models written by hand: operators, functions, branches, sharing, and what is no model."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import inception_lens as il
from inception_lens.cli import run
from inception_lens.errors import ConfigError, FormatError
from inception_lens.ops import TensorType, Unknown
from inception_lens.readers.onnx import graph_builder
from tests.readers.onnx.onnx_models import FLOAT, ints, model, node, read, weight

CASES: list[tuple[str, Sequence[onnx.NodeProto], Sequence[Any], str, int, int, Sequence[str]]] = [
    (
        "grouped conv",
        [node("Conv", "x w b", group=4, kernel_shape=[3, 3], pads=[1, 0, 1, 0], strides=[2, 1])],
        [weight("w", 4, 2, 3, 3), weight("b", 4)], "1x4x6x8", 76, 4 * 48 * 18, ["Conv2d"],
    ),
    (
        "same lower",
        [node("MaxPool", "x", kernel_shape=[2, 2], auto_pad="SAME_LOWER")],
        [], "1x8x12x10", 0, 0, ["MaxPool2d"],
    ),
    (
        "transposed", [node("ConvTranspose", "x w", strides=[2, 2], output_shape=[24, 20])],
        [weight("w", 8, 3, 3, 3)], "1x3x24x20", 216, 120 * 216, ["ConvTranspose2d"],
    ),
    (
        "gemm", [node("Flatten", "x", "f"), node("Gemm", "f w b", transB=1)],
        [weight("w", 5, 960), weight("b", 5)], "1x5", 4805, 4800, ["Flatten", "Linear"],
    ),
    (
        "linear with bias", [node("MatMul", "x w", "m"), node("Add", "b m")],
        [weight("w", 10, 5), weight("b", 5)], "1x8x12x5", 55, 4800, ["Linear"],
    ),
    (
        "linear read twice", [node("MatMul", "x w", "m"), node("Add", "m b", "s"), node("Mul", "s m")],
        [weight("w", 10, 5), weight("b", 5)], "1x8x12x5", 55, 4800, ["Linear", "Parameter", "add", "mul"],
    ),
    (
        "tensors multiplied",
        [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")],
        [], "1x8x12x12", 0, 8 * 1440, ["Permute", "MatMul"],
    ),
    ("silu", [node("Sigmoid", "x", "s"), node("Mul", "x s")], [], "1x8x12x10", 0, 0, ["SiLU"]),
    ("a gate", [node("Sigmoid", "x", "s"), node("Add", "x s")], [], "1x8x12x10", 0, 0, ["Sigmoid", "Add"]),
    (
        "residual",
        [node("Relu", "x", "a"), node("Mul", "x c", "m"), node("Add", "a m")],
        [weight("c", value=0.5)], "1x8x12x10", 0, 0, ["ReLU", "Add"],
    ),
    (
        "relu6",
        [node("Clip", "x low high")],
        [weight("low", value=0), weight("high", value=6)], "1x8x12x10", 0, 0, ["Hardtanh"],
    ),
    ("scale", [node("Mul", "x g")], [weight("g", 8, 1, 1)], "1x8x12x10", 8, 0, ["Parameter", "mul"]),
    ("mask", [node("Add", "x g")], [weight("g", 12, 10, value=-1e9)], "1x8x12x10", 0, 0, ["Constant", "add"]),
    (
        "batch norm",
        [node("BatchNormalization", "x g b m v", momentum=0.9)],
        [weight(n, 8) for n in "gbmv"], "1x8x12x10", 16, 0, ["BatchNorm2d"],
    ),
    (
        "layer norm",
        [node("LayerNormalization", "x g b", axis=-1)],
        [weight("g", 10), weight("b", 10)], "1x8x12x10", 20, 0, ["LayerNorm"],
    ),
    (
        "shape arithmetic",
        [
            node("Shape", "x", "s"), node("Gather", "s i", "n"), node("Unsqueeze", "n z", "u"),
            node("Concat", "u m", "t", axis=0), node("Reshape", "x t"),
        ],
        [numpy_helper.from_array(np.array(0), "i"), ints("z", 0), ints("m", -1)], "1x960", 0, 0, ["Flatten"],
    ),
    (
        "slice",
        [node("Slice", "x a b c d")],
        [ints("a", 1, -4), ints("b", 99, -1), ints("c", 1, 3), ints("d", 2, 1)], "1x4x12x3", 0, 0, ["Slice", "Slice"],
    ),
    ("pad", [node("Pad", "x p")], [ints("p", 0, 0, 1, 2, 0, 0, 3, 4)], "1x8x16x16", 0, 0, ["Pad"]),
    (
        "embedding",
        [node("Cast", "x", "c", to=7), node("Gather", "w c")],
        [weight("w", 50, 6)], "1x8x12x10x6", 300, 0, ["cast", "Embedding"],
    ),
    ("einsum", [node("Einsum", "x x", equation="nchw,ndhw->ncd")], [], "1x8x8", 0, 8 * 8 * 120, ["einsum"]),
    (
        "depth to space",
        [node("DepthToSpace", "x", blocksize=2)],
        [], "1x2x24x20", 0, 0, ["Reshape", "Permute", "Reshape"],
    ),
    (
        "depth to space, PyTorch's order",
        [node("DepthToSpace", "x", blocksize=2, mode="CRD")],
        [], "1x2x24x20", 0, 0, ["PixelShuffle"],
    ),
    (
        "space to depth",
        [node("SpaceToDepth", "x", blocksize=2)],
        [], "1x32x6x5", 0, 0, ["Reshape", "Permute", "Reshape"],
    ),
    (
        "pixel unshuffle",
        [node("Reshape", "x b", "r"), node("Transpose", "r", "t", perm=(0, 1, 3, 5, 2, 4)), node("Reshape", "t s")],
        [ints("b", 1, 8, 6, 2, 5, 2), ints("s", 1, 32, 6, 5)], "1x32x6x5", 0, 0, ["PixelUnshuffle"],
    ),
    (
        "pixel shuffle",
        [node("Reshape", "x b", "r"), node("Transpose", "r", "t", perm=(0, 1, 4, 2, 5, 3)), node("Reshape", "t s")],
        [ints("b", 1, 2, 2, 2, 12, 10), ints("s", 1, 2, 24, 20)], "1x2x24x20", 0, 0, ["PixelShuffle"],
    ),
    (
        "blocks in another order",
        [node("Reshape", "x b", "r"), node("Transpose", "r", "t", perm=(0, 3, 5, 1, 2, 4)), node("Reshape", "t s")],
        [ints("b", 1, 8, 6, 2, 5, 2), ints("s", 1, 32, 6, 5)], "1x32x6x5", 0, 0, ["Reshape", "Permute", "Reshape"],
    ),
    (
        "blocks of another shape",
        [node("Reshape", "x b", "r"), node("Transpose", "r", "t", perm=(0, 1, 4, 2, 5, 3)), node("Reshape", "t s")],
        [ints("b", 1, 2, 2, 2, 12, 10), ints("s", 1, 2, 48, 10)], "1x2x48x10", 0, 0, ["Reshape", "Permute", "Reshape"],
    ),
    (
        "blocks that are read themselves",
        [node("Reshape", "x b", "r"), node("Transpose", "r", "t", perm=(0, 1, 3, 5, 2, 4)), node("Relu", "t")],
        [ints("b", 1, 8, 6, 2, 5, 2)], "1x8x2x2x6x5", 0, 0, ["Reshape", "Permute", "ReLU"],
    ),
    ("reduction", [node("ReduceMean", "x a", keepdims=0)], [ints("a", 2, 3)], "1x8", 0, 0, ["mean"]),
    (
        "quantised weight",
        [node("DequantizeLinear", "q c", "w"), node("Conv", "x w")],
        [numpy_helper.from_array(np.ones((4, 8, 1, 1), "i1"), "q"), weight("c", value=0.1)],
        "1x4x12x10", 32, 3840, ["Conv2d"],
    ),
    ("old softmax", [node("Softmax", "x")], [], "1x8x12x10", 0, 0, ["Softmax"]),
    (
        "attention",
        [node("MatMul", "x w", "q"), node("Softmax", "q", axis=-1)],
        [weight("w", 10, 10)], "1x8x12x10", 100, 9600, ["Linear", "Softmax"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_an_operator_is_counted_by_our_rules(tmp_path: Path, case: Any) -> None:
    _, nodes, weights, shape, params, macs, kinds = case
    graph = read(tmp_path, model(nodes, weights))
    totals = il.analyze(graph).totals
    assert "x".join(map(str, graph.types[graph.outputs[0].node][0].shape)) == shape
    assert [each.op.kind for each in graph.nodes] == kinds
    assert (totals.params, totals.macs, totals.exact) == (params, macs, True)


def test_an_initialiser_counts_once_however_often_it_is_read(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("MatMul", "a w", "b"), node("Transpose", "w", "t"), node("MatMul", "b t")]
    totals = il.analyze(read(tmp_path, model(nodes, [weight("w", 10, 10)]))).totals
    assert (totals.params, totals.macs) == (100, 3 * 9600)


def test_a_table_tied_to_a_head_counts_once(tmp_path: Path) -> None:
    nodes = [
        node("Cast", "x", "c", to=7),
        node("Gather", "w c", "e"),
        node("Transpose", "w", "t"),
        node("MatMul", "e t"),
    ]
    totals = il.analyze(read(tmp_path, model(nodes, [weight("w", 50, 6)], (1, 7)))).totals
    assert (totals.params, totals.macs) == (300, 7 * 6 * 50)


def test_a_constant_is_no_parameter_but_in_a_weight_s_place(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Constant", [], ["g"], value=weight("", 8, 1, 1)),
        helper.make_node("Constant", [], ["w"], value=weight("", 4, 8, 1, 1)),
        node("Mul", "x g", "m"),
        node("Conv", "m w"),
    ]
    assert il.analyze(read(tmp_path, model(nodes))).totals.params == 32


def test_functions_of_the_model_are_written_out(tmp_path: Path) -> None:
    body = [
        helper.make_node("Conv", ["a", "w"], ["c"]),
        helper.make_node("Elu", ["c"], ["d"]),
    ]
    body[1].attribute.append(onnx.AttributeProto(name="alpha", type="FLOAT", ref_attr_name="slope"))
    inner = helper.make_function("local", "Layer", ["a", "w"], ["d"], body, [helper.make_opsetid("", 20)], ["slope"])
    calls = [
        helper.make_node("Layer", ["x", "w"], ["m"], "first", domain="local", slope=0.5),
        helper.make_node("Layer", ["m", "v"], ["y"], "second", domain="local", slope=0.25),
    ]
    graph = read(tmp_path, model(calls, [weight("w", 4, 8, 1, 1), weight("v", 8, 4, 1, 1)], functions=[inner]))
    assert [each.name for each in graph.nodes] == ["first/conv", "first/elu", "second/conv", "second/elu"]
    assert [getattr(each.op, "alpha", None) for each in graph.nodes] == [None, 0.5, None, 0.25]
    assert il.analyze(graph).totals.params == 64


def endless(calls: int) -> Any:
    """A function that calls itself, so often each time."""
    body = [helper.make_node("Layer", ["a"], [f"d{i}"], domain="local") for i in range(calls)]
    inner = helper.make_function("local", "Layer", ["a"], ["d0"], body, [helper.make_opsetid("local", 1)])
    return model([helper.make_node("Layer", ["x"], ["y"], domain="local")], functions=[inner])


def doubling(depth: int) -> Any:
    """Functions each of which calls the next one twice."""
    functions = []
    for i in range(depth):
        name = f"F{i + 1}" if i + 1 < depth else ""
        calls = [helper.make_node(name or "Relu", ["a"], [f"d{j}"], domain="local" if name else "") for j in (0, 1)]
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
        functions.append(helper.make_function("local", f"F{i}", ["a"], ["d0"], calls, opsets))
    return model([helper.make_node("F0", ["x"], ["y"], domain="local")], functions=functions)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (endless(1), "more than 32 functions"),
        (endless(2), "more than 32"),
        (doubling(30), "more than 2,000 calls and nodes"),
    ],
    ids=["itself", "twice", "doubling"],
)
def test_functions_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Any, said: str
) -> None:
    monkeypatch.setattr(graph_builder, "MAX_STEPS", 2_000)  # fewer than of a real file, to be quick about it
    with pytest.raises(FormatError, match=said):
        read(tmp_path, made)


def branches(condition: Any) -> Any:
    then = helper.make_graph([node("Conv", "x w", "t")], "then", [], [helper.make_tensor_value_info("t", FLOAT, None)])
    other = helper.make_graph([node("Relu", "x", "e")], "else", [], [helper.make_tensor_value_info("e", FLOAT, None)])
    nodes = [*condition, helper.make_node("If", ["c"], ["y"], "choice", then_branch=then, else_branch=other)]
    return model(nodes, [weight("w", 4, 8, 1, 1), ints("four", 4)])


def test_a_branch_is_taken_where_the_shapes_say_which(tmp_path: Path) -> None:
    rank = [node("Shape", "x", "s"), node("Size", "s", "r"), node("Equal", "r four", "c")]
    graph = read(tmp_path, branches(rank))
    assert [each.name for each in graph.nodes] == ["choice/conv"]
    assert il.analyze(graph).totals.params == 32


def test_a_branch_that_only_the_run_knows_is_no_zero(tmp_path: Path) -> None:
    sum_ = [node("ReduceSum", "x", "s", keepdims=0), node("Cast", "s", "c", to=9)]
    analysis = il.analyze(read(tmp_path, branches(sum_)))
    assert not analysis.totals.exact
    assert [layer.op for layer in analysis.uncounted] == ["If"]


def test_an_unknown_operator_is_listed_and_what_reads_it_where_nobody_told_its_shape(tmp_path: Path) -> None:
    strange = helper.make_node("Strange", ["x"], ["m"], "strange", domain="elsewhere")
    nodes = [strange, node("Conv", "m w")]
    made = model(nodes, [weight("w", 4, 8, 1, 1)])
    made.opset_import.append(helper.make_opsetid("elsewhere", 1))
    graph = read(tmp_path, made)
    assert [each.op.kind for each in graph.nodes if isinstance(each.op, Unknown)] == ["Strange", "Conv"]
    made.graph.value_info.append(helper.make_tensor_value_info("m", FLOAT, [1, 8, 12, 10]))
    graph = read(tmp_path, made)
    assert [each.op.kind for each in graph.nodes if isinstance(each.op, Unknown)] == ["Strange"]
    assert il.analyze(graph).totals.macs == 3840


def test_numbers_in_other_files_are_never_looked_for(tmp_path: Path) -> None:
    made = model([node("Conv", "x w")], [weight("w", 4, 8, 1, 1)])
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for place in ("/etc/passwd", "../../secret", "no-such-file"):
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=place)
        assert il.analyze(read(tmp_path, made)).totals.params == 32


def test_a_dtype_can_be_given_with_a_shape(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model([node("Relu", "x")], x=("n", "c")).SerializeToString())
    assert run(["summary", str(path), "--input", "x=2x9:float16", "--format", "json"]) == 0
    assert il.load(path, {"x": TensorType((2, 9), "float16")}).inputs[0].type == TensorType((2, 9), "float16")
    with pytest.raises(ConfigError, match="has no keys"):
        il.load(path, classes=3)


HUGE = [("a", 0), ("b", 2**40), ("c", 1)]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (model([node("Conv", "x w")], [weight("w", 4, 7, 1, 1)]), "`conv` (Conv): weights of 4x7x1x1 do not fit"),
        (model([node("Conv", "x w")], [weight("w", 4, 8, 99, 1)]), "does not fit the 12x10 map"),
        (model([node("Relu", "z")]), "`relu` (Relu): input `z` is not produced by any node before it"),
        (model([node("Relu", "x", "z")]), "graph output `y` is not produced by any node"),
        (model([node("Reshape", "x s")], [ints("s", 7, -1)]), "1x8x12x10 cannot be reshaped to 7x-1"),
        (model([node("Concat", "x x", axis=9)]), "axis 9"),
        (model([node("MaxPool", "x", kernel_shape=[0, 1])]), "`kernel_shape` is [0, 1]; expected 2 integers"),
        (model([node("Conv", "x w", group=0)], [weight("w", 4, 8, 1, 1)]), "`conv` (Conv)"),
        (model([node("Transpose", "x", perm=[0, 0, 1, 2])]), "`perm` is [0, 0, 1, 2]; expected the axes of 1x8x12x10"),
        (model([node("Range", "a b c", "r"), node("Expand", "x r")], [ints(*each) for each in HUGE]), ""),
        (model([node("Relu", "x")], x=(1, 0, 3)), "has sizes that are not fixed"),
        (model([node("Gather", "x i", axis=1)], [numpy_helper.from_array(np.array(99), "i")]), "Select 99"),
        (model([node("Cast", "x", to=99)]), "unknown data type 99"),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_onnx_could_not_do_names_the_node(tmp_path: Path, made: Any, said: str) -> None:
    if not said:
        assert not il.analyze(read(tmp_path, made)).totals.exact
        return
    with pytest.raises(FormatError, match=re.escape(said)) as caught:
        read(tmp_path, made)
    assert str(caught.value).startswith(str(tmp_path / "model.onnx"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\x08\x07", "it has no graph"),
        (b"not a model", "not a protocol buffer"),
        (b"\0" * 1000, "not a protocol buffer"),
        (model([node("Relu", "x")]).SerializeToString()[:-9], "truncated"),
        (b"\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "unterminated varint"),
        (b"\x3a\x03\x0a\x01\xff", "unterminated varint"),
    ],
    ids=["empty", "no graph", "text", "zeros", "cut", "length", "inside"],
)
def test_what_is_no_model_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, said: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert run(["summary", str(path)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
