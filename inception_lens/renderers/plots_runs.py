"""Figures of a training run: its curves, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots import STYLE
from inception_lens.renderers.theme import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 12
"""Classes up to which the numbers stand in the squares; above, their colours alone."""
NAMED = 40
"""Classes up to which they have names at the axes."""


def curves_figure(epochs: Sequence[Mapping[str, Any]], name: str) -> Figure:
    """Loss, accuracy and learning rate of every epoch; a record is a line of `metrics.jsonl`."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    panels = (
        ("loss", ("train_loss", "test_loss"), 1.0),
        ("accuracy (%)", ("train_accuracy", "test_accuracy", "test_top5"), 100.0),
        ("learning rate", ("learning_rate",), 1.0),
    )
    colors = (COLORS["conv"], COLORS["pool"], COLORS["activation"])
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 3.2), layout="constrained")
        for axes, (label, keys, unit) in zip(figure.subplots(1, 3), panels, strict=True):
            for key, color in zip(keys, colors, strict=False):
                values = [unit * epoch[key] for epoch in epochs]
                numbers = [epoch["epoch"] for epoch in epochs]
                axes.plot(numbers, values, color=color, label=key.replace("_", " "), marker="o", markersize=2.5)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if len(keys) > 1:
                axes.legend(frameon=False, fontsize=8)
        figure.suptitle(printable(name))
    return figure


def confusion_figure(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Which class is taken for which: rows are the true classes, each square a share of its row."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    count = len(classes)
    rows = [list(row[:count]) for row in confusion[:count]]
    shares = [[100 * value / max(sum(row), 1) for value in row] for row in rows]
    with rc_context({**STYLE, "axes.grid": False}):
        side = min(4.2 + 0.05 * count, 9)
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
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
