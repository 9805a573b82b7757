"""The tables of savings: rows that add up, exact cells, and what each kind of saving shows."""

import csv
import io
from functools import cache

import pytest

import inception_lens as il
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.changes import branch_sweep, network_sweep, what_if
from inception_lens.analyses.savings.network import Savings
from inception_lens.graph import Graph, Input, Node, Output, Writer
from inception_lens.ops import Conv2d, Declared, Op, ReLU, TensorType, Unknown
from inception_lens.renderers.pages.sections import saving_section
from inception_lens.renderers.plots.savings import savings_figure, what_if_figure
from inception_lens.renderers.tables import csv as csv_writer
from inception_lens.tables.savings.branch import branch_table
from inception_lens.tables.savings.changes import sweep_table, what_if_table
from inception_lens.tables.savings.network import kinds_table, saving_rows, savings_table
from inception_lens.tables.table import AtLeast, Cell, Row, Table

ARTICLE = Branch(in_channels=192, out_channels=96, kernel=(5, 5), reduce=32, size=(28, 28))


@cache
def savings(model: str, kinds: str = "reductions,naive") -> Savings:
    return il.savings(model, kinds=kinds.split(","))


def column(table: Table, key: str) -> list[Cell]:
    """The cells of a column, those of the totals last."""
    at = [each.key for each in table.columns].index(key)
    return [row.cells[at] for row in (*table.rows, *table.totals)]


def numbers(cells: list[Cell]) -> list[int]:
    return [cell for cell in cells if isinstance(cell, int)]


@pytest.mark.parametrize("kinds", ["reductions,naive", "all"])
@pytest.mark.parametrize("model", ["googlenet", "inception_v3", "inception_resnet_v2", "vgg16"])
def test_rows_add_up_to_the_totals(model: str, kinds: str) -> None:
    for table in savings_table(savings(model, kinds)).further:
        top = [row.depth == 0 for row in table.rows]
        for key in ("params", "macs", "buffers", "flops", "activation_bytes"):
            for side in ("with", "without"):
                *cells, total = numbers(column(table, f"{key}_{side}"))
                assert sum([cell for cell, counts in zip(cells, top, strict=True) if counts]) == total


def test_the_totals_are_those_of_the_networks() -> None:
    reductions, naive = savings_table(savings("googlenet")).further
    assert (column(reductions, "params_with")[-1], column(reductions, "params_without")[-1]) == (6_998_552, 25_301_784)
    assert column(naive, "params_without")[-1] == 97_526_008


def test_a_site_in_larger_modules_is_shown_by_them() -> None:
    saving = savings("googlenet", "global-pooling").of("global-pooling")
    assert saving is not None
    assert [row.label for row in saving_rows(saving)] == ["pool5", "dropout", "loss3"]  # loss3 flattens as well


@pytest.mark.parametrize(("model", "kind"), [("inception_v3", "global-pooling"), ("googlenet", "grid")])
def test_a_site_of_complete_modules_replaces_them(model: str, kind: str) -> None:
    saving = savings(model, kind).of(kind)
    assert saving is not None
    rows = [row for row in saving_rows(saving) if row.what]
    assert [row.label for row in rows] == [site.name for site in saving.sites]
    assert sum(row.change.saved("macs") for row in rows) == saving.total.saved("macs")


def test_without_modules_a_site_shows_its_layers() -> None:
    writer = Writer([Input("x", TensorType((1, 64, 9, 9)))])
    writer.add("q", Conv2d(16, (1, 1)), "x")
    writer.add("r", ReLU(), "q")
    writer.add("k", Conv2d(32, (3, 3), padding=(1, 1)), "r")
    found = il.savings(writer.graph([Output("k")]))
    (table,) = (table for table in savings_table(found).further if table.key == "reductions")
    (row,) = table.rows
    assert (row.label, row.cells[0]) == ("q", "64 > 16 > 3x3 32")
    assert row.cells[1:] == table.totals[0].cells[1:]


def test_a_network_without_sites_says_so() -> None:
    table = savings_table(savings("lenet"))
    assert table.further == ()
    assert table.notes[0].startswith("reductions: lenet has no place for this")


