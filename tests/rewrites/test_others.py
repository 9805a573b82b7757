"""Separable kernels, folded batch norms, grids, heads and widths."""

from typing import Any

import pytest

import inception_lens as il
from inception_lens.errors import GraphError, ShapeError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import (
    AdaptiveAvgPool2d,
    BatchNorm1d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Elementwise,
    Flatten,
    Linear,
    MaxPool2d,
    Op,
    ReLU,
    Reshape,
    Sigmoid,
    TensorType,
    Unknown,
)
from inception_lens.rewrites.batch_norm import folded_batch_norms
from inception_lens.rewrites.grid import pooled_modules, strided_modules
from inception_lens.rewrites.heads import auxiliary_heads, linear_heads, pooled_heads
from inception_lens.rewrites.separable import dense_kernels, separable_kernels
from inception_lens.rewrites.widths import with_widths
from tests.rewrites.rewriting import rewrite


def graph(*nodes: tuple[str, Op, str], outputs: str = "", shape: tuple[int, ...] = (1, 8, 12, 12)) -> Graph:
    made = [Node(name, op, tuple(inputs.split())) for name, op, inputs in nodes]
    return Graph.of([Input("x", TensorType(shape))], made, [Output(name) for name in outputs.split() or [nodes[-1][0]]])


def ops(given: Graph) -> list[Op]:
    return [node.op for node in given.nodes]


# --- separable


def test_a_separable_kernel_becomes_dense_and_separable_again() -> None:
    given = graph(("k", Conv2d(16, (3, 3), (2, 2), (1, 1)), "x"), ("r", ReLU(), "k"))
    new = rewrite(dense_kernels, given)
    assert ops(new) == [Conv2d(8, (3, 3), (2, 2), (1, 1), groups=8), Conv2d(16, (1, 1)), ReLU()]
    assert ops(rewrite(separable_kernels, new)) == ops(given)
    totals = il.analyze(new).totals
    assert totals.macs == 36 * (8 * 9 + 8 * 16)


def test_what_stands_between_depthwise_and_pointwise_goes_too() -> None:
    given = graph(
        ("d", Conv2d(8, (3, 3), padding=(1, 1), groups=8, bias=False), "x"), ("b", BatchNorm2d(), "d"),
        ("r", ReLU(), "b"), ("p", Conv2d(16, (1, 1)), "r"),
    )  # fmt: skip
    assert ops(rewrite(separable_kernels, given)) == [Conv2d(16, (3, 3), padding=(1, 1))]


def test_xceptions_34_separable_kernels() -> None:
    assert len(separable_kernels(il.load("xception")).sites) == 34


def test_the_stem_of_v2_becomes_the_plain_one_of_its_dialect() -> None:
    new = rewrite(separable_kernels, il.load("inception_v2"))
    plain = il.load("inception_v2@nonseparable")
    # The plain stem has a batch norm where the separable one has biases.
    assert new["Conv2d_1a_7x7/pointwise"].op == Conv2d(64, (7, 7), (2, 2), "same")
    assert il.analyze(new).totals.macs == il.analyze(plain).totals.macs


def test_a_depthwise_kernel_that_no_1x1_follows_is_left_alone() -> None:
    given = graph(("d", Conv2d(8, (3, 3), groups=8), "x"), ("k", Conv2d(4, (3, 3)), "d"))
    assert rewrite(separable_kernels, given) is given
    assert [left.name for left in separable_kernels(given).skipped] == ["d"]


# --- batch norm


def test_a_folded_norm_leaves_a_bias() -> None:
    given = graph(("c", Conv2d(4, (3, 3), bias=False), "x"), ("c/bn", BatchNorm2d(), "c"), ("r", ReLU(), "c/bn"))
    new = rewrite(folded_batch_norms, given)
    assert [(node.name, node.op) for node in new.nodes] == [("c", Conv2d(4, (3, 3))), ("r", ReLU())]
    assert new["r"].inputs == ("c",)
    before, after = il.analyze(given).totals, il.analyze(new).totals
    assert (before.params - after.params, before.buffers, after.buffers) == (4, 8, 0)
    assert before.macs == after.macs


