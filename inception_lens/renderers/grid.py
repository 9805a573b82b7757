"""Plain tables of rows for a terminal, all of their columns shown."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from rich.text import Text

from inception_lens.renderers.table import Drawn, draw


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
    drawn = [
        Drawn(
            column.title,
            [row[i] for row in rows],
            total[i] if total else "",
            column.justify,
            folds_to=column.folds_to,
        )
        for i, column in enumerate(columns)
    ]
    return draw(drawn, width, color, unicode)
