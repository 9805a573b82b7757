"""Written prototxts read back equal, and an error names the node that Caffe cannot express."""

import re

import msgspec
import pytest

from inception_lens.analyses.analysis import analyze
from inception_lens.architectures.catalogue import entries
from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.ops import (
    ELU,
    GELU,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    ConvTranspose2d,
    Elementwise,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Op,
    Reduce,
    ReLU,
    Stored,
    TensorType,
)
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.prototxt import read_net
from inception_lens.readers.caffe.text_format import parse
from inception_lens.writers.caffe.prototxt import to_prototxt
from tests.writers.canonical_nodes import canonical_nodes

NAMES = [entry.name for entry in entries()]
ENTRIES = {entry.name: entry for entry in entries()}

NOT_IN_CAFFE = {
    "googlenet@slim": "`conv1/7x7_s2` (7x7/2)",
    "inception_v2": "`Conv2d_1a_7x7/depthwise`",
    "inception_v2@nonseparable": "`Conv2d_1a_7x7`",
    "xception": "`block3/MaxPool_1a_3x3`",
    **dict.fromkeys(
        [
            "inception_v3", "inception_v3@keras", "inception_v4", "inception_v4@timm", "inception_resnet_v2",
            "inception_resnet_v2@timm", "inception_resnet_v2@keras", "inception_resnet_v2@paddle",
        ],
        "`Mixed_5b/Branch_3/AvgPool_0a_3x3` (avg 3x3)",
    ),
    "inception_v4@paddle": "`Mixed_5b/Branch_0/AvgPool_0a_3x3` (avg 3x3)",
}  # fmt: skip
"""Networks with padding on one side, or means that do not count the padding, and their first such node."""


def read_back(graph: Graph) -> Graph:
    return read_net(parse(to_prototxt(graph)), None, graph.mode, NetState())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_IN_CAFFE])
def test_a_network_reads_back_equal(name: str) -> None:
    graph = ENTRIES[name].config.graph()
    again = read_back(graph)
    assert canonical_nodes(again) == canonical_nodes(graph)
    assert (again.inputs, again.outputs, again.types) == (graph.inputs, graph.outputs, graph.types)
    assert analyze(again).totals == analyze(graph).totals
    assert (again == graph) == (named(graph) == [])


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_IN_CAFFE])
def test_only_pools_that_caffe_rounds_in_another_way_differ_and_are_named(name: str, mode: Mode) -> None:
    if (name, mode) == ("googlenet@torchvision", "training"):
        return  # its heads pool 14x14 to 4x4, which Caffe cannot express
    graph = ENTRIES[name].config.graph(mode)
    again, lines = read_back(graph), named(graph)
    pools = {node.name for node in graph.nodes if node.op.category == "pool"}
    assert (
        {line.partition(":")[0] for line in lines}
        == {node.name for node in graph.nodes if again[node.name] != node}
        <= pools
    )
    assert not lines or "@paddle" in name or name == "alexnet"


def named(graph: Graph) -> list[str]:
    """The differences that the comments of a prototxt name."""
    lines = to_prototxt(graph).splitlines()
    assert lines[0] == "# Not kept:" or not lines[0].startswith("#")
    return [line.removeprefix("# ") for line in lines[1:] if line.startswith("# ")]


def test_a_difference_is_named_with_both_values() -> None:
    assert named(ENTRIES["alexnet"].config.graph()) == [
        "avgpool: AvgPool2d (avg 1x1) instead of AdaptiveAvgPool2d (avg to 6x6)"
    ]
    (line, *_) = named(ENTRIES["vgg16@paddle"].config.graph())
    assert line == "pool1: rounding ceil instead of ceil_unclipped"


def test_outputs_and_dtypes_that_a_prototxt_does_not_have_are_named() -> None:
    nodes = [Node("a", ReLU(), ("x",)), Node("b", ReLU(), ("a",))]
    graph = Graph.of([Input("x", TensorType((1, 4)))], nodes, [Output("b"), Output("a", 0.5)])
    (line,) = named(graph)
    assert line.startswith("outputs: (Output(node='b', loss_weight=1.0),) instead of (Output(node='b'")
    half = named(one(ReLU()).with_dtype("float16"))
    assert half[-1] == "dtype: float32 instead of float16"
    assert half[0].startswith("inputs: (Input(name='x'")


def test_a_window_that_caffe_refuses_names_its_layer() -> None:
    with pytest.raises(FormatError, match=r"`y` \(Pooling\): padding of \(2, 2\) must be smaller than the kernel"):
        to_prototxt(one(MaxPool2d((2, 2), (1, 1), (2, 2))))


@pytest.mark.parametrize("name", ["googlenet", "googlenet@caffe", "inception_v3@torchvision", "inception_v3@timm"])
def test_training_ends_in_losses_that_read_back_as_outputs(name: str) -> None:
    graph = ENTRIES[name].config.graph("training")
    assert to_prototxt(graph).count("SoftmaxWithLoss") == len(graph.outputs)
    assert read_back(graph) == graph


