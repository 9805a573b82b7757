"""The nodes that each form of the notation becomes, and the errors of tables that cannot be built."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.architectures.blueprint import Blueprint, parse_blocks
from inception_lens.architectures.catalogue import find
from inception_lens.architectures.network import BatchNormConfig
from inception_lens.errors import ConfigError, GraphError, ShapeError
from inception_lens.graph import Graph
from inception_lens.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Op,
    ReLU,
    Softmax,
    Tanh,
)
from inception_lens.readers.config import configure, read_config
from inception_lens.writers.toml import to_toml


def blueprint(*lines: str, head: str = "out: fc classes lin", **fields: Any) -> Blueprint:
    """A small network without norms: blocks `a`, `b`, ... over an image of 3x16x12."""
    table = {chr(ord("a") + i): line for i, line in enumerate(lines)}
    return Blueprint(**{"input": (3, 16, 12), "classes": 5, "norm": "none", **fields, "blocks": table, "head": head})


def graph_of(*lines: str, **fields: Any) -> Graph:
    return blueprint(*lines, **fields).graph()


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def op(graph: Graph, name: str = "a") -> Op:
    return graph[name].op


def shape(graph: Graph, name: str = "a") -> tuple[int, ...]:
    return graph.types[name][0].shape[1:]


def macs(analysis: Analysis) -> dict[str, int]:
    return {layer.name: layer.macs for layer in analysis.layers if layer.macs}


# --- one step


@pytest.mark.parametrize(
    ("step", "written", "size"),
    [
        ("3x3 8", Conv2d(8, (3, 3), (1, 1), (1, 1), bias=False), (8, 16, 12)),
        ("3x3/2 8", Conv2d(8, (3, 3), (2, 2), (1, 1), bias=False), (8, 8, 6)),
        ("3x3V 8", Conv2d(8, (3, 3), bias=False), (8, 14, 10)),
        ("3x3/2p0 8", Conv2d(8, (3, 3), (2, 2), bias=False), (8, 7, 5)),
        ("7x1 8", Conv2d(8, (7, 1), (1, 1), (3, 0), bias=False), (8, 16, 12)),
        ("all 8", Conv2d(8, (16, 12), bias=False), (8, 1, 1)),
        ("1x1 8 bare", Conv2d(8, (1, 1), (1, 1), bias=True), (8, 16, 12)),
        ("1x1 classes", Conv2d(5, (1, 1), bias=False), (5, 16, 12)),
        ("max 3x3", MaxPool2d((3, 3), (1, 1), (1, 1)), (3, 16, 12)),
        ("max 3x3/2", MaxPool2d((3, 3), (2, 2), (0, 0)), (3, 7, 5)),
        ("max 3x3/2p1", MaxPool2d((3, 3), (2, 2), (1, 1)), (3, 8, 6)),
        ("max 3x3V", MaxPool2d((3, 3), (1, 1), (0, 0)), (3, 14, 10)),
        ("max all", MaxPool2d((16, 12), (1, 1), (0, 0)), (3, 1, 1)),
        ("avg 5x5/3V", AvgPool2d((5, 5), (3, 3), (0, 0)), (3, 4, 3)),
        ("avg", AdaptiveAvgPool2d(), (3, 1, 1)),
        ("avg/2", AvgPool2d((16, 12), (2, 2)), (3, 1, 1)),
        ("to 6x5", AdaptiveAvgPool2d((6, 5)), (3, 6, 5)),
        ("to? 6x5", AdaptiveAvgPool2d((6, 5)), (3, 6, 5)),
        ("lrn", LocalResponseNorm(), (3, 16, 12)),
        ("drop", Dropout(0.5), (3, 16, 12)),
    ],
)
def test_a_single_step_has_the_name_of_its_block(step: str, written: Op, size: tuple[int, ...]) -> None:
    graph = graph_of(step)
    assert op(graph) == written
    assert shape(graph) == size
    assert graph["a"].inputs == ("input",)


def test_an_optional_pool_to_the_current_size_is_left_out() -> None:
    assert names(graph_of("to? 16x12")) == ["out/flatten", "out"]
    assert "a" in names(graph_of("to 16x12"))


def test_a_separable_convolution_is_a_depthwise_and_a_pointwise_one() -> None:
    graph = graph_of("1x1 4", "sep 3x3/2*8 6")
    assert names(graph)[2:5] == ["b/depthwise", "b/pointwise", "b/pointwise/relu"]
    assert op(graph, "b/depthwise") == Conv2d(32, (3, 3), (2, 2), (1, 1), groups=4, bias=False)
    assert op(graph, "b/pointwise") == Conv2d(6, (1, 1), bias=False)
    assert shape(graph, "b/pointwise") == (6, 8, 6)


def test_a_bare_separable_convolution_has_a_bias_and_no_norm() -> None:
    graph = graph_of("sep 3x3 6 bare", norm="batch")
    assert names(graph)[:3] == ["a/depthwise", "a/pointwise", "a/pointwise/relu"]
    biases = [node.op.bias for node in graph.nodes if isinstance(node.op, Conv2d)]
    assert biases == [False, True]


def test_a_linear_layer_flattens_what_it_reads_once() -> None:
    graph = graph_of("1x1 2", head="one: fc 7 > two: fc 4 lin > out: fc classes")
    assert names(graph)[2:] == ["one/flatten", "one", "one/relu", "two", "out", "out/relu"]
    assert op(graph, "one/flatten") == Flatten()
    assert [op(graph, name) for name in ("one", "two", "out")] == [Linear(7), Linear(4), Linear(5)]


@pytest.mark.parametrize(
    ("step", "nodes"),
    [
        ("1x1 8", ["a", "a/bn", "a/relu"]),
        ("1x1 8 lin", ["a", "a/bn"]),
        ("1x1 8 bare", ["a", "a/relu"]),
        ("1x1 8 lin bare", ["a"]),
        ("max 3x3", ["a"]),
        ("fc 8", ["a/flatten", "a", "a/relu"]),
        ("fc 8 lin", ["a/flatten", "a"]),
        ("act", ["a/preactivation"]),
    ],
)
def test_nodes_of_a_step_with_batch_norm(step: str, nodes: list[str]) -> None:
    assert [name for name in names(graph_of(step, norm="batch")) if name.startswith("a")] == nodes


def test_norm_and_activation_come_from_the_config() -> None:
    graph = graph_of(
        "1x1 8", norm="batch", activation="tanh", batch_norm=BatchNormConfig(eps=0.5, momentum=0.25, scale=False)
    )
    assert op(graph, "a/bn") == BatchNorm2d(0.5, 0.25, False)
    assert op(graph, "a/tanh") == Tanh()
    assert names(graph_of("1x1 8", activation="none"))[0:2] == ["a", "out/flatten"]


def test_bias_applies_to_every_convolution() -> None:
    graph = graph_of("1x1 8", "sep 3x3 8", "+ 1x1 9", bias=True)
    assert [node.op.bias for node in graph.nodes if isinstance(node.op, Conv2d)] == [True] * 5


def test_the_dropout_rate_comes_from_the_config() -> None:
    assert op(graph_of("drop", dropout=0.25)) == Dropout(0.25)


# --- padding


@pytest.mark.parametrize("step", ["3x3/2 8", "max 3x3/2", "avg 3x3/2", "7x1 8", "max 3x3", "sep 3x3/2 4"])
def test_same_padding_divides_the_map_by_the_stride(step: str) -> None:
    graph = graph_of(step, padding="same", input=(3, 15, 11))
    first = graph.nodes[0]
    assert isinstance(first.op, Conv2d | MaxPool2d | AvgPool2d)
    assert first.op.padding == "same"
    halved = "/2" in step
    assert shape(graph, first.name)[1:] == ((8, 6) if halved else (15, 11))


@pytest.mark.parametrize("step", ["3x3/2V 8", "max 3x3/2V", "avg 3x3/2V", "3x3/2p0 8"])
def test_padding_of_a_step_overrides_same_padding(step: str) -> None:
    assert shape(graph_of(step, padding="same", input=(3, 15, 11)))[1:] == (7, 5)


@pytest.mark.parametrize(
    ("rounding", "size"), [("floor", (7, 5)), ("trunc", (7, 5)), ("ceil", (8, 6)), ("ceil_unclipped", (8, 6))]
)
def test_rounding_applies_only_to_pools(rounding: str, size: tuple[int, int]) -> None:
    for pool in ("max 3x3/2", "avg 3x3/2"):
        assert shape(graph_of(pool, rounding=rounding))[1:] == size
    assert shape(graph_of("3x3/2V 8", rounding=rounding))[1:] == (7, 5)


def test_count_padding_applies_to_average_pools() -> None:
    for counted in (True, False):
        assert op(graph_of("avg 3x3", count_padding=counted)) == AvgPool2d(
            (3, 3), (1, 1), (1, 1), count_include_pad=counted
        )


# --- chains and branches


def test_steps_of_a_chain_are_named_by_place_as_in_tf_slim() -> None:
    graph = graph_of(
        "1x1 2 > 3x3/2 2 > act > max 3x3 > own/name: 1x1 2 > sep 3x3 2 > avg 3x3 > lrn > drop > to 4x4 > avg"
    )
    written = [name.removeprefix("a/") for name in names(graph) if not name.endswith("1x1/relu")]
    assert written[:-2] == [
        "Conv2d_0a_1x1", "Conv2d_1a_3x3", "Conv2d_1a_3x3/relu", "relu", "MaxPool_0b_3x3", "own/name", "own/name/relu",
        "SeparableConv2d_0c_3x3/depthwise", "SeparableConv2d_0c_3x3/pointwise", "SeparableConv2d_0c_3x3/pointwise/relu",
        "AvgPool_0d_3x3", "LRN_0e", "Dropout_0f", "AvgPool_0g_4x4", "AvgPool_0h",
    ]  # fmt: skip


def test_branches_read_one_map_and_are_joined_in_order() -> None:
    graph = graph_of("1x1 4", "max 3x3 > 1x1 2 | 1x1 6 | 3x3 8")
    assert op(graph, "b/concat") == Concat()
    assert graph["b/concat"].inputs == ("b/Branch_0/Conv2d_0b_1x1/relu", "b/Branch_1/relu", "b/Branch_2/relu")
    assert shape(graph, "b/concat") == (2 + 6 + 8, 16, 12)
    firsts = ("b/Branch_0/MaxPool_0a_3x3", "b/Branch_1", "b/Branch_2")
    assert {graph[first].inputs for first in firsts} == {("a/relu",)}


def test_parallel_steps_read_the_same_map_and_are_concatenated() -> None:
    graph = graph_of("1x1 9 > 1x3 2 & 3x1 4 | 1x1 1")
    both = ["a/Branch_0/Conv2d_0b_1x3", "a/Branch_0/Conv2d_0c_3x1"]
    assert {graph[name].inputs for name in both} == {("a/Branch_0/Conv2d_0a_1x1/relu",)}
    assert graph["a/concat"].inputs == (*(f"{name}/relu" for name in both), "a/Branch_1/relu")
    assert shape(graph, "a/concat") == (7, 16, 12)


def test_one_branch_with_several_ends_is_joined_too() -> None:
    graph = graph_of("1x1 2 & max 3x3")
    assert graph["a/concat"].inputs == ("a/Conv2d_0a_1x1/relu", "a/MaxPool_0b_3x3")
    assert shape(graph, "a/concat") == (2 + 3, 16, 12)


def test_branches_with_maps_of_different_sizes_are_named() -> None:
    with pytest.raises(ShapeError, match=r"`a/concat` \(concat of `a/Branch_0/relu` 1x4x16x12, `a/Branch_1` 1x3x7x5\)"):
        graph_of("1x1 4 | max 3x3/2")


# --- residuals


def test_a_branch_that_keeps_the_shape_is_added_to_the_input() -> None:
    graph = graph_of("1x1 4", "+ 3x3 8 > 1x1 4 lin => act")
    assert names(graph)[2:7] == [
        "b/Conv2d_0a_3x3", "b/Conv2d_0a_3x3/relu", "b/Conv2d_0b_1x1", "b/add", "b/relu",
    ]  # fmt: skip
    assert graph["b/add"].inputs == ("a/relu", "b/Conv2d_0b_1x1")
    assert op(graph, "b/add") == Add()
    assert op(graph, "b/relu") == ReLU(inplace=True)
    assert graph["out/flatten"].inputs == ("b/relu",)


@pytest.mark.parametrize(
    ("block", "channels", "stride"),
    [
        ("+ 3x3 8", 8, 1),
        ("+ 3x3/2 3", 3, 2),
        ("+ 1x1/2 2 > 3x3/2 9", 9, 4),
        ("+ sep 3x3 8 > max 3x3/2p1", 8, 2),
    ],
)
def test_the_input_is_projected_to_the_branch_s_width_and_stride(block: str, channels: int, stride: int) -> None:
    graph = graph_of(block, norm="batch")
    assert op(graph, "a/shortcut") == Conv2d(channels, (1, 1), (stride, stride), bias=False)
    assert graph["a/shortcut/bn"].inputs == ("a/shortcut",)
    assert graph["a/add"].inputs[0] == "a/shortcut/bn"
    assert shape(graph, "a/shortcut") == shape(graph, "a/add")
    assert "a/shortcut/relu" not in names(graph)


@pytest.mark.parametrize(("place", "first"), [("first", "a/shortcut"), ("last", "a")])
def test_a_projection_comes_before_or_after_the_branch(place: str, first: str) -> None:
    graph = graph_of("+ 3x3 8 lin", shortcut=place)
    assert names(graph)[0] == first
    assert set(names(graph)[:2]) == {"a", "a/shortcut"}
    assert graph["a/add"].inputs == ("a/shortcut", "a")


def test_several_branches_are_projected_to_the_input_s_width_and_scaled() -> None:
    graph = graph_of("1x1 4", "+0.17 1x1 2 | 3x3 7 => act", norm="batch")
    assert op(graph, "b/up_1x1") == Conv2d(4, (1, 1))  # with a bias and no norm, as in TF-slim
    assert graph["b/up_1x1"].inputs == ("b/concat",)
    assert graph["b/add"].inputs == ("a/relu", "b/up_1x1")
    assert op(graph, "b/add") == Add(0.17)
    assert names(graph)[-4:] == ["b/add", "b/relu", "out/flatten", "out"]


def test_a_single_branch_is_scaled_too() -> None:
    assert op(graph_of("+0.5 1x1 3"), "a/add") == Add(0.5)


@pytest.mark.parametrize("block", ["+ 3x3V 8", "+ avg", "+ 1x1/2 4 | 3x3/2 4", "+ 1x1 8 > to 4x4", "+ fc 8"])
def test_a_residual_with_different_shapes_names_its_sum(block: str) -> None:
    with pytest.raises(ShapeError, match=r"^`a/add` \(add of "):
        graph_of(block)


def test_several_steps_can_follow_the_sum() -> None:
    graph = graph_of("+ 1x1 3 lin => act > max 3x3/2")
    assert names(graph)[1:4] == ["a/add", "a/relu", "a/MaxPool_1a_3x3"]
    assert graph["out/flatten"].inputs == ("a/MaxPool_1a_3x3",)


# --- repeats and names


def test_repeats_are_numbered_and_consecutive() -> None:
    graph = graph_of("x3 + 1x1 3 lin", "x1 1x1 2 lin")
    assert names(graph) == ["a_1", "a_1/add", "a_2", "a_2/add", "a_3", "a_3/add", "b", "out/flatten", "out"]
    assert graph["a_3"].inputs == ("a_2/add",)


def test_repeats_equal_as_many_copies_of_the_block() -> None:
    short = analyze(graph_of("1x1 4", "x20 +0.1 1x1 2 | 3x3 7 => act"))
    long = analyze(graph_of("1x1 4", *["+0.1 1x1 2 | 3x3 7 => act"] * 20))
    assert short.totals == long.totals


@pytest.mark.parametrize(
    "config",
    [
        Blueprint(blocks={"a": "x2 1x1 4", "a_1": "1x1 4"}, head="out: fc classes"),
        Blueprint(blocks={"input": "1x1 4"}, head="out: fc classes"),
        Blueprint(blocks={"out": "1x1 4"}, head="out: fc classes"),
        Blueprint(blocks={"a": "n: 1x1 4 > n: 1x1 4"}, head="out: fc classes"),
        Blueprint(blocks={"a": "1x1 4 > act > act"}, head="out: fc classes"),
    ],
)
def test_two_nodes_with_one_name_are_refused(config: Blueprint) -> None:
    with pytest.raises(GraphError, match=r"^two nodes are called `"):
        config.graph()


# --- head, aux, modes


def test_the_head_names_its_own_steps_and_ends_in_a_vector() -> None:
    graph = graph_of("1x1 4", head="avg > drop > Logits/fully: 1x1 classes bare lin")
    assert names(graph)[2:] == ["AvgPool_0a", "Dropout_0b", "Logits/fully", "flatten"]
    assert shape(graph, graph.outputs[0].node) == (5,)


def test_the_softmax_is_only_in_inference() -> None:
    config = blueprint("1x1 4", softmax=True)
    assert config.graph().nodes[-1].op == Softmax()
    assert config.graph().outputs[0].node == "prob"
    assert config.graph("training").outputs[0].node == "out"
    assert config.replace(softmax=False).graph().outputs[0].node == "out"


def test_the_auxiliary_head_is_only_in_training_with_its_loss_weight() -> None:
    config = blueprint("x2 1x1 4", "3x3 6", aux="avg 5x5/3V > all 7 > fc classes lin", aux_at="a", aux_loss_weight=0.25)
    graph = config.graph("training")
    head = [name for name in names(graph) if name.startswith("AuxLogits/")]
    assert head == ["AuxLogits/AvgPool_1a_5x5", "AuxLogits/Conv2d_0a", "AuxLogits/Conv2d_0a/relu",
                    "AuxLogits/Linear_0b/flatten", "AuxLogits/Linear_0b"]  # fmt: skip
    assert graph[head[0]].inputs == ("a_2/relu",)
    assert op(graph, head[1]) == Conv2d(7, (4, 3), bias=False)
    assert [(output.node, output.loss_weight) for output in graph.outputs] == [("out", 1.0), (head[-1], 0.25)]
    assert config.graph() == config.replace(aux="none", aux_at="").graph()
    assert config.replace(aux="none", aux_at="").graph("training").outputs == graph.outputs[:1]


def test_an_auxiliary_head_of_one_step_is_named_by_its_place() -> None:
    graph = blueprint("1x1 4", aux="avg", aux_at="a").graph("training")
    assert names(graph)[-2:] == ["AuxLogits", "AuxLogits/flatten"]


def test_a_kernel_of_the_whole_map_depends_on_the_input() -> None:
    for height, width in ((16, 12), (5, 7)):
        assert op(graph_of("all 8", input=(3, height, width))) == Conv2d(8, (height, width), bias=False)


@pytest.mark.parametrize(
    ("final_pool", "written"),
    [
        ("global", AdaptiveAvgPool2d()),
        ("7", AvgPool2d((7, 7), (1, 1))),
        ("7x5/2", AvgPool2d((7, 5), (2, 2))),
    ],
)
def test_the_final_pool_may_be_a_window(final_pool: str, written: Op) -> None:
    graph = graph_of("1x1 4", head="pool: avg > out: fc classes lin", final_pool=final_pool)
    assert op(graph, "pool") == written
    assert shape(graph, "out") == (5,)


# --- classes, width, input, batch


def test_classes_are_never_scaled() -> None:
    for width in (0.5, 1.0, 3.0):
        graph = graph_of("1x1 8", "1x1 classes", head="avg > out: fc classes lin", width=width)
        assert (shape(graph, "a")[0], shape(graph, "b")[0], shape(graph, "out")) == (8 * width, 5, (5,))


def test_a_width_is_rounded_half_up_and_at_least_one() -> None:
    graph = graph_of("1x1 1", "1x1 5", "1x1 7", width=0.1)
    assert [shape(graph, name)[0] for name in "abc"] == [1, 1, 1]
    assert shape(graph_of("1x1 5", width=0.5))[0] == 3


LINES = (
    "3x3/2 4",
    "1x1 4 | 1x1 2 > 1x3 6 & 3x1 6 | max 3x3 > 1x1 2",
    "x2 +0.2 1x1 2 | 3x3 6 => act",
    "+ 3x3/2 8",
)


def test_twice_the_width_is_four_times_the_work_of_inner_convolutions() -> None:
    one, two = (macs(analyze(graph_of(*LINES, width=width, norm="batch"))) for width in (1.0, 2.0))
    assert {name: two[name] / one[name] for name in one} == {name: 2 if name in ("a", "out") else 4 for name in one}


def test_a_batch_costs_its_size_times_one_image() -> None:
    config = blueprint(*LINES)
    assert analyze(config.graph(batch=3)).totals.macs == 3 * analyze(config.graph()).totals.macs


# --- errors


@pytest.mark.parametrize(
    ("config", "key", "message"),
    [
        (blueprint("1x1 4", "1x1 64 |"), "blocks.b", "`blocks.b`: `` is not a step"),
        (blueprint("1x1 4", "3x3 0"), "blocks.b", "`blocks.b`: `3x3 0`"),
        (blueprint("x0 1x1 4"), "blocks.a", "`blocks.a`: `x0`"),
        (blueprint("1x1 4", head="fc"), "head", "`head`: `fc` is not a step"),
        (blueprint("1x1 4", aux="fc", aux_at="a"), "aux", "`aux`: `fc` is not a step"),
    ],
)
def test_a_bad_block_names_its_key(config: Blueprint, key: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.graph()
    assert caught.value.key == key
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("aux_at", ["", "A", "a_1", "input"])
def test_the_auxiliary_head_needs_a_block(aux_at: str) -> None:
    with pytest.raises(ConfigError, match=f"`aux_at` is `{aux_at}`, which is not a block"):
        blueprint("x2 1x1 4", aux="fc classes", aux_at=aux_at).graph()


@pytest.mark.parametrize(
    "config",
    [
        blueprint(),
        blueprint("1x1 4", norm="group"),
        blueprint("1x1 4", activation="swish"),
        blueprint("1x1 4", padding="valid"),
        blueprint("1x1 4", rounding="same"),
        blueprint("1x1 4", shortcut="middle"),
        blueprint("1x1 4", final_pool="0x7"),
        blueprint("1x1 4", dropout=1.0),
        blueprint("1x1 4", aux_loss_weight=-1.0),
        blueprint("1x1 4" + " > 1x1 4" * 300),
        blueprint("1x1 4", width=0.0),
        blueprint("1x1 4", classes=0),
        Blueprint(blocks={"two words": "1x1 4"}, head="out: fc classes"),
        Blueprint(blocks={"a/b": "1x1 4"}, head="out: fc classes"),
        Blueprint(blocks={str(i): "1x1 4" for i in range(1_001)}, head="out: fc classes"),
    ],
)
def test_values_out_of_bounds_are_refused(config: Blueprint) -> None:
    with pytest.raises(ConfigError):
        config.graph()


def test_a_small_config_cannot_build_a_million_modules() -> None:
    config = Blueprint(blocks={f"b{i}": "x1000 1x1 4" for i in range(1_000)}, head="out: fc classes")
    with pytest.raises(ConfigError, match=r"^`blocks.b20`: more than 20,000 steps in the network, counting repeats$"):
        config.graph()


def test_every_step_counts_towards_the_limit() -> None:
    full = {f"b{i}": "x1000 + 1x1 1 > 1x1 1 & 1x1 1 | max 3x3 => act" for i in range(3)}  # 5 steps, 3,000 times
    rest = {**full, "c": "x1000 1x1 1 > 1x1 1 > 1x1 1 > 1x1 1", "d": "x1000 drop"}  # 15,000 + 4,000 + 1,000
    Blueprint(blocks=rest, head="out: fc classes").check()
    with pytest.raises(ConfigError, match=r"^`blocks.e`: more than 20,000 steps"):
        Blueprint(blocks={**rest, "e": "drop"}, head="out: fc classes").check()


def test_a_head_may_be_one_step_without_a_name() -> None:
    graph = Blueprint(blocks={"a": "1x1 4"}, head="fc classes lin", norm="none").graph()
    assert names(graph)[-1] == "Linear_0a"


@pytest.mark.parametrize("head", ["1x1 4 | 1x1 4", "x2 1x1 4", "+ 1x1 4", "1x1 4 => act", "1x1 4 & 1x1 4", "none", ""])
def test_a_head_is_one_chain(head: str) -> None:
    with pytest.raises(ConfigError, match=r"^`head`: "):
        Blueprint(blocks={"a": "1x1 4"}, head=head).check()


def test_a_width_that_doubles_in_each_block_is_limited() -> None:
    with pytest.raises(ConfigError, match="channels"):
        Blueprint(blocks={"a": "x1000 drop | drop"}, head="fc classes").graph()


def test_every_activation_is_the_network_s() -> None:
    config = Blueprint(blocks={"a": "+ act > 1x1 3 => act"}, head="fc classes lin", norm="none", activation="tanh")
    assert not [node for node in config.graph().nodes if node.op.kind == "ReLU"]
    without = config.replace(activation="none")
    assert not [node for node in without.graph().nodes if node.op.category == "activation"]


def test_a_table_that_lists_every_block_gives_their_order() -> None:
    base = find("inception_v3").config
    assert isinstance(base, Blueprint)
    inserted: dict[str, str] = {}
    for name, block in base.blocks.items():
        inserted[name] = block
        if name == "Mixed_5b":
            inserted["Mixed_5b2"] = block
    config = base.replace(blocks=inserted)
    again = configure(tomllib.loads(to_toml(config, "inception_v3")))
    assert again.graph() == config.graph()


@pytest.mark.parametrize("step", ["1x1 4", "sep 3x3 4", "max 2x2/2", "avg", "lrn", "to 2x2"])
def test_a_step_that_needs_a_map_is_refused_after_a_vector(step: str) -> None:
    with pytest.raises(ShapeError, match=r"^`b"):
        graph_of("fc 4", step)


# --- tables as text, and files


def test_a_table_of_blocks_is_a_name_and_a_block_on_each_line() -> None:
    assert parse_blocks("  one  1x1   4 | max 3x3\n\ttwo  + 3x3 4 => act\n") == {
        "one": "1x1 4 | max 3x3",
        "two": "+ 3x3 4 => act",
    }


def own(folder: Path, text: str) -> Blueprint:
    path = folder / "net.toml"
    path.write_text(text)
    config, _ = read_config(str(path))
    assert isinstance(config, Blueprint)
    return config


def test_a_file_changes_one_block(tmp_path: Path) -> None:
    base = find("inception_v3").config
    assert isinstance(base, Blueprint)
    config = own(tmp_path, 'base = "inception_v3"\n[blocks]\nMixed_5b = "1x1 64 | 3x3 64"\n')
    assert config == base.replace(blocks={**base.blocks, "Mixed_5b": "1x1 64 | 3x3 64"})
    assert list(config.blocks) == list(base.blocks)
    assert shape(config.graph(), "Mixed_5b/concat") == (128, 35, 35)


def test_a_file_removes_one_block(tmp_path: Path) -> None:
    config = own(tmp_path, 'base = "inception_v3"\n[blocks]\nMixed_5c = "none"\n')
    graph, whole = config.graph(), find("inception_v3").config.graph()
    assert set(names(whole)) - set(names(graph)) == {name for name in names(whole) if name.startswith("Mixed_5c/")}
    assert graph["Mixed_5d/Branch_0"].inputs == ("Mixed_5b/concat",)


def test_a_file_adds_a_block_at_the_end(tmp_path: Path) -> None:
    config = own(tmp_path, 'base = "inception_v3"\n[blocks]\nMixed_7d = "1x1 100 | 3x3 28"\n')
    graph = config.graph()
    assert list(config.blocks)[-1] == "Mixed_7d"
    assert graph["Mixed_7d/Branch_0"].inputs == ("Mixed_7c/concat",)
    assert graph["AvgPool_1a_8x8"].inputs == ("Mixed_7d/concat",)
    assert shape(graph, "AvgPool_1a_8x8") == (128, 1, 1)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('\n[blocks]\nMixed_5b = "1x1 64 |"\n', 4, "`blocks.Mixed_5b`: `` is not a step"),
        ('blocks.Mixed_5b = "1x1"\n', 2, "`blocks.Mixed_5b`: `1x1` is not a step"),
        ('classes = 10\nhead = "avg > fc"\n', 3, "`head`: `fc` is not a step"),
        ('aux = "+abc 1x1 8"\n', 2, "`aux`: `+abc 1x1 8` is not a step"),
        ("[blocks]\nMixed_5b = 64\n", 3, "`blocks.Mixed_5b` is 64: "),
        ('shortcut = "frist"\n', 2, "`shortcut` is 'frist'"),
        ('[blokcs]\nMixed_5b = "1x1 64"\n', 2, "`blokcs` is not a key (did you mean `blocks`"),
    ],
)
def test_an_error_in_a_block_has_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        own(tmp_path, f'base = "inception_v3"\n{text}')
    assert str(caught.value).startswith(f"{tmp_path / 'net.toml'}:{line}: {message}")


def test_removing_the_block_of_the_auxiliary_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`aux_at` is `Mixed_6e`, which is not a block"):
        own(tmp_path, 'base = "inception_v3"\n[blocks]\nMixed_6e = "none"\n')
