"""A Table as Markdown: GitHub's table syntax, a heading before it and its notes after it."""

from inception_lens.renderers.escape import markdown_text
from inception_lens.renderers.tables.cells import document_rows, header
from inception_lens.renderers.tables.text import cell_width
from inception_lens.tables.table import Table

INDENT = "&emsp;"


def render(table: Table) -> str:
    """Write a table, and its further tables, as Markdown."""
    parts = []
    for i, each in enumerate(table):
        parts.append(f"{'###' if i else '##'} {markdown_text(each.title)}")
        parts += [markdown_text(each.subtitle)] if each.subtitle else []
        parts += ["\n".join(_grid(each))] if each.rows else []
        parts += map(markdown_text, each.notes)
    return "\n\n".join(parts) + "\n"


def _grid(table: Table) -> list[str]:
    columns, rows = document_rows(table)
    cells = [[header(column) for column in columns]]
    for depth, texts in rows:
        cells.append([INDENT * depth + markdown_text(texts[0]), *map(markdown_text, texts[1:])])
    cells[0] = list(map(markdown_text, cells[0]))
    widths = [max(3, *[cell_width(row[i]) for row in cells]) for i in range(len(columns))]
    rule = [
        "-" * (width - 1) + ":" if column.numeric else "-" * width
        for column, width in zip(columns, widths, strict=True)
    ]
    padded = [
        [
            " " * (width - cell_width(cell)) + cell if column.numeric else cell + " " * (width - cell_width(cell))
            for cell, width, column in zip(row, widths, columns, strict=True)
        ]
        for row in cells
    ]
    return [f"| {' | '.join(row)} |" for row in (padded[0], rule, *padded[1:])]
