"""Large kernels in two steps and back."""

from math import isqrt

import pytest

import inception_lens as il
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Conv2d, LocalResponseNorm, Padding, ReLU, TensorType
from inception_lens.rewrites.factorized import asymmetric_pairs, five_by_five, pairs_of_3x3, square_kernels
from tests.rewrites.rewriting import rewrite


def alone(op: Conv2d, channels: int = 16, size: int = 15) -> Graph:
    nodes = [Node("k", op, ("x",)), Node("k/relu", ReLU(), ("k",)), Node("lrn", LocalResponseNorm(), ("k/relu",))]
    return Graph.of([Input("x", TensorType((1, channels, size, size)))], nodes, [Output("lrn")])


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 2), (3, 3), ((1, 2), (2, 1)), "same"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_5x5_and_its_pair_make_maps_of_one_size(padding: Padding, stride: int) -> None:
    given = alone(Conv2d(16, (5, 5), (stride, stride), padding))
    new = rewrite(five_by_five, given)
    assert [node.name for node in new.nodes] == ["k/3x3_1", "k/3x3_1/relu", "k/3x3_2", "k/relu", "lrn"]
    assert new.types["lrn"] == given.types["lrn"]
    assert il.analyze(new).totals.params == 2 * (16 * 16 * 9 + 16)
    assert il.analyze(new).layers[-1].receptive_field == il.analyze(given).layers[-1].receptive_field


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 2), "same"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_pair_made_of_a_5x5_becomes_it_again(padding: Padding, stride: int) -> None:
    given = alone(Conv2d(16, (5, 5), (stride, stride), padding))
    back = rewrite(pairs_of_3x3, rewrite(five_by_five, given))
    assert [node.op for node in back.nodes] == [node.op for node in given.nodes]


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("padding", ["half", "same", "none"])
def test_an_asymmetric_pair_becomes_the_square_again(kernel: int, padding: str) -> None:
    pads: dict[str, Padding] = {"half": (kernel // 2,) * 2, "same": "same", "none": (0, 0)}
    given = alone(Conv2d(16, (kernel, kernel), padding=pads[padding]))
    new = rewrite(square_kernels, given)
    assert [n.op.kernel_size for n in new.nodes if isinstance(n.op, Conv2d)] == [(1, kernel), (kernel, 1)]
    assert new.types["lrn"] == given.types["lrn"]
    back = rewrite(asymmetric_pairs, new)
    assert [node.op for node in back.nodes] == [node.op for node in given.nodes]


def test_the_channels_grow_in_two_equal_steps() -> None:
    op = rewrite(five_by_five, alone(Conv2d(64, (5, 5), padding=(2, 2))))["k/3x3_1"].op
    assert isinstance(op, Conv2d)
    assert op.out_channels == isqrt(16 * 64)


def test_equal_channels_save_the_28_percent_of_the_paper() -> None:  # arXiv 1512.00567, section 3.1: (9+9)/25
    given = alone(Conv2d(16, (5, 5), padding=(2, 2), bias=False))
    assert il.analyze(rewrite(five_by_five, given)).totals.macs * 25 == il.analyze(given).totals.macs * 18


def test_a_3x1_behind_a_1x3_saves_the_33_percent_of_the_paper() -> None:  # section 3.2: "33 % cheaper"
    given = alone(Conv2d(16, (3, 3), padding=(1, 1), bias=False))
    assert il.analyze(rewrite(square_kernels, given)).totals.macs * 3 == il.analyze(given).totals.macs * 2


def test_inception_v2_has_a_pair_in_each_module() -> None:
    sites = pairs_of_3x3(il.load("inception_v2")).sites
    assert len(sites) == 10
    graph = rewrite(pairs_of_3x3, il.load("inception_v2"))
    conv = graph["Mixed_3b/Branch_2/Conv2d_0c_3x3"]
    assert conv.op == Conv2d(96, (5, 5), padding="same", bias=False)
    assert conv.inputs == ("Mixed_3b/Branch_2/Conv2d_0a_1x1/relu",)
    # 64 > 96 > 96 by 3x3 against 64 > 96 by 5x5, and the norm between (beta alone) gone
    whole, pair = 25 * 64 * 96, 9 * 64 * 96 + 9 * 96 * 96 + 96
    saved = il.analyze(rewrite(pairs_of_3x3, _branch())).totals.params - il.analyze(_branch()).totals.params
    assert saved == whole - pair + 96


def _branch() -> Graph:
    """Mixed_3b's double branch, without norms: weights alone."""
    nodes = [
        Node("a", Conv2d(96, (3, 3), padding=(1, 1), bias=False), ("x",)),
        Node("a/relu", ReLU(), ("a",)),
        Node("b", Conv2d(96, (3, 3), padding=(1, 1), bias=False), ("a/relu",)),
    ]
    return Graph.of([Input("x", TensorType((1, 64, 28, 28)))], nodes, [Output("b")])


def test_of_three_in_a_row_the_first_two_are_a_pair() -> None:
    nodes = [Node(f"c{i}", Conv2d(8, (3, 3), padding=(1, 1)), (f"c{i - 1}" if i else "x",)) for i in range(3)]
    given = Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("c2")])
    kernels = [node.op.kernel_size for node in rewrite(pairs_of_3x3, given).nodes if isinstance(node.op, Conv2d)]
    assert kernels == [(5, 5), (3, 3)]


@pytest.mark.parametrize(
    "first",
    [
        Conv2d(8, (3, 3), (2, 2), (1, 1)),
        Conv2d(8, (3, 3), padding=(1, 1), groups=2),
        Conv2d(8, (3, 3), padding=(2, 2), dilation=(2, 2)),
        Conv2d(8, (1, 3), padding=(0, 1)),
    ],
)
def test_what_makes_no_pair(first: Conv2d) -> None:
    nodes = [Node("a", first, ("x",)), Node("b", Conv2d(8, (3, 3), padding=(1, 1)), ("a",))]
    given = Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("b")])
    assert rewrite(pairs_of_3x3, given) is given


def test_a_map_that_others_read_too_stays() -> None:
    nodes = [Node("a", Conv2d(8, (3, 3)), ("x",)), Node("b", Conv2d(8, (3, 3)), ("a",)), Node("r", ReLU(), ("a",))]
    given = Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("b"), Output("r")])
    assert rewrite(pairs_of_3x3, given) is given


def test_new_names_avoid_those_that_are_taken() -> None:
    nodes = [Node("k/3x3_1", ReLU(), ("x",)), Node("k", Conv2d(8, (5, 5)), ("k/3x3_1",))]
    given = Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("k")])
    assert [node.name for node in rewrite(five_by_five, given).nodes] == ["k/3x3_1", "k/3x3_1_2", "k/3x3_2"]
    assert rewrite(five_by_five, given).outputs == (Output("k/3x3_2"),)
