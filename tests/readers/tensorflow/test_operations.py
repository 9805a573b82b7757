"""The operations of TensorFlow against TensorFlow.

`operations.pb` has calls of each, written by TensorFlow 2.21, and `operations.json` the shapes of the results that
TensorFlow computed. Each result is in a last node that adds an axis, so that it has TensorFlow's order of axes.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

import inception_lens as il
from inception_lens.graph import Graph
from inception_lens.readers.tensorflow.graph_def import read_nodes
from inception_lens.readers.tensorflow.model import HANDLERS

FILES = Path(__file__).parent
SHAPES: dict[str, list[int]] = json.loads((FILES / "operations.json").read_text())


@cache
def graph() -> Graph:
    return il.load(FILES / "operations.pb")


@pytest.mark.parametrize("case", SHAPES)
def test_the_shape_is_tensorflows(case: str) -> None:
    assert list(graph().types[f"case/{case}"][0].shape) == [1, *SHAPES[case]]


def test_every_operation_is_known() -> None:
    assert [node.name for node in graph().nodes if node.op.category == "unknown"] == []


def test_every_handler_has_a_case() -> None:
    written = {node.op for node in read_nodes(memoryview((FILES / "operations.pb").read_bytes())).nodes.values()}
    assert set(HANDLERS) - written == {"BatchNormWithGlobalNormalization"}  # today's TensorFlow does not write it


def macs(case: str) -> int:
    """Multiply-accumulates of the last call with any before the case's result."""
    index = graph().index
    node = index.nodes[f"case/{case}"]
    facts = dict(zip([each.name for each in graph().nodes], graph().facts, strict=True))
    while not facts[node.name].macs:
        node = index.nodes[node.inputs[0]]
    return facts[node.name].macs or 0


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("conv_SAME_1", 2 * 9 * 8 * 7 * 6 * 3 * 2),
        ("conv_groups_VALID", 2 * 7 * 6 * 4 * 3 * 9),
        ("depthwise_VALID_1", 2 * 7 * 6 * 12 * 9),
        ("conv_first_SAME", 2 * 5 * 4 * 4 * 6 * 9),
        ("conv3d_SAME", 2 * 6 * 3 * 4 * 5 * 3 * 18),
        ("atrous_VALID", 2 * 5 * 4 * 4 * 6 * 9),
        ("transposed_same", 2 * 9 * 8 * 6 * 5 * 9),
        ("bias", 2 * 9 * 8 * 4 * 6),
        ("matmul_bias", 2 * 12 * 7),
        ("batch_matmul", 2 * 5 * 5 * 12),
        ("einsum", 2 * 5 * 12 * 3),
    ],
)
def test_multiply_accumulates(case: str, expected: int) -> None:
    assert macs(case) == expected