def test_a_linear_layer_and_its_norm() -> None:
    given = graph(("l", Linear(4), "x"), ("n", BatchNorm1d(), "l"), shape=(2, 8))
    assert ops(rewrite(folded_batch_norms, given)) == [Linear(4)]


def test_norms_that_cannot_be_folded() -> None:
    plan = folded_batch_norms(
        graph(("r", ReLU(), "x"), ("n", BatchNorm2d(), "r"), ("c", Conv2d(4, (1, 1)), "n"), ("m", BatchNorm2d(), "c"),
              ("s", Sigmoid(), "c"), outputs="m s")
    )  # fmt: skip
    assert not plan.sites
    assert [left.name for left in plan.skipped] == ["n", "m"]


def test_named_tensors_stay_named() -> None:
    given = Graph.of(
        [Input("x", TensorType((1, 3, 5, 5)))],
        [
            Node("c", Conv2d(4, (3, 3), bias=False), ("x",), ("conv.weight",)),
            Node("n", BatchNorm2d(), ("c",), ("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")),
        ],
        [Output("n")],
    )
    assert rewrite(folded_batch_norms, given)["c"].parameters == ("conv.weight", "bn.bias")


def test_every_norm_of_a_port_is_folded() -> None:
    new = rewrite(folded_batch_norms, il.load("googlenet@torchvision"))
    assert not [node for node in new.nodes if node.op.category == "norm"]
    assert il.analyze(new).totals.params == 6_617_624  # as TF-slim counts it, whose norms have no scale


# --- grid


def test_the_strided_module_of_v3_as_module_and_pool() -> None:
    given = il.load("inception_v3")
    assert [site.name for site in strided_modules(given).sites] == ["Mixed_6a/concat", "Mixed_7a/concat"]
    new = rewrite(strided_modules, given)
    assert new.types["Mixed_6a/concat"][0].shape == (1, 768, 35, 35)
    assert new.types["Mixed_6b/concat"] == given.types["Mixed_6b/concat"]
    assert il.analyze(new).totals.params == il.analyze(given).totals.params
    assert [site.name for site in strided_modules(new).sites] == []


def test_the_pooled_modules_of_googlenet_with_strided_branches() -> None:
    given = il.load("googlenet")
    assert [site.name for site in pooled_modules(given).sites] == ["pool3/3x3_s2", "pool4/3x3_s2"]
    new = rewrite(pooled_modules, given)
    assert new.types["inception_3b/output"][0].shape == given.types["pool3/3x3_s2"][0].shape
    # 128 | 128 > 192 | 32 > 96 | 64 of a 14x14 map, the two reductions on 28x28
    last = 256 * 128 + 9 * 128 * 192 + 25 * 32 * 96 + 256 * 64
    module = next(group for group in il.analyze(new).by_module(1) if group.name == "inception_3b")
    assert module.macs == 784 * 256 * (128 + 32) + 196 * last


def test_branches_that_do_not_end_alike_are_left_alone() -> None:
    half = Conv2d(8, (3, 3), (2, 2), (1, 1))
    given = graph(
        ("a", half, "x"), ("p", MaxPool2d((3, 3), (2, 2), (1, 1)), "x"), ("q", Conv2d(8, (1, 1)), "p"),
        ("j", Concat(), "a p q"),
    )  # fmt: skip
    assert rewrite(strided_modules, given) is given


# --- heads


def test_heads_vanish_at_inference() -> None:
    given = il.load("googlenet", mode="training")
    plan = auxiliary_heads(given)
    assert [site.name for site in plan.sites] == ["aux1/classifier", "aux2/classifier"]
    assert [node.name for node in rewrite(auxiliary_heads, given).nodes] == [
        node.name for node in il.load("googlenet").nodes if node.name != "prob"
    ]


