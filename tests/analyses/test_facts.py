"""Facts that nodes share, and the sums over them, against the rules of each node's operation, one node at a time."""

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.analyses.analysis import analyze
from inception_lens.architectures import catalogue
from inception_lens.errors import InceptionLensError
from inception_lens.graph import Graph, Input, Mode, Node, Output, Writer, facts_of, tensor_names
from inception_lens.ops import LSTM, BatchNorm2d, Conv2d, Linear, ReLU, TensorType, Unknown
from tests.ops.test_table import SAMPLES


def check_sums(graph: Graph) -> None:
    """Compare the totals of a graph with sums of the operations' own rules, evaluated for each node."""
    params = trainable = buffers = macs = flops = activations = 0
    seen: set[str] = set()
    exact = macs_exact = True
    for node in graph.nodes:
        inputs = tuple(graph.types[name][0] for name in node.inputs)
        outputs, shapes = graph.types[node.name], [tensor.shape for tensor in inputs]
        learned, kept = node.op.parameters(*shapes), node.op.buffers(*shapes)
        for i, (name, tensor) in enumerate(zip(tensor_names(node, (*learned, *kept)), (*learned, *kept), strict=True)):
            elements = 0 if name in seen else prod(tensor.shape)
            seen.add(name)
            params += elements * (i < len(learned))
            trainable += elements * (i < len(learned) and name not in graph.frozen)
            buffers += elements * (i >= len(learned))
        own = node.op.macs(tuple(shapes), outputs[0].shape)
        extra = node.op.extra_flops(tuple(shapes), outputs[0].shape)
        macs += own or 0
        flops += 0 if own is None or extra is None else 2 * own + extra
        macs_exact = macs_exact and own is not None
        exact = exact and own is not None and extra is not None
        if not node.op.reuses_input(graph.mode == "training"):
            activations += sum(tensor.bytes for tensor in outputs)
    totals = analyze(graph).totals
    assert (totals.params, totals.params_trainable, totals.buffers) == (params, trainable, buffers)
    assert (totals.macs, totals.flops, totals.activation_bytes) == (macs, flops, activations)
    assert (totals.macs_exact, totals.exact) == (macs_exact, exact)


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("name", catalogue.names())
def test_the_totals_of_a_catalogue_network_are_the_sums_over_its_nodes(name: str, mode: Mode) -> None:
    check_sums(catalogue.find(name).config.graph(mode))


def test_nodes_that_differ_only_in_their_names_share_their_facts() -> None:
    graph = catalogue.find("resnet152").config.graph()
    assert len(set(graph.facts)) < 60 < 500 < len(graph.nodes) == len(graph.facts)
    for node, facts in zip(graph.nodes, graph.facts, strict=True):
        assert (facts.op, facts.inputs, facts.outputs) == (node.op, graph.input_types(node), graph.types[node.name])


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Every kind of operation, several times on the same or on other inputs; some in another dtype, some sharing."""
    chosen = draw(st.lists(st.sampled_from(list(SAMPLES)), min_size=1, max_size=6))
    inputs = {name: [Input(f"{name}_{k}", t) for k, t in enumerate(SAMPLES[name][1])] for name in chosen}
    given_inputs = [Input("x", TensorType((2, 4, 8, 8))), *[each for several in inputs.values() for each in several]]
    writer, names = Writer(given_inputs), [each.name for each in given_inputs]
    for i in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(chosen))
        own = [each.name for each in inputs[kind]]
        others = st.lists(st.sampled_from(names), min_size=len(own), max_size=len(own)) if own else st.just(own)
        reads = draw(st.one_of(st.just(own), others))
        dtype = draw(st.sampled_from(["", "", "float16"]))
        try:
            names.append(writer.write(Node(f"n{i}", SAMPLES[kind][0], tuple(reads), dtype=dtype)))
        except InceptionLensError:
            continue
    names = [name for name in names if name.startswith("n") and name[1:].isdigit()] or [
        writer.add("only", ReLU(), names[0])
    ]
    mode: Mode = draw(st.sampled_from(["inference", "training"]))
    return writer.graph([Output(names[-1])], mode)


@given(graph=graphs())
@settings(max_examples=150, deadline=None)
def test_the_totals_of_a_random_graph_are_the_sums_over_its_nodes(graph: Graph) -> None:
    check_sums(graph)
    outputs = [facts.outputs for facts in graph.facts]
    assert outputs == [graph.types[node.name] for node in graph.nodes]
    again = facts_of(graph.nodes, graph.types)
    assert [(each.inputs, each.outputs, each.macs) for each in again] == [
        (each.inputs, each.outputs, each.macs) for each in graph.facts
    ]


def test_a_shared_or_frozen_tensor_is_followed_although_its_calls_share_their_facts() -> None:
    image = Input("x", TensorType((1, 4, 8, 8)))
    nodes = [
        Node("a", Conv2d(4, (1, 1)), ("x",), ("w", "b")),
        Node("n", BatchNorm2d(), ("a",), ("g", "s", "mean", "var")),
        Node("again", Conv2d(4, (1, 1)), ("n",), ("w", "other")),
        Node("norm", BatchNorm2d(), ("again",), ("g", "s", "mean", "var")),
    ]
    graph = Graph.of([image], nodes, [Output("norm")], "training")
    assert graph.facts[0] is graph.facts[2]
    totals = analyze(graph).totals
    assert (totals.params, totals.buffers) == (16 + 4 + 4 + 8, 8)
    check_sums(graph)


def test_the_dtype_of_a_node_separates_its_facts() -> None:
    image = Input("x", TensorType((1, 4)))
    nodes = [Node("a", Linear(4), ("x",)), Node("b", Linear(4), ("x",), dtype="float16"), Node("c", Linear(4), ("x",))]
    facts = Graph.of([image], nodes, [Output("c")]).facts
    assert facts[0] is facts[2]
    assert [each.outputs[0].dtype for each in facts] == ["float32", "float16", "float32"]


def test_a_call_with_several_outputs_and_an_unknown_one() -> None:
    sequence = Input("x", TensorType((5, 2, 8)))
    nodes = [
        Node("lstm", LSTM(4), ("x",)),
        Node("both", LSTM(4), ("lstm",)),
        Node("last", ReLU(), ("lstm:1",)),
        Node("mystery", Unknown("Mystery", (TensorType((3,)),)), ("last",)),
    ]
    graph = Graph.of([sequence], nodes, [Output("both:1"), Output("mystery")])
    check_sums(graph)
    assert graph.facts[2].inputs == graph.types["lstm:1"]
    assert not analyze(graph).totals.exact
