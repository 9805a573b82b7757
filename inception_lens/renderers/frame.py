"""The summary as a table for other programs: CSV, Markdown and LaTeX."""

import re
from collections.abc import Callable, Sequence

from msgspec import UNSET

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.catalogue import Sized
from inception_lens.analyses.modules import EVERY_LEVEL
from inception_lens.ops import format_shape
from inception_lens.renderers import escape
from inception_lens.renderers.columns import COLUMNS, NOTHING, Column, pick, sort_key
from inception_lens.renderers.units import count, short

PAPER_COLUMNS = ("output_shape", "params", "macs", "backward_macs", "activation_bytes", "receptive_field")


def csv(
    analysis: Analysis, *, depth: int | None = None, columns: Sequence[str] | None = None, sort: str | None = None
) -> str:
    """Exact numbers: a row per layer, or per module where a depth is given; what nobody knows is an empty cell.

    Raises:
        ConfigError: there is no such column.
    """
    import pandas

    groups = analysis.by_module(depth or EVERY_LEVEL)
    if sort:
        groups = tuple(sorted(groups, key=sort_key(sort)))
    cells: dict[str, list[object]] = {"name": [escape.csv_cell(group.name) for group in groups]}
    for column in pick(columns, tuple(COLUMNS), analysis):
        values = [None if (value := column.exact(group)) is UNSET else value for group in groups]
        cells[column.key] = [escape.csv_cell(value) if isinstance(value, str) else value for value in values]
    return pandas.DataFrame(cells, dtype=object).to_csv(index=False, lineterminator="\n")


def markdown(
    analysis: Analysis, *, depth: int | None = 1, columns: Sequence[str] | None = None, sort: str | None = None
) -> str:
    """A Markdown table for people.

    Raises:
        ConfigError: there is no such column.
    """
    from tabulate import tabulate

    chosen = pick(columns, PAPER_COLUMNS, analysis)
    rows = _cells(analysis, chosen, depth, sort, escape.markdown_cell, indent="&emsp;")
    align = ["left", *("right" if column.numeric else "left" for column in chosen)]
    headers = ["module", *(column.title for column in chosen)]
    return tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True) + "\n"


def catalogue_markdown(networks: Sequence[Sized]) -> str:
    """The catalogue as a Markdown table, with who published the accuracy."""
    from tabulate import tabulate

    rows = [
        [
            f"`{network.name}`",
            format_shape(network.input),
            count(network.classes),
            count(network.params),
            count(network.params_with_aux) if network.params_with_aux > network.params else "",
            short(network.macs),
            found.top1 if (found := network.published) and found.top1 else "",
            found.top5 if found and found.top5 else "",
            escape.markdown_cell(network.source),
            escape.markdown_cell(found.source) if found else "",
        ]
        for network in networks
    ]
    headers = ["network", "input", "classes", "params", "with heads", "MACs", "top-1", "top-5", "table", "accuracy"]
    align = ["left", *["right"] * 7, "left", "left"]
    return tabulate(rows, headers, tablefmt="pipe", colalign=align, disable_numparse=True) + "\n"


def latex(
    analysis: Analysis, *, depth: int | None = 1, columns: Sequence[str] | None = None, sort: str | None = None
) -> str:
    r"""A floating table in the style of booktabs; the document needs `\usepackage{booktabs}`.

    Raises:
        ConfigError: there is no such column.
    """
    import pandas

    chosen = pick(columns, PAPER_COLUMNS, analysis)
    rows = _cells(analysis, chosen, depth, sort, _latex_cell, indent=r"\quad ")
    graph = analysis.graph
    text: str = (
        pandas.DataFrame(rows, columns=["module", *(escape.latex(column.title) for column in chosen)])
        .style.hide(axis="index")
        .to_latex(
            hrules=True,
            column_format="l" + "".join("r" if column.numeric else "l" for column in chosen),
            caption=escape.latex(
                f"{graph.name}: {graph.metadata.description}" if graph.metadata.description else graph.name
            ),
            label=f"tab:{''.join(char if char.isascii() and char.isalnum() else '-' for char in graph.name)}",
            position="t",
            position_float="centering",
        )
    )
    lines = text.splitlines(keepends=True)
    lines.insert(lines.index("\\bottomrule\n") - 1, "\\midrule\n")  # between the rows and their total
    return "".join(lines)


def _latex_cell(text: str) -> str:
    if re.fullmatch(r"\d+(x\d+)+", text):
        return f"${text.replace('x', chr(92) + 'times ')}$"
    return "--" if text == NOTHING else escape.latex(text)


def _cells(
    analysis: Analysis,
    columns: Sequence[Column],
    depth: int | None,
    sort: str | None,
    escaped: Callable[[str], str],
    indent: str,
) -> list[list[str]]:
    """Rows of text, the total last."""
    rows = [
        [indent * row.level + escaped(row.label), *(escaped(column.text(row.group)) for column in columns)]
        for row in analysis.tree(depth, sort_key(sort) if sort else None)
    ]
    totals = [escaped(column.text(analysis.whole)) if column.sums else "" for column in columns]
    return [*rows, ["total", *totals]]
