"""Receptive fields, against the very pixels that reach each output position."""

from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.analyses.receptive_field import ReceptiveField, receptive_fields
from inception_lens.architectures import catalogue
from inception_lens.architectures.googlenet import PAPER
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import (
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Elementwise,
    Flatten,
    Linear,
    MaxPool2d,
    Op,
    Pad,
    Padding,
    Permute,
    ReLU,
    Reshape,
    TensorType,
    Unknown,
)

Seen = list[frozenset[int]]
"""Per position of an axis, the pixels of the image that reach it."""


def padding_before(n: int, kernel: int, stride: int, padding: Padding, dilation: int, axis: int) -> int:
    if padding == "same":
        wanted = len(range(0, n, stride))
        span = dilation * (kernel - 1) + 1
        total = next(total for total in count() if len(range(0, n + total - span + 1, stride)) >= wanted)
        return total // 2
    pad = padding[axis]
    return pad[0] if isinstance(pad, tuple) else pad


def reach(graph: Graph, axis: int) -> dict[str, Seen]:
    """Follow every pixel of one axis through the graph."""
    (image,) = graph.inputs
    seen = {image.name: [frozenset([pixel]) for pixel in range(image.type.shape[2 + axis])]}
    for node in graph.nodes:
        op, inputs = node.op, [seen[name] for name in node.inputs]
        outputs = graph.types[node.name][0].shape[2 + axis]
        if isinstance(op, Conv2d | MaxPool2d | AvgPool2d):
            dilation = op.dilation[axis] if isinstance(op, Conv2d) else 1
            kernel, stride, source = op.kernel_size[axis], op.stride[axis], inputs[0]
            before = padding_before(len(source), kernel, stride, op.padding, dilation, axis)
            taps = [[i * stride - before + k * dilation for k in range(kernel)] for i in range(outputs)]
            seen[node.name] = [
                frozenset().union(*[source[tap] for tap in window if 0 <= tap < len(source)]) for window in taps
            ]
        else:
            seen[node.name] = [frozenset().union(*positions) for positions in zip(*inputs, strict=True)]
    return seen


class Measured(NamedTuple):
    size: int
    jump: int
    center: float


def measure(seen: Seen, pixels: int) -> Measured:
    """Size, jump and first centre of the fields, read off two neighbours that no border clips."""
    middle = len(seen) // 2
    here, following = seen[middle], seen[middle + 1]
    assert min(here) > 0
    assert max(following) < pixels - 1
    size, jump = max(here) - min(here) + 1, min(following) - min(here)
    assert max(following) - max(here) == jump
    center = (min(here) + max(here) + 1) / 2
    return Measured(size, jump, center - middle * jump)


def check(graph: Graph) -> None:
    """Hold the last node's field against the pixels that reach it, axis by axis."""
    name = graph.nodes[-1].name
    field = receptive_fields(graph)[-1]
    assert field is not None
    for axis in (0, 1):
        measured = measure(reach(graph, axis)[name], graph.inputs[0].type.shape[2 + axis])
        assert Measured(field.size[axis], field.jump[axis], field.center[axis]) == measured


def chain(ops: Sequence[Op], sides: tuple[int, int] = (120, 120)) -> Graph:
    nodes, x = [], "image"
    for i, op in enumerate(ops):
        nodes.append(Node(f"n{i}", op, (x,)))
        x = f"n{i}"
    return Graph.of([Input("image", TensorType((1, 1, *sides)))], nodes, [Output(x)])


pairs = st.tuples(st.integers(1, 2), st.integers(1, 2))
kernels = st.tuples(st.integers(1, 4), st.integers(1, 4))
pads = st.one_of(st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2)))
paddings = st.one_of(st.just("same"), st.tuples(pads, pads))
convs = st.builds(Conv2d, st.just(1), kernels, pairs, paddings, pairs)
pools = st.builds(
    lambda kind, kernel, stride, pad, rounding: kind(kernel, stride, pad, rounding),
    st.sampled_from([MaxPool2d, AvgPool2d]),
    kernels,
    pairs,
    paddings,
    st.sampled_from(["floor", "ceil"]),
)
windows: st.SearchStrategy[Op] = st.one_of(convs, pools)


@given(
    ops=st.lists(st.one_of(windows, st.just(ReLU())), min_size=1, max_size=3),
    sides=st.tuples(st.integers(110, 121), st.integers(110, 121)),
)
@settings(max_examples=100, deadline=None)
def test_a_chain_sees_the_pixels_that_reach_it(ops: list[Op], sides: tuple[int, int]) -> None:
    check(chain(ops, sides))


