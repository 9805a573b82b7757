"""A Table as CSV: exact values for programs, an empty cell for what is unknown, and no totals."""

import csv
import io

from inception_lens.ops import format_shape
from inception_lens.renderers.escape import csv_text
from inception_lens.tables.table import AtLeast, Cell, Column, Table


def render(table: Table) -> str:
    """Write a table as CSV.

    Several tables have the columns of all of them, and the column `table` with the key of each. A tree has the column
    `depth`: its rows of depth 0 add up to the totals.
    """
    tables = [each for each in table if each.columns]
    keys = dict.fromkeys([column.key for each in tables for column in (each.label, *each.columns) if _is_data(column)])
    several, tree = len(tables) > 1, any(row.depth for each in tables for row in each.rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*(["table"] if several else []), *(["depth"] if tree else []), *keys])
    for each in tables:
        for row in each.rows:
            cells = {column.key: _exact(cell) for column, cell in zip(each.columns, row.cells, strict=True)}
            cells[each.label.key] = csv_text(row.name or row.label)
            first = [*([each.key] if several else []), *([row.depth] if tree else [])]
            writer.writerow([*first, *[cells.get(key, "") for key in keys]])
    return out.getvalue()


def _is_data(column: Column) -> bool:
    return column.audience not in ("people", "terminal")


def _exact(cell: Cell) -> str | int | float:
    if cell is None or isinstance(cell, AtLeast):
        return ""
    if isinstance(cell, tuple):
        return format_shape(cell)
    return csv_text(cell) if isinstance(cell, str) else cell
