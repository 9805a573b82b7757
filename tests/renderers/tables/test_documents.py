"""Tables as CSV, Markdown and LaTeX: columns add up to the totals, and names are text in each format."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Conv2d, TensorType, Unknown
from inception_lens.renderers import escape
from inception_lens.renderers.tables import csv as csv_writer
from inception_lens.renderers.tables import latex as latex_writer
from inception_lens.renderers.tables import markdown as markdown_writer
from inception_lens.tables.summary import summary_table

FORMULAS = ["=cmd()", "+1", "-1", "@x"]
HOSTILE = [
    *FORMULAS, "<script>alert(1)</script>", '"q"\'', "a\nb", "\x1b[31mred", "[red]", "|{}", "a,b", "`x`",
    "\\input{x}$&%#_^~", "\u202eevil",
]  # fmt: skip
MODELS = ["googlenet", "googlenet@torchvision"]


@pytest.fixture(scope="module")
def hostile() -> Analysis:
    """Convolutions with hostile names, the first of them replaced by an operation whose cost is unknown."""
    nodes = []
    for at, name in enumerate(HOSTILE):
        odd = Unknown("=Odd|{}<b>", (TensorType((1, 3, 8, 8)),))
        nodes.append(Node(name, Conv2d(3, (1, 1)) if at else odd, (HOSTILE[at - 1] if at else "input",)))
    return il.analyze(Graph.of([Input("input", TensorType((1, 3, 8, 8)))], nodes, [Output(HOSTILE[-1])]))


def as_csv(analysis: Analysis, depth: int | None = None, **options: Any) -> str:
    return csv_writer.render(summary_table(analysis, depth=depth, flat=True, **options))


def as_markdown(analysis: Analysis, depth: int | None = 1) -> str:
    return markdown_writer.render(summary_table(analysis, depth=depth))


def as_latex(analysis: Analysis, depth: int | None = 1, columns: list[str] | None = None) -> str:
    return latex_writer.render(summary_table(analysis, depth=depth, columns=columns))


def grid_of(text: str) -> list[str]:
    """The lines of a Markdown table."""
    return [line for line in text.splitlines() if line.startswith("|")]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def cells_of(row: str) -> list[str]:
    """The cells of a Markdown row, split at bars without a backslash before them."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


@pytest.mark.parametrize("model", MODELS)
def test_csv_is_the_golden_one_and_sums_to_the_totals(golden: Callable[[str, str], None], model: str) -> None:
    analysis = il.analyze(model)
    text = as_csv(analysis)
    golden(f"{model.replace('@', '-')}.csv", text)
    rows = rows_of(text)
    for key in ("params", "params_trainable", "buffers", "macs", "flops", "weight_bytes", "activation_bytes"):
        assert sum(int(row[key]) for row in rows) == getattr(analysis.totals, key)


@pytest.mark.parametrize("model", MODELS)
def test_markdown_is_the_golden_one_and_sums_to_its_total(golden: Callable[[str, str], None], model: str) -> None:
    analysis = il.analyze(model)
    text = as_markdown(analysis)
    golden(f"{model.replace('@', '-')}.md", text)
    header, _, *rows = (cells_of(line) for line in grid_of(text))
    params = [int(row[header.index("params")].replace(",", "").replace("-", "0")) for row in rows]
    assert rows[-1][0] == "total"
    assert sum(params[:-1]) == params[-1] == analysis.totals.params


