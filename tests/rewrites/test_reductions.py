"""1x1 reductions: found by structure alone, and taken away without a trace."""

import pytest

import inception_lens as il
from inception_lens.benchmarks.graphs import chain
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import (
    Add,
    BatchNorm2d,
    BatchNorm3d,
    Concat,
    Conv1d,
    Conv2d,
    Conv3d,
    Elementwise,
    MaxPool2d,
    Op,
    ReLU,
    Sigmoid,
    TensorType,
    Unknown,
)
from inception_lens.rewrites.reductions import naive_modules, reductions
from tests.rewrites.rewriting import rewrite

ONE = Conv2d(16, (1, 1))
THREE = Conv2d(32, (3, 3), padding=(1, 1))
FIVE = Conv2d(24, (5, 5), padding=(2, 2))


def graph(*nodes: tuple[str, Op, str], outputs: str = "", shape: tuple[int, ...] = (1, 64, 9, 9)) -> Graph:
    """A graph of `x`: nodes as name, operation and the names that it reads; the last is the output."""
    made = [Node(name, op, tuple(inputs.split())) for name, op, inputs in nodes]
    return Graph.of([Input("x", TensorType(shape))], made, [Output(name) for name in outputs.split() or [nodes[-1][0]]])


def found(given: Graph) -> list[str]:
    return [site.name for site in reductions(given).sites]


def names(given: Graph) -> list[str]:
    return [node.name for node in given.nodes]


@pytest.mark.parametrize(
    "dialect", ["googlenet", "googlenet@torchvision", "googlenet@slim", "googlenet@paddle", "googlenet@paddle-fluid"]
)
def test_the_naive_googlenet_is_that_of_the_config(dialect: str) -> None:
    assert rewrite(naive_modules, il.load(dialect)) == il.load(dialect, reduce=())
    assert rewrite(naive_modules, il.load(dialect, mode="training")) == il.load(dialect, mode="training", reduce=())


def test_the_naive_googlenet_is_that_of_the_catalogue() -> None:
    assert rewrite(naive_modules, il.load("googlenet")) == il.load("googlenet@naive")


def test_googlenet_has_the_nineteen_reductions_of_table_1() -> None:
    wanted = ["conv2/3x3_reduce"]
    wanted += [
        f"inception_{m}/{k}_reduce"
        for m in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
        for k in ("3x3", "5x5")
    ]
    assert found(il.load("googlenet")) == wanted


def test_without_reductions_is_the_config_that_projects_pools_alone() -> None:
    wanted, got = il.load("googlenet", reduce=("pool",)), rewrite(reductions, il.load("googlenet"))
    stem = {"conv2/3x3_reduce", "conv2/3x3_reduce/relu", "conv2/3x3"}  # its reduction goes as well
    assert [n for n in got.nodes if n.name not in stem] == [n for n in wanted.nodes if n.name not in stem]
    assert stem - set(names(got)) == {"conv2/3x3_reduce", "conv2/3x3_reduce/relu"}


def test_names_do_not_matter() -> None:
    given = il.load("googlenet@torchvision")
    new = {node.name: f"n{i * 7919 % 1009}" for i, node in enumerate(given.nodes)} | {"input": "input"}
    renamed = Graph.of(
        given.inputs,
        [Node(new[node.name], node.op, tuple(new[name] for name in node.inputs)) for node in given.nodes],
        [Output(new[output.node]) for output in given.outputs],
    )
    assert found(renamed) == [new[name] for name in found(given)]
    assert il.analyze(rewrite(naive_modules, renamed)).totals == il.analyze(rewrite(naive_modules, given)).totals


def test_norm_and_activation_go_with_the_reduction_in_any_order() -> None:
    for between in ([("b", BatchNorm2d()), ("r", ReLU(inplace=True))], [("r", ReLU()), ("b", BatchNorm2d())]):
        inner = [(name, op, read) for (name, op), read in zip(between, ["q", between[0][0]], strict=True)]
        given = graph(("q", ONE, "x"), *inner, ("k", THREE, between[-1][0]))
        new = rewrite(reductions, given)
        assert names(new) == ["k"]
        assert new["k"] == Node("k", THREE, ("x",))


