"""The config of a GoogLeNet read back from its graph."""

import pytest

from inception_lens.architectures.googlenet import ENTRIES, PAPER, GoogLeNet, Stem
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.ops import Conv2d, Linear, Op, ReLU, TensorType, Unknown
from inception_lens.readers.config import override
from inception_lens.writers.googlenet_config import googlenet_config

DIALECTS = {entry.dialect: (entry.config, entry.source) for entry in ENTRIES}

IMAGE = Input("input", TensorType((1, 3, 8, 8)))


def with_node(graph: Graph, name: str, op: Op) -> Graph:
    """The graph with another operation at one node."""
    nodes = [Node(node.name, op if node.name == name else node.op, node.inputs) for node in graph.nodes]
    return Graph.of(graph.inputs, nodes, graph.outputs)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_written_again(dialect: str, mode: Mode) -> None:
    graph = DIALECTS[dialect][0].graph(mode)
    assert googlenet_config(graph).graph(mode) == graph


def test_what_a_training_graph_shows_is_the_paper_s_config() -> None:
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
def test_a_changed_network_is_written_again(config: GoogLeNet) -> None:
    assert googlenet_config(config.graph()).graph() == config.graph()


def test_widths_come_out_as_built() -> None:
    read = googlenet_config(PAPER.replace(width=0.5).graph())
    assert read.width == 1.0
    assert read.modules["inception_3a"].conv_3x3 == 64


def test_a_missing_reduction_comes_out_as_none() -> None:
    read = googlenet_config(PAPER.replace(reduce=("3x3",)).graph())
    assert read.modules["inception_3a"].reduce_3x3 == 96
    assert read.modules["inception_3a"].reduce_5x5 == "none"
    assert read.modules["inception_3a"].pool_proj == "none"


def test_a_batch_is_no_part_of_the_config() -> None:
    assert googlenet_config(PAPER.graph(batch=4)) == googlenet_config(PAPER.graph())


@pytest.mark.parametrize(
    "graph",
    [
        Graph.of([IMAGE], [Node("conv", Conv2d(3, (1, 1)), ("input",))], [Output("conv")]),
        Graph.of([Input("x", TensorType((1, 8)))], [Node("fc", Linear(3), ("x",))], [Output("fc")]),
        with_node(PAPER.graph(), "inception_3a/5x5", Conv2d(32, (5, 5), padding=(2, 2), bias=False)),
        with_node(PAPER.graph(), "prob", ReLU()),
        with_node(PAPER.graph(), "inception_3a/1x1", Unknown("Odd", (TensorType((1, 64, 28, 28)),))),
    ],
    ids=["one conv", "one linear", "one bias less", "end", "unknown"],
)
def test_what_is_no_googlenet_is_refused(graph: Graph) -> None:
    with pytest.raises(GraphError, match="is no GoogLeNet"):
        googlenet_config(graph)