def test_skipped_sites_are_named() -> None:
    writer = Writer([Input("x", TensorType((1, 64, 9, 9)))])
    writer.add("q", Conv2d(9, (1, 1)), "x")
    writer.add("k", Conv2d(6, (3, 3), groups=3), "q")
    notes = savings_table(il.savings(writer.graph([Output("k")]))).further[0].notes
    assert any(note.startswith("left unchanged: q: `k` cannot read 1x64x9x9") for note in notes)


def test_unknown_costs_make_lower_bounds_and_no_ratio() -> None:
    nodes = [
        Node("m/q", Conv2d(4, (1, 1)), ("x",)),
        Node("m/k", Conv2d(4, (3, 3), padding=(1, 1)), ("m/q",)),
        Node("u", Unknown("mystery", (TensorType((1, 4, 9, 9)),)), ("m/k",)),
    ]
    graph = Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("u")])
    (table,) = (table for table in savings_table(il.savings(graph)).further if table.key == "reductions")
    assert isinstance(column(table, "macs_with")[-1], AtLeast)
    assert column(table, "macs_with")[-2] is None  # all other layers: nothing of them is known
    assert column(table, "macs_ratio")[-1] is None
    assert isinstance(column(table, "params_ratio")[-1], float)
    assert any("time >= " in note for note in table.notes)
    swept = sweep_table(network_sweep(graph, "m/q", [2, 4]))
    assert all(isinstance(cell, AtLeast) for cell in column(swept, "macs"))
    assert column(swept, "macs_change") == [None, None]
    changed = what_if_table(what_if(graph, {"m/q": 2}, machine()))
    assert column(changed, "macs_change")[-1] is None


def ending_in(op: Op) -> Graph:
    """A reduced convolution, and an operation after it in the same module."""
    nodes = [
        Node("m/q", Conv2d(4, (1, 1)), ("x",)),
        Node("m/k", Conv2d(4, (3, 3), padding=(1, 1)), ("m/q",)),
        Node("m/u", op, ("m/k",)),
    ]
    return Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("m/u")])


@pytest.mark.parametrize(
    ("op", "unknown"),
    [
        (Unknown("mystery", (TensorType((1, 4, 9, 9)),), params_known=False), ("params", "macs", "flops")),
        (Unknown("mystery", (TensorType((1, 4, 9, 9)),)), ("macs", "flops")),
        (Declared("mystery", (TensorType((1, 4, 9, 9)),), declared_flops=None), ("flops",)),
    ],
)
def test_only_what_an_operation_leaves_unknown_is_a_lower_bound(op: Op, unknown: tuple[str, ...]) -> None:
    graph = ending_in(op)
    (table,) = (table for table in savings_table(il.savings(graph)).further if table.key == "reductions")
    for key in ("params", "macs", "flops"):
        cells = [*column(table, f"{key}_with"), *column(table, f"{key}_without")]
        assert any(isinstance(cell, AtLeast | None) for cell in cells) == (key in unknown)
    for key in ("params", "macs"):
        assert (column(table, f"{key}_ratio")[-1] is None) == (key in unknown)
    swept = sweep_table(network_sweep(graph, "m/q", [2, 4]))
    changed = what_if_table(what_if(graph, {"m/q": 2}, machine()))
    for key in ("params", "macs"):
        assert {isinstance(cell, AtLeast) for cell in column(swept, key)} == {key in unknown}
        assert {cell is None for cell in column(swept, f"{key}_change")} == {key in unknown}
        assert (column(changed, f"{key}_change")[-1] is None) == (key in unknown)
    assert any("without the reduction: >= " in note for note in swept.notes) == ("params" in unknown)


def test_figures_and_the_page_show_lower_bounds_of_parameters() -> None:
    graph = ending_in(Unknown("mystery", (TensorType((1, 4, 9, 9)),), params_known=False))
    found = il.savings(graph, kinds=["reductions"])
    for picture in (savings_figure(found), what_if_figure(what_if(graph, {"m/q": 2}, machine()))):
        assert [axes.get_title().count(">= ") for axes in picture.axes] == [2, 2]
    section = saving_section(found.savings[0])
    assert [cell.startswith(">= ") for cell in section.total.cells] == [True, True, False, True, True, False]
    assert (section.total.cells[2], section.summary) == ("?", "the MACs are not all known")


