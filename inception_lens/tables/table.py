"""The Table: what every result that is shown as rows and columns becomes before it is written in a format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from inception_lens.analyses.records import PartialShape
from inception_lens.ops import Category

Kind = Literal[
    "text", "verdict", "shape", "sample_shape", "count", "large", "bytes", "seconds", "share", "accuracy", "percent",
    "ratio", "number",
]  # fmt: skip
"""What a column's values are, and so how people read them.

`sample_shape` is a shape whose first axis, the batch, people do not see. `count` is written in full, `large` to four
digits. `share` and `accuracy` are fractions of 1, `percent` is a number of per cent. `verdict` is text whose first word
is the result of a check.
"""

Audience = Literal["all", "people", "optional", "terminal", "data"]
"""Who a column is for.

`all`: every format. `people`: every format but CSV, as for a share, which follows from other columns. `optional`: CSV,
and a terminal that is wide enough. `terminal`: only a terminal that is wide enough. `data`: CSV only.
"""


class FullShape(tuple[int | None, ...]):
    """A shape without a batch axis, of which a `sample_shape` column shows the first axis too."""

    __slots__ = ()


class AtLeast(msgspec.Struct, frozen=True):
    """A sum that leaves out unknown terms. CSV holds nothing for it; other formats write `>=` before it."""

    value: int | float
    """The sum of the known terms."""


Cell = str | int | float | tuple[int | None, ...] | AtLeast | None
"""An exact value; None is unknown, also as a size of a shape, and the empty string is a value that does not apply."""


def bound(value: int | float, exact: bool) -> Cell:
    """A sum: exact, a lower bound, or unknown if nothing of it is known."""
    return value if exact else AtLeast(value) if value else None


def sample_shape(shape: PartialShape, has_batch: bool) -> PartialShape:
    """A cell of a `sample_shape` column."""
    return shape if shape is None or has_batch else FullShape(shape)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a table."""

    key: str
    """The column's name in CSV."""
    title: str
    kind: Kind = "text"
    unit: str = ""
    """Added to the title in documents, where the values themselves do not show it."""
    audience: Audience = "all"
    priority: int = 0
    """In a narrow terminal, columns with a higher priority number are left out first; 0: never."""
    bar: int = 0
    """The priority of a bar that shows the value next to it, in a terminal and in HTML; 0: no bar."""
    signed: bool = False
    """Whether the values are differences, written with their sign."""
    min_width: int = 0
    """The width, in characters, to which a terminal may fold the column's text; 0: it is not folded."""
    below: bool = False
    """Whether a terminal shows the text on a line of its own below the row's label."""

    @property
    def numeric(self) -> bool:
        """Whether the values are numbers, aligned on the right."""
        return self.kind not in ("text", "verdict", "shape", "sample_shape")


class Row(msgspec.Struct, frozen=True):
    """One row: its label, and one cell per column."""

    label: str
    cells: tuple[Cell, ...]
    name: str = ""
    """The label in CSV, where it must be unique; empty: the label itself."""
    depth: int = 0
    """The level in a tree; a row with a greater depth belongs to the nearest row above with a smaller one."""
    description: str = ""
    """A remark after the label, in a terminal and in HTML."""
    category: Category | None = None
    """The category of operation whose colour the label has."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A title, rows under columns, their totals and notes; raw text and exact values, which the writers format."""

    title: str
    subtitle: str = ""
    key: str = ""
    """The table's name in CSV, where one result has several tables."""
    label: Column = Column(key="name", title="")
    """The column of the rows' labels."""
    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    totals: tuple[Row, ...] = ()
    """Rows below the others: the last holds the sums of the columns that add up."""
    notes: tuple[str, ...] = ()
    """Sentences below the table."""
    further: tuple[Table, ...] = ()
    """Tables of the same result, written after this one."""

    def __post_init__(self) -> None:
        for row in (*self.rows, *self.totals):
            assert len(row.cells) == len(self.columns), f"row `{row.label}`: {len(row.cells)} cells"

    def __iter__(self) -> Iterator[Table]:
        """The table itself, and all further ones."""
        yield self
        for table in self.further:
            yield from table
