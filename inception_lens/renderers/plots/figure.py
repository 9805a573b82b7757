"""Helpers that all figures share: one style, headings, axes, and the bytes of a file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from inception_lens.ops import format_shape
from inception_lens.renderers.escape import printable
from inception_lens.renderers.theme import palette_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

    from inception_lens.graph import Graph

FigureFormat = Literal["svg", "png", "pdf"]

STYLE: dict[RcKeyType, object] = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.hashsalt": "inception-lens",  # ids in an SVG are the same on every run
    "text.parse_math": False,  # dollar signs in a name are not TeX
}
"""Settings of matplotlib for every figure."""

MAX_NAME_LENGTH = 26
"""Characters of a name below an axis; of a longer name the end is shown, which differs more than the beginning."""


@contextmanager
def styled_figure(width: float, height: float, *, dark: bool = False) -> Iterator[Figure]:
    """A new figure, in inches; the style applies within the context."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    palette = palette_of(dark)
    grounds: tuple[RcKeyType, ...] = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
    inks: tuple[RcKeyType, ...] = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")
    colors: dict[RcKeyType, object] = {
        **dict.fromkeys(grounds, palette.background),
        **dict.fromkeys(inks, palette.ink),
        "grid.color": palette.muted,
    }
    with rc_context(STYLE | colors):
        yield Figure(figsize=(width, height), layout="constrained")


def set_heading(figure: Figure, graph: Graph, text: str) -> None:
    """Write the network, its input shapes and a text above a figure."""
    sizes = ", ".join(format_shape(given.type.shape) for given in graph.inputs[:3])
    figure.suptitle(f"{printable(graph.name)} on {sizes}: {text}", fontsize=10)


def set_name_ticks(axes: Axes, positions: Sequence[int], names: Sequence[str]) -> None:
    """Write names below the horizontal axis."""
    shown = [printable(name if len(name) <= MAX_NAME_LENGTH else f"...{name[3 - MAX_NAME_LENGTH :]}") for name in names]
    axes.set_xticks(positions, shown, rotation=60, ha="right", rotation_mode="anchor")


def set_log_scale(axes: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with plain numbers at its ticks; within one power of ten also at its minor ticks."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    set_scale = axes.set_xscale if which == "x" else axes.set_yscale
    set_scale("log")
    low, high = sorted(axis.get_view_interval())
    axis.set_major_formatter("{x:,g}")
    axis.set_minor_formatter("{x:,g}" if high < 10 * low else "")


def figure_bytes(figure: Figure, form: FigureFormat) -> bytes:
    """The content of a file with the figure, 200 dots per inch as PNG; the same on every run."""
    from matplotlib import rc_context

    out = io.BytesIO()
    dates: dict[FigureFormat, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with rc_context(STYLE), warnings.catch_warnings():
        # A character that the font lacks is drawn as a box.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(out, format=form, dpi=200, metadata=dates.get(form, {}), facecolor="auto")
    return out.getvalue()
