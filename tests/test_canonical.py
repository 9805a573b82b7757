"""The canonical form: conventions of a source go, what is computed stays."""

import msgspec
import pytest

from inception_lens.analyses.analysis import analyze
from inception_lens.architectures.catalogue import names
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.lens import load
from inception_lens.ops import AvgPool2d, Conv2d, MaxPool2d, Op, Pad, ReLU, TensorType
from tests.canonical import canonical

IMAGE = Input("x", TensorType((1, 3, 9, 8)))


def chain(*ops: tuple[str, Op]) -> Graph:
    nodes, last = [], "x"
    for name, op in ops:
        nodes.append(Node(name, op, (last,)))
        last = name
    return Graph.of([IMAGE], nodes, [Output(last)])


@pytest.mark.parametrize("name", names())
def test_nothing_that_is_computed_changes(name: str) -> None:
    graph = load(name)
    form = canonical(graph)
    assert canonical(form) == form
    before, after = analyze(graph), analyze(form)
    assert msgspec.structs.replace(after.totals, flops=0) == msgspec.structs.replace(before.totals, flops=0)
    assert [layer.output_shape for layer in after.layers] == [layer.output_shape for layer in before.layers]
    assert [layer.receptive_field_detail for layer in after.layers] == [
        layer.receptive_field_detail for layer in before.layers
    ]


def test_same_padding_is_the_explicit_padding_that_it_means() -> None:
    form = canonical(chain(("conv", Conv2d(4, (3, 3), (2, 2), "same"))))
    assert form["conv"].op == Conv2d(4, (3, 3), (2, 2), (1, (0, 1)))
    assert form.inputs[0].name == "input"
    assert form["conv"].inputs == ("input",)


@pytest.mark.parametrize(
    ("op", "value", "folds"),
    [
        (Conv2d(4, (3, 3)), 0.0, True),
        (Conv2d(4, (3, 3)), 1.0, False),
        (MaxPool2d((3, 3), (1, 1)), float("-inf"), True),
        (MaxPool2d((3, 3), (1, 1)), 0.0, False),
        (AvgPool2d((3, 3), (1, 1)), 0.0, True),
        (AvgPool2d((3, 3), (1, 1), count_include_pad=False), 0.0, False),
        (ReLU(), 0.0, False),
    ],
)
def test_a_pad_becomes_the_window_s_own_where_it_pads_alike(op: Op, value: float, folds: bool) -> None:
    form = canonical(chain(("m/pad", Pad(((0, 0), (0, 0), (1, 1), (0, 1)), value=value)), ("m/call", op)))
    assert [node.name for node in form.nodes] == (["m"] if folds else ["m/pad", "m/call"])
    if folds:
        assert getattr(form["m"].op, "padding", None) == (1, (0, 1))


def test_the_plainest_rounding_that_makes_as_many_windows() -> None:
    even = chain(("pool", MaxPool2d((2, 2), (1, 2), rounding="ceil_unclipped")))
    odd = chain(("pool", MaxPool2d((2, 2), (2, 2), rounding="ceil_unclipped")))
    assert canonical(even)["pool"].op == MaxPool2d((2, 2), (1, 2))
    assert canonical(odd)["pool"].op == MaxPool2d((2, 2), (2, 2), rounding="ceil")


def test_names_of_tensors_stay_where_they_are_shared() -> None:
    conv = Conv2d(3, (1, 1), bias=False)
    nodes = [Node("a", conv, ("x",), ("w",)), Node("b", conv, ("a",), ("w",)), Node("c", conv, ("b",), ("v",))]
    form = canonical(Graph.of([IMAGE], nodes, [Output("c")]))
    assert [node.parameters for node in form.nodes] == [("w",), ("w",), ()]
