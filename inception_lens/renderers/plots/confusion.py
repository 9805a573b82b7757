"""The confusion matrix of a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_COUNTED = 12
"""Classes up to which the squares contain counts; with more they have colours only."""
MAX_NAMED = 40
"""Classes up to which the axes have names."""
MAX_NAME_LENGTH = 16


def confusion_figure(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """The confusion matrix: rows are true classes, columns are predicted classes.

    Args:
        confusion: the number of images by true class and predicted class; the colour of a square is its percentage of
            the row.
        classes: names of the classes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    n = len(classes)
    rows = [list(row[:n]) for row in confusion[:n]]
    percentages = [[100 * value / max(sum(row), 1) for value in row] for row in rows]
    with rc_context({**STYLE, "axes.grid": False}):
        side = min(4.2 + 0.05 * n, 9)
        figure = Figure(figsize=(side + 0.8, side), layout="compressed")
        axes = figure.subplots()
        image = axes.imshow(percentages, cmap="Blues", vmin=0, vmax=100)
        figure.colorbar(image, ax=axes, label="share of the true class (%)", shrink=0.8)
        axes.set(xlabel="predicted class", ylabel="true class")
        if n <= MAX_NAMED:
            names = [printable(name)[:MAX_NAME_LENGTH] for name in classes]
            axes.set_xticks(range(n), names, rotation=90 if max(map(len, names)) > 2 else 0)
            axes.set_yticks(range(n), names)
        if n <= MAX_COUNTED:
            for i, row in enumerate(rows):
                for k, value in enumerate(row):
                    if value:
                        color = "white" if percentages[i][k] > 50 else "black"
                        axes.text(k, i, str(value), ha="center", va="center", color=color, fontsize=7)
    return figure
