"""Figures of a training run: what each epoch measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inception_lens.errors import ConfigError
from inception_lens.ops import Category
from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import figure, logarithmic
from inception_lens.renderers.theme import COLORS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {
    "loss": ("loss",),
    "accuracy": ("accuracy", "top1", "top5", "top_1", "top_5"),
    "learning rate": ("learning_rate", "lr"),
}
"""The panels of the figure, each with the words that a measure in it has in its name."""
LARGEST = 1e30
"""What is beyond is not drawn: JSON writes whole numbers that no float holds."""
LINE_COLORS: tuple[Category, ...] = ("conv", "pool", "linear", "norm", "activation", "merge")


def training_figure(epochs: Sequence[Mapping[str, Any]], name: str = "training", *, dark: bool = False) -> Figure:
    """Loss, accuracy and learning rate over the epochs.

    Args:
        epochs: one record per epoch, as the lines of `metrics.jsonl`; each number in it whose name speaks of loss,
            accuracy or learning rate is a line.
        name: of the run.
        dark: on a dark ground.

    Raises:
        ConfigError: no record has such a number.
    """
    measures = {
        panel: [
            key
            for key in dict.fromkeys([key for epoch in epochs for key in epoch])
            if any(word in key.lower() for word in words) and any(_is_number(epoch.get(key)) for epoch in epochs)
        ]
        for panel, words in PANELS.items()
    }
    shown = {panel: keys for panel, keys in measures.items() if keys}
    if not shown:
        raise ConfigError(f"`{name}` has no loss, accuracy or learning rate to draw")
    with figure(max(3.6 * len(shown), 4.6), 3.6, dark=dark) as drawn:
        for axes, (panel, keys) in zip(drawn.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
            for k, key in enumerate(keys):
                points = [
                    (epoch["epoch"] if _is_number(epoch.get("epoch")) else i, epoch[key])
                    for i, epoch in enumerate(epochs, 1)
                    if _is_number(epoch.get(key))
                ]
                color = COLORS[LINE_COLORS[k % len(LINE_COLORS)]]
                axes.plot(
                    *zip(*points, strict=True),
                    color=color,
                    label=printable(key.replace("_", " ")),
                    marker="o",
                    markersize=2.5,
                )
            if panel == "loss" and min(axes.dataLim.ymin, 1) > 0:  # the first epochs would hide all others
                logarithmic(axes, "y")
            axes.set_xlabel("epoch")
            axes.set_ylabel(panel)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if len(keys) > 1:
                axes.legend()
        drawn.suptitle(f"{printable(name)}: {len(epochs)} epochs", fontsize=10)
    return drawn


def _is_number(value: object) -> bool:
    """Whether it can be drawn: no truth value, not NaN, and no larger than axes can be."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST
