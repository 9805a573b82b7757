"""Memory, against a walk that allocates and frees."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.analyses.memory import Memory, memory
from inception_lens.architectures.googlenet import PAPER
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.ops import (
    GELU,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Op,
    ReLU,
    SiLU,
    TensorType,
    Unknown,
)

X = Input("x", TensorType((1, 2, 4, 4)))
SIZE = 2 * 4 * 4 * 4


def network(*nodes: Node, mode: Mode = "inference", outputs: tuple[str, ...] = ()) -> Graph:
    return Graph.of([X], nodes, [Output(name) for name in outputs or (nodes[-1].name,)], mode)


def test_a_chain_holds_what_is_read_and_what_is_made() -> None:
    nodes = [
        Node("wide", Conv2d(8, (1, 1)), ("x",)),
        Node("act", ReLU(), ("wide",)),
        Node("thin", Conv2d(1, (1, 1)), ("act",)),
    ]
    result = memory(network(*nodes))
    assert result.activation_bytes == (4 * SIZE, 4 * SIZE, SIZE // 2)
    assert result.live_bytes == (5 * SIZE, 8 * SIZE, 4 * SIZE + SIZE // 2)
    assert result.saved_activation_bytes == ()


def test_an_operation_in_place_takes_nothing() -> None:
    nodes = [Node("wide", Conv2d(8, (1, 1)), ("x",)), Node("act", ReLU(inplace=True), ("wide",))]
    result = memory(network(*nodes))
    assert result.activation_bytes == (4 * SIZE, 0)
    assert result.live_bytes == (5 * SIZE, 4 * SIZE)


def test_a_view_keeps_what_it_looks_at_alive() -> None:
    nodes = [
        Node("act", ReLU(), ("x",)),
        Node("flat", Flatten(), ("act",)),
        Node("fc", Linear(1), ("x",)),
        Node("late", Linear(1), ("flat",)),
    ]
    result = memory(network(*nodes))
    assert result.activation_bytes == (SIZE, 0, SIZE // 4, 4)
    assert result.live_bytes == (2 * SIZE, 2 * SIZE, 2 * SIZE + SIZE // 4, SIZE + 4)


def test_an_output_lives_to_the_end() -> None:
    nodes = [
        Node("head", Conv2d(1, (1, 1)), ("x",)),
        Node("a", ReLU(), ("x",)),
        Node("b", ReLU(), ("a",)),
        Node("c", ReLU(), ("b",)),
    ]
    assert memory(network(*nodes)).live_bytes[-1] == 2 * SIZE
    assert memory(network(*nodes, outputs=("c", "head"))).live_bytes[-1] == 2 * SIZE + SIZE // 2


def test_what_nobody_reads_lives_while_it_is_made() -> None:
    nodes = [Node("nothing", Conv2d(8, (1, 1)), ("x",)), Node("a", ReLU(), ("x",))]
    assert memory(network(*nodes)).live_bytes == (5 * SIZE, 2 * SIZE)


def test_all_outputs_of_a_call_take_memory() -> None:
    halves = (TensorType((1, 1, 4, 4)), TensorType((1, 1, 4, 4), "float64"))
    result = memory(network(Node("split", Unknown("split", halves), ("x",))))
    assert result.activation_bytes == (SIZE // 2 + SIZE,)


OPERATIONS: list[Callable[[int], Op]] = [
    lambda n: Conv2d(n, (1, 1)),
    lambda n: ReLU(),
    lambda n: ReLU(inplace=True),
    lambda n: Dropout(),
    lambda n: MaxPool2d((3, 3), (1, 1), (1, 1)),
    lambda n: Concat(),
]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names, nodes = ["x", "y"], []
    for i in range(draw(st.integers(1, 9))):
        op = draw(st.sampled_from(OPERATIONS))(draw(st.integers(1, 3)))
        arity = draw(st.integers(1, 3)) if isinstance(op, Concat) else 1
        # Nodes of the recent past make long lives and short ones.
        nodes.append(Node(f"n{i}", op, tuple(draw(st.sampled_from(names[-4:])) for _ in range(arity))))
        names.append(f"n{i}")
    outputs = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    inputs = [Input("x", TensorType((1, 2, 4, 4))), Input("y", TensorType((1, 3, 4, 4), "float64"))]
    mode: Mode = draw(st.sampled_from(["inference", "training"]))
    return Graph.of(inputs, nodes, [Output(name) for name in outputs], mode)


@given(graph=graphs())
@settings(max_examples=100, deadline=None)
def test_live_bytes_are_what_a_walk_that_frees_as_soon_as_it_can_would_hold(graph: Graph) -> None:
    storage = {given_input.name: {given_input.name} for given_input in graph.inputs}
    """The names that look at one piece of memory: the very same set under each of them."""
    for node in graph.nodes:
        in_place = isinstance(node.op, ReLU) and node.op.inplace
        if in_place or (isinstance(node.op, Dropout) and graph.mode == "inference"):
            storage[node.name] = storage[node.inputs[0]]
            storage[node.name].add(node.name)
        else:
            storage[node.name] = {node.name}

    def is_needed(names: set[str], step: int) -> bool:
        """Whether a node at `step` or later, or the caller, reads any of `names`."""
        readers = [name for node in graph.nodes[step:] for name in node.inputs]
        return not names.isdisjoint([*readers, *(output.node for output in graph.outputs)])

    held = {given_input.name for given_input in graph.inputs if is_needed(storage[given_input.name], 0)}
    """Names of those who allocated what is held."""
    allocated, live = [], []
    for step, node in enumerate(graph.nodes):
        owner = next(name for name in storage if name in storage[node.name])
        allocated.append(graph.types[owner][0].bytes if owner == node.name else 0)
        held.add(owner)
        live.append(sum(graph.types[name][0].bytes for name in held))
        held = {name for name in held if is_needed(storage[name], step + 1)}
    result = memory(graph)
    assert list(result.activation_bytes) == allocated
    assert list(result.live_bytes) == live


@given(graph=graphs())
@settings(max_examples=60, deadline=None)
def test_a_call_holds_at_least_its_own_tensors_and_at_most_all_before_it(graph: Graph) -> None:
    result = memory(graph)
    given_bytes = sum(given_input.type.bytes for given_input in graph.inputs)
    allocated = [size or 0 for size in result.activation_bytes]
    for step, (node, live) in enumerate(zip(graph.nodes, result.live_bytes, strict=True)):
        assert live is not None
        assert graph.types[node.name][0].bytes <= live <= given_bytes + sum(allocated[: step + 1])


def saved(*nodes: Node) -> tuple[int | None, ...]:
    return memory(network(*nodes, mode="training")).saved_activation_bytes


@pytest.mark.parametrize(
    ("op", "kept"),
    [
        (Conv2d(8, (1, 1)), SIZE),
        (Linear(8), SIZE),
        (BatchNorm2d(), SIZE + 2 * 2 * 4),
        (MaxPool2d((2, 2), (2, 2)), SIZE + 8 * 8),
        (AvgPool2d((2, 2), (2, 2)), SIZE),
        (ReLU(), SIZE),
        (GELU(), SIZE),
        (Dropout(), SIZE // 4),
        (Concat(), 0),
        (Flatten(), 0),
    ],
    ids=lambda value: value.kind if isinstance(value, Op) else "",
)
def test_what_one_call_keeps_for_the_backward_pass(op: Op, kept: int) -> None:
    before = Node("before", Conv2d(2, (1, 1)), ("x",))
    assert saved(before, Node("n", op, ("before",))) == (SIZE, kept)


def test_where_nothing_learns_nothing_is_kept() -> None:
    assert saved(Node("pool", MaxPool2d((2, 2), (2, 2)), ("x",)), Node("conv", Conv2d(2, (1, 1)), ("pool",))) == (0, 32)
    frozen = network(Node("conv", Conv2d(2, (1, 1)), ("x",)), Node("act", ReLU(), ("conv",)), mode="training")
    frozen = msgspec.structs.replace(frozen, frozen=frozenset({"conv.weight", "conv.bias"}))
    assert memory(frozen).saved_activation_bytes == (0, 0)


def test_a_tensor_that_several_calls_keep_counts_at_the_first() -> None:
    nodes = [Node("a", Conv2d(2, (1, 1)), ("x",)), Node("b", Conv2d(2, (1, 1)), ("x",)), Node("c", SiLU(), ("a",))]
    assert saved(*nodes) == (SIZE, 0, SIZE)


def test_the_output_of_an_activation_in_place_is_kept_once_with_the_next_layers_input() -> None:
    nodes = [
        Node("a", Conv2d(2, (1, 1)), ("x",)),
        Node("act", ReLU(inplace=True), ("a",)),
        Node("b", Conv2d(2, (1, 1)), ("act",)),
        Node("flat", Flatten(), ("act",)),
        Node("fc", Linear(1), ("flat",)),
    ]
    assert saved(*nodes) == (SIZE, SIZE, 0, 0, 0)


def test_saved_bytes_follow_the_dtype() -> None:
    graph = network(Node("a", Conv2d(2, (1, 1)), ("x",)), Node("act", ReLU(), ("a",)), mode="training")
    half = memory(graph.with_dtype("float16"))
    assert half.saved_activation_bytes == (SIZE // 2, SIZE // 2)
    assert half.activation_bytes == (SIZE // 2, SIZE // 2)


def test_the_mode_alone_decides_what_dropout_takes() -> None:
    graph = network(Node("conv", Conv2d(2, (1, 1)), ("x",)), Node("drop", Dropout(), ("conv",)), mode="training")
    assert memory(graph) == Memory((SIZE, SIZE), (2 * SIZE, 2 * SIZE), (SIZE, SIZE // 4))
    assert memory(msgspec.structs.replace(graph, mode="inference")) == Memory((SIZE, 0), (2 * SIZE, SIZE), ())


@pytest.mark.parametrize("batch", [2, 5])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_every_byte_of_a_googlenet_is_there_once_per_sample(batch: int, mode: Mode) -> None:
    one, many = (memory(PAPER.graph(mode, batch=size)) for size in (1, batch))
    for column in ("activation_bytes", "live_bytes", "saved_activation_bytes"):
        assert getattr(many, column) == tuple(batch * size for size in getattr(one, column))


def test_a_known_output_next_to_an_unknown_one_is_freed_as_it_is_allocated() -> None:
    pair = Unknown("Pair", (TensorType((1, 4)), TensorType((), has_shape=False)))
    nodes = [
        Node("pair", pair, ("x",)),
        Node("read", ReLU(), ("pair",)),
        Node("odd", Unknown("Odd", (TensorType((1, 2)),)), ("pair:1",)),
        Node("last", ReLU(), ("read",)),
        Node("end", ReLU(), ("last",)),
    ]
    result = memory(Graph.of([Input("x", TensorType((1, 8)))], nodes, [Output("end"), Output("odd")]))
    assert result.activation_bytes == (None, 16, 8, 16, 16)
    # `pair:1` is alive until `odd`; then `odd`, an output, and two vectors of four are.
    assert result.live_bytes == (None, None, None, 40, 40)
