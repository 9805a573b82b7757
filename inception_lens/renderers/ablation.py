"""An ablation as text, as a Markdown report and as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inception_lens.renderers.escape import markdown_cell, printable
from inception_lens.renderers.plots.figure import styled_figure
from inception_lens.renderers.theme import COLORS
from inception_lens.tables.units import count, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inception_lens.training.ablation import Ablation, ArmDifference

HEADERS = ("arm", "accuracy", "n", "seeds", "params", "MACs", "seconds a run", "CPU seconds")


def verdict(beside: ArmDifference) -> str:
    """What a difference says, in one sentence."""
    cost = f"{beside.params:.2f} times the parameters and {beside.macs:.2f} times the MACs of {beside.against}"
    found = f"{printable(beside.arm)} has {cost}, and {100 * beside.accuracy:+.2f} points of accuracy"
    if beside.spread is None:
        return f"{found}; one seed says nothing about the spread."
    more = "more" if beside.more_than_spread else "not more"
    return f"{found}: {more} than the spread of {100 * beside.spread:.2f} points between two runs."


def ablation_text(found: Ablation) -> str:
    """A table and the verdicts, for a terminal."""
    from tabulate import tabulate

    table = tabulate(_rows(found), HEADERS, disable_numparse=True, colalign=("left", *["right"] * 7))
    return "\n".join([printable(_title(found)), "", table, "", *map(verdict, found.differences), ""])


def ablation_markdown(found: Ablation, *, machine: str, date: str, command: str) -> str:
    """A report with its machine, date and command."""
    from tabulate import tabulate

    rows = [[markdown_cell(cell) for cell in row] for row in _rows(found)]
    table = tabulate(rows, HEADERS, tablefmt="pipe", disable_numparse=True, colalign=("left", *["right"] * 7))
    return "\n".join(
        [
            f"# Ablation: {markdown_cell(found.name)}",
            "",
            f"{date}, {machine}. `{command}`",
            "",
            markdown_cell(_title(found)),
            "",
            table,
            "",
            *[f"- {markdown_cell(verdict(beside))}" for beside in found.differences],
            "",
            "Accuracy is the top-1 of the evaluation images after the last epoch: mean, and sample standard deviation "
            "over the seeds. The spread between two runs is the root of the sum of both variances. Seconds are those "
            "of the clock, evaluation included, and depend on what else ran; CPU seconds are those of all cores.",
            "",
        ]
    )


def ablation_figure(found: Ablation) -> Figure:
    """Accuracy of every seed and its mean and spread, against parameters and MACs, and by arm."""
    with styled_figure(10, 3.8) as drawn:
        by_arm, by_params, by_macs = drawn.subplots(1, 3, sharey=True)
        places = list(range(len(found.arms)))
        _points(by_arm, found, [float(place) for place in places])
        by_arm.set_xticks(places, [f"{printable(arm.arm)}\nn = {arm.n}" for arm in found.arms])
        by_arm.set_xlim(-0.6, len(places) - 0.4)
        by_arm.set_ylabel("accuracy (%)")
        for axes, values, label in (
            (by_params, [arm.params / 1e6 for arm in found.arms], "parameters (M)"),
            (by_macs, [arm.macs / 1e6 for arm in found.arms], "MACs of one image (M)"),
        ):
            _points(axes, found, values)
            axes.set_xlabel(label)
            axes.set_xlim(0, 1.3 * max(values))
            for arm, value in zip(found.arms, values, strict=True):
                axes.annotate(
                    printable(arm.arm), (value, 100 * arm.mean), (6, 5), textcoords="offset points", fontsize=8
                )
        if len({accuracy for arm in found.arms for accuracy in arm.accuracies}) == 1:
            by_arm.set_ylim(100 * found.arms[0].mean - 1, 100 * found.arms[0].mean + 1)
        low, high = by_arm.get_ylim()
        by_arm.set_ylim(top=min(high, 100 + (100 - low) / 12))  # a deviation may reach beyond what there is
        drawn.suptitle(f"{printable(_title(found))}: each seed, mean and standard deviation")
    return drawn


def _points(axes: Axes, found: Ablation, values: Sequence[float]) -> None:
    for arm, value in zip(found.arms, values, strict=True):
        accuracies = [100 * accuracy for accuracy in arm.accuracies]
        axes.scatter([value] * len(accuracies), accuracies, s=18, color=COLORS["shape"], alpha=0.7, zorder=2)
        deviation = 100 * (arm.deviation or 0)
        axes.errorbar([value], [100 * arm.mean], [deviation], fmt="o", color=COLORS["conv"], capsize=5, zorder=3)


def _title(found: Ablation) -> str:
    seeds = ", ".join(map(str, found.seeds))
    return f"{found.name} on {found.data}, {found.epochs} epochs, seeds {seeds}"


def _rows(found: Ablation) -> list[list[str]]:
    return [
        [
            arm.arm,
            f"{100 * arm.mean:.2f} %" + (f" ± {100 * arm.deviation:.2f}" if arm.deviation is not None else ""),
            str(arm.n),
            ", ".join(f"{100 * accuracy:.2f}" for accuracy in arm.accuracies),
            count(arm.params),
            short(arm.macs),
            f"{arm.seconds:.0f}",
            f"{arm.cpu_seconds:.0f}",
        ]
        for arm in found.arms
    ]
