"""Differences in words: statements add up, fit every width, and names are text."""

import itertools
from collections.abc import Mapping

import pytest

from inception_lens.analyses.compare.comparison import compare
from inception_lens.architectures.catalogue import entries
from inception_lens.graph import Graph, Input, Node, Output, Writer
from inception_lens.ops import Conv2d, Op, TensorType, Unknown
from inception_lens.renderers.diagrams.diagram import compare_diagram
from inception_lens.renderers.tables import markdown
from inception_lens.renderers.tables.text import render
from inception_lens.tables.compare.comparison import compare_table, shift_words
from inception_lens.tables.compare.differences import worded_differences
from inception_lens.tables.table import Row
from tests.analyses.compare.compared import against

NAMES = [entry.name for entry in entries()]


def words(a: str, b: str, set_b: Mapping[str, object] | None = None) -> list[str]:
    comparison = against(a, b, set_b=dict(set_b or {}))
    return [each.words for each in worded_differences(comparison.trunk, comparison.a.graph, comparison.b.graph)]


def test_what_a_person_would_say_of_torchvision() -> None:
    assert words("googlenet", "googlenet@torchvision") == [
        "nine 5x5 branches are 3x3",
        "batch norm after 57 convolutions instead of LRN and bias",
        "the max pool is 2x2 instead of 3x3",
        "dropout of 20 % instead of 40 %",
        "no softmax at the end: the output is logits",
    ]
    assert words("googlenet@torchvision", "googlenet")[1:] == [
        "LRN after two calls and bias in 57 calls instead of batch norm",
        "the max pool is 3x3 instead of 2x2",
        "dropout of 40 % instead of 20 %",
        "a softmax at the end, not logits",
    ]


@pytest.mark.parametrize(
    ("a", "b", "changes", "expected"),
    [
        ("googlenet", "googlenet@slim", {}, "the 7x7/2 convolution pads SAME (2 before and 3 after) instead of 3"),
        ("googlenet", "googlenet@slim", {}, "three max pools round SAME instead of up"),
        ("googlenet", "googlenet@paddle", {}, "no LRN after two calls"),
        ("googlenet", "googlenet@paddle", {}, "the linear layer has 102 units instead of 1,000"),
        ("googlenet", "googlenet@paddle-fluid", {}, "57 convolutions have no bias"),
        ("googlenet", "googlenet@paddle-fluid", {}, "no ReLU after 57 convolutions"),
        ("googlenet", "googlenet@paddle-fluid", {}, "ReLU after nine concats"),
        ("googlenet", "googlenet@naive", {}, "27 1x1 convolutions with ReLU are missing"),
        ("googlenet", "googlenet", {"inception_4c": "none"}, "inception_4c is missing: 14 calls"),
        ("googlenet", "googlenet", {"lrn.alpha": "1e-3"}, "two LRNs have an alpha of 0.001 instead of 0.0001"),
        ("googlenet", "googlenet", {"activation": "gelu"}, "57 ReLUs are GELUs"),
        ("googlenet", "googlenet", {"width": "0.5"}, "57 convolutions have other widths"),
        ("googlenet", "googlenet", {"input": "3x256x256"}, "the input is 1x3x256x256 instead of 1x3x224x224"),
        ("inception_v3", "inception_v3@torchvision", {}, "nine average pools count the padding in their means"),
        ("inception_v3@torchvision", "inception_v3", {}, "94 batch norms learn no gamma"),
        ("inception_v2", "inception_v2@nonseparable", {}, "the 7x7/2 convolution is dense instead of in 3 groups"),
    ],
)
def test_other_statements(a: str, b: str, changes: dict[str, str], expected: str) -> None:
    assert expected in words(a, b, changes)


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(NAMES, 2))[::9])
def test_statements_add_up(a: str, b: str) -> None:
    comparison = against(a, b)
    found = worded_differences(comparison.trunk, comparison.a.graph, comparison.b.graph)
    assert sum(each.params for each in found) == comparison.b.params - comparison.a.params
    assert sum(each.macs for each in found) == comparison.b.macs - comparison.a.macs
    assert all(each.words and each.where for each in found)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("b", ["googlenet@torchvision", "googlenet@slim", "vgg16", "inception_v4"])
def test_no_line_is_wider_than_the_terminal(b: str, width: int) -> None:
    table = compare_table(against("googlenet", b))
    for unicode in (True, False):
        text = render(table, width=width, unicode=unicode)
        assert max(map(len, text.splitlines())) <= width
        assert unicode or text.isascii()


