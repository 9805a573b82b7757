"""Costs: what counts once, what counts twice and what nobody knows."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.costs import Costs, costs
from inception_lens.architectures.googlenet import PAPER
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.ops import (
    Add,
    BatchNorm2d,
    Concat,
    Conv2d,
    Linear,
    MaxPool2d,
    Op,
    Parameter,
    ReLU,
    Shape,
    TensorType,
    Unknown,
)


def network(
    *nodes: Node, shape: Shape = (1, 4, 8, 8), mode: Mode = "inference", frozen: frozenset[str] = frozenset()
) -> Graph:
    graph = Graph.of([Input("x", TensorType(shape))], nodes, [Output(nodes[-1].name)], mode)
    return msgspec.structs.replace(graph, frozen=frozen)


def trained(*nodes: Node, shape: Shape = (1, 4, 8, 8), frozen: frozenset[str] = frozenset()) -> Costs:
    return costs(network(*nodes, shape=shape, mode="training", frozen=frozen))


def conv(name: str, x: str, *, bias: bool = False, groups: int = 1, names: tuple[str, ...] = ()) -> Node:
    return Node(name, Conv2d(4, (1, 1), bias=bias, groups=groups), (x,), names)


ONE = 4 * 4 * 8 * 8
"""MACs of one such convolution."""


def test_flops_are_two_per_mac_and_the_rest() -> None:
    result = costs(network(conv("a", "x", bias=True), Node("r", ReLU(), ("a",))))
    assert result.macs == (ONE, 0)
    assert result.flops == (2 * ONE + 256, 256)


def test_norm_activation_and_pooling_are_no_macs() -> None:
    nodes = [
        Node("bn", BatchNorm2d(), ("x",)),
        Node("r", ReLU(), ("bn",)),
        Node("p", MaxPool2d((3, 3), (2, 2)), ("r",)),
    ]
    assert costs(network(*nodes)).macs == (0, 0, 0)


def test_a_layer_that_three_parents_share_is_computed_thrice_and_counted_once() -> None:
    fc = Linear(100, bias=False)
    nodes = [Node(name, fc, ("x",), ("weight",)) for name in ("a", "b", "c")]
    result = costs(network(*nodes, Node("sum", Add(), ("a", "b", "c")), shape=(1, 100)))
    assert result.params == (10_000, 0, 0, 0)
    assert result.params_trainable == (10_000, 0, 0, 0)
    assert sum(filter(None, result.macs)) == 30_000


def test_a_layer_may_share_some_tensors_and_own_others() -> None:
    nodes = [conv("a", "x", bias=True, names=("w", "a.bias")), conv("b", "a", bias=True, names=("w", "b.bias"))]
    assert costs(network(*nodes)).params == (16 + 4, 4)


def test_the_statistics_of_a_shared_batch_norm_count_once_and_as_no_parameters() -> None:
    names = ("weight", "bias", "mean", "var")
    nodes = [Node("a", BatchNorm2d(), ("x",), names), Node("b", BatchNorm2d(), ("a",), names)]
    result = costs(network(*nodes))
    assert result.params == (8, 0)
    assert result.buffers == (8, 0)


@pytest.mark.parametrize("frozen", [frozenset[str](), frozenset({"n.weight"})])
@pytest.mark.parametrize(("op", "buffers"), [(Conv2d(4, (1, 1)), 0), (BatchNorm2d(), 8), (ReLU(), 0)])
def test_statistics_alone_are_buffers(op: Op, buffers: int, frozen: frozenset[str]) -> None:
    assert costs(network(Node("n", op, ("x",)), frozen=frozen)).buffers == (buffers,)


def test_a_single_number_can_learn() -> None:
    one = Node("one", Conv2d(1, (1, 1), bias=False), ("x",))
    assert trained(one, shape=(1, 1, 8, 8)).backward_macs == (64,)


class HalfKnown(Op, frozen=True):
    """An operation with a rule for its MACs and none for the rest."""

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 5

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> None:
        return None


def test_flops_are_known_where_all_of_them_are() -> None:
    analysis = analyze(network(Node("half", HalfKnown(), ("x",))))
    assert (analysis.costs.macs, analysis.costs.flops) == ((5,), (None,))
    assert not analysis.totals.exact


def test_frozen_parameters_count_but_are_not_trainable() -> None:
    nodes = [conv("a", "x", bias=True), conv("b", "a", bias=True)]
    result = costs(network(*nodes, frozen=frozenset({"a.weight", "b.bias"})))
    assert result.params == (20, 20)
    assert result.params_trainable == (4, 16)


def test_frozen_goes_by_the_name_of_the_tensor_not_of_the_call() -> None:
    nodes = [conv("a", "x", names=("w",)), conv("b", "a", names=("v",))]
    result = costs(network(*nodes, frozen=frozenset({"v", "a.weight"})))
    assert result.params_trainable == (16, 0)


def test_tensors_that_no_call_reads_are_declared_but_not_used() -> None:
    graph = network(Node("fc", Linear(10), ("x",)), shape=(1, 10))
    head = (Parameter("head.weight", (1000, 10)), Parameter("head.bias", (1000,)))
    totals = analyze(msgspec.structs.replace(graph, unused=head)).totals
    assert (totals.params, totals.params_used, totals.params_trainable) == (11_110, 110, 11_110)
    assert totals.macs == 100
    assert totals.weight_bytes == 4 * 11_110
    frozen = msgspec.structs.replace(graph, unused=head, frozen=frozenset({"head.weight"}))
    assert analyze(frozen).totals.params_trainable == 1_110
    assert analyze(frozen).totals.params == 11_110


def mystery(x: str) -> Node:
    return Node("mystery", Unknown("grid_sample", (TensorType((1, 4, 8, 8)),)), (x,))


def test_an_operation_without_a_rule_costs_none_and_the_sums_say_at_least() -> None:
    analysis = analyze(network(conv("a", "x"), mystery("a"), conv("b", "mystery")))
    assert analysis.costs.macs == (ONE, None, ONE)
    assert analysis.costs.flops == (2 * ONE, None, 2 * ONE)
    assert analysis.totals.macs == 2 * ONE
    assert not analysis.totals.exact
    assert not analysis.whole.exact
    assert [layer.name for layer in analysis.uncounted] == ["mystery"]
    assert [group.exact for group in analysis.by_module()] == [True, False, True]


def test_an_operation_without_a_rule_has_a_backward_pass_without_one() -> None:
    assert trained(conv("a", "x"), mystery("a"), conv("b", "mystery")).backward_macs == (ONE, None, 2 * ONE)


def test_known_sums_are_exact() -> None:
    analysis = analyze(network(conv("a", "x")))
    assert analysis.totals.exact
    assert analysis.whole.exact
    assert analysis.uncounted == ()


def test_inference_has_no_backward_pass() -> None:
    assert costs(network(conv("a", "x"))).backward_macs == ()


def test_backward_is_once_the_forward_for_the_first_layer_and_twice_after_it() -> None:
    assert trained(conv("a", "x"), conv("b", "a"), conv("c", "b")).backward_macs == (ONE, 2 * ONE, 2 * ONE)


@pytest.mark.parametrize("groups", [2, 4])
def test_backward_respects_groups(groups: int) -> None:
    result = trained(conv("a", "x", groups=groups), conv("b", "a", groups=groups))
    assert result.backward_macs == (ONE // groups, 2 * ONE // groups)


def test_backward_is_free_where_the_forward_has_no_macs() -> None:
    nodes = [Node("bn", BatchNorm2d(), ("x",)), Node("r", ReLU(), ("bn",)), conv("a", "r")]
    assert trained(*nodes).backward_macs == (0, 0, 2 * ONE)


def test_operations_that_learn_nothing_pass_the_question_on() -> None:
    nodes = [Node("r", ReLU(), ("x",)), conv("a", "r"), Node("s", ReLU(), ("a",)), conv("b", "s")]
    assert trained(*nodes).backward_macs == (0, ONE, 0, 2 * ONE)


def test_every_branch_that_reads_the_image_is_a_first_layer() -> None:
    nodes = [conv("a", "x"), conv("b", "x"), Node("cat", Concat(), ("a", "b")), conv("c", "cat")]
    assert trained(*nodes).backward_macs == (ONE, ONE, 0, 2 * 2 * ONE)


@pytest.mark.parametrize(
    ("frozen", "backward"),
    [
        (frozenset({"a.weight"}), (0, ONE, 2 * ONE)),
        (frozenset({"b.weight"}), (ONE, ONE, 2 * ONE)),
        (frozenset({"a.weight", "b.weight"}), (0, 0, ONE)),
        (frozenset({"c.weight"}), (ONE, 2 * ONE, ONE)),
        (frozenset({"a.weight", "b.weight", "c.weight"}), (0, 0, 0)),
    ],
)
def test_backward_stops_where_nothing_before_learns_and_leaves_out_frozen_weights(
    frozen: frozenset[str], backward: tuple[int, ...]
) -> None:
    assert trained(conv("a", "x"), conv("b", "a"), conv("c", "b"), frozen=frozen).backward_macs == backward


def test_a_shared_layer_has_a_backward_pass_at_each_call() -> None:
    names = ("w",)
    result = trained(conv("a", "x", names=names), conv("b", "a", names=names))
    assert result.backward_macs == (ONE, 2 * ONE)
    assert result.params == (16, 0)


@st.composite
def chains(draw: st.DrawFn) -> list[tuple[bool, bool]]:
    """Per layer, whether it is a convolution and whether its weight is frozen."""
    return draw(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6))


@given(layers=chains())
@settings(max_examples=100, deadline=None)
def test_backward_is_one_product_per_gradient_that_somebody_needs(layers: list[tuple[bool, bool]]) -> None:
    nodes, frozen, x = [], set(), "x"
    for i, (is_conv, is_frozen) in enumerate(layers):
        op: Op = Conv2d(4, (1, 1), bias=False) if is_conv else ReLU()
        nodes.append(Node(f"n{i}", op, (x,)))
        x = f"n{i}"
        if is_frozen:
            frozen.add(f"n{i}.weight")
    learners = [i for i, (is_conv, is_frozen) in enumerate(layers) if is_conv and not is_frozen]
    expected = []
    for i, (is_conv, _) in enumerate(layers):
        products = [learner for learner in learners if learner == i]  # by the weights
        products += learners[:1] if learners and learners[0] < i else []  # by the inputs
        expected.append(ONE * len(products) if is_conv else 0)
    result = trained(*nodes, frozen=frozenset(frozen))
    assert list(result.backward_macs) == expected


def test_training_alone_has_gradients_and_an_optimizer() -> None:
    nodes = [conv("a", "x", bias=True), conv("b", "a", bias=True)]
    inference = analyze(network(*nodes)).totals
    for name in ("backward_macs", "gradient_bytes", "optimizer_bytes", "optimizer_bytes_adam"):
        assert getattr(inference, name) is msgspec.UNSET
    totals = analyze(network(*nodes, mode="training", frozen=frozenset({"a.weight"}))).totals
    trainable = 4 + 20
    assert totals.params_trainable == trainable
    assert (totals.gradient_bytes, totals.optimizer_bytes, totals.optimizer_bytes_adam) == (
        4 * trainable,
        4 * trainable,
        8 * trainable,
    )


@pytest.mark.parametrize(
    ("mode", "params", "macs"),
    [("inference", 6_998_552, 1_582_671_872), ("training", 13_378_280, 1_591_044_096)],
)
def test_the_googlenet_of_the_paper(mode: Mode, params: int, macs: int) -> None:
    result = costs(PAPER.graph(mode))
    assert sum(result.params) == sum(result.params_trainable) == params
    assert sum(filter(None, result.macs)) == macs


@pytest.mark.parametrize("batch", [2, 7, 64])
def test_a_batch_costs_its_samples_and_no_parameters(batch: int) -> None:
    one, many = (costs(PAPER.graph("training", batch=size)) for size in (1, batch))
    assert many.params == one.params
    for column in ("macs", "flops", "backward_macs"):
        assert getattr(many, column) == tuple(batch * cost for cost in getattr(one, column))


def test_a_tensor_shared_with_its_owner_counts_once() -> None:
    nodes = [Node("a", Conv2d(3, (1, 1)), ("x",)), Node("b", Conv2d(3, (1, 1)), ("a",), ("a.weight", "a.bias"))]
    graph = Graph.of([Input("x", TensorType((1, 3, 8, 8)))], nodes, [Output("b")])
    assert costs(graph).params == (12, 0)


def test_a_frozen_weight_has_no_gradient_though_its_bias_has() -> None:
    graph = Graph.of(
        [Input("x", TensorType((1, 3, 8, 8)))], [Node("a", Conv2d(3, (1, 1)), ("x",))], [Output("a")], "training"
    )
    assert costs(graph).backward_macs == (576,)
    assert costs(msgspec.structs.replace(graph, frozen=frozenset({"a.weight"}))).backward_macs == (0,)
