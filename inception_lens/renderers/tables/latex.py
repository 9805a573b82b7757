r"""A Table as LaTeX, in the style of booktabs: the document needs `\usepackage{booktabs}`."""

import re
from collections.abc import Sequence

from inception_lens.renderers.escape import latex_text, printable
from inception_lens.renderers.tables.cells import NOTHING, document_rows, header
from inception_lens.tables.table import Column, Table

INDENT = r"\quad "
MAX_UNWRAPPED = 40
"""Characters of a text column that is as wide as its widest cell; a wider one is broken into lines."""
WRAPPED_PART = 0.6
"""The part of the line that all such columns share."""


def render(table: Table) -> str:
    """Write a table, and its further tables, as floats; a table without rows is a comment."""
    return "\n".join([_float(each) if each.rows else _comment(each) for each in table])


def _comment(table: Table) -> str:
    return "".join([f"% {printable(text)}\n" for text in (table.title, table.subtitle, *table.notes) if text])


def _float(table: Table) -> str:
    columns, rows = document_rows(table)
    texts = [row for _, row in rows]
    layout = _layout(columns, texts)
    lines = [INDENT * depth + " & ".join(map(_cell, cells)) + r" \\" for depth, cells in rows]
    if table.totals:
        lines.insert(len(table.rows), r"\midrule")
    parts = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{latex_text(table.title)}}}",
        rf"\label{{tab:{''.join([char if char.isascii() and char.isalnum() else '-' for char in _name(table)])}}}",
        rf"\begin{{tabular}}{{{layout}}}",
        r"\toprule",
        " & ".join([latex_text(header(column)) for column in columns]) + r" \\",
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
        *_notes(table),
        r"\end{table}",
    ]
    return "\n".join(parts) + "\n"


def _name(table: Table) -> str:
    """The name by which a document refers to the table."""
    return table.key or table.title.partition(": ")[0]


def _layout(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """The alignment of the columns; those of long texts share a part of the line, in which they are broken."""
    wide = [
        not column.numeric and max([len(row[i]) for row in rows], default=0) > MAX_UNWRAPPED
        for i, column in enumerate(columns)
    ]
    paragraph = rf"p{{{WRAPPED_PART / max(sum(wide), 1):.2f}\linewidth}}"
    return "".join(
        ["r" if column.numeric else paragraph if long else "l" for column, long in zip(columns, wide, strict=True)]
    )


def _cell(text: str) -> str:
    if re.fullmatch(r"\d+(x\d+)+", text):
        return f"${text.replace('x', chr(92) + 'times ')}$"
    return "--" if text == NOTHING else latex_text(text)


def _notes(table: Table) -> list[str]:
    notes = [text for text in (table.subtitle, *table.notes) if text]
    if not notes:
        return []
    lines = [rf"{latex_text(note)}\par" for note in notes]
    return [r"\par\medskip", r"\begin{minipage}{\linewidth}\footnotesize", *lines, r"\end{minipage}"]
