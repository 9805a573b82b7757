"""Roofline times and the machines they are of."""

import pytest

from inception_lens.analyses.costs import costs
from inception_lens.analyses.machines import DEFAULT, MACHINES, Machine, machine
from inception_lens.analyses.roofline import Roofline, roofline
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import (
    UNKNOWN_SIZE,
    Add,
    Concat,
    Conv2d,
    Declared,
    Dropout,
    Embedding,
    Flatten,
    Linear,
    ReLU,
    TensorType,
    Unknown,
)

SLOW = Machine("slow", "float16", 1000.0, 10.0, "a test")


def of(*nodes: Node, shape: tuple[int, ...] = (1, 4, 6, 6), dtype: str = "float32") -> Roofline:
    graph = Graph.of([Input("x", TensorType(shape, dtype))], nodes, [Output(nodes[-1].name)])
    return roofline(graph, costs(graph), SLOW)


def test_a_call_takes_its_arithmetic_or_its_traffic() -> None:
    found = of(Node("c", Conv2d(8, (3, 3), padding=(1, 1)), ("x",)), Node("r", ReLU(inplace=True), ("c",)))
    conv, relu = 36 * 8 * (2 * 4 * 9 + 1), 36 * 8
    moved = 2 * (36 * 4 + 36 * 8 + 8 * 4 * 9 + 8)
    assert found.bytes == (moved, 2 * 2 * relu)
    assert found.seconds == (max(conv / 1000, moved / 10), 2 * 2 * relu / 10)
    fast_memory = Machine("", "float16", 1000.0, 1e9, "")
    graph = Graph.of([Input("x", TensorType((1, 4, 6, 6)))], [Node("c", Conv2d(8, (3, 3)), ("x",))], [Output("c")])
    assert roofline(graph, costs(graph), fast_memory).seconds == (16 * 8 * (2 * 4 * 9 + 1) / 1000,)


def test_views_take_no_time_and_a_tensor_is_read_once() -> None:
    assert of(Node("f", Flatten(), ("x",))).seconds == (0.0,)
    assert of(Node("d", Dropout(), ("x",))).bytes == (0,)
    assert of(Node("a", Add(), ("x", "x"))).bytes == (2 * 2 * 144,)


def test_an_embedding_reads_the_rows_that_it_is_asked_for() -> None:
    found = of(Node("e", Embedding(1000, 16), ("x",)), shape=(1, 7), dtype="int64")
    assert found.bytes == (7 * 8 + 2 * 2 * 7 * 16,)


def test_what_nobody_knows_has_no_time() -> None:
    found = of(Node("u", Unknown("mystery", (TensorType((1, 4)),)), ("x",)), Node("l", Linear(2), ("u",)))
    assert found.seconds[0] is None
    assert found.seconds[1] is not None


def test_the_default_machine() -> None:
    found = machine()
    assert (DEFAULT, found.name, found.dtype, found.title) == ("h200", "H200 SXM", "bfloat16", "H200 SXM in bfloat16")
    assert (found.flops_per_second, found.bytes_per_second) == (989.4e12, 4.8e12)
    assert machine("H200:float32").flops_per_second == 66.9e12


@pytest.mark.parametrize("name", list(MACHINES))
def test_every_machine_has_a_source_and_a_first_dtype(name: str) -> None:
    found = machine(name)
    assert found.source
    assert found.flops_per_second > found.bytes_per_second > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("h2000", "`h2000` is not a known machine"),
        ("k40:bfloat16", "is published in `bfloat16`"),
        ("", "is not a known machine"),
    ],
)
def test_machines_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        machine(name)


def test_the_time_of_an_unknown_size_is_unknown_although_nothing_is_computed() -> None:
    boxes = Node("boxes", Declared("Boxes", (TensorType((UNKNOWN_SIZE, 4)),)), ("x",))
    copied = Node("copied", Concat(1), ("boxes", "boxes"))
    assert of(boxes, Node("view", Flatten(), ("boxes",)), copied).seconds == (None, 0, None)
