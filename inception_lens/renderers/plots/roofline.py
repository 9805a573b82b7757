"""The roofline of one network on a named machine, its calls as points (S. Williams et al., CACM 52(4), 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import figure, heading
from inception_lens.renderers.theme import COLORS, palette_of
from inception_lens.tables.units import duration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from inception_lens.analyses.analysis import Analysis
    from inception_lens.analyses.roofline import Roofline

MAX_NAMED = 3
"""Calls that are named: those that take the longest."""


def roofline_figure(
    analysis: Analysis, roofline: Roofline, measured: Mapping[str, float] | None = None, *, dark: bool = False
) -> Figure:
    """FLOPs per second over FLOPs per byte, the area of a point its share of the time.

    Without measured times a point lies on the roof, where the machine's least time puts it.

    Args:
        analysis: the network.
        roofline: its calls on a machine.
        measured: seconds by the names of calls, as a profile measured them; calls that are not in it are not drawn.
        dark: on a dark ground.
    """
    from matplotlib.ticker import EngFormatter

    machine = roofline.machine
    peak, memory = machine.flops_per_second, machine.bytes_per_second
    points = []
    for layer, moved, least in zip(analysis.layers, roofline.bytes, roofline.seconds, strict=True):
        seconds = least if measured is None else measured.get(layer.name)
        if layer.flops and moved and seconds:
            points.append((layer, layer.flops / moved, layer.flops / seconds, seconds))
    total = sum([seconds for *_, seconds in points]) or 1.0
    palette = palette_of(dark)
    with figure(7.2, 4.8, dark=dark) as drawn:
        axes = drawn.subplots()
        axes.set_xscale("log")
        axes.set_yscale("log")
        intensities = [intensity for _, intensity, _, _ in points] or [1.0]
        ends = (min(*intensities, peak / memory) / 3, max(*intensities, peak / memory) * 3)
        roof = [ends[0], peak / memory, ends[1]]
        axes.plot(roof, [min(peak, memory * end) for end in roof], color=palette.ink, linewidth=1.2)
        for category in dict.fromkeys([layer.category for layer, *_ in points]):
            own = [point for point in points if point[0].category == category]
            axes.scatter(
                [intensity for _, intensity, _, _ in own],
                [speed for _, _, speed, _ in own],
                s=[12 + 900 * seconds / total for *_, seconds in own],
                color=COLORS[category],
                alpha=0.65,
                linewidths=0,
                label=category,
                zorder=3,
            )
        slowest = sorted(points, key=lambda point: -point[3])[:MAX_NAMED]
        numbers: dict[tuple[float, float], list[str]] = {}
        for k, (_, intensity, speed, _) in enumerate(slowest, 1):
            numbers.setdefault((intensity, speed), []).append(str(k))
        for place, found in numbers.items():
            text = ", ".join(found)
            axes.annotate(text, place, xytext=(0, 9), textcoords="offset points", ha="center", fontsize=8)
        told = [
            f"{k}  {printable(layer.name)}: {100 * seconds / total:.0f} % of the time"
            for k, (layer, *_, seconds) in enumerate(slowest, 1)
        ]
        axes.text(0.98, 0.04, "\n".join(told), transform=axes.transAxes, ha="right", va="bottom", fontsize=8)
        bound = sum([seconds for _, intensity, _, seconds in points if intensity < peak / memory]) / total
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter(EngFormatter())
        axes.set_ylim(top=peak * 2.5)
        axes.set_xlabel("FLOPs per byte read or written")
        axes.set_ylabel("FLOPs per second")
        legend = axes.legend(loc="upper left")
        for handle in legend.legend_handles:
            handle.set_sizes([30])  # type: ignore[union-attr]
        how = "measured" if measured is not None else "at least"
        heading(
            drawn,
            analysis.graph,
            f"{how} {duration(total)} on {machine.title}, {100 * bound:.0f} % of it bound by memory",
        )
    return drawn
