"""Plain tables of text for a terminal, with whichever columns may go on in a further line."""

import io
from collections.abc import Sequence
from typing import Literal

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inception_lens.renderers.table import ASCII_BOX


class GridColumn(msgspec.Struct, frozen=True):
    """A column: its title, its side, and the width above which it may go on in a further line; 0: it never does."""

    title: str
    justify: Literal["left", "right"] = "left"
    folds_to: int = 0


def grid(
    columns: Sequence[GridColumn],
    rows: Sequence[Sequence[str | Text]],
    *,
    width: int,
    color: bool = False,
    unicode: bool = True,
    total: Sequence[str] | None = None,
) -> list[str]:
    """Draw the rows in `width`, folding the columns that may be; a row of totals stands below a rule."""
    table = Table(
        box=box.SIMPLE if unicode else ASCII_BOX,
        show_edge=False,
        pad_edge=False,
        show_footer=total is not None,
        header_style="bold",
        footer_style="bold",
    )
    footer = total or [""] * len(columns)
    widths = [
        max(
            cell_len(line)
            for cell in (column.title, footer[i], *(row[i] for row in rows))
            for line in str(cell).split("\n")
        )
        for i, column in enumerate(columns)
    ]
    excess = max(sum(widths) + 3 * (len(widths) - 1) - width, 0)
    for i in sorted(range(len(columns)), key=lambda i: -widths[i]):
        if columns[i].folds_to:
            spared = min(excess, max(widths[i] - columns[i].folds_to, 0))
            widths[i], excess = widths[i] - spared, excess - spared
    for column, room, foot in zip(columns, widths, footer, strict=True):
        table.add_column(column.title, foot, justify=column.justify, width=room, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out = io.StringIO()
    Console(
        file=out,
        width=max(width, sum(widths) + 3 * (len(widths) - 1)),
        color_system="standard" if color else None,
        force_terminal=color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    ).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]
