"""If, Loop and Scan: what runs is counted, and what may run is unknown, with its parameters."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import inception_lens as il
from inception_lens.cli import run
from inception_lens.errors import FormatError
from inception_lens.readers.onnx import graph_builder
from tests.readers.onnx.onnx_models import info, ints, kinds, model, node, onnxruntime_outputs, read, scalar, weight

INT64, BOOL = TensorProto.INT64, TensorProto.BOOL


def conv(x: str, y: str, w: str = "w") -> onnx.NodeProto:
    return node("Conv", f"{x} {w}", y, pads=[1, 1, 1, 1])


def choice(path: Path, *, then_width: int = 8, shared: bool = False) -> Path:
    """`If` on whether the input `sr` is 16000, with a convolution of 3x3 or of 1x1, and one of 1x1 after it."""
    then = helper.make_graph([conv("x", "t")], "then", [], [info("t")], [weight("w", then_width, 8, 3, 3)])
    small = helper.make_graph(
        [node("Conv", f"x {'v' if shared else 'w'}", "e")], "else", [], [info("e")], [weight("w", 8, 8, 1, 1)]
    )
    nodes = [
        node("Constant", "", "k", value=scalar("", 16000)),
        node("Equal", "sr k", "c"),
        node("If", "c", "m", then_branch=then, else_branch=small, name="choice"),
        node("Conv", "m v"),
    ]
    made = model(nodes, [weight("v", 8, 8, 1, 1)])
    made.graph.input.append(info("sr", dtype=INT64))
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize(("rate", "params"), [(16000, 576 + 64), (8000, 64 + 64)])
def test_the_value_of_a_scalar_decides_the_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: int, params: int
) -> None:
    path = choice(tmp_path / "net.onnx")
    for given in (rate, (rate,), np.array(rate)):
        totals = il.analyze(path, {"sr": given}).totals
        assert (totals.params, totals.macs, totals.exact) == (params, 120 * params, True)
    assert run(["summary", str(path), "--input", f"sr={rate}", "--format", "json"]) == 0
    assert f'"params":{params}' in capsys.readouterr().out.replace(" ", "")


def test_an_unknown_branch_has_the_parameters_of_both_and_unknown_macs(tmp_path: Path) -> None:
    analysis = il.analyze(choice(tmp_path / "net.onnx"))
    assert analysis.totals.params == 576 + 64 + 64
    assert analysis.totals.params_exact
    assert [(each.name, each.params, each.macs) for each in analysis.uncounted] == [("choice", 576 + 64, None)]
    assert analysis.totals.macs == 120 * 64
    assert not analysis.totals.macs_exact
    assert analysis.graph["choice"].inputs == ("equal", "x")


def test_a_weight_that_a_branch_shares_counts_once(tmp_path: Path) -> None:
    assert il.analyze(choice(tmp_path / "net.onnx", shared=True)).totals.params == 576 + 64


def test_branches_of_different_shapes_have_an_unknown_output(tmp_path: Path) -> None:
    totals = il.analyze(choice(tmp_path / "net.onnx", then_width=4)).totals
    assert (totals.params, totals.macs_exact) == (288 + 64 + 64, False)
    with pytest.raises(FormatError, match="weights of 8x8x1x1 do not fit an input of 1x4x12x10"):
        il.analyze(choice(tmp_path / "net.onnx", then_width=4), {"sr": 16000})


def test_a_branch_that_cannot_take_the_input_leaves_the_parameters_unknown(tmp_path: Path) -> None:
    then = helper.make_graph([conv("x", "t")], "then", [], [info("t")], [weight("w", 4, 8, 3, 3)])
    other = helper.make_graph([conv("x", "e")], "else", [], [info("e")], [weight("w", 4, 9, 3, 3)])
    made = model([node("Cast", "s", "c", to=BOOL), node("If", "c", then_branch=then, else_branch=other)])
    made.graph.input.append(info("s", 1))
    totals = il.analyze(read(tmp_path, made)).totals
    assert (totals.params, totals.params_exact) == (288, False)


def test_the_value_of_one_element_decides_the_branch(tmp_path: Path) -> None:
    path = choice(tmp_path / "net.onnx")
    made = onnx.load(path)
    made.graph.input[1].CopyFrom(info("sr", 1, dtype=INT64))
    onnx.save(made, path)
    assert il.analyze(path, {"sr": 16000}).totals.params == 576 + 64
    assert il.analyze(path, {"sr": (8000,)}).totals.params == 64 + 64
    assert not il.analyze(path, {"sr": (1,)}).totals.exact


def test_only_a_scalar_has_a_value(tmp_path: Path) -> None:
    path = choice(tmp_path / "net.onnx")
    with pytest.raises(FormatError, match="input `x` is 5, but not a scalar: expected its shape"):
        il.analyze(path, {"x": 5})
    with pytest.raises(FormatError, match="input `sr` has 0 axes, not 2: 2x3"):
        il.analyze(path, {"sr": (2, 3)})


def loop(
    body: Sequence[onnx.NodeProto],
    *,
    trips: int | str = 3,
    condition: str = "_",
    carried: str = "x",
    outputs: Sequence[str] = ("go", "h"),
    weights: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    """A Loop whose body computes `h` from `a`; `i` is the iteration, and `go` the condition."""
    inputs = [info("i", dtype=INT64), info("ok", dtype=BOOL), info("a", 1, 8, 12, 10)]
    kept = [node("Identity", "ok", "go"), *body]
    types = [info(name, dtype=BOOL if name == "go" else 1) for name in outputs]
    graph = helper.make_graph(kept, "body", inputs, types, [weight("w", 8, 8, 3, 3)])
    limit = [] if isinstance(trips, str) else [scalar("n", trips)]
    names = ["y", *(f"z{k}" for k in range(len(outputs) - 2))]
    call = node("Loop", f"{'n' if limit else trips} {condition} {carried}", " ".join(names), body=graph, name="loop")
    given = [numpy_helper.from_array(np.array(True), "true"), *limit, *weights]
    return model([call], given, outputs=names)


def test_a_loop_is_its_iterations(tmp_path: Path) -> None:
    graph = read(tmp_path, loop([conv("a", "c"), node("Relu", "c", "h")]))
    totals = il.analyze(graph).totals
    assert kinds(graph) == "Conv2d ReLU " * 2 + "Conv2d ReLU"
    assert (totals.params, totals.macs, totals.exact) == (576, 3 * 120 * 576, True)
    assert [each.name for each in graph.nodes][::2] == ["loop/0/conv", "loop/1/conv", "loop/2/conv"]


def test_a_loop_without_iterations_returns_its_inputs(tmp_path: Path) -> None:
    made = loop([conv("a", "h")], trips=0)
    made.graph.node.append(node("Relu", "y", "z"))
    made.graph.output[0].name = "z"
    assert kinds(read(tmp_path, made)) == "ReLU"


def test_the_number_of_an_iteration_is_known_in_it(tmp_path: Path) -> None:
    then = helper.make_graph([conv("a", "t")], "then", [], [info("t")])
    other = helper.make_graph([node("Relu", "a", "e")], "else", [], [info("e")])
    body = [node("Equal", "i one", "c"), node("If", "c", "h", then_branch=then, else_branch=other)]
    graph = read(tmp_path, loop(body, weights=[scalar("one", 1)]))
    assert kinds(graph) == "ReLU Conv2d ReLU"


def test_a_loop_ends_with_its_condition(tmp_path: Path) -> None:
    body = [node("Less", "i two", "go"), conv("a", "h")]
    made = loop(body, trips=9, condition="true", weights=[scalar("two", 2)])
    del made.graph.node[0].attribute[0].g.node[0]
    assert kinds(read(tmp_path, made)) == "Conv2d Conv2d Conv2d"
    made.graph.node[0].input[0] = ""
    assert kinds(read(tmp_path, made)) == "Conv2d Conv2d Conv2d"
    made.graph.node[0].input[0], made.graph.node[0].input[1] = "n", ""
    assert kinds(read(tmp_path, made)).count("Conv2d") == 9


def test_values_of_all_iterations_are_stacked(tmp_path: Path) -> None:
    made = loop([conv("a", "h"), node("ReduceMean", "h", "s")], outputs=["go", "h", "s"])
    graph = read(tmp_path, made)
    assert graph.types[graph.outputs[1].node][0].shape == (3, 1, 1, 1, 1)
    assert onnxruntime_outputs(made, np.zeros((1, 8, 12, 10), "f4"))[1].shape == (3, 1, 1, 1, 1)


@pytest.mark.parametrize("trips", ["k", 10**9], ids=["unknown", "many"])
def test_an_unknown_number_of_iterations_has_unknown_macs_and_known_parameters(
    tmp_path: Path, trips: int | str
) -> None:
    made = loop([conv("a", "h")], trips=trips)
    if isinstance(trips, str):
        made.graph.input.append(info("k", dtype=INT64))
    made.graph.node.append(node("Relu", "y", "z"))
    made.graph.output[0].name = "z"
    graph = read(tmp_path, made)
    analysis = il.analyze(graph)
    assert (analysis.totals.params, analysis.totals.params_exact) == (576, True)
    assert kinds(graph) == "?Loop ReLU"
    assert [each.name for each in analysis.uncounted] == ["loop"]
    if isinstance(trips, str):
        assert il.analyze(read(tmp_path, made, {"k": (2,)})).totals.macs == 2 * 120 * 576


def test_a_loop_takes_at_most_half_of_the_steps_that_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_builder, "MAX_STEPS", 200)
    made = loop([conv("a", "h")], trips=40)
    assert kinds(read(tmp_path, made)) == "?Loop"
    nested = loop([node("Loop", "n _ a", "h", body=made.graph.node[0].attribute[0].g)], trips=15)
    assert "?Loop" in kinds(read(tmp_path, nested))


def recurrent_loop(trips: int) -> onnx.ModelProto:
    """A Loop of an RNN with 40 parameters, whose values are also collected in a sequence."""
    nodes = [
        node("Identity", "ok", "go"),
        node("RNN", "a w r b", "s", hidden_size=4),
        node("Squeeze", "s one", "q"),
        node("MatMul", "q v", "m"),
        node("SequenceInsert", "t m", "u"),
    ]
    tensors = [info("i", dtype=INT64), info("ok", dtype=BOOL), info("a", 5, 2, 4), onnx.ValueInfoProto(name="t")]
    ends = [onnx.ValueInfoProto(name=name) for name in ("go", "q", "u")]
    body = helper.make_graph(nodes, "body", tensors, ends)
    weights = [weight("w", 1, 4, 4), weight("r", 1, 4, 4), weight("b", 1, 8), weight("v", 4, 4), ints("one", 1)]
    calls = [node("SequenceEmpty", "", "e"), node("Loop", "n true x e", "y z", body=body, name="loop")]
    calls.append(node("ConcatFromSequence", "z", "c", axis=0))
    given = [numpy_helper.from_array(np.array(True), "true"), scalar("n", trips)]
    return model(calls, [*weights, *given], (5, 2, 4), outputs=["y", "c"])


def test_a_loop_carries_sequences_and_recurrent_layers(tmp_path: Path) -> None:
    graph = read(tmp_path, recurrent_loop(3))
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs, totals.exact) == (40 + 16, 3 * 5 * 2 * (32 + 16), True)
    assert graph.types[graph.outputs[1].node][0].shape == (15, 2, 4)


def test_recurrent_weights_of_a_loop_that_is_too_long_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_builder, "MAX_STEPS", 100)
    totals = il.analyze(read(tmp_path, recurrent_loop(50))).totals
    assert (totals.params, totals.params_exact, totals.macs_exact) == (40 + 16, True, False)


def test_types_that_a_file_declares_are_not_those_of_both_branches(tmp_path: Path) -> None:
    path = choice(tmp_path / "net.onnx", then_width=4)
    made = onnx.load(path)
    made.graph.value_info.append(info("m", 1, 8, 12, 10))
    onnx.save(made, path)
    assert not il.load(path).types["choice"][0].is_known


def test_the_graphs_of_an_operator_without_a_rule_may_have_parameters(tmp_path: Path) -> None:
    body = helper.make_graph([conv("x", "t")], "body", [], [info("t")], [weight("w", 4, 8, 3, 3)])
    made = model([helper.make_node("Custom", ["x"], ["y"], domain="local", body=body)])
    assert not il.analyze(read(tmp_path, made)).totals.params_exact


def test_a_loop_whose_values_change_their_shape_is_unknown_after_it(tmp_path: Path) -> None:
    made = loop([node("Concat", "a a", "h", axis=0)], trips="k")
    made.graph.input.append(info("k", dtype=INT64))
    graph = read(tmp_path, made)
    assert not il.analyze(graph).totals.exact
    assert graph.outputs[0].node == "loop"
    assert il.load(tmp_path / "model.onnx", {"k": 2}).types["loop/1/concat"][0].shape[0] == 4


def test_a_scan_is_its_iterations(tmp_path: Path) -> None:
    body = helper.make_graph(
        [node("MatMul", "a w", "p"), node("Add", "p s", "h"), node("Identity", "h", "o")],
        "body", [info("a", 1, 8), info("s", 1, 8)], [info("h", 1, 8), info("o", 1, 8)],
    )  # fmt: skip
    body.input.reverse()
    call = node("Scan", "s x", "y z", body=body, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[-1])
    weights = [weight("s", 1, 8, value=0), weight("w", 8, 8)]
    made = model([call], weights, (1, 5, 8), outputs=["y", "z"])
    graph = read(tmp_path, made)
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs, totals.exact) == (64, 5 * 64, True)
    expected = onnxruntime_outputs(made, np.zeros((1, 5, 8), "f4"))
    assert [graph.types[each.node][0].shape for each in graph.outputs] == [each.shape for each in expected]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda node: node.attribute.pop(), "`loop` (Loop): attribute `body` is not a graph"),
        (lambda node: node.attribute[0].g.input.pop(), "`loop` (Loop): `body` has 2 inputs; expected 3"),
        (lambda node: node.attribute[0].g.output.pop(), "`loop` (Loop): `body` has 1 outputs; expected at least 2"),
        (lambda node: node.attribute[0].g.node.pop(), "`loop` (Loop): graph output `h` is not produced by any node"),
    ],
)
def test_an_invalid_body_is_named(tmp_path: Path, change: object, message: str) -> None:
    made = loop([conv("a", "h")])
    assert callable(change)
    change(made.graph.node[0])
    with pytest.raises(FormatError) as caught:
        read(tmp_path, made)
    assert message in str(caught.value)
