"""Savings for other programs and for papers."""

import csv
import io

import pytest

import inception_lens as il
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.changes import branch_sweep, what_if
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Conv2d, TensorType
from inception_lens.renderers.savings_frame import Result, savings_csv, savings_latex, savings_markdown

ARTICLE = Branch(in_channels=192, out_channels=96, kernel=(5, 5), reduce=32, size=(28, 28))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def results() -> dict[str, Result]:
    return {
        "savings": il.savings("googlenet"),
        "branch": branch_savings(ARTICLE),
        "sweep": branch_sweep(ARTICLE, [8, 16], 32),
        "what-if": what_if(il.load("googlenet"), {"inception_4e/5x5_reduce": 16}, machine()),
    }


def test_csv_adds_up() -> None:
    found = rows(savings_csv(il.savings("googlenet")))
    for kind, part in (("reductions", "site"), ("reductions", "module"), ("naive", "module")):
        for key in ("params", "macs", "activation_bytes"):
            parts = [
                int(row[f"{key}_without"]) - int(row[f"{key}_with"])
                for row in found
                if (row["kind"], row["part"]) == (kind, part)
            ]
            total = next(row for row in found if (row["kind"], row["part"]) == (kind, "total"))
            assert sum(parts) == int(total[f"{key}_without"]) - int(total[f"{key}_with"])


def test_csv_of_the_others() -> None:
    assert rows(savings_csv(branch_savings(ARTICLE))) == [
        {"way": "direct", "params": "460800", "macs": "361267200"},
        {"way": "reduced", "params": "82944", "macs": "65028096"},
    ]
    swept = rows(savings_csv(branch_sweep(ARTICLE, [8], 32)))
    assert [(row["value"], row["own"]) for row in swept] == [("8", "False"), ("32", "True")]
    changed = rows(savings_csv(what_if(il.load("googlenet"), {"inception_4e/5x5_reduce": 16}, machine())))
    assert (changed[0]["part"], changed[0]["params_without"]) == ("total", "6998552")


@pytest.mark.parametrize("name", ["savings", "branch", "sweep", "what-if"])
def test_markdown_and_latex(name: str) -> None:
    result = results()[name]
    markdown, latex = savings_markdown(result), savings_latex(result)
    assert "| " in markdown
    assert latex.count("\\begin{table}") == latex.count("\\end{table}") >= 1
    number = {"savings": "25,301,784", "branch": "460,800", "sweep": "82,944", "what-if": "6,938,888"}[name]
    assert number in markdown
    assert number in latex


def test_a_network_that_has_nothing_says_so() -> None:
    given = il.savings("lenet")
    assert [(row["kind"], row["part"]) for row in rows(savings_csv(given))] == [
        ("reductions", "none"), ("naive", "none"),
    ]  # fmt: skip
    assert "lenet has no place for this" in savings_markdown(given)
    assert savings_latex(given).startswith("% lenet has no place for this")


def test_names_cannot_break_out() -> None:
    name = "=cmd|<b>&\\input{x}"
    nodes = [Node(name, Conv2d(4, (1, 1)), ("x",)), Node("k", Conv2d(4, (3, 3)), (name,))]
    given = il.savings(Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("k")]))
    assert "<b>" not in savings_markdown(given)
    assert "\\input{x}" not in savings_latex(given)
    assert not [row for row in rows(savings_csv(given)) if row["name"].startswith("=")]