def test_the_tables_of_a_comparison() -> None:
    network, equivalent, shifts, heads = compare_table(against("googlenet", "googlenet@slim"))
    assert [row.label for row in equivalent.rows] == [
        "three max pools round SAME instead of up",
        "the linear layer is a 1x1 convolution",
    ]
    assert network.totals[0] == Row("googlenet", ("", "6,998,552", "1,582,671,872"))
    assert Row("conv1/7x7_s2 to inception_4e/output", (107, "1 pixel further down and right")) in shifts.rows
    assert heads.title == "auxiliary heads, in training only: googlenet has two, googlenet@slim has none"
    *_, heads = compare_table(against("googlenet", "googlenet@torchvision"))
    assert "two 5x5/3 average pools are adaptive average pools to 4x4" in [row.label for row in heads.rows]


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        ((1.0, 1.0), "1 pixel further down and right"),
        ((-0.5, -0.5), "0.5 pixels further up and left"),
        ((2.0, -2.0), "2 pixels further down and left"),
        ((0.0, 3.0), "3 pixels further right"),
        ((1.0, -2.0), "1 pixel further down, 2 pixels further left"),
        ((-4.0,), "4 pixels further back"),
    ],
)
def test_shifts_in_words(pixels: tuple[float, ...], words: str) -> None:
    assert shift_words(pixels) == words


def test_networks_without_a_difference() -> None:
    main, *_, heads = compare_table(against("googlenet", "googlenet@caffe"))
    assert main.rows == ()
    assert main.notes[0] == "no difference: 6,998,552 parameters and 1,582,671,872 MACs in both"
    assert heads.title.endswith("they do not differ")


def test_two_networks_of_one_name_have_letters() -> None:
    table = compare_table(against("googlenet", "googlenet", set_b={"classes": "10"}))
    assert [row.label for row in table.totals] == ["googlenet (A)", "googlenet (B)", "difference"]


def test_names_are_text() -> None:
    def network(width: int) -> Graph:
        node = Node("a\x1b[2J\n<script>|`", Conv2d(width, (1, 1)), ("in\n[put]",))
        return Graph.of([Input("in\n[put]", TensorType((1, 3, 4, 4)))], [node], [Output(node.name)])

    table = compare_table(compare(network(2), network(3)))
    assert "\x1b" not in render(table)
    text = markdown.render(table)
    assert "<script>" not in text
    assert all(line.count(" | ") == 3 for line in text.splitlines() if line.startswith("| the"))


def test_unknown_costs_are_not_zero() -> None:
    def network(*ops: Op) -> Graph:
        writer, x = Writer([Input("x", TensorType((1, 3, 4, 4)))]), "x"
        for i, op in enumerate(ops):
            x = writer.add(str(i), op, x)
        return writer.graph([Output(x)])

    unknown = Unknown("Mystery", (TensorType((1, 3, 4, 4)),))
    table = compare_table(compare(network(Conv2d(3, (1, 1)), unknown), network(Conv2d(3, (1, 1)))))
    (row,) = (row for row in table.rows if "Mystery is missing" in row.label)
    assert row.cells[2] is None
    assert table.totals[0].cells[2] == ">= 144"
    assert table.totals[2] == Row("difference", ("", 0, None))
    hidden = Unknown("Mystery", (TensorType((1, 3, 4, 4)),), params_known=False)
    comparison = compare(network(Conv2d(3, (1, 1)), hidden), network(Conv2d(3, (1, 1))))
    table = compare_table(comparison)
    (row,) = (row for row in table.rows if "Mystery is missing" in row.label)
    assert row.cells[1:] == (None, None)
    assert table.totals[0].cells == ("", ">= 12", ">= 144")
    assert table.totals[2] == Row("difference", ("", None, None))
    assert comparison.to_builtins()["totals"]["params_exact"] is False
    assert [change["params_exact"] for change in comparison.to_builtins()["changes"]] == [False]
    assert (
        "an unknown number of parameters and an unknown number of MACs" in compare_diagram(comparison).content.title[1]
    )
    same = compare(network(hidden), network(hidden))
    assert compare_table(same).notes[0] == "no difference: >= 0 parameters and >= 0 MACs in both"


def test_markdown_has_a_row_for_each_statement() -> None:
    comparison = against("googlenet", "googlenet@torchvision")
    tables = list(compare_table(comparison))
    text = markdown.render(tables[0])
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == sum(2 + len(table.rows) + len(table.totals) for table in tables)
    assert "|  -373,648 |" in text
