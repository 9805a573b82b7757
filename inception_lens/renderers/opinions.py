"""Second opinions, as a table in a terminal, as Markdown and as LaTeX."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from inception_lens.renderers.escape import latex, markdown_cell, printable
from inception_lens.renderers.grid import GridColumn, grid
from inception_lens.tables.units import count

if TYPE_CHECKING:
    from inception_lens.analyses.second_opinions import Opinion, Opinions

COLUMNS = (
    GridColumn("counted by", folds_to=22),
    GridColumn("MACs", "right"),
    GridColumn("params", "right"),
    GridColumn("verdict", folds_to=24),
)
TITLES = tuple(column.title for column in COLUMNS)


def opinions_table(found: Opinions, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write the counts side by side, and what they come to."""
    title = f"{found.name}, counted by independent means"
    lines = grid(
        COLUMNS, [list(map(printable, row)) for row in _rows(found)], width=width, color=color, unicode=unicode
    )
    ending = textwrap.wrap(printable(conclusion(found)), width)
    return "\n".join([*textwrap.wrap(printable(title), width), "", *lines, "", *ending]) + "\n"


def opinions_markdown(found: Opinions) -> str:
    """The same as a table of Markdown."""
    rows = [TITLES, ("---", "--:", "--:", "---"), *[tuple(map(markdown_cell, row)) for row in _rows(found)]]
    return "\n".join([f"| {' | '.join(row)} |" for row in rows]) + f"\n\n{markdown_cell(conclusion(found))}\n"


def opinions_latex(found: Opinions) -> str:
    """The same as a table of LaTeX, with booktabs."""
    rows = [f"{' & '.join(map(latex, row))} \\\\" for row in _rows(found)]
    head = f"{' & '.join(map(latex, TITLES))} \\\\"
    body = ["\\toprule", head, "\\midrule", *rows, "\\bottomrule"]
    return "\n".join(["\\begin{tabular}{lrrl}", *body, "\\end{tabular}"]) + "\n"


def conclusion(found: Opinions) -> str:
    """One sentence: whether every difference is a known one."""
    doubtful = [each.counter for each in found.opinions if not each.agrees]
    if doubtful:
        return f"not explained: what {' and '.join(doubtful)} says"
    return f"every count agrees, or differs by what is known; {found.shapes_compared} shapes compared"


def _rows(found: Opinions) -> list[tuple[str, ...]]:
    return [
        ("this lens", count(found.macs), count(found.params), ""),
        *[(each.counter, _number(each.macs), _number(each.params), _verdict(each, found)) for each in found.opinions],
    ]


def _number(value: int | None) -> str:
    return "-" if value is None else count(value)


def _verdict(opinion: Opinion, found: Opinions) -> str:
    told = "; ".join(opinion.explained)
    if not opinion.agrees:
        return f"differs: {told}"
    asked = opinion.macs is not None or opinion.params is not None
    same = opinion.macs in (None, found.macs) and opinion.params in (None, found.params)
    if not asked:
        return told
    return f"agrees{f': {told}' if told else ''}" if same else f"known: {told}"
