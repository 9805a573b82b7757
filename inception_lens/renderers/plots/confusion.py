"""Which class a trained network takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 12
"""Classes up to which the numbers stand in the squares; above, their colours alone."""
NAMED = 40
"""Classes up to which they have names at the axes."""


def confusion_figure(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Which class is taken for which: rows are the true classes, each square a share of its row."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    count = len(classes)
    rows = [list(row[:count]) for row in confusion[:count]]
    shares = [[100 * value / max(sum(row), 1) for value in row] for row in rows]
    with rc_context({**STYLE, "axes.grid": False}):
        side = min(4.2 + 0.05 * count, 9)
        figure = Figure(figsize=(side + 0.8, side), layout="compressed")  # squares, with room for the labels
        axes = figure.subplots()
        shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        figure.colorbar(shown, ax=axes, label="share of the true class (%)", shrink=0.8)
        axes.set_xlabel("answer")
        axes.set_ylabel("true class")
        if count <= NAMED:
            names = [printable(name)[:16] for name in classes]
            axes.set_xticks(range(count), names, rotation=90 if max(map(len, names)) > 2 else 0)
            axes.set_yticks(range(count), names)
        if count <= WRITTEN:
            for i, row in enumerate(rows):
                for k, value in enumerate(row):
                    if value:
                        color = "white" if shares[i][k] > 50 else "black"
                        axes.text(k, i, str(value), ha="center", va="center", color=color, fontsize=7)
    return figure
