"""The config of a GoogLeNet read back from its graph."""

import pytest

from inception_lens.architectures.googlenet import ENTRIES, PAPER, GoogLeNet, Stem
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.ops import BatchNorm2d, Conv2d, MaxPool2d, Op, ReLU, TensorType, Unknown
from inception_lens.readers.config import override
from inception_lens.writers.googlenet_config import googlenet_config

DIALECTS = {entry.dialect: (entry.config, entry.source) for entry in ENTRIES}

IMAGE = Input("input", TensorType((1, 3, 8, 8)))


def with_node(graph: Graph, node: str, op: Op, name: str = "") -> Graph:
    """The graph with another operation at one node, which can be renamed."""
    renamed = {node: name or node}
    nodes = [
        Node(renamed.get(each.name, each.name), op if each.name == node else each.op,
             tuple(renamed.get(x, x) for x in each.inputs))
        for each in graph.nodes
    ]  # fmt: skip
    return Graph.of(graph.inputs, nodes, graph.outputs)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_config_of_every_port_gives_the_same_graph(dialect: str, mode: Mode) -> None:
    graph = DIALECTS[dialect][0].graph(mode)
    assert googlenet_config(graph).graph(mode) == graph


def test_a_training_graph_shows_the_whole_config() -> None:
    read = googlenet_config(PAPER.graph("training"))
    assert read.modules == PAPER.modules
    assert read.replace(modules=PAPER.modules) == PAPER


@pytest.mark.parametrize(
    "config",
    [
        PAPER.replace(input=(1, 96, 128), classes=10),
        PAPER.replace(stem=Stem(kind="conv-conv-pool", conv1=16, conv2=24), input=(3, 32, 32), aux=()),
        override(PAPER, {"inception_3a": "none", "pool_proj": "none"}),
        PAPER.replace(dropout=0.0, activation="none"),
        PAPER.replace(norm="batch", bias=False, activation="silu", activation_at="before_norm"),
    ],
    ids=["input", "stem", "modules", "bare", "batch"],
)
def test_the_config_of_a_changed_network_gives_the_same_graph(config: GoogLeNet) -> None:
    assert googlenet_config(config.graph()).graph() == config.graph()


def test_widths_are_those_of_the_graph() -> None:
    read = googlenet_config(PAPER.replace(width=0.5).graph())
    assert read.width == 1.0
    assert read.modules["inception_3a"].conv_3x3 == 64


def test_a_missing_reduction_is_none() -> None:
    read = googlenet_config(PAPER.replace(reduce=("3x3",)).graph())
    assert read.modules["inception_3a"].reduce_3x3 == 96
    assert read.modules["inception_3a"].reduce_5x5 == "none"
    assert read.modules["inception_3a"].pool_proj == "none"


def test_the_batch_size_is_not_part_of_the_config() -> None:
    assert googlenet_config(PAPER.graph(batch=4)) == googlenet_config(PAPER.graph())


BATCH_NORM = PAPER.replace(norm="batch")


@pytest.mark.parametrize(
    ("graph", "reason"),
    [
        (Graph.of([IMAGE], [Node("conv", Conv2d(3, (1, 1)), ("input",))], [Output("conv")]), "no Inception modules"),
        (
            Graph.of([IMAGE], [Node("inception_3a/1x1", Conv2d(3, (1, 1)), ("input",))], [Output("inception_3a/1x1")]),
            "it has no max pool of stride 2",
        ),
        (with_node(PAPER.graph(), "conv1/7x7_s2", MaxPool2d((7, 7), (2, 2), (3, 3))), "`conv1/7x7_s2` is not a Conv2d"),
        (with_node(PAPER.graph(), "loss3/classifier", ReLU(), name="classifier"), "there is no `loss3/classifier`"),
        (with_node(PAPER.graph(), "conv1/7x7_s2", Conv2d(64, (7, 7), (2, 2), (1, 1))), "layers differ"),
        (with_node(PAPER.graph(), "conv1/7x7_s2", Conv2d(64, (6, 6), (2, 2), (3, 3))), "only an odd kernel"),
        (with_node(BATCH_NORM.graph(), "conv1/7x7_s2/bn", BatchNorm2d(eps=2.0)), "Expected `float` < 1.0"),
        (with_node(PAPER.graph(), "inception_3a/5x5", Conv2d(32, (5, 5), padding=(2, 2), bias=False)), "layers differ"),
        (with_node(PAPER.graph(), "prob", ReLU()), "layers differ"),
        (with_node(PAPER.graph(), "inception_3a/1x1", Unknown("Odd", (TensorType((1, 64, 28, 28)),))), "layers differ"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_graphs_have_no_config(graph: Graph, reason: str) -> None:
    with pytest.raises(GraphError, match=r"^`network` is not a GoogLeNet: ") as caught:
        googlenet_config(graph)
    assert reason in str(caught.value)
