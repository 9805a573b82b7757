"""ONNX models: counts of combined operators, ownership of weights, functions, branches, metadata, unknown operators."""

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
from tests.readers.onnx.onnx_models import info, ints, kinds, model, node, read, scalar, unknown, weight

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
        "a bias of zeros next to computed weights",
        [node("Mul", "w g", "s"), node("Conv", "x s b")],
        [weight("w", 4, 8, 1, 1), weight("g", 4, 1, 1, 1), weight("b", 4, value=0)], "1x4x12x10", 32 + 4 + 4, 120 * 32,
        ["Parameter", "Parameter", "mul", "Parameter", "Conv2d"],
    ),
    (
        "batch norm with a computed scale",
        [node("Mul", "g f", "s"), node("BatchNormalization", "x s b m v")],
        [*[weight(n, 8) for n in "gbmv"], weight("f", value=0.1)], "1x8x12x10", 16, 0,
        ["Parameter", "mul", "Parameter", "Buffer", "Buffer", "BatchNorm2d"],
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
        "quantized weight",
        [node("DequantizeLinear", "q c", "w"), node("Conv", "x w")],
        [numpy_helper.from_array(np.ones((4, 8, 1, 1), "i1"), "q"), weight("c", value=0.1)],
        "1x4x12x10", 32, 3840, ["Conv2d"],
    ),
    ("softmax", [node("Softmax", "x")], [], "1x8x12x10", 0, 0, ["Softmax"]),
    (
        "attention",
        [node("MatMul", "x w", "q"), node("Softmax", "q", axis=-1)],
        [weight("w", 10, 10)], "1x8x12x10", 100, 9600, ["Linear", "Softmax"],
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_operators_become_operations_with_their_counts(tmp_path: Path, case: Any) -> None:
    _, nodes, weights, shape, params, macs, operations = case
    graph = read(tmp_path, model(nodes, weights))
    totals = il.analyze(graph).totals
    assert "x".join(map(str, graph.types[graph.outputs[0].node][0].shape)) == shape
    assert [each.op.kind for each in graph.nodes] == operations
    assert (totals.params, totals.macs, totals.exact) == (params, macs, True)


@pytest.mark.parametrize(
    ("call", "weights", "flops"),
    [
        (node("CumSum", "x i"), [scalar("i", 1)], 960),
        (node("AveragePool", "x", kernel_shape=[2, 3], dilations=[2, 1]), [], 8 * 10 * 8 * 6),
        (node("QuantizeLinear", "x s"), [weight("s", value=0.5)], 2 * 960),
        (node("Trilu", "x"), [], 0),
        (node("Einsum", "x x", equation="nchw,nchw->n"), [], 2 * 960),
        (node("Einsum", "x x x", equation="nchw,nchw,ndhw->n"), [], 2 * 2 * 8 * 960),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_an_operation_without_a_class_has_its_flops(
    tmp_path: Path, call: onnx.NodeProto, weights: Sequence[Any], flops: int
) -> None:
    assert il.analyze(read(tmp_path, model([call], weights))).totals.flops == flops


def test_a_weight_counts_once_in_all_its_layers(tmp_path: Path) -> None:
    nodes = [node("MatMul", "x w", "a"), node("MatMul", "a w", "b"), node("Transpose", "w", "t"), node("MatMul", "b t")]
    totals = il.analyze(read(tmp_path, model(nodes, [weight("w", 10, 10)]))).totals
    assert (totals.params, totals.macs) == (100, 3 * 9600)


def test_an_embedding_tied_to_a_head_counts_once(tmp_path: Path) -> None:
    table = [weight("w", 50, 6)]
    tokens, head = [node("Cast", "x", "c", to=7)], [node("Transpose", "w", "t"), node("MatMul", "e t")]
    graph = read(tmp_path, model([*tokens, node("Gather", "w c", "e"), *head], table, (1, 7)))
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs, kinds(graph)) == (300, 7 * 6 * 50, "cast Embedding Linear")
    scores = [node("MatMul", "x t", "s"), node("ArgMax", "s", "c", axis=-1, keepdims=0), node("Gather", "w c")]
    graph = read(tmp_path, model([node("Transpose", "w", "t"), *scores], table, (1, 7, 6)))
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs, kinds(graph)) == (300, 7 * 6 * 50, "Linear argmax Embedding")
    assert graph.types[graph.outputs[0].node][0].shape == (1, 7, 6)


def test_an_embedding_of_a_weight_in_another_shape_does_not_count_again(tmp_path: Path) -> None:
    nodes = [
        node("Reshape", "w r", "v"),
        node("MatMul", "x v", "s"),
        node("Cast", "s", "c", to=7),
        node("Gather", "w c"),
    ]
    graph = read(tmp_path, model(nodes, [weight("w", 50, 6), ints("r", 10, 30)]))
    assert (il.analyze(graph).totals.params, kinds(graph)) == (300, "Linear cast Embedding")
    assert graph.types[graph.outputs[0].node][0].shape == (1, 8, 12, 30, 6)


def test_a_weight_in_two_shapes_counts_once_and_its_second_layer_costs_the_same(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "a"), node("Reshape", "w r", "v"), node("Conv", "a v")]
    weights = [weight("w", 8, 8, 1, 1), ints("r", 8, 2, 2, 2)]
    graph = read(tmp_path, model([*nodes[:2], node("Conv", "a v", group=4)], weights))
    analysis = il.analyze(graph)
    assert (analysis.totals.params, analysis.totals.macs) == (64, 8 * 120 * 8 + 8 * 11 * 9 * 2 * 4)
    assert [each.op.kind for each in graph.nodes] == ["Conv2d", "Constant", "Conv2d"]
    assert graph.nodes[-1].parameters == ()


