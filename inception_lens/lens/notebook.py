"""How results show themselves: `str()` is the table in text, and a notebook shows a table or a diagram.

The classes of results are below the renderers in the order of imports, so their methods are attached here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from inception_lens.analyses.analysis import Analysis
from inception_lens.errors import InceptionLensError
from inception_lens.graph import Graph
from inception_lens.terminal import Terminal

if TYPE_CHECKING:
    from inception_lens.tables.table import Table

Result = TypeVar("Result")

MAX_BOXES = 1_200
"""Boxes of the largest diagram that a notebook shows for a Graph."""


def show_results() -> None:
    """Attach the methods of the classes that are always imported."""
    show_as_table(Analysis, _summary)
    _attach(Graph, _repr_svg_=_svg)


def show_as_table(kind: type[Result], table: Callable[[Result], Table]) -> None:
    """Give a class of results `__str__` and `_repr_html_`, which render its table."""

    def text(result: Result) -> str:
        from inception_lens.renderers.tables.text import render

        terminal = Terminal()
        return render(table(result), width=terminal.width, unicode=terminal.unicode).rstrip("\n")

    def html(result: Result) -> str:
        from inception_lens.renderers.tables.html import fragment

        return fragment(table(result))

    _attach(kind, __str__=text, _repr_html_=html)


def _attach(kind: type[Result], **methods: Callable[[Result], str | None]) -> None:
    for name, method in methods.items():
        setattr(kind, name, method)


def _summary(analysis: Analysis) -> Table:
    from inception_lens.tables.summary import summary_table

    return summary_table(analysis)


def _svg(graph: Graph) -> str | None:
    """The diagram of a Graph; None, for which a notebook shows the `repr`, if it would be too large."""
    from inception_lens.renderers.diagrams.diagram import diagram

    try:
        drawn = diagram(graph)
        return drawn.draw("svg").decode() if len(drawn.names) <= MAX_BOXES else None
    except InceptionLensError:
        return None