def centred(kernel: int, dilation: int) -> Op:
    pad = dilation * (kernel // 2)
    return Conv2d(1, (kernel, kernel), (1, 1), (pad, pad), (dilation, dilation))


centred_ops = st.one_of(
    st.builds(centred, st.sampled_from([1, 3, 5]), st.integers(1, 2)),
    st.just(MaxPool2d((3, 3), (1, 1), (1, 1))),
    st.just(ReLU()),
)


@given(
    before=windows,
    branches=st.lists(st.lists(centred_ops, max_size=2), min_size=1, max_size=4),
    merge=st.sampled_from([Concat(), Add()]),
    after=windows,
)
@settings(max_examples=100, deadline=None)
def test_where_branches_meet_all_pixels_of_all_branches_are_seen(
    before: Op, branches: list[list[Op]], merge: Op, after: Op
) -> None:
    nodes = [Node("before", before, ("image",))]
    ends = []
    for b, ops in enumerate(branches):
        x = "before"
        for i, op in enumerate(ops):
            nodes.append(Node(f"branch{b}/{i}", op, (x,)))
            x = f"branch{b}/{i}"
        ends.append(x)
    nodes += [Node("merge", merge, tuple(ends)), Node("after", after, ("merge",))]
    check(Graph.of([Input("image", TensorType((1, 1, 140, 140)))], nodes, [Output("after")]))


def test_each_axis_takes_its_largest_branch() -> None:
    nodes = [
        Node("tall", Conv2d(1, (7, 1), padding=(3, 0)), ("image",)),
        Node("wide", Conv2d(1, (1, 5), padding=(0, 2)), ("image",)),
        Node("join", Concat(), ("tall", "wide")),
    ]
    graph = Graph.of([Input("image", TensorType((1, 1, 40, 40)))], nodes, [Output("join")])
    assert receptive_fields(graph)[-1] == ReceptiveField((7, 5), (1, 1), (0.5, 0.5))
    check(graph)


def last(*ops: Op, sides: tuple[int, int] = (64, 64)) -> ReceptiveField | None:
    return receptive_fields(chain(ops, sides))[-1]


@pytest.mark.parametrize(
    ("op", "field"),
    [
        (ReLU(), ReceptiveField((1, 1), (1, 1), (0.5, 0.5))),
        (Conv2d(1, (3, 3)), ReceptiveField((3, 3), (1, 1), (1.5, 1.5))),
        (Conv2d(1, (3, 3), padding=(1, 1)), ReceptiveField((3, 3), (1, 1), (0.5, 0.5))),
        (Conv2d(1, (7, 7), (2, 2), (3, 3)), ReceptiveField((7, 7), (2, 2), (0.5, 0.5))),
        (Conv2d(1, (3, 5), (2, 1), (0, 2), (2, 1)), ReceptiveField((5, 5), (2, 1), (2.5, 0.5))),
        (Conv2d(1, (2, 2), padding=((1, 0), (0, 1))), ReceptiveField((2, 2), (1, 1), (0.0, 1.0))),
        (MaxPool2d((3, 3), (2, 2), "same"), ReceptiveField((3, 3), (2, 2), (1.5, 1.5))),
        (AdaptiveAvgPool2d(), ReceptiveField((64, 64), (1, 1), (32.0, 32.0))),
        (Flatten(), ReceptiveField((64, 64), (1, 1), (32.0, 32.0))),
    ],
)
def test_known_fields(op: Op, field: ReceptiveField) -> None:
    assert last(op) == field


def test_two_3x3_convolutions_see_as_much_as_one_5x5() -> None:
    three, five = Conv2d(1, (3, 3), padding=(1, 1)), Conv2d(1, (5, 5), padding=(2, 2))
    assert last(three, three) == last(five)


@pytest.mark.parametrize("op", [ReLU(), BatchNorm2d(), Conv2d(1, (1, 1)), Concat(), Add()])
def test_what_works_on_each_position_sees_no_more(op: Op) -> None:
    first = Conv2d(1, (7, 7), (2, 2), (3, 3))
    assert last(first, op) == last(first)


def test_a_classifier_sees_what_the_flattened_map_sees() -> None:
    conv = Conv2d(4, (3, 3), (2, 2))
    seen = last(conv, Flatten(), Linear(10), ReLU(), sides=(21, 21))
    assert seen is not None
    assert seen.size == (21, 21)


@pytest.mark.parametrize(("n", "parts"), [(12, 4), (9, 3), (20, 5), (8, 8)])
def test_adaptive_pooling_of_even_parts_sees_them(n: int, parts: int) -> None:
    size = n // parts
    assert last(AdaptiveAvgPool2d((parts, parts)), sides=(n, n)) == last(
        AvgPool2d((size, size), (size, size)), sides=(n, n)
    )


def test_behind_an_operation_without_a_rule_nobody_knows() -> None:
    mystery = Unknown("grid_sample", (TensorType((1, 1, 8, 8)),))
    assert receptive_fields(chain([Conv2d(1, (3, 3)), mystery, Conv2d(1, (3, 3))]))[1:] == (None, None)


@pytest.mark.parametrize("shape", [(), (5,), (2, 5)])
def test_what_is_no_map_has_no_field(shape: tuple[int, ...]) -> None:
    graph = Graph.of([Input("x", TensorType(shape))], [Node("r", ReLU(), ("x",))], [Output("r")])
    assert receptive_fields(graph) == (None,)


def test_a_map_may_have_one_axis_or_three() -> None:
    for axes in (1, 3):
        graph = Graph.of([Input("x", TensorType((1, 2, *[9] * axes)))], [Node("r", ReLU(), ("x",))], [Output("r")])
        assert receptive_fields(graph) == (ReceptiveField((1,) * axes, (1,) * axes, (0.5,) * axes),)


def by_name(graph: Graph) -> dict[str, ReceptiveField | None]:
    return dict(zip([node.name for node in graph.nodes], receptive_fields(graph), strict=True))


def test_the_googlenet_sees_907_pixels_at_its_last_pool() -> None:
    fields = by_name(PAPER.graph())
    (pool,) = [field for name, field in fields.items() if name.startswith("pool5/")]
    assert pool is not None
    assert pool.size == (907, 907)
    assert pool.size[0] > 224


@pytest.mark.parametrize("name", ["googlenet", "googlenet@torchvision", "googlenet@slim", "googlenet@naive"])
@pytest.mark.parametrize("node", ["pool2/3x3_s2", "inception_3b/output"])
def test_a_googlenet_sees_the_pixels_that_reach_it(name: str, node: str) -> None:
    graph = catalogue.find(name).config.replace(input=(3, 320, 320)).graph()
    end = [n.name for n in graph.nodes].index(node)
    check(Graph.of(graph.inputs, graph.nodes[: end + 1], [Output(node)]))


CHANNELS_FIRST, CHANNELS_LAST = Permute((0, 3, 1, 2)), Permute((0, 2, 3, 1))


def on_channels_last(*ops: Op) -> ReceptiveField | None:
    """The receptive field after operations on an image with its channels last, as TensorFlow and Keras have it."""
    nodes = [Node(f"n{i}", op, (f"n{i - 1}" if i else "image",)) for i, op in enumerate(ops)]
    graph = Graph.of([Input("image", TensorType((1, 60, 64, 3)))], nodes, [Output(nodes[-1].name)])
    return receptive_fields(graph)[-1]


@given(ops=st.lists(st.one_of(windows, st.just(ReLU())), min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_an_image_with_its_channels_last_is_seen_as_one_with_its_channels_first(ops: list[Op]) -> None:
    expected = last(*ops, sides=(60, 64))
    assert on_channels_last(CHANNELS_FIRST, *ops) == expected
    assert on_channels_last(Elementwise("mul", numbers=(None, 2.0)), CHANNELS_FIRST, *ops) == expected
    assert on_channels_last(CHANNELS_FIRST, *ops, CHANNELS_LAST, ReLU(), CHANNELS_FIRST) == expected


def test_channels_that_a_convolution_has_mixed_keep_no_positions() -> None:
    assert on_channels_last(CHANNELS_FIRST, Conv2d(4, (1, 1)), CHANNELS_LAST) is None


def test_padding_is_seen_in_either_order_of_the_axes() -> None:
    pad, conv = ((0, 0), (3, 1), (2, 0), (0, 0)), Conv2d(1, (7, 5), (2, 2))
    expected = last(Pad((pad[0], pad[3], *pad[1:3])), conv, sides=(60, 64))
    assert expected == ReceptiveField((7, 5), (2, 2), (0.5, 0.5))
    assert on_channels_last(Pad(pad), CHANNELS_FIRST, conv) == expected


def test_an_image_of_one_channel_may_be_reshaped() -> None:
    ops: list[Op] = [Reshape((-1, 1, 60, 64)), Conv2d(4, (3, 5))]
    nodes = [Node("reshape", ops[0], ("image",)), Node("conv", ops[1], ("reshape",))]
    graph = Graph.of([Input("image", TensorType((1, 60, 64, 1)))], nodes, [Output("conv")])
    assert receptive_fields(graph)[-1] == last(ops[1], sides=(60, 64))
    other = Graph.of(graph.inputs, [Node("reshape", Reshape((1, 1, 64, 60)), ("image",)), nodes[1]], [Output("conv")])
    assert receptive_fields(other) == (None, None)


def test_swapped_axes_swap_the_receptive_field() -> None:
    assert last(Conv2d(1, (3, 5)), Permute((0, 1, 3, 2))) == ReceptiveField((5, 3), (1, 1), (2.5, 1.5))