def test_a_kernel_that_the_model_computes_is_not_a_parameter(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "r"), node("Slice", "r a b c", "k"), node("Conv", "x k")]
    weights = [ints("a", 0, 0), ints("b", 3, 3), ints("c", 2, 3)]
    graph = read(tmp_path, model(nodes, weights))
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs) == (0, 10 * 8 * 8 * 9)
    assert [each.op.kind for each in graph.nodes] == ["ReLU", "Slice", "Slice", "Conv2d"]
    assert graph.nodes[-1].inputs == ("x", graph.nodes[-2].name)


def test_recurrent_weights_that_are_shared_count_once(tmp_path: Path) -> None:
    nodes = [
        node("RNN", "x w r b", "s", hidden_size=4),
        node("Squeeze", "s a", "q"),
        node("RNN", "q w r b", hidden_size=4),
    ]
    weights = [weight("w", 1, 4, 4), weight("r", 1, 4, 4), weight("b", 1, 8), ints("a", 1)]
    graph = read(tmp_path, model(nodes, weights, (5, 2, 4)))
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs) == (40, 2 * 5 * 2 * (16 + 16))
    (second,) = (each for each in graph.nodes if each.op.kind == "RNN" and len(each.inputs) > 1)
    assert [graph.types[name][0].shape for name in second.inputs] == [(5, 2, 4), (1, 4, 4), (1, 4, 4), (1, 8)]
    assert graph.types[graph.outputs[0].node][0].shape == (5, 1, 2, 4)


def test_the_initial_state_of_a_recurrent_layer_is_not_a_parameter(tmp_path: Path) -> None:
    call = node("GRU", "x w r b _ h", "y last", hidden_size=4)
    weights = [weight("w", 1, 12, 4), weight("r", 1, 12, 4), weight("b", 1, 24), weight("h", 1, 2, 4, value=0.5)]
    graph = read(tmp_path, model([call], weights, (5, 2, 4), outputs=["y", "last"]))
    assert il.analyze(graph).totals.params == 48 + 48 + 24
    assert [each.op.kind for each in graph.nodes] == ["Constant", "GRU", "Reshape", "Permute"]
    assert graph.nodes[1].inputs == ("x", graph.nodes[0].name)
    assert [graph.types[output.node][0].shape for output in graph.outputs] == [(5, 1, 2, 4), (1, 2, 4)]


