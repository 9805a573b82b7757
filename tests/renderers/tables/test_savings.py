"""The tables of savings in every format: golden files, line widths, and names that are text."""

from collections.abc import Callable
from functools import cache

import pytest

import inception_lens as il
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.changes import branch_sweep, network_sweep, what_if
from inception_lens.analyses.savings.network import Savings
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Conv2d, TensorType
from inception_lens.renderers.tables import csv, latex, markdown, text
from inception_lens.tables.savings.branch import branch_table
from inception_lens.tables.savings.changes import sweep_table, what_if_table
from inception_lens.tables.savings.network import kinds_table, savings_table

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
    written = text.render(savings_table(savings(model, kinds)), width=width, unicode=unicode)
    golden(f"savings-{model}-{width}-{'unicode' if unicode else 'ascii'}.txt", written)


def test_every_golden_file_belongs_to_a_case(golden_names: set[str]) -> None:
    tables = {f"savings-{m}-{width}-{'unicode' if unicode else 'ascii'}.txt" for m, _, width, unicode in CASES}
    assert {name for name in golden_names if name.startswith("savings-")} == {*tables, "savings-others-80-ascii.txt"}


def test_golden_branch_sweep_what_if_and_kinds(golden: Callable[[str, str], None]) -> None:
    marked = network_sweep(il.load("googlenet"), "inception_4e/5x5_reduce", range(16, 49, 8))
    changed = what_if(il.load("googlenet"), {"inception_4e/5x5_reduce": 16, "inception_5b/1x1": 128}, machine())
    tables = (
        branch_table(branch_savings(ARTICLE)),
        sweep_table(branch_sweep(ARTICLE, range(8, 65, 8))),
        sweep_table(marked),
        what_if_table(changed),
        kinds_table(savings("googlenet", "all")),
    )
    golden("savings-others-80-ascii.txt", "\n".join([text.render(each, width=80, unicode=False) for each in tables]))


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("model", ["googlenet", "inception_v3", "inception_resnet_v2", "vgg16"])
def test_no_line_is_wider_than_the_terminal(model: str, width: int) -> None:
    for table in (savings_table(savings(model, "all")), kinds_table(savings(model, "all"))):
        assert max(map(len, text.render(table, width=width).splitlines())) <= width


def test_ascii_is_ascii() -> None:
    assert text.render(savings_table(savings("googlenet", "all")), unicode=False).isascii()


def test_names_are_text_in_every_format() -> None:
    name = "=cmd|<b>&\\input{x}\x1b[31m"
    nodes = [Node(name, Conv2d(4, (1, 1)), ("x",)), Node("k", Conv2d(4, (3, 3)), (name,))]
    table = savings_table(il.savings(Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("k")])))
    assert "<b>" not in markdown.render(table)
    assert "\\input{x}" not in latex.render(table)
    assert "\x1b" not in text.render(table)
    assert not [line for line in csv.render(table).splitlines() if "=cmd" in line and "'=cmd" not in line]


def test_latex_has_a_float_for_each_saving() -> None:
    written = latex.render(savings_table(savings("googlenet")))
    assert written.count("\\begin{table}") == written.count("\\end{table}") == 2
    assert "25,301,784" in written
    assert latex.render(savings_table(savings("lenet"))).startswith("% lenet: ")
