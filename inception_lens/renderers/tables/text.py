"""A Table for a terminal: columns are left out or folded until they fit its width."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import combining, east_asian_width

import msgspec

from inception_lens.renderers.escape import printable
from inception_lens.renderers.tables.cells import shown, shown_total
from inception_lens.renderers.theme import TERMINAL, VERDICTS
from inception_lens.tables.table import Cell, Column, Row, Table

GAP = "   "
BAR_WIDTH = 6
MIN_LABEL_WIDTH = 12
"""The width to which labels are folded where nothing else makes a table fit."""
NOTE_WIDTH = 80
"""Notes are as wide as the table, but not narrower than this where the terminal is wide enough."""
MAX_TITLE_SPACE = 3
"""How much wider than its cells a column may become so that its title stays on one line."""
BOLD, DIM = "1", "2"
"""SGR parameters of ECMA-48, as are all styles here."""


class _Text(NamedTuple):
    """A cell before it is folded into its column."""

    text: str
    style: str = ""
    remark: str = ""
    """Follows the text, dim."""
    below: str = ""
    """Is on a line of its own, dim and indented."""

    @property
    def width(self) -> int:
        return max(cell_width(f"{self.text}  {self.remark}" if self.remark else self.text), cell_width(self.below))

    def lines(self, width: int) -> list[list[tuple[str, str]]]:
        """The lines of the cell in `width`, each a list of pieces with their styles."""
        lines = [[(line, self.style)] for line in fold(self.text, width)]
        if self.remark and cell_width(lines[-1][0][0]) + 2 + cell_width(self.remark) <= width:
            lines[-1].append((f"  {self.remark}", DIM))
        elif self.remark:
            lines += [[(line, DIM)] for line in fold(self.remark, width)]
        return [*lines, *[[(line, DIM)] for line in fold(self.below, width) if self.below]]


class _Drawn(msgspec.Struct):
    """A column as it is drawn."""

    title: str
    cells: list[_Text]
    """One for each row, and then one for each total."""
    right: bool = False
    priority: int = 0
    min_width: int = 0

    @property
    def width(self) -> int:
        """The width of the widest cell, and of the longest word of the title."""
        return max([*[cell.width for cell in self.cells], *map(cell_width, self.title.split())], default=0)


def render(table: Table, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write a table, and its further tables, as text.

    Args:
        table: what to write.
        width: columns of the terminal.
        color: whether to write escape sequences for colours.
        unicode: whether the terminal shows more than ASCII.
    """
    text = "\n\n".join(["\n".join(_lines(each, width, color, unicode)) for each in table]) + "\n"
    return text if unicode else text.replace("µ", "u").replace("±", "+-")


def _lines(table: Table, width: int, color: bool, unicode: bool) -> list[str]:
    grid, drawn = _grid(table, width, color, unicode) if table.rows else ([], width)
    narrow = min(width, max(drawn, NOTE_WIDTH))
    notes = [line for note in table.notes for line in _wrapped(note, narrow)]
    parts = [_heading(table, min(width, drawn), narrow), grid, notes]
    return [line for part in parts if part for line in ("", *part)][1:]


