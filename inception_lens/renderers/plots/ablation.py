"""The figure of an ablation: accuracy by arm, parameters and MACs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import styled_figure
from inception_lens.renderers.theme import NEUTRAL, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class AblationArm(Protocol):
    """The values of one arm that are drawn."""

    @property
    def arm(self) -> str:
        """Name of the arm."""
        ...

    @property
    def accuracies(self) -> Sequence[float]:
        """Accuracy of each seed, 0 to 1."""
        ...

    @property
    def mean(self) -> float:
        """Mean of the accuracies."""
        ...

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the accuracies; None for one seed."""
        ...

    @property
    def params(self) -> int:
        """Parameters of the network."""
        ...

    @property
    def macs(self) -> int:
        """MACs of the network for one image."""
        ...


def ablation_figure(arms: Sequence[AblationArm], title: str) -> Figure:
    """Accuracy of each seed, with mean and standard deviation, by arm and against parameters and MACs."""
    with styled_figure(10, 3.8) as figure:
        by_arm, by_params, by_macs = figure.subplots(1, 3, sharey=True)
        places = list(range(len(arms)))
        _points(by_arm, arms, places)
        by_arm.set_xticks(places, [f"{printable(arm.arm)}\nn = {len(arm.accuracies)}" for arm in arms])
        by_arm.set(xlim=(-0.6, len(places) - 0.4), ylabel="accuracy (%)")
        for axes, values, label in (
            (by_params, [arm.params / 1e6 for arm in arms], "parameters (M)"),
            (by_macs, [arm.macs / 1e6 for arm in arms], "MACs of one image (M)"),
        ):
            _points(axes, arms, values)
            axes.set(xlabel=label, xlim=(0, 1.3 * max(values)))
            for arm, value in zip(arms, values, strict=True):
                axes.annotate(
                    printable(arm.arm), (value, 100 * arm.mean), (6, 5), textcoords="offset points", fontsize=8
                )
        if len({accuracy for arm in arms for accuracy in arm.accuracies}) == 1:
            by_arm.set_ylim(100 * arms[0].mean - 1, 100 * arms[0].mean + 1)
        low, high = by_arm.get_ylim()
        by_arm.set_ylim(top=min(high, 100 + (100 - low) / 12))  # error bars can end above 100 %
        figure.suptitle(f"{printable(title)}: each seed, mean and standard deviation")
    return figure


def _points(axes: Axes, arms: Sequence[AblationArm], values: Sequence[float]) -> None:
    for arm, value in zip(arms, values, strict=True):
        accuracies = [100 * accuracy for accuracy in arm.accuracies]
        axes.scatter([value] * len(accuracies), accuracies, s=18, color=NEUTRAL, alpha=0.7, zorder=2)
        deviation = 100 * (arm.deviation or 0)
        axes.errorbar([value], [100 * arm.mean], [deviation], fmt="o", color=SERIES[0], capsize=5, zorder=3)