@pytest.mark.parametrize(
    "attribute", [{"value_ints": [1, 960]}, {"value": ints("", 1, 960)}], ids=["integers", "tensor"]
)
def test_a_constant_can_be_numbers_or_a_tensor(tmp_path: Path, attribute: dict[str, Any]) -> None:
    graph = read(tmp_path, model([node("Constant", "", "r", **attribute), node("Reshape", "x r")]))
    assert graph.types[graph.outputs[0].node][0].shape == (1, 960)


def test_single_numbers_are_part_of_a_function(tmp_path: Path) -> None:
    numbers = [node("Constant", "", "a", value_float=0.5), node("Constant", "", "b", value_int=2)]
    graph = read(tmp_path, model([*numbers, node("Mul", "x a", "m"), node("Pow", "m b")]))
    assert [(each.op.kind, each.inputs) for each in graph.nodes] == [("mul", ("x",)), ("pow", (graph.nodes[0].name,))]


def test_a_sparse_weight_counts_as_the_dense_one(tmp_path: Path) -> None:
    made = model([node("MatMul", "x w")])
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(weight("w", 2), ints("i", 3, 7), [10, 5]))
    assert il.analyze(read(tmp_path, made)).totals.params == 50
    values = helper.make_sparse_tensor(weight("", 2), ints("i", 3, 7), [10, 5])
    nodes = [helper.make_node("Constant", [], ["w"], sparse_value=values), node("MatMul", "x w")]
    assert il.analyze(read(tmp_path, model(nodes))).totals.params == 50


def test_the_dtype_of_a_model_is_that_of_most_weights(tmp_path: Path) -> None:
    half = numpy_helper.from_array(np.ones((4, 8, 1, 1), "f2"), "w")
    assert read(tmp_path, model([node("Conv", "x w")], [half], dtype=TensorProto.FLOAT16)).dtype == "float16"
    assert read(tmp_path, model([node("Relu", "x")])).dtype == "float32"


@pytest.mark.parametrize(
    "op", ["Expand", "Pad", "ReduceSum", "Reshape", "Split", "Squeeze", "Tile", "TopK", "Unsqueeze", "Upsample"]
)
def test_an_operator_is_unknown_if_its_shape_depends_on_run_time_data(tmp_path: Path, op: str) -> None:
    nodes = [node("Cast", "x", "c", to=7), node(op, "x c"), node("Relu", "y", "z")]
    graph = read(tmp_path, model(nodes, outputs=["z"]))
    assert unknown(graph) == [op, "Relu"]
    assert not il.analyze(graph).totals.exact


@pytest.mark.parametrize("inputs", ["x c c", "x i c", "x i i c", "x i i i c"])
def test_a_slice_at_unknown_positions_is_unknown(tmp_path: Path, inputs: str) -> None:
    graph = read(tmp_path, model([node("Cast", "x", "c", to=7), node("Slice", inputs)], [ints("i", 1)]))
    assert unknown(graph) == ["Slice"]


