"""Operators without a rule: the `onnx` package infers their types, and their MACs are 0 only where they must be."""

from pathlib import Path

import onnx
import pytest
from onnx import helper

import inception_lens as il
from inception_lens.ops import TensorType
from inception_lens.readers.onnx.inference import infer_types
from inception_lens.readers.onnx.protos import attributes_of
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue
from tests.readers.onnx.onnx_models import info, ints, kinds, model, node, read, scalar, unknown, weight


def test_what_follows_an_operator_without_a_rule_is_counted(tmp_path: Path) -> None:
    made = model([node("GridSample", "x g", "s"), node("Conv", "s w")], [weight("w", 4, 8, 1, 1)])
    made.graph.input.append(info("g", 1, 5, 6, 2))
    totals = il.analyze(read(tmp_path, made)).totals
    assert (totals.params, totals.macs, totals.macs_exact, totals.exact) == (32, 32 * 30, True, False)


def test_the_values_of_small_inputs_decide_a_shape(tmp_path: Path) -> None:
    made = model(
        [node("CenterCropPad", "x s", "c", axes=[2, 3]), node("Conv", "c w")],
        [ints("s", 4, 5), weight("w", 4, 8, 1, 1)],
    )
    assert il.analyze(read(tmp_path, made)).totals.macs == 32 * 20


def test_an_operator_that_can_multiply_has_unknown_macs(tmp_path: Path) -> None:
    made = model(
        [node("AffineGrid", "x s", "g"), node("Reshape", "g r")], [ints("s", 2, 3, 4, 5), ints("r", -1)], (2, 2, 3)
    )
    graph = read(tmp_path, made)
    assert kinds(graph) == "?AffineGrid Reshape"
    assert graph.types[graph.outputs[0].node][0].shape == (2 * 4 * 5 * 2,)
    assert not il.analyze(graph).totals.macs_exact


def test_what_cannot_multiply_has_no_macs_whatever_its_shape(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "c"), node("NonZero", "c", "p"), node("Transpose", "p", "t"), node("Cast", "t", to=1)]
    graph = read(tmp_path, model(nodes, [weight("w", 4, 8, 1, 1)]))
    totals = il.analyze(graph).totals
    assert (totals.macs, totals.macs_exact, totals.exact) == (32 * 120, True, False)
    assert unknown(graph) == ["NonZero", "Transpose", "Cast"]


def test_attributes_of_a_function_are_those_of_its_call(tmp_path: Path) -> None:
    body = [node("LpPool", "a", "b", strides=[2, 2])]
    body[0].attribute.append(onnx.AttributeProto(name="kernel_shape", type="INTS", ref_attr_name="kernel"))
    inner = helper.make_function("local", "Pool", ["a"], ["b"], body, [helper.make_opsetid("", 20)], ["kernel"])
    call = helper.make_node("Pool", ["x"], ["y"], domain="local", kernel=[3, 2])
    graph = read(tmp_path, model([call], functions=[inner]))
    assert graph.types[graph.outputs[0].node][0].shape == (1, 8, 5, 5)


def test_statistics_of_a_norm_have_its_axes(tmp_path: Path) -> None:
    made = model([node("LayerNormalization", "x g", "y m d", axis=2)], [weight("g", 12, 10)], outputs=["y", "m", "d"])
    graph = read(tmp_path, made)
    assert kinds(graph) == "LayerNorm statistics statistics"
    assert [graph.types[each.node][0].shape for each in graph.outputs[1:]] == [(1, 8, 1, 1)] * 2
    assert il.analyze(graph).totals.exact


def test_declared_types_are_those_of_the_declared_input(tmp_path: Path) -> None:
    made = model([helper.make_node("Custom", ["x"], ["m"], domain="elsewhere"), node("Relu", "m")])
    made.opset_import.append(helper.make_opsetid("elsewhere", 1))
    made.graph.value_info.append(info("m", 1, 8, 12, 10))
    assert kinds(read(tmp_path, made)) == "?Custom ReLU"
    assert kinds(read(tmp_path, made, {"x": (2, 8, 12, 10)})) == "?Custom Relu"
    made.graph.value_info[0].CopyFrom(info("m", 0, 8, 12, 10))
    assert kinds(read(tmp_path, made)) == "?Custom Relu"


@pytest.mark.parametrize(
    "call",
    [
        node("Split", "x", "a b c d", num_outputs=3),
        node("LpPool", "x", kernel_shape=[2, 2], strides=[0, 0]),
        node("LayerNormalization", "x x", "y m d", axis=2**31),
        node("GatherND", "x x", batch_dims=-5),
        node("STFT", "x i"),
        node("NoSuchOperator", "x"),
        node("Einsum", "x", equation="ab->c"),
    ],
    ids=lambda call: call.op_type,
)
def test_invalid_calls_have_no_types_and_do_not_end_the_process(call: onnx.NodeProto) -> None:
    values = tuple(OnnxValue(TensorType((2, 0, 5))) for _ in call.input)
    outputs = tuple(call.output)
    attributes = attributes_of(call.attribute, {})
    made = OnnxCall(call.op_type, "name", values, attributes, outputs, (None,) * len(outputs), 20, (1,), proto=call)
    assert infer_types(made) == []


def test_a_type_that_no_tensor_can_have_is_ignored(tmp_path: Path) -> None:
    made = model(
        [node("Range", "a b c", "r"), node("Expand", "x r")], [scalar("a", 0), scalar("b", 2**62), scalar("c", 1)]
    )
    graph = read(tmp_path, made)
    assert not il.analyze(graph).totals.exact
