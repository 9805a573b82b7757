"""Figures of one network: cost by module and branch, along its depth, receptive field, and memory as it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Literal

from inception_lens.analyses.records import Layer
from inception_lens.ops import Category
from inception_lens.renderers.diagrams.branches import NO_BRANCH, branches
from inception_lens.renderers.diagrams.grouping import NodeGroup, modules
from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import figure, heading, name_ticks
from inception_lens.renderers.theme import COLORS, palette_of
from inception_lens.tables.units import count, short, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inception_lens.analyses.analysis import Analysis

CostKind = Literal["modules", "cumulative", "receptive-field", "memory"]

BRANCH_COLORS: tuple[Category, ...] = (
    "conv",
    "linear",
    "activation",
    "pool",
    "norm",
    "merge",
    "attention",
    "recurrent",
    "dropout",
)
"""Whose colours the branches have, in the order in which they are met."""
MAX_BRANCHES = 8
"""Kinds of branches that a legend names one by one; the rest are `other`."""
MAX_NAMES = 36
"""Modules named on an axis; of more, some are."""


def modules_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """Parameters and MACs of each module, as bars stacked by branch."""
    from matplotlib.ticker import EngFormatter

    parts = modules(analysis.graph)
    split = branches(analysis.graph, parts)
    names = list(dict.fromkeys([name for found in split for name in found if name != NO_BRANCH]))
    kept = names if len(names) <= MAX_BRANCHES else names[: MAX_BRANCHES - 1]
    rows = [*kept, *(["other"] if len(names) > len(kept) else []), NO_BRANCH]
    where = [{name: name if name in rows else "other" for name in found} for found in split]
    with figure(10, 5.6, dark=dark) as drawn:
        above, below = drawn.subplots(2, 1, sharex=True)
        panels: tuple[tuple[Axes, str, Callable[[Layer], int | None]], ...] = (
            (above, "parameters", lambda layer: layer.params),
            (below, "MACs", lambda layer: layer.macs),
        )
        for axes, title, value in panels:
            base = [0] * len(parts)
            for k, row in enumerate(rows):
                nodes = [
                    [i for name, inside in found.items() if where[p][name] == row for i in inside]
                    for p, found in enumerate(split)
                ]
                heights = [sum([value(analysis.layers[i]) or 0 for i in inside]) for inside in nodes]
                if any(heights):
                    color = COLORS["shape"] if row == NO_BRANCH else COLORS[BRANCH_COLORS[k]]
                    axes.bar(range(len(parts)), heights, bottom=base, color=color, label=row, width=0.8)
                base = [a + b for a, b in zip(base, heights, strict=True)]
            axes.yaxis.set_major_formatter(EngFormatter())
            axes.set_ylabel(title)
            axes.grid(visible=False, axis="x")
        _name_modules(below, parts)
        handles = {
            label: handle
            for axes in (above, below)
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        if len(handles) > 1:
            ordered = [row for row in rows if row in handles]
            drawn.legend([handles[row] for row in ordered], ordered, loc="outside right upper", title="branch")
        totals = analysis.totals
        least = "" if totals.exact else "at least "
        told = f"{count(totals.params)} parameters and {least}{short(totals.macs)} MACs by module and branch"
        heading(drawn, analysis.graph, told)
    return drawn


def cumulative_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """The share of parameters, MACs and new activations that lies before each module."""
    parts = modules(analysis.graph)
    measures: tuple[tuple[str, Category, Callable[[Layer], int | None]], ...] = (
        ("parameters", "conv", lambda layer: layer.params),
        ("MACs", "pool", lambda layer: layer.macs),
        ("new activations", "linear", lambda layer: layer.activation_bytes),
    )
    with figure(10, 4.2, dark=dark) as drawn:
        axes = drawn.subplots()
        for name, category, value in measures:
            inside = [sum([value(analysis.layers[i]) or 0 for i in part.nodes]) for part in parts]
            shares = [100 * so_far / (sum(inside) or 1) for so_far in accumulate(inside)]
            half = next((k for k, share in enumerate(shares) if share >= 50), None)
            told = f"{name}: half by {printable(parts[half].name)}" if half is not None else f"{name}: none"
            axes.plot(shares, color=COLORS[category], label=told, marker="o", markersize=3, linewidth=1.6)
        axes.axhline(50, color=palette_of(dark).muted, linewidth=0.8, linestyle=":")
        axes.set_ylim(0, 103)
        axes.set_ylabel("share so far (%)")
        axes.legend(loc="upper left")
        _name_modules(axes, parts)
        heading(drawn, analysis.graph, "cost that lies in each module and those before it")
    return drawn


def receptive_field_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """How much of the image one position of each layer sees, the layers in order of execution."""
    seen = [(k, layer) for k, layer in enumerate(analysis.layers) if layer.receptive_field]
    image = max([max(given.type.shape[2:], default=0) for given in analysis.graph.inputs], default=0)
    with figure(10, 4.2, dark=dark) as drawn:
        axes = drawn.subplots()
        for category in dict.fromkeys([layer.category for _, layer in seen]):
            points = [(k, layer.receptive_field or 0) for k, layer in seen if layer.category == category]
            places, fields = zip(*points, strict=True)
            axes.scatter(places, fields, s=14, color=COLORS[category], label=category, zorder=3)
        widest = list(accumulate([layer.receptive_field or 0 for _, layer in seen], max))
        axes.step([k for k, _ in seen], widest, where="post", color=palette_of(dark).muted, linewidth=1)
        covered = next((layer for _, layer in seen if (layer.receptive_field or 0) >= image > 0), None)
        if image and seen:
            axes.axhline(image, color=palette_of(dark).ink, linewidth=0.9, linestyle="--")
            axes.annotate(f"input {image}", (seen[0][0], image), xytext=(2, 4), textcoords="offset points")
        axes.set_ylabel("receptive field (input pixels)")
        axes.legend(loc="lower right", ncols=2)
        axes.set_ylim(bottom=0)
        _name_steps(axes, analysis)
        told = (
            f"{printable(covered.name)} is the first to see the whole input" if covered else "none sees the whole input"
        )
        heading(drawn, analysis.graph, f"receptive field by layer; {told}")
    return drawn


def memory_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """The activations alive during each call, in order of execution, with the peak marked."""
    from matplotlib.ticker import EngFormatter

    live = analysis.memory.live_bytes
    peak = analysis.peak_layer
    at = live.index(max(live))
    with figure(10, 4.2, dark=dark) as drawn:
        axes = drawn.subplots()
        steps = range(len(live) + 1)
        axes.fill_between(steps, [*live, live[-1]], step="post", color=COLORS["conv"], alpha=0.3, linewidth=0)
        axes.step(steps, [*live, live[-1]], where="post", color=COLORS["conv"], linewidth=1.2)
        axes.plot([at + 0.5], [live[at]], marker="v", color=COLORS["pool"], markersize=7, zorder=4)
        left = at > len(live) / 2
        axes.annotate(
            f"peak {size(live[at])} at {printable(peak.name)}",
            (at + 0.5, live[at]),
            xytext=(-9 if left else 9, 2),
            textcoords="offset points",
            horizontalalignment="right" if left else "left",
            color=COLORS["pool"],
        )
        axes.set_ylim(0, 1.12 * live[at] or 1)
        axes.yaxis.set_major_formatter(EngFormatter("B"))
        axes.set_ylabel("activations alive")
        _name_steps(axes, analysis)
        batch = next((given.type.shape[0] for given in analysis.graph.inputs if given.type.shape), 1)
        heading(drawn, analysis.graph, f"activation memory as the network runs, batch {batch}, {analysis.graph.mode}")
    return drawn


FIGURES: dict[CostKind, Callable[..., Figure]] = {
    "modules": modules_figure,
    "cumulative": cumulative_figure,
    "receptive-field": receptive_field_figure,
    "memory": memory_figure,
}


def _name_modules(axes: Axes, parts: Sequence[NodeGroup]) -> None:
    every = -(-len(parts) // MAX_NAMES)
    named = range(0, len(parts), every)
    name_ticks(axes, list(named), [parts[k].name for k in named])
    axes.set_xlim(-0.6, len(parts) - 0.4)


def _name_steps(axes: Axes, analysis: Analysis) -> None:
    """Name modules where they begin on an axis of calls."""
    parts = modules(analysis.graph)
    apart = len(analysis.layers) / MAX_NAMES
    places: list[int] = []
    names: list[str] = []
    for part in sorted(parts, key=lambda part: part.nodes[0]):
        if not places or part.nodes[0] - places[-1] >= apart:
            places.append(part.nodes[0])
            names.append(part.name)
    name_ticks(axes, places, names)
    axes.set_xlim(0, len(analysis.layers))
