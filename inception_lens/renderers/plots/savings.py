"""Figures of savings: what each module costs with them and without, and a width swept through a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from inception_lens.analyses.savings.changes import Sweep, WhatIf
from inception_lens.analyses.savings.network import ModuleChange, Savings
from inception_lens.errors import ConfigError
from inception_lens.renderers.escape import printable
from inception_lens.renderers.plots.figure import figure, heading, name_ticks
from inception_lens.renderers.theme import COLORS, mix, palette_of
from inception_lens.tables.units import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from inception_lens.analyses.savings.figures import CostChange

MEASURES = {"params": "parameters", "macs": "MACs"}
MAX_KINDS = 4
"""Kinds of saving in one figure, a row each."""
FEWEST_PLACES = 5
"""Places for modules on an axis, so that a few have no broad bars."""
MAX_RATIOS = 24
"""Modules whose ratio is written above them."""


def savings_figure(savings: Savings, *, dark: bool = False) -> Figure:
    """Parameters and MACs of each module that a saving touches, with it and without it.

    Raises:
        ConfigError: the network has none of the savings that were requested for.
    """
    found = [saving for saving in savings.savings if saving.sites][:MAX_KINDS]
    if not found:
        requested = ", ".join(kind.name for kind in savings.requested)
        raise ConfigError(f"`{savings.graph.name}` has nothing to draw: it has no site of {requested}")
    with figure(10, 0.8 + 3 * len(found), dark=dark) as drawn:
        rows = drawn.subfigures(len(found), 1, squeeze=False)
        for (row,), saving in zip(rows, found, strict=True):
            touched = [module for module in saving.modules if _differs(module.change)]
            row.suptitle(saving.kind.title, fontsize=9, fontweight="bold")
            for axes, key in zip(row.subplots(1, 2), MEASURES, strict=True):
                _bars(axes, touched, key, dark)
                axes.set_title(_told(saving.total, key), fontsize=8.5)
            axes.legend()
        heading(drawn, savings.graph, "modules with a saving and without it")
    return drawn


def what_if_figure(change: WhatIf, *, dark: bool = False) -> Figure:
    """Parameters and MACs of the modules that other widths change, as they are and as they would be."""
    with figure(10, 3.6, dark=dark) as drawn:
        for axes, key in zip(drawn.subplots(1, 2), MEASURES, strict=True):
            _bars(axes, change.modules, key, dark, ("as it would be", "as it is"))
            using, without = getattr(change.total.using, key), getattr(change.total.without, key)
            axes.set_title(f"{short(without)} {MEASURES[key]} now, {short(using)} then", fontsize=8.5)
        axes.legend()
        widths = ", ".join(f"{printable(each.node)} from {each.now} to {each.then}" for each in change.widths[:3])
        heading(drawn, change.graph, widths)
    return drawn


def sweep_figure(sweep: Sweep, *, dark: bool = False) -> Figure:
    """Parameters and MACs over a width, with the network's own choice and the cost without the reduction marked."""
    from matplotlib.ticker import EngFormatter

    with figure(10, 3.6, dark=dark) as drawn:
        for axes, (key, title) in zip(drawn.subplots(1, 2), MEASURES.items(), strict=True):
            values = [point.value for point in sweep.points]
            costs = [getattr(point, key) for point in sweep.points]
            axes.plot(values, costs, color=COLORS["conv"], linewidth=1.6, marker="o", markersize=2.5)
            if sweep.direct:
                direct = getattr(sweep.direct, key)
                axes.axhline(
                    direct, color=COLORS["pool"], linestyle="--", linewidth=1.2, label=f"without: {short(direct)}"
                )
            if sweep.own in values:
                own = costs[values.index(sweep.own)]
                label = f"its own, {sweep.own}: {short(own)}"
                axes.plot(
                    [sweep.own], [own], color=COLORS["linear"], marker="D", markersize=8, linestyle="", label=label
                )
            axes.yaxis.set_major_formatter(EngFormatter())
            axes.set_xlabel(f"width of {printable(sweep.variable)}")
            axes.set_ylabel(title)
            if axes.get_legend_handles_labels()[0]:
                axes.legend()
        drawn.suptitle(f"{printable(sweep.name)}: what the width of {printable(sweep.variable)} costs", fontsize=10)
    return drawn


def _bars(
    axes: Axes,
    modules: Sequence[ModuleChange],
    key: str,
    dark: bool,
    labels: tuple[str, str] = ("with", "without"),
) -> None:
    from matplotlib.ticker import EngFormatter

    places = range(len(modules))
    using = [getattr(module.change.using, key) for module in modules]
    without = [getattr(module.change.without, key) for module in modules]
    axes.bar([k - 0.2 for k in places], using, width=0.4, color=COLORS["conv"], label=labels[0])
    pale = mix(COLORS["pool"], palette_of(dark).background, 0.75)
    axes.bar([k + 0.2 for k in places], without, width=0.4, color=pale, label=labels[1])
    if len(modules) <= MAX_RATIOS:
        for k, module in enumerate(modules):
            if (ratio := module.change.ratio(key)) and using[k] != without[k]:
                axes.annotate(
                    f"{ratio:.1f}x" if ratio >= 0.05 else f"{ratio:.2g}x",
                    (k, max(using[k], without[k])),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=6.5,
                    color=palette_of(dark).muted,
                )
    axes.yaxis.set_major_formatter(EngFormatter())
    axes.set_ylabel(MEASURES[key])
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.16)
    axes.set_xlim(-0.7, max(len(modules), FEWEST_PLACES) - 0.3)
    name_ticks(axes, list(places), [module.name for module in modules])


def _differs(change: CostChange) -> bool:
    return any(change.saved(key) for key in MEASURES)


def _told(change: CostChange, key: str) -> str:
    using, without = getattr(change.using, key), getattr(change.without, key)
    return f"{short(using)} {MEASURES[key]}, {short(without)} without"
