"""Figures of savings: the cost of modules with a saving and without it, and the cost over a range of widths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from inception_lens.errors import ConfigError
from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import set_heading, set_name_ticks, styled_figure
from inception_lens.renderers.theme import BLUE, GREEN, VERMILLION, mix, palette_of
from inception_lens.tables.units import at_least, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inception_lens.analyses.savings.changes import Sweep, SweepPoint, WhatIf
    from inception_lens.analyses.savings.figures import CostFigures
    from inception_lens.analyses.savings.network import ModuleChange, Savings

Measure = Literal["params", "macs"]
MEASURES: dict[Measure, str] = {"params": "parameters", "macs": "MACs"}
WITH, WITHOUT, OWN = BLUE, VERMILLION, GREEN
"""Colours: with a saving, without it, and of the network's own width."""
MAX_KINDS = 4
"""Kinds of saving in one figure, each in a row."""
MIN_POSITIONS = 5
"""Positions for modules on an axis; with fewer modules the bars stay narrow."""
MAX_RATIOS = 24
"""Modules up to which the ratio is written above the bars."""


def savings_figure(savings: Savings, *, dark: bool = False) -> Figure:
    """Parameters and MACs of each module that a saving changes, with the saving and without it.

    Args:
        savings: the savings of a network; the first four kinds with a site are drawn.
        dark: draw on a dark background.

    Raises:
        ConfigError: the network has no site of any requested kind.
    """
    found = [saving for saving in savings.savings if saving.sites][:MAX_KINDS]
    if not found:
        kinds = ", ".join(kind.name for kind in savings.requested)
        raise ConfigError(f"`{savings.graph.name}` has nothing to draw: it has no site of {kinds}")
    with styled_figure(10, 0.8 + 3 * len(found), dark=dark) as figure:
        rows = figure.subfigures(len(found), 1, squeeze=False)
        for (row,), saving in zip(rows, found, strict=True):
            changed = [module for module in saving.modules if any(module.change.saved(key) for key in MEASURES)]
            row.suptitle(saving.kind.title, fontsize=9, fontweight="bold")
            using, without = saving.total.using, saving.total.without
            for axes, measure in zip(row.subplots(1, 2), MEASURES, strict=True):
                _add_bars(axes, changed, measure, dark)
                title = f"{_total(using, measure)} {MEASURES[measure]}, {_total(without, measure)} without"
                axes.set_title(title, fontsize=8.5)
            axes.legend()
        set_heading(figure, savings.graph, "modules with and without a saving")
    return figure


def what_if_figure(change: WhatIf, *, dark: bool = False) -> Figure:
    """Parameters and MACs of the modules that other widths change, with the new widths and with the current ones.

    Args:
        change: the network and its new widths.
        dark: draw on a dark background.
    """
    with styled_figure(10, 3.6, dark=dark) as figure:
        new, current = change.total.using, change.total.without
        for axes, measure in zip(figure.subplots(1, 2), MEASURES, strict=True):
            _add_bars(axes, change.modules, measure, dark, ("new widths", "current widths"))
            title = f"{_total(current, measure)} {MEASURES[measure]} now, {_total(new, measure)} then"
            axes.set_title(title, fontsize=8.5)
        axes.legend()
        widths = ", ".join(f"{printable(each.node)} from {each.now} to {each.then}" for each in change.widths[:3])
        set_heading(figure, change.graph, widths)
    return figure


def sweep_figure(sweep: Sweep, *, dark: bool = False) -> Figure:
    """Parameters and MACs over a range of widths, with the current width and the cost without the reduction marked.

    Args:
        sweep: the cost at each width.
        dark: draw on a dark background.
    """
    from matplotlib.ticker import EngFormatter

    variable = printable(sweep.variable)
    with styled_figure(10, 3.6, dark=dark) as figure:
        for axes, (measure, title) in zip(figure.subplots(1, 2), MEASURES.items(), strict=True):
            costs = {point.value: _cost(point, measure) for point in sweep.points}
            axes.plot(list(costs), list(costs.values()), color=WITH, linewidth=1.6, marker="o", markersize=2.5)
            if sweep.direct:
                direct = _cost(sweep.direct, measure)
                label = f"without: {short(direct)}"
                axes.axhline(direct, color=WITHOUT, linestyle="--", linewidth=1.2, label=label)
            if sweep.own is not None and sweep.own in costs:
                own = costs[sweep.own]
                label = f"current width, {sweep.own}: {short(own)}"
                axes.plot([sweep.own], [own], color=OWN, marker="D", markersize=8, linestyle="", label=label)
            axes.yaxis.set_major_formatter(EngFormatter())
            axes.set(xlabel=f"width of {variable}", ylabel=title)
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
        figure.suptitle(f"{printable(sweep.name)}: cost by the width of {variable}", fontsize=10)
    return figure


def _cost(costs: CostFigures | SweepPoint, measure: Measure) -> int:
    return costs.params if measure == "params" else costs.macs


def _total(costs: CostFigures, measure: Measure) -> str:
    return f"{at_least(costs.is_exact(measure))}{short(_cost(costs, measure))}"


def _add_bars(
    axes: Axes,
    modules: Sequence[ModuleChange],
    measure: Measure,
    dark: bool,
    labels: tuple[str, str] = ("with", "without"),
) -> None:
    from matplotlib.ticker import EngFormatter

    palette = palette_of(dark)
    using = [_cost(module.change.using, measure) for module in modules]
    without = [_cost(module.change.without, measure) for module in modules]
    axes.bar([k - 0.2 for k in range(len(modules))], using, width=0.4, color=WITH, label=labels[0])
    pale = mix(WITHOUT, palette.background, 0.75)
    axes.bar([k + 0.2 for k in range(len(modules))], without, width=0.4, color=pale, label=labels[1])
    if len(modules) <= MAX_RATIOS:
        for k, module in enumerate(modules):
            exact = module.change.is_exact(measure)
            if exact and (ratio := module.change.ratio(measure)) and using[k] != without[k]:
                axes.annotate(
                    f"{ratio:.1f}x" if ratio >= 0.05 else f"{ratio:.2g}x",
                    (k, max(using[k], without[k])),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=6.5,
                    color=palette.muted,
                )
    axes.yaxis.set_major_formatter(EngFormatter())
    axes.set(ylabel=MEASURES[measure], xlim=(-0.7, max(len(modules), MIN_POSITIONS) - 0.3))
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.16)
    set_name_ticks(axes, range(len(modules)), [module.name for module in modules])
