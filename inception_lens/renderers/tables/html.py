"""A Table as HTML: a page that needs no other file, or a fragment for a notebook."""

from collections.abc import Sequence

from inception_lens.renderers.escape import html_text
from inception_lens.renderers.tables.cells import header, shown, shown_total
from inception_lens.renderers.templates import asset
from inception_lens.renderers.theme import BLUE, COLORS
from inception_lens.tables.table import Cell, Column, Row, Table

MAX_BAR = 6.0
"""Length of the bar of the largest value, in em."""
_SIDE = {True: "right", False: "left"}


def render(table: Table) -> str:
    """A page with a table and its further tables; it refers to nothing outside itself."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html_text(table.title)} - Inception Lens</title>
<style>
{asset("style.css")}</style>
</head>
<body>
<main>
{fragment(table)}</main>
</body>
</html>
"""


def fragment(table: Table) -> str:
    """The tables without a page around them, for the cell of a notebook."""
    return "".join([_table(each) for each in table])


def _table(table: Table) -> str:
    columns = [(i, column) for i, column in enumerate(table.columns) if column.audience in ("all", "people")]
    caption = f"<strong>{html_text(table.title)}</strong>" + (
        f" <span>{html_text(table.subtitle)}</span>" * bool(table.subtitle)
    )
    notes = "".join([f"<p><small>{html_text(note)}</small></p>\n" for note in table.notes])
    if not table.rows:
        return f"<p>{caption}</p>\n{notes}"
    heads = "".join([_head(column) for column in (table.label, *[column for _, column in columns])])
    largest = {i: _largest([row.cells[i] for row in table.rows]) for i, column in columns if column.bar}
    body = "".join(
        [
            f"<tr>{_label(row)}{''.join([_cell(column, row.cells[i], largest.get(i)) for i, column in columns])}</tr>\n"
            for row in table.rows
        ]
    )
    foot = "".join([_total(row, columns) for row in table.totals])
    return (
        f'<table class="inception-lens">\n<caption>{caption}</caption>\n<thead>\n<tr>{heads}</tr>\n</thead>\n'
        f"<tbody>\n{body}</tbody>\n<tfoot>\n{foot}</tfoot>\n</table>\n{notes}"
    )


def _head(column: Column) -> str:
    bar = '<th aria-hidden="true"></th>' if column.bar else ""
    return f'{bar}<th scope="col" style="text-align: {_SIDE[column.numeric]}">{html_text(header(column))}</th>'


def _label(row: Row) -> str:
    color = COLORS[row.category] if row.category else "transparent"
    style = f"text-align: left; font-weight: normal; padding-left: {0.6 + 1.4 * row.depth:.1f}em"
    remark = f" <small>{html_text(row.description)}</small>" if row.description else ""
    return f'<th scope="row" style="{style}; box-shadow: inset 4px 0 {color}">{html_text(row.label)}{remark}</th>'


def _cell(column: Column, cell: Cell, largest: float | None) -> str:
    bar = ""
    if largest is not None:
        width = MAX_BAR * cell / largest if largest and isinstance(cell, int | float) else 0
        style = f"background: {BLUE}; height: 0.7em; width: {width:.2f}em"
        bar = f'<td aria-hidden="true"><div style="{style}"></div></td>'
    return f'{bar}<td style="text-align: {_SIDE[column.numeric]}">{html_text(shown(column, cell))}</td>'


def _total(row: Row, columns: Sequence[tuple[int, Column]]) -> str:
    cells = []
    for i, column in columns:
        text = f"<strong>{html_text(shown_total(column, row.cells[i]))}</strong>"
        cells.append(f'{"<td></td>" if column.bar else ""}<td style="text-align: {_SIDE[column.numeric]}">{text}</td>')
    return f'<tr><th scope="row" style="text-align: left">{html_text(row.label)}</th>{"".join(cells)}</tr>\n'


def _largest(cells: Sequence[Cell]) -> float:
    return max([cell for cell in cells if isinstance(cell, int | float)], default=0)
