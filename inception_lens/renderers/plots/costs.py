"""Figures of one network: cost by module and branch, cost along the depth, receptive fields, and memory over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, cycle
from typing import TYPE_CHECKING, Literal

from inception_lens.renderers.diagrams.branches import NO_BRANCH, branches
from inception_lens.renderers.diagrams.grouping import NodeGroup, modules
from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import set_heading, set_name_ticks, styled_figure
from inception_lens.renderers.theme import BLUE, COLORS, KIND_NAMES, NEUTRAL, SERIES, VERMILLION, palette_of
from inception_lens.tables.units import at_least, count, short, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inception_lens.analyses.analysis import Analysis
    from inception_lens.ops import Category

CostPlot = Literal["modules", "cumulative", "receptive-field", "memory"]

MAX_BRANCHES = 8
"""Names of branches in a legend; the rest are `other`."""
MAX_NAMES = 36
"""Names of modules on an axis."""


def modules_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """Parameters and MACs of each module, as bars stacked by branch; unknown MACs are left out.

    Args:
        analysis: the network.
        dark: draw on a dark background.
    """
    from matplotlib.ticker import EngFormatter

    groups = modules(analysis.graph)
    rows = _branch_rows(analysis, groups)
    colors = _branch_colors(rows)
    panels: dict[str, Sequence[int | None]] = {"parameters": analysis.costs.params, "MACs": analysis.costs.macs}
    with styled_figure(10, 5.6, dark=dark) as figure:
        all_axes = figure.subplots(2, 1, sharex=True)
        for axes, (title, costs) in zip(all_axes, panels.items(), strict=True):
            base = [0] * len(groups)
            for name, nodes in rows.items():
                heights = [sum([costs[i] or 0 for i in of_group]) for of_group in nodes]
                if any(heights):
                    axes.bar(range(len(groups)), heights, bottom=base, color=colors[name], label=name, width=0.8)
                base = [a + b for a, b in zip(base, heights, strict=True)]
            axes.yaxis.set_major_formatter(EngFormatter())
            axes.set_ylabel(title)
            axes.grid(visible=False, axis="x")
        _name_modules(all_axes[1], groups)
        handles = {
            label: handle for axes in all_axes for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        if len(handles) > 1:
            names = [name for name in rows if name in handles]
            figure.legend([handles[name] for name in names], names, loc="outside right upper", title="branch")
        sums = analysis.cost_sums
        params, macs = ("" if exact else "at least " for exact in (sums.params_exact, sums.macs_exact))
        cost = f"{params}{count(analysis.params)} parameters and {macs}{short(analysis.macs)} MACs"
        set_heading(figure, analysis.graph, f"{cost} by module and branch")
    return figure


def _branch_rows(analysis: Analysis, groups: Sequence[NodeGroup]) -> dict[str, list[list[int]]]:
    """For each name of branches the nodes in each group; the last row is for nodes in no branch."""
    split = branches(analysis.graph, groups)
    names = list(dict.fromkeys([name for found in split for name in found if name != NO_BRANCH]))
    kept = names if len(names) <= MAX_BRANCHES else names[: MAX_BRANCHES - 1]
    rows: dict[str, list[list[int]]] = {
        name: [[] for _ in groups] for name in (*kept, *(["other"] if len(names) > len(kept) else []), NO_BRANCH)
    }
    for k, found in enumerate(split):
        for name, nodes in found.items():
            rows[name if name in rows else "other"][k] += nodes
    return rows


def _branch_colors(names: Iterable[str]) -> dict[str, str]:
    """A branch that is named after a category of operation has its colour; the others have the remaining colours."""
    colors = {NO_BRANCH: NEUTRAL, **{str(category): color for category, color in COLORS.items()}}
    names = list(names)
    used = {colors[name] for name in names if name in colors}
    remaining = [color for color in SERIES if color not in used]
    return dict(zip([name for name in names if name not in colors], cycle(remaining), strict=False)) | colors


def cumulative_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """The percentage of parameters, MACs and allocated activation bytes up to and including each module.

    Args:
        analysis: the network.
        dark: draw on a dark background.
    """
    groups = modules(analysis.graph)
    costs: dict[str, Sequence[int | None]] = {"parameters": analysis.costs.params, "MACs": analysis.costs.macs}
    costs["new activations"] = analysis.memory.activation_bytes
    with styled_figure(10, 4.2, dark=dark) as figure:
        axes = figure.subplots()
        for color, (name, column) in zip(SERIES, costs.items(), strict=False):
            sums = [sum([column[i] or 0 for i in group.nodes]) for group in groups]
            percentages = [100 * so_far / (sum(sums) or 1) for so_far in accumulate(sums)]
            half = next((k for k, percentage in enumerate(percentages) if percentage >= 50), None)
            label = f"{name}: half by {printable(groups[half].name)}" if half is not None else f"{name}: none"
            axes.plot(percentages, color=color, label=label, marker="o", markersize=3, linewidth=1.6)
        axes.axhline(50, color=palette_of(dark).muted, linewidth=0.8, linestyle=":")
        axes.set(ylim=(0, 103), ylabel="cumulative share (%)")
        axes.legend(loc="upper left")
        _name_modules(axes, groups)
        set_heading(figure, analysis.graph, "cumulative cost by module")
    return figure


def receptive_field_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """The receptive field of each layer, in input pixels along the longest side, in order of execution.

    Args:
        analysis: the network.
        dark: draw on a dark background.
    """
    fields = [(k, layer, layer.receptive_field) for k, layer in enumerate(analysis.layers) if layer.receptive_field]
    image = max([max(given.type.shape[2:], default=0) for given in analysis.graph.inputs], default=0)
    with styled_figure(10, 4.2, dark=dark) as figure:
        axes = figure.subplots()
        categories: list[Category] = [layer.category for _, layer, _ in fields]
        for category in dict.fromkeys(categories):
            points = [(k, field) for k, layer, field in fields if layer.category == category]
            x, y = zip(*points, strict=True)
            axes.scatter(x, y, s=14, color=COLORS[category], label=KIND_NAMES[category], zorder=3)
        widest = list(accumulate([field for *_, field in fields], max))
        axes.step([k for k, *_ in fields], widest, where="post", color=palette_of(dark).muted, linewidth=1)
        covering = next((layer for _, layer, field in fields if field >= image > 0), None)
        if image and fields:
            axes.axhline(image, color=palette_of(dark).ink, linewidth=0.9, linestyle="--")
            axes.annotate(f"input {image}", (fields[0][0], image), xytext=(2, 4), textcoords="offset points")
        axes.set_ylabel("receptive field (input pixels)")
        axes.legend(loc="lower right", ncols=2)
        axes.set_ylim(bottom=0)
        _name_layers(axes, analysis)
        cover = f"{printable(covering.name)} is the first to cover the input" if covering else "none covers the input"
        set_heading(figure, analysis.graph, f"receptive field by layer; {cover}")
    return figure


def memory_figure(analysis: Analysis, *, dark: bool = False) -> Figure:
    """Live activation memory in bytes during each layer, in order of execution, with the peak marked.

    Args:
        analysis: the network.
        dark: draw on a dark background.
    """
    from matplotlib.ticker import EngFormatter

    live = [size or 0 for size in analysis.memory.live_bytes]
    peak = max(live)
    at = live.index(peak)
    with styled_figure(10, 4.2, dark=dark) as figure:
        axes = figure.subplots()
        steps = range(len(live) + 1)
        axes.fill_between(steps, [*live, live[-1]], step="post", color=BLUE, alpha=0.3, linewidth=0)
        axes.step(steps, [*live, live[-1]], where="post", color=BLUE, linewidth=1.2)
        axes.plot([at + 0.5], [peak], marker="v", color=VERMILLION, markersize=7, zorder=4)
        # The label is on the side with more space.
        left = at > len(live) / 2
        axes.annotate(
            f"peak {at_least(analysis.totals.activations_exact)}{size(peak)} at {printable(analysis.peak_layer.name)}",
            (at + 0.5, peak),
            xytext=(-9 if left else 9, 2),
            textcoords="offset points",
            horizontalalignment="right" if left else "left",
            color=VERMILLION,
        )
        axes.yaxis.set_major_formatter(EngFormatter("B"))
        axes.set(ylim=(0, 1.12 * peak or 1), ylabel="live activations")
        _name_layers(axes, analysis)
        batch = next((given.type.shape[0] for given in analysis.graph.inputs if given.type.shape), 1)
        set_heading(figure, analysis.graph, f"activation memory over time, batch {batch}, {analysis.graph.mode}")
    return figure


COST_FIGURES: dict[CostPlot, Callable[[Analysis, bool], Figure]] = {
    "modules": lambda analysis, dark: modules_figure(analysis, dark=dark),
    "cumulative": lambda analysis, dark: cumulative_figure(analysis, dark=dark),
    "receptive-field": lambda analysis, dark: receptive_field_figure(analysis, dark=dark),
    "memory": lambda analysis, dark: memory_figure(analysis, dark=dark),
}


def _name_modules(axes: Axes, groups: Sequence[NodeGroup]) -> None:
    step = -(-len(groups) // MAX_NAMES)
    named = range(0, len(groups), step)
    set_name_ticks(axes, list(named), [groups[k].name for k in named])
    axes.set_xlim(-0.6, len(groups) - 0.4)


def _name_layers(axes: Axes, analysis: Analysis) -> None:
    """Write the name of a module at its first layer, on an axis with a step for each layer."""
    distance = len(analysis.layers) / MAX_NAMES
    positions: list[int] = []
    names: list[str] = []
    for group in sorted(modules(analysis.graph), key=lambda group: group.nodes[0]):
        if not positions or group.nodes[0] - positions[-1] >= distance:
            positions.append(group.nodes[0])
            names.append(group.name)
    set_name_ticks(axes, positions, names)
    axes.set_xlim(0, len(analysis.layers))
