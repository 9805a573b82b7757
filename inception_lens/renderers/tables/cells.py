"""How each kind of value is written for people. CSV and JSON hold the exact values instead."""

from collections.abc import Callable

from inception_lens.ops import format_shape
from inception_lens.tables.table import AtLeast, Cell, Column, FullShape, Kind, Table
from inception_lens.tables.units import count, duration, percent, short, size, times

UNKNOWN = "?"
NOTHING = "-"
ALWAYS: tuple[Kind, ...] = ("accuracy", "percent", "number")
"""Kinds whose zero is a result; the zero of any other kind is written as nothing."""

_NUMBERS: dict[Kind, Callable[[float], str]] = {
    "count": lambda value: count(int(value)),
    "large": lambda value: short(int(value)),
    "bytes": lambda value: size(int(value)),
    "seconds": duration,
    "share": lambda value: percent(value, 1),
    "accuracy": lambda value: f"{100 * value:.2f} %",
    "percent": lambda value: f"{value:.2f} %",
    "ratio": times,
    "number": lambda value: f"{value:.4g}",
}


def shown(column: Column, cell: Cell) -> str:
    """The text of a cell: `-` for nothing, `?` for an unknown value, `>=` before a sum that leaves one out."""
    if cell is None:
        return UNKNOWN
    if isinstance(cell, AtLeast):
        return f">= {_number(column, cell.value)}" if cell.value else UNKNOWN
    if isinstance(cell, tuple):
        has_batch = column.kind == "sample_shape" and len(cell) > 1 and not isinstance(cell, FullShape)
        return format_shape(cell[1:] if has_batch else cell) or "scalar"
    if isinstance(cell, str):
        return cell or ("" if column.kind in ("text", "verdict") else NOTHING)
    return _number(column, cell)


def shown_total(column: Column, cell: Cell) -> str:
    """The text of a cell of a total, which is empty where the column does not add up."""
    return "" if cell == "" else shown(column, cell)


def document_rows(table: Table) -> tuple[list[Column], list[tuple[int, list[str]]]]:
    """The columns that a document shows, the labels first, and the depth and texts of each row and total."""
    shown_at = [i for i, column in enumerate(table.columns) if column.audience in ("all", "people")]
    rows = []
    for row, text in (*[(row, shown) for row in table.rows], *[(row, shown_total) for row in table.totals]):
        cells = [text(table.columns[i], row.cells[i]) for i in shown_at]
        rows.append((row.depth, [row.label, *cells]))
    return [table.label, *[table.columns[i] for i in shown_at]], rows


def header(column: Column) -> str:
    """The title of a column in a document, with the unit of its values."""
    return f"{column.title} ({column.unit})" if column.unit else column.title


def _number(column: Column, value: float) -> str:
    if not value and column.kind not in ALWAYS:
        return NOTHING
    if column.signed:
        return ("+" if value >= 0 else "-") + _NUMBERS[column.kind](abs(value))
    return _NUMBERS[column.kind](value)
