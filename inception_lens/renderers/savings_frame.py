"""Savings as tables for other programs and for papers: CSV, Markdown and LaTeX."""

from collections.abc import Callable, Sequence

from inception_lens.analyses.savings.branch import BranchSavings
from inception_lens.analyses.savings.changes import Sweep, WhatIf
from inception_lens.analyses.savings.network import Saving, Savings
from inception_lens.renderers import escape
from inception_lens.renderers.savings_columns import (
    SavingRow,
    costs_differ,
    exact_cells,
    saving_columns,
    saving_rows,
    times,
)
from inception_lens.renderers.savings_text import branch_arithmetic, totals_sentence
from inception_lens.tables.units import count

Result = Savings | BranchSavings | WhatIf | Sweep

NOT_TOLD = ("activation_bytes", "seconds")
"""Columns that a page has no room for."""


def savings_csv(given: Result) -> str:
    """Exact numbers: a row for each total, module and site, way or width."""
    import pandas

    records = _records(given)
    if isinstance(given, Savings):
        records += [{"kind": kind.name, "part": "none"} for kind in given.missing]
    return pandas.DataFrame(records, dtype=object).to_csv(index=False, lineterminator="\n")


def savings_markdown(given: Result) -> str:
    """A Markdown table for each saving, and below it what no column sums."""
    from tabulate import tabulate

    parts = []
    for title, headers, rows in _tables(given, escape.markdown_cell, "&emsp;"):
        align = ["left", *("left" if header in ("what", "output") else "right" for header in headers[1:])]
        table = tabulate(rows, headers, "pipe", colalign=align, disable_numparse=True)
        parts.append(f"{escape.markdown_cell(title)}\n\n{table}\n")
    if isinstance(given, Savings):
        notes = [escape.markdown_cell(totals_sentence(saving, given.machine)) for saving in given.savings]
        parts = [f"{part}\n{note}\n" for part, note in zip(parts, notes, strict=True)]
    return "\n".join([*parts, *[f"{escape.markdown_cell(line)}\n" for line in _missing(given)]])


def savings_latex(given: Result) -> str:
    r"""A floating table in the style of booktabs for each saving; the document needs `\usepackage{booktabs}`."""
    import pandas

    parts = []
    for title, headers, rows in _tables(given, escape.latex, r"\quad "):
        layout = "l" + "".join("l" if header in ("what", "output") else "r" for header in headers[1:])
        styled = pandas.DataFrame(rows, columns=[escape.latex(header) for header in headers]).style.hide(axis="index")
        text = styled.to_latex(
            hrules=True, column_format=layout, caption=escape.latex(title), position="t", position_float="centering"
        )
        parts.append(text)
    return "\n".join([*parts, *[f"% {escape.latex(line)}\n" for line in _missing(given)]])


def _missing(given: Result) -> list[str]:
    kinds = given.missing if isinstance(given, Savings) else ()
    name = given.graph.name if isinstance(given, Savings) else ""
    return [f"{name} has no place for this: {kind.title}" for kind in kinds]


def _records(given: Result) -> list[dict[str, object]]:
    if isinstance(given, BranchSavings):
        sides = (("direct", given.direct.totals), ("reduced", given.reduced.totals))
        return [{"way": way, "params": totals.params, "macs": totals.macs} for way, totals in sides]
    if isinstance(given, Sweep):
        return [point._asdict() | {"own": point.value == given.own} for point in given.points]
    if isinstance(given, WhatIf):
        rows = [("total", given.graph.name, given.total), *(("layer", each.name, each.change) for each in given.layers)]
        return [
            {"part": part, "name": escape.csv_cell(name)} | exact_cells(SavingRow(0, name, "", change))
            for part, name, change in rows
        ]
    return [record for saving in given.savings for record in _saving_records(saving)]


def _saving_records(saving: Saving) -> list[dict[str, object]]:
    rows = [
        ("total", saving.network.graph.name, "", saving.total),
        *(("module", module.name, "", module.change) for module in saving.modules),
        *(("site", site.name, site.what, site.change) for site in saving.sites),
    ]
    return [
        {"kind": saving.kind.name, "direction": saving.direction, "part": part}
        | {"name": escape.csv_cell(name), "what": escape.csv_cell(what)}
        | exact_cells(SavingRow(0, name, what, change))
        for part, name, what, change in rows
    ]


def _tables(given: Result, escaped: Callable[[str], str], indent: str) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, headers and rows of text of each table."""
    if isinstance(given, BranchSavings):
        counted = "parameters" if given.branch.bias else "weights"
        arithmetic, ratio = branch_arithmetic(given.branch), given.ratio
        rows = [
            [way, escaped(arithmetic[way]), count(analysis.totals.params), count(analysis.totals.macs)]
            for way, analysis in (("direct", given.direct), ("reduced", given.reduced))
        ]
        headers = ["way", "what", counted, "MACs"]
        return [("One branch", headers, [*rows, ["times", "", times(ratio["params"]), times(ratio["macs"])]])]
    if isinstance(given, Sweep):
        rows = [
            [
                f"{count(point.value)}{' (its own)' if point.value == given.own else ''}",
                count(point.params),
                count(point.macs),
            ]
            for point in given.points
        ]
        return [(f"{given.name}: {given.variable}", [escaped(given.variable), "params", "MACs"], rows)]
    if isinstance(given, WhatIf):
        layers = [(each.name, each.change) for each in given.layers if costs_differ(each.change)]
        changes = [*layers, ("total", given.total)]
        rows = [
            [
                escaped(name),
                *(count(getattr(side, key)) for key in ("params", "macs") for side in (change.without, change.using)),
            ]
            for name, change in changes
        ]
        asked = ", ".join(f"{each.node} {each.now} to {each.then}" for each in given.widths)
        return [(f"{given.graph.name}, if {asked}", ["layer", "params", "would be", "MACs", "would be"], rows)]
    return [_saving_table(saving, escaped, indent) for saving in given.savings]


def _saving_table(saving: Saving, escaped: Callable[[str], str], indent: str) -> tuple[str, list[str], list[list[str]]]:
    columns = [column for column in saving_columns(saving) if not column.key.startswith(NOT_TOLD)]
    rows: Sequence[SavingRow] = saving_rows(saving)
    cells = [
        [indent * row.level + escaped(row.label), *(escaped(column.text(row)) for column in columns)] for row in rows
    ]
    whole = SavingRow(0, "total", "", saving.total)
    total = ["total", *(escaped(column.text(whole)) if column.numeric else "" for column in columns)]
    title = f"{saving.network.graph.name}: {saving.kind.title}"
    return title, ["module", *(column.title for column in columns)], [*cells, total]
