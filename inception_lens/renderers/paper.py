"""The check against the paper, as a table in a terminal, as Markdown and as LaTeX."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from fractions import Fraction

from rich.text import Text

from inception_lens.analyses.paper.article import ClaimVerdict
from inception_lens.analyses.paper.check import PaperCheck
from inception_lens.analyses.paper.conventions import Cell, PaperRow, Verdict
from inception_lens.analyses.paper.table1 import Convention, describe, parsed
from inception_lens.ops import format_shape
from inception_lens.renderers import escape
from inception_lens.renderers.escape import printable
from inception_lens.renderers.grid import GridColumn, grid
from inception_lens.tables.units import count

TABLE = (
    GridColumn("Table 1"),
    GridColumn("printed", "right"),
    GridColumn("recomputed", "right"),
    GridColumn("verdict", folds_to=20),
)
ARTICLE = (
    GridColumn("the article", folds_to=18),
    GridColumn("says", folds_to=18),
    GridColumn("found", folds_to=18),
    GridColumn("verdict"),
)
STYLES: dict[Verdict | ClaimVerdict, str] = {
    "reproduced": "green", "holds": "green", "known": "yellow", "corrected": "yellow", "differs": "bold bright_red",
    "unchecked": "dim",
}  # fmt: skip
NOTE = (
    "recomputed: weights + biases, or multiply-adds without biases. known: no convention gives the printed figure, "
    "though the row's layers are those that the paper prints. The conventions tried: K = 1000 or 1024, M = 10^6 or "
    "2^20, with or without biases, rounded, cut or rounded up"
)


def paper_table(check: PaperCheck, *, width: int = 100, color: bool = False, unicode: bool = True) -> str:
    """Write both tables, and what they come to."""
    title = f"{check.name} beside the paper's Table 1 (Szegedy et al., arXiv 1409.4842)"
    lines = [*textwrap.wrap(printable(title), width), ""]
    lines += grid(TABLE, _styled(_table_rows(check), color), width=width, color=color, unicode=unicode)
    lines += ["", *_wrapped(_best(check), width), ""]
    short = [
        [each.topic, each.claim, "the same" if each.found == each.claim else each.found, each.verdict]
        for each in check.statements
    ]
    lines += [*grid(ARTICLE, _styled(short, color), width=width, color=color, unicode=unicode), ""]
    for each in check.statements:
        lines += _wrapped(f"{each.topic}: {each.note}", width) if each.note else []
    lines += ["", *_wrapped(NOTE, width), "", *_wrapped(printable(conclusion(check)), width)]
    return "\n".join(lines) + "\n"


def paper_markdown(check: PaperCheck) -> str:
    """Write the same for a document."""
    cell = escape.markdown_cell
    parts = [
        f"## {cell(check.name)} beside the paper's Table 1",
        _pipes(TABLE, _table_rows(check), cell),
        cell(_best(check)),
        "## What a 2017 article says of it",
        _pipes(ARTICLE, _article_rows(check), cell),
        cell(NOTE),
        cell(conclusion(check)),
    ]
    return "\n\n".join(parts) + "\n"


def paper_latex(check: PaperCheck) -> str:
    r"""Two floating tables in the style of booktabs; the document needs `\usepackage{booktabs}`."""
    name = escape.latex(check.name)
    return "\n".join(
        [
            _booktabs(TABLE, _table_rows(check), f"{name} beside Table 1 of arXiv 1409.4842", "tab:paper", "lrrp{0.4"),
            _booktabs(ARTICLE, _article_rows(check), "What an article says of it", "tab:article", "lllp{0.35"),
        ]
    )


def conclusion(check: PaperCheck) -> str:
    """What the check comes to, with the rows and statements that are not as they are printed."""
    rows = [row.printed.label for row in check.table.rows if row.verdict == "differs"]
    topics = [each.topic for each in check.statements if each.verdict == "differs"]
    if check.holds:
        return "every deviation is a known one: it is not the network's, but the paper's or the article's own"
    told = [f"{what}: {', '.join(names)}" for what, names in (("Table 1", rows), ("the article", topics)) if names]
    return f"not the network that is printed; {'; '.join(told)}"


def _table_rows(check: PaperCheck) -> list[list[str]]:
    rows = [cells for row in check.table.rows for cells in _row(row)]
    printed = [(row.printed.params, row.printed.ops) for row in check.table.rows if row.printed.params]
    params, ops = (sum((parsed(figure)[0] for figure in column), Fraction()) for column in zip(*printed, strict=True))
    rows.append(["sums", f"{float(params):g}K", f"{count(check.weights)} + {count(check.biases)}", ""])
    rows.append(["", f"{float(ops):g}M", count(check.macs), ""])
    return rows


def _row(row: PaperRow) -> list[list[str]]:
    first = [row.printed.label, format_shape(row.printed.output), format_shape(row.output) if row.output else "-"]
    unlike = "; ".join(map(printable, row.deviations))
    lines = [[*first, f"differs: {unlike}" if unlike else "reproduced"]]
    for cell in (row.params, row.ops):
        if cell:
            recomputed = f"{count(cell.count)} + {count(cell.biases)}" if cell is row.params else count(cell.count)
            lines.append(["", cell.printed, recomputed, _verdict(cell)])
    return lines


def _verdict(cell: Cell) -> str:
    if cell.verdict == "reproduced":
        return f"reproduced: {describe(cell.conventions)}"
    return f"known: {cell.note}" if cell.verdict == "known" else "differs: no convention gives it"


def _article_rows(check: PaperCheck) -> list[list[str]]:
    return [
        [each.topic, each.claim, each.found, f"{each.verdict}: {each.note}" if each.note else each.verdict]
        for each in check.statements
    ]


def _best(check: PaperCheck) -> str:
    """The single convention that gives most of each column."""

    def best(found: tuple[Convention, int], cells: Sequence[Cell | None]) -> str:
        convention, rows = found
        return f"{rows} of the {sum(cell is not None for cell in cells)} ({convention})" if rows else "none"

    table = check.table
    params = best(table.best_params, [row.params for row in table.rows])
    ops = best(table.best_ops, [row.ops for row in table.rows])
    return f"no single convention gives more of the printed parameters than {params}, nor more of the ops than {ops}"


def _styled(rows: Sequence[Sequence[str]], color: bool) -> list[list[str | Text]]:
    return [[*row[:-1], Text(row[-1], style=_style(row[-1]) if color else "")] for row in rows]


def _style(verdict: str) -> str:
    return next((style for word, style in STYLES.items() if verdict.startswith(word)), "")


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False)


def _pipes(columns: Sequence[GridColumn], rows: Sequence[Sequence[str]], cell: Callable[[str], str]) -> str:
    from tabulate import tabulate

    return str(
        tabulate(
            [list(map(cell, row)) for row in rows],
            [column.title for column in columns],
            tablefmt="pipe",
            colalign=[column.justify for column in columns],
            disable_numparse=True,
        )
    )


def _booktabs(
    columns: Sequence[GridColumn], rows: Sequence[Sequence[str]], caption: str, label: str, layout: str
) -> str:
    lines = [
        r"\begin{table}[t]",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{layout}\textwidth}}}}",
        r"\toprule",
        " & ".join(escape.latex(column.title) for column in columns) + r" \\",
        r"\midrule",
        *(" & ".join(map(escape.latex, row)) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