@pytest.mark.parametrize(
    ("call", "weights"),
    [
        (node("OneHot", "c c v"), [weight("v", 2)]),
        (node("ConstantOfShape", "c"), []),
        (node("Einsum", "x", equation="...->..."), []),
        (node("LSTM", "x w w _ _ _ _ p"), [weight("w", 1, 4, 8), weight("p", 1, 3)]),
        (node("Resize", "x _ s"), [weight("s", 3)]),
        (node("Loop", "c c x", body=helper.make_graph([], "b", [], [])), []),
        (node("RandomUniform", ""), []),
        (node("Tile", "x r"), [ints("r", 2)]),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_a_form_without_a_rule_is_unknown(tmp_path: Path, call: onnx.NodeProto, weights: Sequence[Any]) -> None:
    graph = read(tmp_path, model([node("Cast", "x", "c", to=7), call], weights))
    assert unknown(graph) == [call.op_type]


def test_further_outputs_are_written_where_they_are_read(tmp_path: Path) -> None:
    call, weights = node("Relu", "x", "y z"), [weight("g", 10)]
    assert kinds(read(tmp_path, model([call], weights))) == "ReLU"
    graph = read(tmp_path, model([call], weights, outputs=["y", "z"], value_info=[info("z", 3, 4)]))
    assert [each.op.kind for each in graph.nodes] == ["ReLU", "Relu"]
    assert graph.types[graph.outputs[1].node][0].shape == (3, 4)


def test_functions_of_the_model_are_expanded(tmp_path: Path) -> None:
    body = [node("Conv", "a w", "c"), node("Elu", "c", "d")]
    body[1].attribute.append(onnx.AttributeProto(name="alpha", type="FLOAT", ref_attr_name="slope"))
    inner = helper.make_function("local", "Layer", ["a", "w"], ["d"], body, [helper.make_opsetid("", 20)], ["slope"])
    calls = [
        helper.make_node("Layer", ["x", "w"], ["m"], "first", domain="local", slope=0.5),
        helper.make_node("Layer", ["m", "v"], ["y"], "second", domain="local"),
    ]
    graph = read(tmp_path, model(calls, [weight("w", 4, 8, 1, 1), weight("v", 8, 4, 1, 1)], functions=[inner]))
    assert [each.name for each in graph.nodes] == ["first/conv", "first/elu", "second/conv", "second/elu"]
    assert [getattr(each.op, "alpha", None) for each in graph.nodes] == [None, 0.5, None, 1.0]
    assert il.analyze(graph).totals.params == 64


def test_a_call_can_leave_out_inputs_of_a_function(tmp_path: Path) -> None:
    body = [node("Conv", "a w b", "c")]
    inner = helper.make_function("local", "Layer", ["a", "w", "b"], ["c"], body, [helper.make_opsetid("", 20)])
    calls = [
        helper.make_node("Layer", ["x", "w"], ["m"], domain="local"),
        helper.make_node("Layer", ["m", "v", "b"], ["y"], domain="local"),
    ]
    weights = [weight("w", 4, 8, 1, 1), weight("v", 8, 4, 1, 1), weight("b", 8)]
    assert il.analyze(read(tmp_path, model(calls, weights, functions=[inner]))).totals.params == 32 + 32 + 8
    inner.output.append("d")
    with pytest.raises(FormatError, match="output `d` is not produced by any node"):
        read(tmp_path, model(calls, weights, functions=[inner]))


def test_a_function_has_its_own_opset_and_defaults(tmp_path: Path) -> None:
    default = helper.make_attribute("axis", 1)
    body = [node("Softmax", "a", "b")]
    body[0].attribute.append(onnx.AttributeProto(name="axis", type="INT", ref_attr_name="axis"))
    inner = helper.make_function("local", "Old", ["a"], ["b"], body, [helper.make_opsetid("", 11)], [], [default])
    calls = [helper.make_node("Old", ["x"], ["y"], "old", domain="local")]
    assert kinds(read(tmp_path, model(calls, functions=[inner]))) == "Reshape Softmax Reshape"


def branches(condition: Sequence[onnx.NodeProto]) -> onnx.ModelProto:
    then = helper.make_graph([node("Conv", "x v", "t")], "then", [], [info("t")], [weight("v", 4, 8, 1, 1)])
    other = helper.make_graph([node("Relu", "x", "e")], "else", [], [info("e")])
    nodes = [*condition, helper.make_node("If", ["c"], ["y"], "choice", then_branch=then, else_branch=other)]
    return model(nodes, [ints("four", 4), ints("five", 5)])


def test_an_if_without_the_branch_that_is_taken_is_invalid(tmp_path: Path) -> None:
    made = branches([node("Shape", "x", "s"), node("Size", "s", "r"), node("Equal", "r four", "c")])
    del made.graph.node[-1].attribute[:]
    with pytest.raises(FormatError, match=r"`choice` \(If\): attribute `then_branch` is not a graph"):
        read(tmp_path, made)


def test_attributes_of_other_types_are_ignored(tmp_path: Path) -> None:
    call = node("Relu", "x")
    call.attribute.append(helper.make_attribute("graphs", [helper.make_graph([], "g", [], [])]))
    call.attribute.append(helper.make_attribute("names", ["one", "two"]))
    assert kinds(read(tmp_path, model([call]))) == "ReLU"


@pytest.mark.parametrize(("rank", "name", "params"), [("four", "choice/conv", 32), ("five", "choice/relu", 0)])
def test_a_branch_is_taken_if_its_condition_follows_from_shapes(
    tmp_path: Path, rank: str, name: str, params: int
) -> None:
    nodes = [node("Shape", "x", "s"), node("Size", "s", "r"), node("Equal", f"r {rank}", "c")]
    graph = read(tmp_path, branches(nodes))
    assert [each.name for each in graph.nodes] == [name]
    assert il.analyze(graph).totals.params == params


def test_a_branch_that_depends_on_data_is_unknown(tmp_path: Path) -> None:
    nodes = [node("ReduceSum", "x", "s", keepdims=0), node("Cast", "s", "c", to=9)]
    analysis = il.analyze(read(tmp_path, branches(nodes)))
    assert not analysis.totals.exact
    assert [layer.op for layer in analysis.uncounted] == ["If"]


def test_what_reads_an_unknown_shape_is_unknown(tmp_path: Path) -> None:
    nodes = [helper.make_node("Custom", ["x"], ["m"], "custom", domain="elsewhere"), node("Conv", "m w")]
    made = model(nodes, [weight("w", 4, 8, 1, 1)])
    made.opset_import.append(helper.make_opsetid("elsewhere", 1))
    graph = read(tmp_path, made)
    assert unknown(graph) == ["Custom", "Conv"]
    made.graph.value_info.append(info("m", 1, 8, 12, 10))
    graph = read(tmp_path, made)
    assert unknown(graph) == ["Custom"]
    assert il.analyze(graph).totals.macs == 3840


def test_an_operator_of_another_domain_is_unknown(tmp_path: Path) -> None:
    made = model([helper.make_node("Relu", ["x"], ["y"], domain="elsewhere")])
    made.opset_import.append(helper.make_opsetid("elsewhere", 1))
    assert isinstance(read(tmp_path, made).nodes[0].op, Unknown)


def test_data_of_other_files_are_never_opened(tmp_path: Path) -> None:
    made = model([node("Conv", "x w")], [weight("w", 4, 8, 1, 1)])
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for place in ("/etc/passwd", "../../secret", "no-such-file"):
        del tensor.external_data[:]
        tensor.external_data.add(key="location", value=place)
        assert il.analyze(read(tmp_path, made)).totals.params == 32


def test_kinds_of_tensors_that_the_exporter_records_decide_what_is_a_parameter(tmp_path: Path) -> None:
    nodes = [node("Add", "x w", "a"), node("Mul", "a b", "c"), node("Add", "c folded", "d"), node("Mul", "d mask")]
    sizes = {"w": (8, 12, 10), "b": (12, 10), "folded": (10,), "mask": (12, 1)}
    made = model(nodes, [weight(name, *sizes[name]) for name in ("b", "folded", "mask")])
    made.graph.input.append(info("w", *sizes["w"]))
    made.graph.input[-1].metadata_props.add(key="pkg.torch.export.graph_signature.InputSpec.kind", value="PARAMETER")
    for name, key, value in (
        ("b", "pkg.torch.export.graph_signature.InputSpec.kind", "BUFFER"),
        ("folded", "pkg.onnxscript.optimizer.folded_from", "['bias', 'scale']"),
        ("mask", "pkg.onnxscript.optimizer.folded_from", "['causal_mask', 'ones']"),
    ):
        entry = info(name, *sizes[name])
        entry.metadata_props.add(key=key, value=value)
        made.graph.value_info.append(entry)
    totals = il.analyze(read(tmp_path, made)).totals
    assert (totals.params, totals.buffers) == (960 + 10, 120)


def test_an_initializer_that_the_exporter_computed_from_one_other_is_the_same_weight(tmp_path: Path) -> None:
    made = model([node("MatMul", "x w", "a"), node("MatMul", "a v")], [weight("w", 10, 10), weight("v", 10, 10)])
    assert il.analyze(read(tmp_path, made)).totals.params == 200
    entry = info("v", 10, 10)
    entry.metadata_props.add(key="pkg.onnxscript.optimizer.folded_from", value="['w']")
    made.graph.value_info.append(entry)
    assert il.analyze(read(tmp_path, made)).totals.params == 100


@pytest.mark.parametrize(
    ("name", "scopes", "expected"),
    [
        ("", "", "relu"),
        ("/layer1/layer1.0/act/Relu", "", "layer1/0/act"),
        ("/layer1/layer1.0/act/Relu_1", "", "layer1/0/act"),
        ("/layer1/Mystery", "", "layer1/Mystery"),
        ("Relu", "", "Relu"),
        ("node_relu", "['', 'layer1.0', 'relu']", "layer1/0"),
        ("node_relu", "['', 'relu']", "relu"),
        ("node:1", "", "node_1"),
    ],
)
def test_a_node_is_named_after_its_module(tmp_path: Path, name: str, scopes: str, expected: str) -> None:
    call = node("Relu", "x", name=name)
    if scopes:
        call.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    assert [each.name for each in read(tmp_path, model([call])).nodes] == [expected]


def test_a_tensor_is_named_after_its_module(tmp_path: Path) -> None:
    graph = read(tmp_path, model([node("Mul", "x block.scale")], [weight("block.scale", 8, 1, 1)]))
    assert [(each.name, each.parameters) for each in graph.nodes] == [("block/scale", ("block.scale",)), ("mul", ())]


def test_nodes_of_one_module_have_their_own_names(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "r", name="/act/Relu"), node("Exp", "r", name="/act/Exp")]
    assert [each.name for each in read(tmp_path, model(nodes)).nodes] == ["act", "act/Exp"]


def test_a_dtype_can_be_given_with_a_shape(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model([node("Relu", "x")], x=("n", "c")).SerializeToString())
    assert run(["summary", str(path), "--input", "x=2x9:float16", "--format", "json"]) == 0
    for given in (TensorType((2, 9), "float16"), np.zeros((2, 9), "f2")):
        assert il.load(path, {"x": given}).inputs[0].type == TensorType((2, 9), "float16")
    with pytest.raises(ConfigError, match="has no keys"):
        il.load(path, classes=3)


def test_arithmetic_on_shapes_stops_at_large_arrays(tmp_path: Path) -> None:
    numbers = [ints("a", 0), ints("b", 2**40), ints("c", 1)]
    graph = read(tmp_path, model([node("Range", "a b c", "r"), node("Expand", "x r")], numbers))
    assert not il.analyze(graph).totals.exact
    assert unknown(graph) == ["Range", "Expand"]


def test_scalars_select_a_position(tmp_path: Path) -> None:
    graph = read(tmp_path, model([node("Gather", "x i", axis=-1)], [scalar("i", -1)]))
    assert graph.types[graph.outputs[0].node][0].shape == (1, 8, 12)


def test_data_in_the_field_of_another_type_are_unknown(tmp_path: Path) -> None:
    tensor = TensorProto(name="r", data_type=TensorProto.STRING, dims=[2], int64_data=[1, 960])
    graph = read(tmp_path, model([node("Reshape", "x r")], [tensor]))
    assert unknown(graph) == ["Reshape"]


def test_attention_reads_the_keys_and_values_of_a_cache(tmp_path: Path) -> None:
    made = model([node("Attention", "x x x _ p p", "y k v s")], x=(2, 3, 4, 8), opset=23, outputs=["y", "k", "v", "s"])
    made.graph.input.append(info("p", 2, 3, 14, 8))
    graph = read(tmp_path, made)
    totals = il.analyze(graph).totals
    assert (totals.macs, totals.macs_exact) == (2 * 3 * 4 * 18 * 8 * 2, True)
    shapes = [graph.types[each.node][0].shape for each in graph.outputs]
    assert shapes == [(2, 3, 4, 8), (2, 3, 18, 8), (2, 3, 18, 8), (2, 3, 4, 18)]
