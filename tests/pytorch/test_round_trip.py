"""A graph that is built as a module and traced is the same graph."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from inception_lens.architectures.catalogue import names
from inception_lens.architectures.googlenet import PAPER, AuxHead, GoogLeNet
from inception_lens.architectures.network import BatchNormConfig
from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.lens import build, load
from inception_lens.ops import MaxPool2d, TensorType
from inception_lens.pytorch.build.network import build as build_graph
from inception_lens.pytorch.trace.forward_pass import trace
from tests.canonical import canonical


def assert_the_same(graph: Graph, traced: Graph) -> None:
    ours, theirs = canonical(graph), canonical(traced)
    assert theirs.nodes == ours.nodes
    assert theirs.types == ours.types
    assert [output.node for output in theirs.outputs] == [output.node for output in ours.outputs]


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", names())
def test_every_network_of_the_catalogue(name: str, mode: Mode) -> None:
    graph = load(name, mode=mode).with_batch(2)
    with torch.device("meta"):
        module = build(name)
    assert_the_same(graph, trace(module, [graph.inputs[0].type.shape], mode=mode))


configs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "width": st.sampled_from([0.1, 0.5]),
        "classes": st.integers(1, 20),
        "input": st.tuples(st.integers(1, 4), st.integers(60, 100), st.integers(60, 100)),
        "reduce": st.sampled_from([(), ("3x3",), ("3x3", "5x5", "pool")]),
        "kernel_5x5": st.sampled_from([3, 5]),
        "padding": st.sampled_from(["explicit", "same"]),
        "rounding": st.sampled_from(["floor", "trunc", "ceil", "ceil_unclipped", "same"]),
        "last_pool": st.integers(2, 3),
        "norm": st.sampled_from(["lrn", "batch", "none"]),
        "batch_norm": st.builds(BatchNormConfig, scale=st.booleans()),
        "bias": st.booleans(),
        "activation": st.sampled_from(["relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "none"]),
        "activation_at": st.sampled_from(["conv", "concat"]),
        "final_pool": st.sampled_from(["global", "1x1/1", "2x2/1"]),
        "dropout": st.sampled_from([0.0, 0.4]),
        "classifier": st.sampled_from(["linear", "conv"]),
        "softmax": st.booleans(),
        "aux_head": st.sampled_from([AuxHead(pool="adaptive"), AuxHead(pool_kernel=2)]),
    }
)


@given(keys=configs, mode=st.sampled_from(["inference", "training"]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_every_config(keys: dict[str, Any], mode: Mode) -> None:
    config: GoogLeNet = PAPER.replace(**keys)
    try:
        graph = config.graph(mode, 2)
    except ShapeError:
        assume(False)
    with torch.device("meta"):
        module = build_graph(graph)
    assert_the_same(graph, trace(module, [graph.inputs[0].type.shape], mode=mode))


@pytest.mark.parametrize("size", [(2, 2), (2, 3), (2, 4), (4, 2)])
def test_a_pool_whose_one_window_is_larger_than_the_map(size: tuple[int, int]) -> None:
    image = Input("input", TensorType((1, 2, *size)))
    pool = MaxPool2d((3, 3), (2, 2), rounding="trunc")
    graph = Graph.of([image], [Node("pool", pool, ("input",))], [Output("pool")])
    with torch.device("meta"):
        module = build_graph(graph)
    assert_the_same(graph, trace(module, [image.type.shape], mode="inference"))
