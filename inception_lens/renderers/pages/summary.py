"""The summary as HTML: a page that stands alone, or a fragment for a notebook."""

from collections.abc import Sequence
from importlib.resources import files
from typing import TYPE_CHECKING

from inception_lens.analyses.analysis import Analysis
from inception_lens.ops import format_shape
from inception_lens.renderers.columns import pick, sort_key
from inception_lens.renderers.escape import printable
from inception_lens.renderers.frame import PAPER_COLUMNS
from inception_lens.renderers.text import CONVENTION, facts
from inception_lens.renderers.theme import COLORS
from inception_lens.renderers.units import percent

if TYPE_CHECKING:
    from jinja2 import Template


def summary_page(
    analysis: Analysis, *, depth: int | None = 1, columns: Sequence[str] | None = None, sort: str | None = None
) -> str:
    """A whole page, which asks nothing of the network.

    Raises:
        ConfigError: there is no such column.
    """
    return template("page.html").render(**_context(analysis, depth, columns, sort), style=asset("style.css"))


def summary_fragment(analysis: Analysis) -> str:
    """The table alone, for a notebook's cell."""
    return template("summary.html").render(**_context(analysis, 1, None, None))


def _context(
    analysis: Analysis, depth: int | None, columns: Sequence[str] | None, sort: str | None
) -> dict[str, object]:
    chosen = pick(columns, PAPER_COLUMNS, analysis)
    rows = analysis.tree(depth, sort_key(sort) if sort else None)
    largest = max([row.group.macs for row in rows], default=0) or 1
    graph, whole = analysis.graph, analysis.whole
    return {
        "name": printable(graph.name),
        "description": printable(graph.metadata.description),
        "inputs": ", ".join(f"{printable(given.name)} {format_shape(given.type.shape)}" for given in graph.inputs),
        "graph": graph,
        "columns": chosen,
        "rows": [
            {
                "level": row.level,
                "label": printable(row.label),
                "description": printable(row.description),
                "color": COLORS[row.group.category] if row.group.category else "transparent",
                "cells": [printable(column.text(row.group)) for column in chosen],
                "share": percent(row.group.macs, whole.macs) if row.group.macs else "-",
                "bar": round(100 * row.group.macs / largest, 1),
            }
            for row in rows
        ],
        "totals": [column.text(whole) if column.sums else "" for column in chosen],
        "notes": [*facts(analysis), CONVENTION],
    }


def template(name: str) -> "Template":
    """A template of `assets/`; everything that it is given is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("inception_lens.renderers.pages", "assets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)


def asset(name: str) -> str:
    """The text of a file of `assets/`."""
    return files("inception_lens.renderers.pages").joinpath("assets", name).read_text(encoding="utf-8")
