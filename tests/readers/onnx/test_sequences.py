"""Sequences and optional values: what is read from them has the types and values that onnxruntime computes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

import inception_lens as il
from inception_lens.errors import FormatError
from tests.readers.onnx.onnx_cases import Case, check
from tests.readers.onnx.onnx_models import info, ints, kinds, model, node, read, scalar, unknown, weight

SPLIT, CONCAT = node("SplitToSequence", "x", "s", axis=2), node("ConcatFromSequence", "s", axis=1)
PARTS = " ".join(["Slice"] * 12)
CASES = {
    "construct": Case(
        "ReLU ReLU",
        [
            node("Relu", "x", "r"), node("SequenceConstruct", "x r", "s"), node("SequenceAt", "s i", "a"),
            node("Relu", "a"),
        ],
        [scalar("i", -1)], 13,
    ),
    "insert": Case(
        "ReLU Concat",
        [
            node("SequenceEmpty", "", "e"), node("SequenceInsert", "e x", "s"), node("Relu", "x", "r"),
            node("SequenceInsert", "s r i", "t"), node("SequenceInsert", "t x", "u"),
            node("ConcatFromSequence", "u", axis=-1),
        ],
        [scalar("i", 0)], 11,
    ),
    "erase": Case(
        "ReLU Concat",
        [
            node("Relu", "x", "r"), node("SequenceConstruct", "x r x", "s"), node("SequenceErase", "s i", "t"),
            node("SequenceErase", "t", "u"), node("ConcatFromSequence", "u", axis=0),
        ],
        [scalar("i", 0)], 11,
    ),
    "length": Case(
        "Slice " * 2 + "Flatten",
        [
            node("SplitToSequence", "x p", "s", axis=1), node("SequenceLength", "s", "l"),
            node("Unsqueeze", "l z", "n"), node("Sub", "n three", "m"), node("Concat", "n m", "d", axis=0),
            node("Abs", "d", "e"), node("Mul", "e f", "g"), node("Reshape", "x g"),
        ],
        [scalar("p", 4), ints("z", 0), ints("three", 3), ints("f", 1, 480)], 13, x=(2, 8, 12, 5),
    ),
    "positions of an axis": Case(f"{PARTS} Concat", [SPLIT, CONCAT]),
    "positions without their axis": Case(
        " ".join(["Select"] * 12) + " Stack",
        [node("SplitToSequence", "x", "s", axis=2, keepdims=0), node("ConcatFromSequence", "s", axis=-1, new_axis=1)],
    ),
    "equal parts": Case(
        "Slice Slice Slice Concat", [node("SplitToSequence", "x p", "s", axis=2), CONCAT], [scalar("p", 4)]
    ),
    "given parts": Case(
        "Slice Slice ReLU",
        [node("SplitToSequence", "x p", "s", axis=2), node("SequenceAt", "s i", "a"), node("Relu", "a")],
        [ints("p", 3, 9), scalar("i", 1)],
    ),
    "optional": Case(
        "ReLU", [node("Optional", "x", "o"), node("OptionalGetElement", "o", "a"), node("Relu", "a")], opset=15
    ),
    "nothing": Case("", [node("OptionalHasElement", "")], opset=18, computed=False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_sequence_has_the_types_and_values_of_onnxruntime(name: str) -> None:
    check(CASES[name])


def with_input(nodes: Sequence[onnx.NodeProto], kind: onnx.TypeProto, weights: Sequence[Any] = ()) -> onnx.ModelProto:
    """A model with an input `v` of any type."""
    made = model(nodes, weights)
    made.graph.input.append(helper.make_value_info("v", kind))
    return made


TENSOR = helper.make_tensor_type_proto(TensorProto.FLOAT, [1, 8, 12, 10])
SEQUENCE = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))


def test_a_sequence_as_an_input_is_unknown_and_other_layers_are_counted(tmp_path: Path) -> None:
    nodes = [node("SequenceAt", "v i", "a"), node("Conv", "a w", "z"), node("Conv", "x w")]
    graph = read(tmp_path, with_input(nodes, SEQUENCE, [scalar("i", 0), weight("w", 4, 8, 1, 1)]))
    totals = il.analyze(graph).totals
    assert unknown(graph) == ["SequenceAt", "Conv"]
    assert (totals.params, totals.macs, totals.macs_exact) == (32, 32 * 120, False)
    length = read(tmp_path, with_input([node("SequenceLength", "v"), node("SequenceErase", "v", "e")], SEQUENCE))
    assert [graph.types[each.node][0].sizes for each in length.outputs for graph in (length,)] == [()]


def test_an_optional_tensor_as_an_input_is_a_tensor(tmp_path: Path) -> None:
    nodes = [node("OptionalHasElement", "v", "h"), node("OptionalGetElement", "v", "a"), node("Conv", "a w")]
    made = with_input(nodes, helper.make_optional_type_proto(TENSOR), [weight("w", 4, 8, 1, 1)])
    totals = il.analyze(read(tmp_path, made)).totals
    assert (totals.params, totals.macs, totals.macs_exact) == (32, 32 * 120, True)


def test_a_sequence_can_be_an_output(tmp_path: Path) -> None:
    graph = read(tmp_path, model([node("SplitToSequence", "x", "y", axis=2)]))
    assert graph.nodes[-1].inputs == tuple(each.name for each in graph.nodes[:-1])
    assert il.analyze(graph).totals.exact
    assert kinds(read(tmp_path, model([node("SequenceEmpty", "")]))) == "sequence"


@pytest.mark.parametrize(
    ("nodes", "weights", "message"),
    [
        ([node("SequenceConstruct", "x", "s"), node("SequenceAt", "s i")], [scalar("i", 1)], "axis 1 is out of range"),
        ([node("SplitToSequence", "x i")], [scalar("i", 0)], "`split` is 0; expected at least 1"),
        ([node("SplitToSequence", "x p")], [ints("p", 3, 3)], "cannot split an axis of 1 into parts of [3, 3]"),
    ],
    ids=["position", "size", "sizes"],
)
def test_invalid_positions_and_parts_are_named(
    tmp_path: Path, nodes: Sequence[onnx.NodeProto], weights: Sequence[Any], message: str
) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path, model(nodes, weights))
    assert message in str(caught.value)


def test_positions_that_are_computed_are_unknown(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "c", to=7), node("SequenceConstruct", "x", "s"), node("SequenceAt", "s c")]
    assert unknown(read(tmp_path, model(nodes, x=(1,)))) == ["sequence", "SequenceAt"]
    assert unknown(read(tmp_path, model([nodes[0], node("SplitToSequence", "x c")], x=(1,)))) == ["SplitToSequence"]


def test_a_body_for_each_tensor_of_a_sequence(tmp_path: Path) -> None:
    body = helper.make_graph([node("Conv", "a w", "o")], "body", [info("a", 1, 8, 1, 10)], [info("o")])
    call = node("SequenceMap", "s", "t", body=body)
    made = model([SPLIT, call, node("ConcatFromSequence", "t", axis=2)], [weight("w", 4, 8, 1, 1)])
    graph = read(tmp_path, made)
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs, totals.exact) == (32, 32 * 120, True)
    assert graph.types[graph.outputs[0].node][0].shape == (1, 4, 12, 10)
    totals = il.analyze(read(tmp_path, with_input([node("SequenceMap", "v", body=body)], SEQUENCE))).totals
    assert not totals.params_exact


@pytest.mark.parametrize("nodes", [[], [node("Identity", "x")], [node("Identity", "x", "i"), node("Identity", "i")]])
def test_a_network_of_identities_costs_nothing(tmp_path: Path, nodes: Sequence[onnx.NodeProto]) -> None:
    graph = read(tmp_path, model(nodes, outputs=["y" if nodes else "x"]))
    totals = il.analyze(graph).totals
    assert kinds(graph) == "Identity"
    assert (totals.params, totals.macs, totals.flops, totals.exact) == (0, 0, 0, True)


def test_inputs_of_no_elements_are_read(tmp_path: Path) -> None:
    made = model([node("Concat", "p x", "c", axis=2), node("MatMul", "c w")], [weight("w", 10, 4)])
    made.graph.input.append(info("p", 1, 8, "past", 10))
    assert il.analyze(read(tmp_path, made, {"p": (1, 8, 0, 10)})).totals.macs == 8 * 12 * 40
    with pytest.raises(FormatError, match=r"input `p` has sizes that are not fixed \(past\)"):
        read(tmp_path, made)
    totals = il.analyze(read(tmp_path, model([node("ReduceMax", "x")]), {"x": (0, 8, 0, 10)})).totals
    assert totals.macs == 0
