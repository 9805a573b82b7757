"""The tables of `verify --paper`: the paper's Table 1 row by row, and the claims of an article about it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from inception_lens.analyses.paper.check import PaperCheck
from inception_lens.analyses.paper.conventions import PaperRow, PrintedFigure
from inception_lens.analyses.paper.table1 import Convention, describe, parsed
from inception_lens.ops import format_shape
from inception_lens.tables.table import Column, Row, Table
from inception_lens.tables.units import count

COLUMNS = (
    Column(key="printed", title="printed", kind="number"),
    Column(key="recomputed", title="recomputed", kind="number"),
    Column(key="count", title="count", kind="count", audience="data"),
    Column(key="biases", title="biases", kind="count", audience="data"),
    Column(key="verdict", title="verdict", kind="verdict", min_width=20),
)
NOTE = (
    "recomputed: weights + biases, or multiply-adds without biases. known: no convention gives the printed figure, "
    "though the row's layers are those that the paper prints. The conventions: K = 1000 or 1024, M = 10^6 or 2^20, "
    "with or without biases, rounded, truncated or rounded up"
)


def paper_table(check: PaperCheck) -> Table:
    """The printed figures with the counts of the network, and the claims of the article."""
    return Table(
        key="table_1",
        title=f"{check.name} and Table 1 of the paper (Szegedy et al., arXiv 1409.4842)",
        label=Column(key="row", title="Table 1"),
        columns=COLUMNS,
        rows=tuple([each for row in check.table.rows for each in _rows(row)]),
        totals=_totals(check),
        notes=(_best_conventions(check), NOTE),
        further=(_claims(check),),
    )


def _rows(row: PaperRow) -> list[Row]:
    """The output size of a row, and below it each of its figures."""
    label = row.printed.label
    output = format_shape(row.output) if row.output else ""
    deviations = "; ".join(row.deviations)
    verdict = f"differs: {deviations}" if deviations else "reproduced"
    rows = [Row(label, (format_shape(row.printed.output), output, "", "", verdict))]
    for name, figure in (("params", row.params), ("ops", row.ops)):
        if figure:
            recomputed = f"{count(figure.count)} + {count(figure.biases)}" if name == "params" else count(figure.count)
            cells = (figure.printed, recomputed, figure.count, figure.biases, _verdict(figure))
            rows.append(Row(name, cells, f"{label} {name}", depth=1))
    return rows


def _verdict(figure: PrintedFigure) -> str:
    if figure.verdict == "reproduced":
        return f"reproduced: {describe(figure.conventions)}"
    return f"known: {figure.note}" if figure.verdict == "known" else "differs: no convention gives it"


def _totals(check: PaperCheck) -> tuple[Row, ...]:
    printed = [(row.printed.params, row.printed.ops) for row in check.table.rows if row.printed.params]
    params, ops = (sum((parsed(figure)[0] for figure in column), Fraction()) for column in zip(*printed, strict=True))
    weights = f"{count(check.totals.weights)} + {count(check.totals.biases)}"
    return (
        Row("sum of params", (f"{float(params):g}K", weights, check.totals.weights, check.totals.biases, "")),
        Row("sum of ops", (f"{float(ops):g}M", count(check.totals.macs), check.totals.macs, 0, "")),
    )


def _claims(check: PaperCheck) -> Table:
    return Table(
        key="article",
        title="claims of a 2017 article about the network",
        label=Column(key="row", title="the article", min_width=18),
        columns=(
            Column(key="claim", title="claims", min_width=18),
            Column(key="found", title="found", min_width=18),
            Column(key="verdict", title="verdict", kind="verdict"),
            Column(key="note", title="note", audience="data"),
        ),
        rows=tuple([Row(each.topic, (each.claim, each.found, each.verdict, each.note)) for each in check.statements]),
        notes=(*[f"{each.topic}: {each.note}" for each in check.statements if each.note], conclusion(check)),
    )


def conclusion(check: PaperCheck) -> str:
    """The result of the check, with the rows and claims that differ."""
    if check.holds:
        return "every deviation is a known one, of the paper or the article and not of the network"
    rows = [row.printed.label for row in check.table.rows if row.verdict == "differs"]
    topics = [each.topic for each in check.statements if each.verdict == "differs"]
    parts = [f"{name}: {', '.join(found)}" for name, found in (("Table 1", rows), ("the article", topics)) if found]
    return f"not the network of the paper; differences in {'; '.join(parts)}"


def _best_conventions(check: PaperCheck) -> str:
    """The single convention that reproduces most of each column."""

    def best(found: tuple[Convention, int], figures: Sequence[PrintedFigure | None]) -> str:
        convention, rows = found
        return f"{rows} of {sum(figure is not None for figure in figures)} ({convention})" if rows else "none"

    table = check.table
    params = best(table.best_params, [row.params for row in table.rows])
    ops = best(table.best_ops, [row.ops for row in table.rows])
    return f"the best single convention reproduces {params} of the printed params, and {ops} of the ops"