@pytest.mark.parametrize("model", MODELS)
def test_latex_is_the_golden_one_and_sums_to_its_total(golden: Callable[[str, str], None], model: str) -> None:
    analysis = il.analyze(model)
    text = as_latex(analysis)
    golden(f"{model.replace('@', '-')}.tex", text)
    header, *rows = (line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\"))
    params = [int(row[header.index("params")].replace(",", "").replace("--", "0")) for row in rows]
    assert rows[-1][0] == "total"
    assert sum(params[:-1]) == params[-1] == analysis.totals.params


def test_every_golden_file_belongs_to_a_case(golden_names: set[str]) -> None:
    tables = {f"{model.replace('@', '-')}.{suffix}" for model in MODELS for suffix in ("csv", "md", "tex")}
    assert {name for name in golden_names if not name.endswith((".txt", ".dot"))} == tables


def test_csv_has_a_row_per_layer_with_exact_numbers() -> None:
    analysis = il.analyze("googlenet")
    rows = rows_of(as_csv(analysis))
    assert [row["name"] for row in rows] == [layer.name for layer in analysis.layers]
    row = next(row for row in rows if row["name"] == "inception_3a/5x5_reduce")
    assert row == row | {
        "op": "Conv2d", "inputs": "pool2/3x3_s2", "kernel": "1x1", "stride": "1x1", "output_shape": "1x16x28x28",
        "params": "3088", "macs": "2408448", "activation_bytes": "50176", "receptive_field": "27",
    }  # fmt: skip


def test_csv_of_a_depth_has_a_row_per_module() -> None:
    rows = rows_of(as_csv(il.analyze("googlenet"), depth=1))
    assert {"conv1", "inception_3a", "inception_5b", "loss3"} <= {row["name"] for row in rows}
    assert next(row for row in rows if row["name"] == "inception_3a")["params"] == "163696"


def test_csv_sorts_and_picks() -> None:
    rows = rows_of(as_csv(il.analyze("googlenet"), columns=["macs"], sort="macs"))
    values = [int(row["macs"]) for row in rows]
    assert list(rows[0]) == ["name", "macs"]
    assert rows[0]["name"] == "conv2/3x3"
    assert values == sorted(values, reverse=True)


def test_csv_of_training_has_the_columns_of_training() -> None:
    analysis = il.analyze("googlenet", mode="training")
    rows = rows_of(as_csv(analysis))
    assert sum(int(row["backward_macs"]) for row in rows) == analysis.totals.backward_macs
    assert "backward_macs" not in rows_of(as_csv(il.analyze("googlenet")))[0]


def test_unknown_values_are_empty_in_csv(hostile: Analysis) -> None:
    odd, *others = rows_of(as_csv(hostile))
    assert (odd["macs"], odd["flops"], odd["params"]) == ("", "", "0")
    assert all(row["macs"] == "576" for row in others)


def test_a_csv_cell_is_not_a_formula(hostile: Analysis) -> None:
    rows = rows_of(as_csv(hostile))
    assert all(cell[:1] not in ("=", "+", "-", "@") for row in rows for cell in row.values())
    assert [row["name"].removeprefix("'") for row in rows] == [escape.printable(name) for name in HOSTILE]
    assert rows[0]["op"] == "'=Odd|{}<b>"


def test_markdown_has_the_same_columns_with_hostile_names(hostile: Analysis) -> None:
    lines = grid_of(as_markdown(hostile, depth=None))
    assert len(lines) == 2 + len(HOSTILE) + 1
    assert {len(cells_of(line)) for line in lines} == {6}


def test_markdown_has_no_live_syntax_in_names(hostile: Analysis) -> None:
    text = as_markdown(hostile, depth=None)
    for syntax in "<>`[]*":
        assert not re.search(rf"(?<!\\)\{syntax}", text)
    assert all(char == "\n" or char.isprintable() for char in text)


def test_markdown_shows_unknown_values(hostile: Analysis) -> None:
    header, _, odd, *_, total = (cells_of(line) for line in grid_of(as_markdown(hostile, depth=None)))
    at = header.index("MACs")
    assert odd[at] == "?"
    assert total[at].startswith(r"\>= ")


def test_markdown_indents_what_is_inside_a_module() -> None:
    lines = grid_of(as_markdown(il.analyze("googlenet"), depth=2))
    assert any(re.match(r"\| &emsp;5x5\\_reduce\s", line) for line in lines)


def test_latex_is_a_floating_booktabs_table() -> None:
    text = as_latex(il.analyze("googlenet@torchvision"), columns=["params", "macs"])
    for part in (
        r"\begin{table}", r"\centering", r"\caption{googlenet@torchvision: GoogLeNet, torchvision}",
        r"\label{tab:googlenet-torchvision}", r"\begin{tabular}{lrrr}", r"\toprule", r"\midrule", r"\bottomrule",
    ):  # fmt: skip
        assert part in text
    assert text.count("{") == text.count("}")


def test_latex_draws_a_rule_before_the_total() -> None:
    lines = as_latex(il.analyze("googlenet")).splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith("total &"))
    assert (lines[at - 1], lines[at + 1]) == (r"\midrule", r"\bottomrule")


def test_latex_has_the_same_columns_with_hostile_names(hostile: Analysis) -> None:
    text = as_latex(hostile, depth=None)
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 1 + len(HOSTILE) + 1
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {5}


def test_tex_runs_no_name(hostile: Analysis) -> None:
    text = as_latex(hostile, depth=None)
    assert r"\input" not in text
    assert r"\textbackslash{}input\{x\}\$\&\%\#\_\textasciicircum{}\textasciitilde{}" in text
    assert all(char == "\n" or char.isprintable() for char in text)


def test_latex_shows_unknown_values(hostile: Analysis) -> None:
    text = as_latex(hostile, depth=None)
    assert re.search(r"^=cmd\(\) & .* & \? &", text, re.MULTILINE)
    assert re.search(r"^total & .*\\textgreater\{\}= ", text, re.MULTILINE)


def test_latex_escapes_titles_and_sets_shapes_as_products() -> None:
    text = as_latex(il.analyze("googlenet"))
    assert r"inception\_3a & $256\times 28\times 28$ & 163,696 &" in text
