"""The roofline of a network on a machine (S. Williams et al., CACM 52(4), 2009), with its layers as points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import set_heading, styled_figure
from inception_lens.renderers.theme import COLORS, KIND_NAMES, palette_of
from inception_lens.tables.units import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inception_lens.analyses.analysis import Analysis
    from inception_lens.analyses.records import Layer
    from inception_lens.analyses.roofline import Roofline
    from inception_lens.ops import Category

MAX_NAMED = 3
"""Layers that are named: those that take the most time."""


class RooflinePoint(NamedTuple):
    """One layer."""

    layer: Layer
    intensity: float
    """FLOPs per byte that is read or written."""
    speed: float
    """FLOPs per second."""
    seconds: float


def roofline_figure(
    analysis: Analysis, roofline: Roofline, measured: Mapping[str, float] | None = None, *, dark: bool = False
) -> Figure:
    """FLOPs per second against FLOPs per byte of each layer; the area of a point is its share of the time.

    Without measured times a point is on the roof, at the shortest time that the machine allows.

    Args:
        analysis: the network.
        roofline: its layers on a machine.
        measured: measured seconds by name of layer; other layers are not drawn.
        dark: draw on a dark background.
    """
    from matplotlib.ticker import EngFormatter

    machine = roofline.machine
    peak, bandwidth = machine.flops_per_second, machine.bytes_per_second
    ridge = peak / bandwidth
    points = _points(analysis, roofline, measured)
    total = sum([point.seconds for point in points]) or 1.0
    with styled_figure(7.2, 4.8, dark=dark) as figure:
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log")
        intensities = [ridge, *[point.intensity for point in points]]
        roof = [min(intensities) / 3, ridge, max(intensities) * 3]
        axes.plot(roof, [min(peak, bandwidth * x) for x in roof], color=palette_of(dark).ink, linewidth=1.2)
        categories: list[Category] = [point.layer.category for point in points]
        for category in dict.fromkeys(categories):
            own = [point for point in points if point.layer.category == category]
            axes.scatter(
                [point.intensity for point in own],
                [point.speed for point in own],
                s=[12 + 900 * point.seconds / total for point in own],
                color=COLORS[category],
                alpha=0.65,
                linewidths=0,
                label=KIND_NAMES[category],
                zorder=3,
            )
        _name_slowest(axes, points, total)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter(EngFormatter())
        axes.set(ylim=(None, peak * 2.5), xlabel="FLOPs per byte read or written", ylabel="FLOPs per second")
        legend = axes.legend(loc="upper left")
        for handle in legend.legend_handles:
            handle.set_sizes([30])  # type: ignore[union-attr]
        memory_bound = sum([point.seconds for point in points if point.intensity < ridge]) / total
        time = f"{'measured' if measured is not None else 'at least'} {duration(total)} on {machine.title}"
        set_heading(figure, analysis.graph, f"{time}, {100 * memory_bound:.0f} % of it memory-bound")
    return figure


def _points(analysis: Analysis, roofline: Roofline, measured: Mapping[str, float] | None) -> list[RooflinePoint]:
    points = []
    for layer, moved, shortest in zip(analysis.layers, roofline.bytes, roofline.seconds, strict=True):
        seconds = shortest if measured is None else measured.get(layer.name)
        if layer.flops and moved and seconds:
            points.append(RooflinePoint(layer, layer.flops / moved, layer.flops / seconds, seconds))
    return points


def _name_slowest(axes: Axes, points: Sequence[RooflinePoint], total: float) -> None:
    """Number the slowest layers, and list their names in a corner."""
    slowest = sorted(points, key=lambda point: -point.seconds)[:MAX_NAMED]
    numbers: dict[tuple[float, float], list[str]] = {}
    for k, point in enumerate(slowest, 1):
        numbers.setdefault((point.intensity, point.speed), []).append(str(k))
    for position, found in numbers.items():
        text = ", ".join(found)
        axes.annotate(text, position, xytext=(0, 9), textcoords="offset points", ha="center", fontsize=8)
    lines = [
        f"{k}  {printable(point.layer.name)}: {100 * point.seconds / total:.0f} % of the time"
        for k, point in enumerate(slowest, 1)
    ]
    axes.text(0.98, 0.04, "\n".join(lines), transform=axes.transAxes, ha="right", va="bottom", fontsize=8)