def test_columns_are_those_of_the_kind() -> None:
    table = savings_table(savings("inception_v3", "batch-norm")).further[0]
    keys = [each.key for each in table.columns if each.audience != "data"]
    assert keys[:4] == ["params_without", "params_with", "params_ratio", "buffers_without"]


def test_the_other_network_has_a_saving_that_is_possible() -> None:
    table = savings_table(savings("googlenet", "separable")).further[0]
    assert table.key == "separable-possible"
    titles = [each.title for each in table.columns if each.audience != "data"]
    assert titles[1:4] == ["params", "params with", "times"]


def test_kinds_count_their_sites() -> None:
    rows = {row.label: row.cells[:2] for row in kinds_table(savings("googlenet", "all")).rows}
    assert (rows["reductions"], rows["naive"], rows["grid"]) == ((19, 0), (27, 0), (0, 2))


def test_the_article_s_branch() -> None:
    table = branch_table(branch_savings(ARTICLE))
    assert table.rows == (
        Row("direct", ("192x5x5x96", 460_800, 361_267_200)),
        Row("reduced", ("192x1x1x32 + 32x5x5x96", 82_944, 65_028_096)),
    )
    assert table.notes == ("reduced: 5.56 times fewer weights, 5.56 times fewer MACs",)


def test_a_branch_with_biases_and_more_parameters() -> None:
    branch = Branch(in_channels=8, out_channels=4, kernel=(3, 3), reduce=8, size=(5, 4), bias=True)
    table = branch_table(branch_savings(branch))
    assert table.rows[1].cells[0] == "8x1x1x8 + 8 + 8x3x3x4 + 4"
    assert "1.25 times more parameters" in table.notes[0]


def test_the_present_width_of_a_sweep_is_marked() -> None:
    table = sweep_table(network_sweep(il.load("googlenet"), "inception_4e/5x5_reduce", [8, 48]))
    assert [row.label for row in table.rows] == ["8", "> 32", "48"]
    assert table.rows[1].cells == (6_998_552, 1_582_671_872, 0, 0)
    assert "without the reduction: 8,568,824 parameters, 1,890,451,456 MACs" in table.notes
    alone = sweep_table(branch_sweep(ARTICLE, [8, 16]))
    assert [each.key for each in alone.columns] == ["params", "macs"]


def test_changed_widths_add_up() -> None:
    graph = il.load("googlenet")
    table = what_if_table(what_if(graph, {"inception_4e/5x5_reduce": 16, "inception_5b/1x1": 128}, machine()))
    assert table.title == (
        "googlenet with inception_4e/5x5_reduce at 16 instead of 32, inception_5b/1x1 at 128 instead of 384"
    )
    for key in ("params_without", "params_with", "params_change", "macs_with"):
        *cells, total = numbers(column(table, key))
        assert sum([cell for cell, row in zip(cells, table.rows, strict=True) if not row.depth]) == total


def test_csv_of_each() -> None:
    def rows(table: Table) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(csv_writer.render(table))))

    assert [row["params"] for row in rows(branch_table(branch_savings(ARTICLE)))] == ["460800", "82944"]
    swept = rows(sweep_table(branch_sweep(ARTICLE, [8, 32])))
    assert [(row["value"], row["params"]) for row in swept] == [("8", "20736"), ("32", "82944")]
    found = rows(savings_table(savings("googlenet")))
    assert {row["table"] for row in found} == {"reductions", "naive"}
    for name, total in (("reductions", 25_301_784), ("naive", 97_526_008)):
        top = [row for row in found if (row["table"], row["depth"]) == (name, "0")]
        assert sum(int(row["params_without"]) for row in top) == total
    site = next(row for row in found if row["name"] == "inception_3a/5x5_reduce")
    assert (site["depth"], site["what"], site["params_with"]) == ("1", "192 > 16 > 5x5 32", "15920")
