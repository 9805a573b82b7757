"""Savings in a terminal: as they looked when a person last read them, and what a table must hold at any width."""

from collections.abc import Callable
from functools import cache

import pytest

import inception_lens as il
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.changes import branch_sweep, network_sweep, what_if
from inception_lens.analyses.savings.network import Savings
from inception_lens.graph import Graph, Input, Metadata, Node, Output, Writer
from inception_lens.ops import Conv2d, ReLU, TensorType, Unknown
from inception_lens.renderers.savings_columns import saving_columns, saving_rows, times
from inception_lens.renderers.savings_text import (
    branch_table,
    kinds_table,
    savings_table,
    sweep_table,
    what_if_table,
)

ARTICLE = Branch(in_channels=192, out_channels=96, kernel=(5, 5), reduce=32, size=(28, 28))

CASES = [
    *(("googlenet", "reductions,naive", width, unicode) for width in (80, 100, 180) for unicode in (True, False)),
    ("inception_v3", "asymmetric,grid,batch-norm,aux-heads,separable", 80, False),
]


@cache
def savings(model: str, kinds: str = "reductions,naive") -> Savings:
    return il.savings(model, kinds=kinds.split(","))


@pytest.mark.parametrize(("model", "kinds", "width", "unicode"), CASES)
def test_golden(golden: Callable[[str, str], None], model: str, kinds: str, width: int, unicode: bool) -> None:
    text = savings_table(savings(model, kinds), width=width, unicode=unicode)
    golden(f"savings-{model}-{width}-{'unicode' if unicode else 'ascii'}.txt", text)


def test_every_golden_file_belongs_to_a_case(golden_names: set[str]) -> None:
    tables = {f"savings-{m}-{width}-{'unicode' if unicode else 'ascii'}.txt" for m, _, width, unicode in CASES}
    assert {name for name in golden_names if name.startswith("savings-")} == {*tables, "savings-others-80-ascii.txt"}


def test_golden_branch_sweep_what_if_and_kinds(golden: Callable[[str, str], None]) -> None:
    sweep = branch_sweep(ARTICLE, range(8, 65, 8), 32)
    changed = what_if(il.load("googlenet"), {"inception_4e/5x5_reduce": 16, "inception_5b/1x1": 128}, machine())
    texts = [
        branch_table(branch_savings(ARTICLE), width=80, unicode=False),
        sweep_table(sweep, width=80, unicode=False),
        what_if_table(changed, width=80, unicode=False),
        kinds_table(savings("googlenet", "all"), width=80, unicode=False),
    ]
    golden("savings-others-80-ascii.txt", "\n".join(texts))


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("model", ["googlenet", "inception_v3", "inception_resnet_v2", "vgg16"])
def test_no_line_is_wider_than_the_terminal(model: str, width: int) -> None:
    texts = [
        savings_table(savings(model, "all"), width=width),
        kinds_table(savings(model, "all"), width=width),
    ]
    assert [line for text in texts for line in text.splitlines() if len(line) > width] == []


def test_ascii_is_ascii() -> None:
    assert savings_table(savings("googlenet", "all"), unicode=False).isascii()


def test_the_article_in_two_rows() -> None:
    lines = branch_table(branch_savings(ARTICLE), unicode=False).splitlines()
    direct, reduced = (next(line for line in lines if line.startswith(f"{way} ")) for way in ("direct", "reduced"))
    assert direct.split() == ["direct", "192x5x5x96", "=", "460,800", "361,267,200"]
    assert reduced.split() == ["reduced", "192x1x1x32", "+", "32x5x5x96", "=", "82,944", "65,028,096"]
    assert lines[-1] == "reduced: 5.56 times fewer weights, 5.56 times fewer MACs"


def test_biases_are_in_the_arithmetic_and_more_is_said() -> None:
    branch = Branch(in_channels=8, out_channels=4, kernel=(3, 3), reduce=8, size=(5, 4), bias=True)
    text = branch_table(branch_savings(branch), unicode=False)
    assert "8x1x1x8 + 8 + 8x3x3x4 + 4" in text
    assert "1.25 times more parameters" in text


def test_a_site_that_reaches_into_modules_is_told_by_them() -> None:
    saving = savings("googlenet", "global-pooling").of("global-pooling")
    assert saving is not None
    assert [row.label for row in saving_rows(saving)] == ["pool5", "dropout", "loss3"]  # loss3 flattens as well


@pytest.mark.parametrize(("model", "kind"), [("inception_v3", "global-pooling"), ("googlenet", "grid")])
def test_a_site_of_whole_modules_tells_them(model: str, kind: str) -> None:
    saving = savings(model, kind).of(kind)
    assert saving is not None
    rows = [row for row in saving_rows(saving) if row.what]
    assert [row.label for row in rows] == [site.name for site in saving.sites]
    assert sum(row.change.saved("macs") for row in rows) == saving.total.saved("macs")


def test_without_modules_a_site_tells_its_layers() -> None:
    writer = Writer([Input("x", TensorType((1, 64, 9, 9)))])
    writer.add("q", Conv2d(16, (1, 1)), "x")
    writer.add("r", ReLU(), "q")
    writer.add("k", Conv2d(32, (3, 3), padding=(1, 1)), "r")
    saving = il.savings(writer.graph([Output("k")])).of("reductions")
    assert saving is not None
    (row,) = saving_rows(saving)
    assert (row.label, row.what) == ("q", "64 > 16 > 3x3 32")
    assert row.change.saved("params") == saving.total.saved("params")


def test_nothing_found_is_said() -> None:
    text = savings_table(savings("lenet"), width=60)
    assert "reductions: lenet has no place for this" in text
    assert "times" not in text


def test_what_is_left_alone_is_said() -> None:
    writer = Writer([Input("x", TensorType((1, 64, 9, 9)))])
    writer.add("q", Conv2d(9, (1, 1)), "x")
    writer.add("k", Conv2d(6, (3, 3), groups=3), "q")
    text = savings_table(il.savings(writer.graph([Output("k")], metadata=Metadata("odd"))), width=200)
    assert "left alone: q: `k` cannot read 1x64x9x9: 3 groups must divide the 64 input" in text


def test_hostile_names_and_unknown_costs() -> None:
    nodes = [
        Node("\x1b[31m/q", Conv2d(4, (1, 1)), ("x",)),
        Node("\x1b[31m/k", Conv2d(4, (3, 3), padding=(1, 1)), ("\x1b[31m/q",)),
        Node("[red]u", Unknown("mystery", (TensorType((1, 4, 9, 9)),)), ("\x1b[31m/k",)),
        Node("[red]r", ReLU(), ("[red]u",)),
    ]
    text = savings_table(il.savings(Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("[red]r")])))
    assert "\x1b" not in text
    assert ">= " in text


def test_the_networks_own_width_is_marked() -> None:
    lines = sweep_table(network_sweep(il.load("googlenet"), "inception_4e/5x5_reduce", [8, 48])).splitlines()
    marked = [line for line in lines if line.strip().startswith("> 32")]
    assert len(marked) == 1
    assert "1,582,671,872" in marked[0]


def test_ratios() -> None:
    assert [times(ratio) for ratio in (None, 0.0, 0.5, 5.5555, 9.996, 21.4, 123.4)] == [
        "-", "-", "0.50", "5.56", "10.0", "21.4", "123",
    ]  # fmt: skip


def test_columns_are_those_of_the_kind() -> None:
    saving = savings("inception_v3", "batch-norm").of("batch-norm")
    assert saving is not None
    keys = [column.key for column in saving_columns(saving)]
    assert keys[:4] == ["params", "params_other", "params_ratio", "buffers"]
