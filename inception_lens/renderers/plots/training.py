"""The figure of a training run: what each epoch measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inception_lens.errors import ConfigError
from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import set_log_scale, styled_figure
from inception_lens.renderers.theme import SERIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS = {
    "loss": ("loss",),
    "accuracy": ("accuracy", "top1", "top5", "top_1", "top_5"),
    "learning rate": ("learning_rate", "lr"),
}
"""The panels of the figure, with words in the names of their measures."""
MAX_VALUE = 1e30
"""Larger values are not drawn: a JSON integer can exceed every float."""


def training_figure(epochs: Sequence[Mapping[str, object]], name: str = "training", *, dark: bool = False) -> Figure:
    """Loss, accuracy and learning rate over the epochs.

    Args:
        epochs: one record per epoch, such as the lines of `metrics.jsonl`; each number whose name contains loss,
            accuracy or learning rate is a line of the figure.
        name: name of the run.
        dark: draw on a dark background.

    Raises:
        ConfigError: no record has such a number.
    """
    keys = list(dict.fromkeys([key for epoch in epochs for key in epoch]))
    lines = {key: points for key in keys if (points := _points(epochs, key))}
    panels = {
        panel: [key for key in lines if any(word in key.lower() for word in words)] for panel, words in PANELS.items()
    }
    shown = {panel: measures for panel, measures in panels.items() if measures}
    if not shown:
        raise ConfigError(f"`{name}` has no loss, accuracy or learning rate to draw")
    with styled_figure(max(3.6 * len(shown), 4.6), 3.6, dark=dark) as figure:
        for axes, (panel, measures) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True
        ):
            for k, key in enumerate(measures):
                label = printable(key.replace("_", " "))
                color = SERIES[k % len(SERIES)]
                axes.plot(*zip(*lines[key], strict=True), color=color, label=label, marker="o", markersize=2.5)
            # On a linear axis the high loss of the first epochs would flatten all others.
            if panel == "loss" and min(axes.dataLim.ymin, 1) > 0:
                set_log_scale(axes, "y")
            axes.set(xlabel="epoch", ylabel=panel)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if len(measures) > 1:
                axes.legend()
        figure.suptitle(f"{printable(name)}: {len(epochs)} epochs", fontsize=10)
    return figure


def _points(epochs: Sequence[Mapping[str, object]], key: str) -> list[tuple[float, float]]:
    """The number of each epoch, by the epoch's number or, without one, its position."""
    points = []
    for position, epoch in enumerate(epochs, 1):
        x, y = _number(epoch.get("epoch")), _number(epoch.get(key))
        if y is not None:
            points.append((position if x is None else x, y))
    return points


def _number(value: object) -> float | None:
    """The value if it can be drawn: a number that is finite and not too large."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_VALUE:
        return value
    return None