def _heading(table: Table, width: int, wrap_at: int) -> list[str]:
    """The title and the subtitle, on one line of the table's width where they fit."""
    title, subtitle = printable(table.title), printable(table.subtitle)
    if subtitle and cell_width(title) + cell_width(subtitle) + 2 <= width:
        return [title + " " * (width - cell_width(title) - cell_width(subtitle)) + subtitle]
    return [*_wrapped(title, wrap_at), *_wrapped(subtitle, wrap_at)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(printable(text), width, break_long_words=False, break_on_hyphens=False)


def _grid(table: Table, width: int, color: bool, unicode: bool) -> tuple[list[str], int]:
    """The lines of the rows under their columns, and their width."""
    columns = _fitting(_drawn(table, unicode), width)
    widths = _folded(columns, width)
    total = sum(widths) + len(GAP) * (len(widths) - 1)
    rule = ("─" if unicode else "-") * total

    def physical(cells: Sequence[list[list[tuple[str, str]]]]) -> list[str]:
        """The lines that a row takes: as many as its highest cell."""
        lines = []
        for i in range(max(map(len, cells))):
            pieces = [
                _padded(cell[i] if i < len(cell) else [], size, column.right, color)
                for cell, size, column in zip(cells, widths, columns, strict=True)
            ]
            lines.append(GAP.join(pieces).rstrip())
        return lines

    titles = [fold(column.title, size) for column, size in zip(columns, widths, strict=True)]
    height = max(map(len, titles))
    heads = [[[("", "")]] * (height - len(lines)) + [[(line, BOLD)] for line in lines] for lines in titles]
    lines = [*physical(heads), rule]
    for i in range(len(table.rows) + len(table.totals)):
        if i == len(table.rows):
            lines.append(rule)
        lines += physical([column.cells[i].lines(size) for column, size in zip(columns, widths, strict=True)])
    return lines, total


def _padded(pieces: list[tuple[str, str]], width: int, right: bool, color: bool) -> str:
    space = " " * (width - sum(cell_width(text) for text, _ in pieces))
    text = "".join([f"\x1b[{style}m{text}\x1b[0m" if color and style and text else text for text, style in pieces])
    return space + text if right else text + space


def _drawn(table: Table, unicode: bool) -> list[_Drawn]:
    """The columns that a terminal can show, the labels first."""
    below = next((i for i, column in enumerate(table.columns) if column.below), None)
    labels = [_label(row, "" if below is None else _cell(table.columns[below], row.cells[below])) for row in table.rows]
    labels += [_Text(printable(row.label), BOLD) for row in table.totals]
    drawn = [_Drawn(table.label.title, labels, table.label.numeric, min_width=table.label.min_width)]
    for i, column in enumerate(table.columns):
        if column.audience == "data" or i == below:
            continue
        cells = [row.cells[i] for row in table.rows]
        texts = [_Text(_cell(column, cell), _style(column, cell)) for cell in cells]
        texts += [_Text(printable(shown_total(column, row.cells[i])), BOLD) for row in table.totals]
        if column.bar:
            bars = [_Text(bar) for bar in _bars(cells, unicode)]
            drawn.append(_Drawn("", bars + [_Text("")] * len(table.totals), priority=column.bar))
        drawn.append(_Drawn(column.title, texts, column.numeric, column.priority, column.min_width))
    return drawn


def _label(row: Row, below: str) -> _Text:
    indent = "  " * row.depth
    style = TERMINAL[row.category] if row.category else ""
    return _Text(indent + printable(row.label), style, printable(row.description), below and f"{indent}  {below}")


def _cell(column: Column, cell: Cell) -> str:
    return printable(shown(column, cell))


def _style(column: Column, cell: Cell) -> str:
    if column.kind != "verdict" or not isinstance(cell, str):
        return ""
    return next((style for word, style in VERDICTS.items() if cell.startswith(word)), "")


def _bars(cells: Sequence[Cell], unicode: bool) -> list[str]:
    """The values as bars, as parts of the largest of them."""
    values = [cell if isinstance(cell, int | float) else 0 for cell in cells]
    largest = max(values, default=0) or 1
    bars = []
    for value in values:
        full, eighths = divmod(round(value / largest * BAR_WIDTH * 8), 8)
        bars.append("█" * full + " ▏▎▍▌▋▊▉"[eighths].strip() if unicode else "#" * round(value / largest * BAR_WIDTH))
    return bars


def _fitting(columns: list[_Drawn], width: int) -> list[_Drawn]:
    """The columns without those of the highest priority numbers, until the rest fits, folded where it can be.

    A column that may be left out is not folded to keep one that is left out earlier.
    """
    while True:
        last = max(columns, key=lambda column: column.priority)
        foldable = [column for column in columns if column.min_width and column.priority in (0, last.priority)]
        spared = sum([max(column.width - column.min_width, 0) for column in foldable])
        if _width(columns) - spared <= width or not last.priority:
            return columns
        columns = [column for column in columns if column is not last]


def _width(columns: Sequence[_Drawn]) -> int:
    return sum([column.width for column in columns]) + len(GAP) * (len(columns) - 1)


def _folded(columns: Sequence[_Drawn], width: int) -> list[int]:
    """The columns' widths, the widest made smaller until the table fits, or as far as they can be folded."""
    widths = [column.width for column in columns]
    least = {i: column.min_width for i, column in enumerate(columns) if column.min_width} or {0: MIN_LABEL_WIDTH}
    for _ in range(_width(columns) - width):
        foldable = [i for i in least if widths[i] > least[i]]
        if foldable:
            widths[max(foldable, key=lambda i: widths[i])] -= 1
    space = width - sum(widths) - len(GAP) * (len(widths) - 1)
    for i, column in enumerate(columns):  # a title that is a little wider than its column stays on one line
        wider = cell_width(column.title) - widths[i]
        if 0 < wider <= min(space, MAX_TITLE_SPACE):
            widths[i], space = widths[i] + wider, space - wider
    return widths


def cell_width(text: str) -> int:
    """How many columns of a terminal the text takes: a wide character of East Asia takes two."""
    if text.isascii():
        return len(text)
    return sum([0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text])


def fold(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, broken at spaces where that is possible."""
    if cell_width(text) <= width:
        return [text]
    words = text.lstrip(" ")
    indent = " " * min(len(text) - len(words), width // 2)
    lines, line = [], indent
    for word in words.split(" "):
        joined = f"{line} {word}" if line.strip() else line + word
        if cell_width(joined) > width and line.strip():
            lines.append(line)
            joined = indent + word
        while cell_width(joined) > width:  # a word that is longer than a line
            head = _prefix(joined, width)
            if not head.strip(" "):  # the line has no space for a wide character after the indentation
                head, indent = _prefix(joined.lstrip(" "), width), ""
            lines.append(head)
            joined = indent + joined.lstrip(" ")[len(head.lstrip(" ")) :]
        line = joined
    return [*lines, line] if line or not lines else lines


def _prefix(text: str, width: int) -> str:
    """The longest beginning of the text that fits, and at least one character."""
    end, taken = 0, 0
    while end < len(text) and (taken := taken + cell_width(text[end])) <= width:
        end += 1
    return text[: max(end, 1)]