def test_vggs_head_as_a_mean() -> None:
    new = rewrite(linear_heads, il.load("vgg16"))
    assert [node.op for node in new.nodes if isinstance(node.op, Linear)] == [Linear(1000)]
    assert il.analyze(new).totals.params == 14_714_688 + 512 * 1000 + 1000


def test_a_reshape_flattens_too() -> None:
    given = graph(("f", Reshape((1, 8 * 144)), "x"), ("a", Linear(32), "f"), ("r", ReLU(), "a"), ("b", Linear(10), "r"))
    assert ops(rewrite(linear_heads, given)) == [AdaptiveAvgPool2d((1, 1)), Flatten(), Linear(10)]


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("googlenet", 48 * 1024 * 1000),  # 7x7 in place of 1x1 positions
        ("googlenet@slim", 48 * 1024 * 1000),  # a 1x1 convolution is its classifier
        ("nin", 1000 * 6 * 6 * 1000 + 1000),  # there is no linear layer: one as wide as the map
    ],
)
def test_a_head_that_reads_the_whole_map(name: str, params: int) -> None:
    given = il.load(name)
    new = rewrite(pooled_heads, given)
    assert il.analyze(new).totals.params - il.analyze(given).totals.params == params
    assert new.types[new.outputs[0].node] == given.types[given.outputs[0].node]


def test_a_mean_that_scales_a_map_is_no_head() -> None:  # squeeze and excitation
    given = graph(
        ("p", AdaptiveAvgPool2d((1, 1)), "x"), ("c", Conv2d(8, (1, 1)), "p"), ("s", Sigmoid(), "c"),
        ("m", Elementwise("mul"), "x s"),
    )  # fmt: skip
    assert rewrite(pooled_heads, given) is given
    assert [left.name for left in pooled_heads(given).skipped] == ["p"]


# --- widths


def test_everything_behind_follows_a_width() -> None:
    widths: dict[str, Any] = {"inception_4e/5x5_reduce": 16, "inception_5b/1x1": 100}
    assert with_widths(il.load("googlenet"), widths) == il.load("googlenet", overrides=widths)


def test_a_depthwise_kernel_behind_stays_depthwise() -> None:
    given = graph(("c", Conv2d(4, (1, 1)), "x"), ("d", Conv2d(8, (3, 3), groups=4), "c"), ("e", Conv2d(2, (1, 1)), "d"))
    assert ops(with_widths(given, {"c": 6}))[1] == Conv2d(12, (3, 3), groups=6)


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ({"res1_1/conv3": 64}, "res1_1/add"),
        ({"res1_1/relu": 64}, "res1_1/relu"),
        ({"nothing": 64}, "`nothing` is not a layer of `resnet50`"),
        ({"res1_1/conv1": 0}, "expected a width from 1"),
        ({"res1_1/conv1": 2**30}, "expected a width from 1"),
    ],
)
def test_widths_that_cannot_be(widths: dict[str, int], message: str) -> None:
    with pytest.raises((GraphError, ShapeError), match=message):
        with_widths(il.load("resnet50"), widths)


def test_the_rest_of_a_graph_is_kept() -> None:
    given = il.load("googlenet").with_dtype("float16")
    for new in (with_widths(given, {"inception_3a/1x1": 3}), rewrite(dense_kernels, given)):
        assert (new.dtype, new.metadata, new.mode, new.inputs) == (
            given.dtype,
            given.metadata,
            given.mode,
            given.inputs,
        )


def test_an_unknown_operation_behind_a_kept_shape_is_no_obstacle() -> None:
    unknown = Unknown("mystery", (TensorType((1, 7)),))
    given = graph(("k", Conv2d(4, (5, 5), padding=(2, 2)), "x"), ("u", unknown, "k"))
    assert [node.inputs for node in rewrite(dense_kernels, given).nodes][-1] == ("k/pointwise",)
    with pytest.raises(GraphError, match=r"output shape of `u` \(mystery\) is unknown"):
        with_widths(given, {"k": 5})
