"""Tables in a terminal: columns that are dropped or folded until they fit."""

import io
import textwrap
from collections.abc import Sequence
from typing import Literal

import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.renderers.escape import printable

NOTHING, UNKNOWN = "-", "?"

ASCII_BOX = box.Box("    \n    \n -- \n    \n    \n -- \n    \n    \n", ascii=True)
NARROWEST_FOLD = 12


class Drawn(msgspec.Struct):
    """A column as drawn."""

    title: str
    cells: Sequence[str | Text]
    total: str = ""
    justify: Literal["left", "right"] = "left"
    key: str = ""
    folds_to: int = 0
    """The width below which it does not go on in a further line where there is no room; 0: it never does."""

    @property
    def width(self) -> int:
        cells = (self.title, self.total, *self.cells)
        return max(cell_len(line) for cell in cells for line in str(cell).split("\n"))


def fitting(columns: list[Drawn], dropped: Sequence[str], width: int) -> list[Drawn]:
    """Leave columns out, in the order of `dropped`, until the table fits, folded where it can be."""
    for key in dropped:
        spared = sum(max(column.width - column.folds_to, 0) for column in columns if column.folds_to)
        if table_width(columns) - spared <= width:
            break
        columns = [column for column in columns if column.key != key]
    return columns


def table_width(columns: Sequence[Drawn]) -> int:
    """How wide the table is where nothing is folded."""
    return sum(column.width for column in columns) + 3 * (len(columns) - 1)


def draw(columns: Sequence[Drawn], width: int, color: bool, unicode: bool) -> list[str]:
    """Draw the table; where it is wider than `width`, what may be folded is, the widest first, or the first column."""
    table = Table(
        box=box.SIMPLE if unicode else ASCII_BOX,
        show_edge=False,
        show_footer=any(column.total for column in columns),
        pad_edge=False,
        header_style="bold",
        footer_style="bold",
    )
    widths = _folded(columns, width)
    for column, room in zip(columns, widths, strict=True):
        table.add_column(column.title, column.total, justify=column.justify, width=room, overflow="fold")
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
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


def _folded(columns: Sequence[Drawn], width: int) -> list[int]:
    """The columns' widths, made smaller where that is allowed until the table fits, or as far as it goes."""
    widths = [column.width for column in columns]
    least = {i: column.folds_to for i, column in enumerate(columns) if column.folds_to} or {0: NARROWEST_FOLD}
    excess = max(table_width(columns) - width, 0)
    for i in sorted(least, key=lambda i: -widths[i]):
        spared = min(excess, max(widths[i] - least[i], 0))
        widths[i], excess = widths[i] - spared, excess - spared
    return widths


def heading(graph: Graph, width: int) -> list[str]:
    """What network this is and what it reads: on one line where there is room."""
    name = printable(f"{graph.name}: {graph.metadata.description}" if graph.metadata.description else graph.name)
    inputs = ", ".join(f"{printable(given.name)} {format_shape(given.type.shape)}" for given in graph.inputs)
    what = f"{inputs} {graph.dtype}, {graph.mode}"
    if len(name) + len(what) + 2 <= width:
        return [f"{name}{what:>{width - len(name)}}"]
    return textwrap.wrap(name, width) + textwrap.wrap(what, width)
