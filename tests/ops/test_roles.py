"""The role of an operation in a layer, and the category of several calls together."""

import pytest

from inception_lens import ops
from inception_lens.analyses.analysis import analyze
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Category, Op, Role, TensorType, main_category
from inception_lens.renderers.diagrams.levels import network_content

BLOCKS: dict[str, tuple[tuple[int, ...], tuple[Op, ...]]] = {
    "1d": ((1, 3, 8), (ops.Conv1d(4, (3,)), ops.BatchNorm1d(), ops.ReLU(), ops.Dropout())),
    "2d": ((1, 3, 8, 8), (ops.Conv2d(4, (3, 3)), ops.BatchNorm2d(), ops.ReLU(), ops.Dropout())),
    "3d": ((1, 3, 8, 8, 8), (ops.Conv3d(4, (3, 3, 3)), ops.BatchNorm3d(), ops.ReLU(), ops.Dropout())),
    "scaled": ((1, 3, 8, 8), (ops.Conv2d(4, (3, 3)), ops.GroupNorm(2), ops.Elementwise("mul"), ops.Flatten())),
    "classifier": ((1, 8), (ops.Linear(4), ops.Softmax())),
    "pool": ((1, 8, 8, 8), (ops.MaxPool2d((2, 2), (2, 2)), ops.LocalResponseNorm())),
}


def block(shape: tuple[int, ...], operations: tuple[Op, ...]) -> Graph:
    nodes, before = [], "x"
    for i, op in enumerate(operations):
        nodes.append(Node(f"block/{i}", op, (before,)))
        before = f"block/{i}"
    return Graph.of([Input("x", TensorType(shape))], nodes, [Output(before)])


@pytest.mark.parametrize("name", BLOCKS)
def test_the_table_and_the_diagram_agree_on_the_category_of_a_module(name: str) -> None:
    shape, operations = BLOCKS[name]
    graph = block(shape, operations)
    (module,) = analyze(graph).by_module(1)
    (box,) = [box for box in network_content(graph).boxes if box.nodes]
    assert module.category == box.kind == operations[0].category


@pytest.mark.parametrize(
    ("name", "description"), [("1d", "3"), ("2d", "3x3"), ("3d", "3x3x3"), ("pool", "max 2x2/2, LRN")]
)
def test_a_row_is_described_without_operations_that_finish_a_layer(name: str, description: str) -> None:
    (row,) = analyze(block(*BLOCKS[name])).tree(1)
    assert row.description == description


def test_a_module_of_finishing_operations_is_described_by_them() -> None:
    (row,) = analyze(block((1, 3, 8, 8), (ops.BatchNorm2d(), ops.Dropout(0.4)))).tree(1)
    assert row.description == "batch norm, dropout 40 %"


@pytest.mark.parametrize(
    ("op", "inputs", "role"),
    [
        (ops.Elementwise("add"), ("a",), "finish"),
        (ops.Elementwise("add"), ("a", "a"), "finish"),
        (ops.Elementwise("add"), ("a", "b"), "merge"),
        (ops.Declared("index", (TensorType((1,)),)), ("a", "b"), "merge"),
        (ops.Declared("arange", (TensorType((1,)),)), (), "source"),
        (ops.MatMul(), ("a", "b"), "work"),
        (ops.Reduce("mean"), ("a",), "work"),
        (ops.Softmax(), ("a",), "work"),
        (ops.Stored((1,)), (), "source"),
    ],
)
def test_a_call_that_combines_tensors_merges_them(op: Op, inputs: tuple[str, ...], role: Role) -> None:
    assert Node("n", op, inputs).role == role


def test_only_local_response_norm_finishes_a_layer_and_is_described_by_itself() -> None:
    nodes = [Node("n", op, ("x",)) for op in (ops.LocalResponseNorm(), ops.BatchNorm2d(), ops.Flatten(), ops.ReLU())]
    assert [node.is_minor for node in nodes] == [False, True, True, True]


@pytest.mark.parametrize(
    ("calls", "category"),
    [
        ([], None),
        ([("work", "conv"), ("work", "pool")], None),
        ([("work", "conv"), ("merge", "merge")], None),
        ([("finish", "norm"), ("finish", "activation")], "norm"),
        ([("finish", "activation"), ("layout", "shape")], "activation"),
        ([("layout", "shape"), ("source", "weights")], "shape"),
    ],
)
def test_main_category(calls: list[tuple[Role, Category]], category: Category | None) -> None:
    assert main_category(calls) == category