@pytest.mark.parametrize("name", NOT_IN_CAFFE)
def test_a_network_that_caffe_cannot_express_names_the_node(name: str) -> None:
    with pytest.raises(FormatError, match=re.escape(NOT_IN_CAFFE[name])) as caught:
        to_prototxt(ENTRIES[name].config.graph())
    assert "Caffe cannot express" in str(caught.value)


def one(op: Op, shape: tuple[int, ...] = (1, 8, 9, 9), mode: Mode = "inference") -> Graph:
    first = Node("first", Conv2d(8, (1, 1)), ("x",))
    return Graph.of([Input("x", TensorType(shape))], [first, Node("y", op, ("first",))], [Output("y")], mode)


@pytest.mark.parametrize(
    "op",
    [
        ReLU(),
        ReLU(inplace=True),
        LeakyReLU(negative_slope=0.2, inplace=True),
        ELU(alpha=0.5),
        Conv2d(4, (3, 5), (1, 2), (1, 0), (2, 1), groups=2, bias=False),
        BatchNorm2d(eps=1e-3, momentum=0.0003),
        BatchNorm2d(scale=False),
        BatchNorm2d(scale=True, shift=False),
        BatchNorm2d(scale=False, shift=False),
        Linear(5),
        AvgPool2d((2, 3), (2, 1), (0, 1), "floor"),
        AvgPool2d((2, 2), (3, 3), (1, 1), "ceil"),
    ],
    ids=repr,
)
def test_an_operation_reads_back_equal(op: Op) -> None:
    graph = one(op)
    assert read_back(graph) == graph


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        (GELU(), "there is no layer for GELU"),
        (MaxPool2d((2, 2), (2, 2), indices=True), "the layer of MaxPool2d has one output"),
        (Conv2d(4, (4, 4), padding="same"), "here the sides differ: 1 and 2"),
        (Conv2d(4, (3, 3), padding=((0, 1), 1)), "here the sides differ: 0 and 1"),
        (ConvTranspose2d(4, (3, 3), (2, 2), output_padding=(1, 1)), "Caffe has no output padding"),
        (AvgPool2d((3, 3), (1, 1), (1, 1), count_include_pad=False), "Caffe counts the zeros of the padding in a mean"),
        (MaxPool2d((3, 3), (1, 1), dilation=(2, 2)), "Caffe has no dilation in pools"),
        (AvgPool2d((2, 2), (4, 4), (1, 1), "ceil_unclipped"), "Caffe's output would be 3x3, not 4x4"),
        (AvgPool2d((10, 2), (2, 2), (0, 0), "trunc"), "Caffe's output would be 1x5 or nothing, not 1x4"),
        (AdaptiveAvgPool2d((2, 2)), "equal windows do not divide 9x9 into 2x2"),
        (BatchNorm2d(track=False), "BatchNorm needs running statistics with a momentum"),
        (LocalResponseNorm(4), "LRN needs an odd number of channels, not 4"),
        (Elementwise("exp"), "there is no layer for `exp` of 1x8x9x9"),
        (Reduce("mean", (1, 2)), "there is no layer for `mean` over axes 1, 2"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_error_names_the_node_that_caffe_cannot_express(op: Op, reason: str) -> None:
    with pytest.raises(FormatError, match=r"^Caffe cannot express `y` \(.*\) of `network`: ") as caught:
        to_prototxt(one(op))
    assert reason in str(caught.value)


def test_a_buffer_is_not_a_layer_of_caffe() -> None:
    nodes = [Node("table", Stored((1, 4), tensor_kind="buffer"), ()), Node("y", Add(), ("x", "table"))]
    graph = Graph.of([Input("x", TensorType((1, 4)))], nodes, [Output("y")])
    with pytest.raises(FormatError, match=r"`table` \(buffer\) of `network`: there is no layer for a buffer"):
        to_prototxt(graph)


def test_shared_and_frozen_tensors_read_back() -> None:
    names = ("w", "b")
    nodes = [Node("x1", Linear(4), ("a",), names), Node("x2", Linear(4), ("x1",), names)]
    graph = Graph.of([Input("a", TensorType((1, 4)))], nodes, [Output("x2")])
    graph = msgspec.structs.replace(graph, frozen=frozenset({"b"}))
    assert read_back(graph) == graph


def test_special_characters_in_names_are_escaped() -> None:
    name = 'a"} layer { \\ \n\t é \x7f'
    graph = Graph.of([Input("x", TensorType((1, 4)))], [Node(name, ReLU(), ("x",))], [Output(name)])
    text = to_prototxt(graph)
    assert parse(text).messages("layer")[1].text("type") == "ReLU"
    assert len(parse(text).messages("layer")) == 2
