"""A comparison in words: statements that add up, in any width, with names that cannot act."""

import itertools
from collections.abc import Mapping

import pytest

import inception_lens as il
from inception_lens.analyses.compare.comparison import compare
from inception_lens.architectures.catalogue import entries
from inception_lens.graph import Graph, Input, Node, Output, Writer
from inception_lens.ops import Conv2d, Op, TensorType, Unknown
from inception_lens.renderers.compare import compare_markdown, compare_table
from inception_lens.renderers.compare_words import facts
from tests.analyses.compare.compared import against

NAMES = [entry.name for entry in entries()]


def words(a: str, b: str, set_b: Mapping[str, object] | None = None) -> list[str]:
    comparison = against(a, b, set_b=dict(set_b or {}))
    return [fact.words for fact in facts(comparison.trunk, comparison.a.graph, comparison.b.graph)]


def test_what_a_person_would_say_of_torchvision() -> None:
    assert words("googlenet", "googlenet@torchvision") == [
        "nine 5x5 branches are 3x3",
        "batch norm behind 57 convolutions instead of LRN and bias",
        "the max pool is 2x2 instead of 3x3",
        "dropout of 20 % instead of 40 %",
        "no softmax at the end: it answers in logits",
    ]
    assert words("googlenet@torchvision", "googlenet")[1:] == [
        "LRN behind two calls and bias in 57 calls instead of batch norm",
        "the max pool is 3x3 instead of 2x2",
        "dropout of 40 % instead of 20 %",
        "a softmax at the end, not logits",
    ]


@pytest.mark.parametrize(
    ("a", "b", "changes", "expected"),
    [
        ("googlenet", "googlenet@slim", {}, "the 7x7/2 convolution pads SAME (2 before and 3 behind) instead of 3"),
        ("googlenet", "googlenet@slim", {}, "three max pools round SAME instead of up"),
        ("googlenet", "googlenet@paddle", {}, "no LRN behind two calls"),
        ("googlenet", "googlenet@paddle", {}, "the linear layer has 102 units instead of 1,000"),
        ("googlenet", "googlenet@paddle-fluid", {}, "57 convolutions have no bias"),
        ("googlenet", "googlenet@paddle-fluid", {}, "no ReLU behind 57 convolutions"),
        ("googlenet", "googlenet@paddle-fluid", {}, "ReLU behind nine concats"),
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
    told = facts(comparison.trunk, comparison.a.graph, comparison.b.graph)
    assert sum(fact.params for fact in told) == comparison.b.params - comparison.a.params
    assert sum(fact.macs for fact in told) == comparison.b.macs - comparison.a.macs
    assert all(fact.words and fact.where for fact in told)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
@pytest.mark.parametrize("b", ["googlenet@torchvision", "googlenet@slim", "vgg16", "inception_v4"])
def test_no_line_is_wider_than_asked(b: str, width: int) -> None:
    comparison = against("googlenet", b)
    for unicode in (True, False):
        text = compare_table(comparison, width=width, unicode=unicode)
        assert max(map(len, text.splitlines())) <= width
        assert unicode or text.isascii()


def test_the_table_shows_totals_alignment_and_heads() -> None:
    text = compare_table(against("googlenet", "googlenet@slim"), width=100)
    assert ["googlenet", "6,998,552", "1,582,671,872"] in [line.split() for line in text.splitlines()]
    assert "conv1/7x7_s2 to inception_4e/output, 107 calls: 1 pixel further down and right" in text
    assert "auxiliary heads, in training alone: googlenet has two, googlenet@slim has none" in text
    torchvision = compare_table(against("googlenet", "googlenet@torchvision"), width=100)
    assert "two 5x5/3 average pools are adaptive average pools to 4x4" in torchvision


def test_no_difference_is_said() -> None:
    text = compare_table(against("googlenet", "googlenet@caffe"))
    assert "no difference: 6,998,552 parameters and 1,582,671,872 MACs in both" in text
    assert "they do not differ" in text
    assert "no difference" in compare_markdown(against("lenet", "lenet"))


def test_two_of_one_name_are_told_apart() -> None:
    assert "googlenet (B)" in compare_table(against("googlenet", "googlenet", set_b={"classes": "10"}))


def test_colour_is_there_where_it_is_asked_for() -> None:
    comparison = against("googlenet", "googlenet@torchvision")
    assert "\x1b[" in compare_table(comparison, color=True)
    assert "\x1b[" not in compare_table(comparison)


def test_names_cannot_steer_a_terminal_or_a_document() -> None:
    def network(width: int) -> Graph:
        node = Node("a\x1b[2J\n<script>|`", Conv2d(width, (1, 1)), ("in\n[put]",))
        return Graph.of([Input("in\n[put]", TensorType((1, 3, 4, 4)))], [node], [Output(node.name)])

    comparison = compare(network(2), network(3))
    assert "\x1b" not in compare_table(comparison)
    text = compare_markdown(comparison)
    assert "<script>" not in text
    assert all(line.count(" | ") == 3 for line in text.splitlines() if line.startswith("| the"))


def test_what_nobody_knows_is_no_zero() -> None:
    def network(*ops: Op) -> Graph:
        writer, x = Writer([Input("x", TensorType((1, 3, 4, 4)))]), "x"
        for i, op in enumerate(ops):
            x = writer.add(str(i), op, x)
        return writer.graph([Output(x)])

    unknown = Unknown("Mystery", (TensorType((1, 3, 4, 4)),))
    text = compare_table(compare(network(Conv2d(3, (1, 1)), unknown), network(Conv2d(3, (1, 1)))))
    (line,) = (line for line in text.splitlines() if "Mystery is missing" in line)
    assert line.split()[-1] == "?"
    (line,) = (line for line in text.splitlines() if line.startswith("difference"))
    assert line.split() == ["difference", "-", "?"]


def test_markdown_has_a_row_for_each_statement() -> None:
    comparison = against("googlenet", "googlenet@torchvision")
    text = compare_markdown(comparison)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    told = facts(comparison.trunk, comparison.a.graph, comparison.b.graph)
    assert len(rows) == 1 + len(told) + 3 + 1 + 2
    assert "|  -373,648 |" in text
    assert il.compare("googlenet", "googlenet@torchvision") is not None