def test_an_activation_that_was_traced_as_a_function_goes_too() -> None:
    given = graph(("q", ONE, "x"), ("r", Elementwise("relu"), "q"), ("k", THREE, "r"))
    assert names(rewrite(reductions, given)) == ["k"]


def test_what_is_no_reduction() -> None:
    assert found(graph(("q", Conv2d(65, (1, 1)), "x"), ("k", THREE, "q"))) == []  # it widens
    assert found(graph(("q", ONE, "x"), ("k", Conv2d(8, (1, 1)), "q"))) == []  # nothing larger behind
    assert found(graph(("q", ONE, "x"), ("p", MaxPool2d((3, 3), (1, 1), (1, 1)), "q"), ("k", THREE, "p"))) == []
    assert found(graph(("q", ONE, "x"), ("d", Conv2d(16, (3, 3), groups=16), "q"))) == []  # depthwise mixes nothing
    assert found(graph(("q", ONE, "x"), ("k", THREE, "q"), outputs="q k")) == []  # the caller reads it
    assert found(graph(("q", Conv2d(16, (1, 1), padding=(1, 1)), "x"), ("k", THREE, "q"))) == []


def test_groups_are_kept_where_they_divide_and_left_alone_where_not() -> None:
    grouped = Conv2d(32, (3, 3), padding=(1, 1), groups=4)
    new = rewrite(reductions, graph(("q", ONE, "x"), ("k", grouped, "q")))
    assert new["k"].op == grouped
    assert il.analyze(new).totals.params == 32 * (64 // 4) * 9 + 32
    odd = graph(("q", Conv2d(9, (1, 1)), "x"), ("k", Conv2d(6, (3, 3), groups=3), "q"))
    plan = reductions(odd)
    assert (plan.sites, [left.name for left in plan.skipped]) == ((), ["q"])
    assert "3 groups must divide the 64 input" in plan.skipped[0].reason
    assert rewrite(reductions, odd) is odd


def test_two_kernels_behind_one_reduction_lose_it_together() -> None:
    given = graph(
        ("q", ONE, "x"), ("r", ReLU(), "q"), ("k", THREE, "r"), ("m", FIVE, "r"), ("j", Concat(), "k m")
    )  # fmt: skip
    assert found(given) == ["q"]
    new = rewrite(reductions, given)
    assert names(new) == ["k", "m", "j"]
    assert new["k"].inputs == new["m"].inputs == ("x",)


def test_a_1x1_beside_the_large_kernel_loses_the_reduction_as_well() -> None:  # SqueezeNet's fire module
    given = graph(
        ("squeeze", ONE, "x"), ("r", ReLU(), "squeeze"), ("one", Conv2d(32, (1, 1)), "r"), ("three", THREE, "r"),
        ("j", Concat(), "one three"),
    )  # fmt: skip
    assert names(rewrite(reductions, given)) == ["one", "three", "j"]


def test_a_reduction_stays_for_what_is_no_convolution() -> None:
    given = graph(("q", ONE, "x"), ("r", ReLU(), "q"), ("k", THREE, "r"), ("j", Concat(), "r k"))
    new = rewrite(reductions, given)
    assert names(new) == ["q", "r", "k", "j"]
    assert new["k"].inputs == ("x",)
    assert new["j"].inputs == ("r", "k")


def test_a_stride_of_the_reduction_moves_into_the_kernel() -> None:
    given = graph(("q", Conv2d(16, (1, 1), (2, 2)), "x"), ("k", THREE, "q"))
    assert rewrite(reductions, given)["k"].op == Conv2d(32, (3, 3), (2, 2), (1, 1))
    # resnet50@paddle halves the map in the first 1x1, torchvision's in the 3x3
    assert all(
        il.analyze(rewrite(reductions, il.load(name, classes=10))).totals.macs
        - il.analyze(il.load(name, classes=10)).totals.macs > 0
        for name in ("resnet50", "resnet50@paddle")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("one", "large", "shape"),
    [
        (Conv1d(8, (1,)), Conv1d(16, (5,), padding=(2,)), (2, 32, 40)),
        (Conv3d(8, (1, 1, 1)), Conv3d(16, (3, 3, 3), padding=(1, 1, 1)), (1, 32, 4, 6, 6)),
    ],
)
def test_other_dimensions(one: Op, large: Op, shape: tuple[int, ...]) -> None:
    nodes = [("q", one, "x"), ("r", ReLU(), "q"), ("k", large, "r")]
    if isinstance(one, Conv3d):
        nodes.insert(1, ("b", BatchNorm3d(), "q"))
        nodes[2] = ("r", ReLU(), "b")
    assert names(rewrite(reductions, graph(*nodes, shape=shape))) == ["k"]


def test_shared_weights_are_left_alone() -> None:
    given = Graph.of(
        [Input("x", TensorType((1, 64, 9, 9)))],
        [
            Node("q", ONE, ("x",)),
            Node("k", Conv2d(16, (3, 3), padding=(1, 1)), ("q",), ("w", "b")),
            Node("m", Conv2d(16, (3, 3), padding=(1, 1)), ("k",), ("w", "b")),
        ],
        [Output("m")],
    )
    plan = reductions(given)
    assert not plan.sites
    assert plan.skipped[0].reason == "`k` shares weights with another call"


def test_a_dead_end_that_was_there_before_stays() -> None:
    given = graph(("q", ONE, "x"), ("k", THREE, "q"), ("unread", Sigmoid(), "x"), ("out", ReLU(), "k"))
    assert names(rewrite(reductions, given)) == ["k", "unread", "out"]


def test_the_naive_rewrite_takes_only_what_lies_in_a_module() -> None:
    given = il.load("googlenet")
    sites = [site.name for site in naive_modules(given).sites]
    assert len(sites) == 27
    assert "conv2/3x3_reduce" not in sites
    assert "inception_3a/pool_proj" in sites
    assert rewrite(naive_modules, il.load("resnet50")) == il.load("resnet50")


def test_a_pool_of_stride_2_is_no_projected_pool() -> None:
    half = Conv2d(8, (3, 3), (2, 2), (1, 1))
    given = graph(
        ("h", half, "x"), ("p", MaxPool2d((3, 3), (2, 2), (1, 1)), "x"), ("q", Conv2d(4, (1, 1)), "p"),
        ("j", Concat(), "h q"),
    )  # fmt: skip
    assert rewrite(naive_modules, given) is given


def test_residual_blocks_grow_with_what_they_add_to() -> None:
    given = il.load("inception_resnet_v2")
    new = rewrite(naive_modules, given)
    assert new.types["Mixed_5b/concat"][0].shape[1] == 320 + 192 - 64
    assert new["Block35_1/up_1x1"].op.out_channels == 448  # type: ignore[attr-defined]
    assert new.types["Block35_10/relu"][0].shape == (1, 448, 35, 35)


def test_growth_that_meets_an_unknown_operation_is_refused() -> None:
    unknown = Unknown("mystery", (TensorType((1, 7)),))
    given = graph(
        ("one", ONE, "x"), ("p", MaxPool2d((3, 3), (1, 1), (1, 1)), "x"), ("proj", ONE, "p"),
        ("j", Concat(), "one proj"), ("u", unknown, "j"),
    )  # fmt: skip
    with pytest.raises(GraphError, match=r"`u` \(mystery\) is unknown for an input `j` of 1x80x9x9"):
        rewrite(naive_modules, given)


def test_a_sum_of_two_made_maps_is_left_as_it_is() -> None:
    given = graph(
        ("one", ONE, "x"), ("p", MaxPool2d((3, 3), (1, 1), (1, 1)), "x"), ("proj", ONE, "p"),
        ("j", Concat(), "one proj"), ("a", THREE, "j"), ("b", THREE, "j"), ("s", Add(), "a b"),
    )  # fmt: skip
    assert rewrite(naive_modules, given).types["s"][0].shape == (1, 32, 9, 9)


def test_a_long_chain_is_rewritten_in_one_pass() -> None:
    given = chain(200)
    assert len(reductions(given).sites) == 400
    assert len(naive_modules(chain(20)).sites) == 60
