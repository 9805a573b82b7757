"""A run of the benchmark as a figure: time, memory, and how both grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from inception_lens.benchmarks.graphs import LENGTHS, chain_name
from inception_lens.benchmarks.record import OURS, Bench, Measurement
from inception_lens.benchmarks.works import ANALYSIS, WORKS
from inception_lens.renderers.plots.figure import figure, logarithmic
from inception_lens.renderers.theme import COLORS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^v<>Pp*Xh"
COLOR = {ANALYSIS: COLORS["conv"], OURS: COLORS["activation"]}


def bench_figure(found: Bench) -> Figure:
    """Milliseconds and memory of every counter on every network, and the time of chains by their length.

    A hollow marker is a count that is not exact.
    """
    chains = {chain_name(length): length for length in LENGTHS}
    networks = [name for name in found.networks if name not in chains]
    length = [name for name in found.networks if name in chains]
    panels = bool(networks) * 2 + bool(length)
    with figure(3.6 * panels + 1.6, max(4.2, 1.6 + 0.42 * len(networks))) as drawn:
        every = list(drawn.subplots(1, panels, squeeze=False)[0])
        if networks:
            _dots(every[0], found, networks, "milliseconds in process", lambda each: 1000 * (each.seconds or 0))
            _dots(every[1], found, networks, "peak memory (MB)", lambda each: (each.peak_bytes or 0) / 1e6)
            every[1].set_yticklabels([])
        if length:
            _lines(every[-1], found, {name: chains[name] for name in length})
        told: dict[str, Artist] = {}
        for axes in every:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                told.setdefault(label, handle)
        title = "hollow: count not exact" if networks else None
        drawn.legend(told.values(), told.keys(), loc="outside right center", title=title)
        drawn.suptitle(f"Inception Lens beside other counters ({found.date}, {found.machine})", fontsize=10)
    return drawn


def _style(found: Bench, counter: str) -> dict[str, object]:
    place = found.counters.index(counter)
    color = COLOR.get(counter, COLORS["shape"])
    label = f"{OURS}, traced" if counter == OURS else counter
    size = 7 if counter in COLOR else 5
    return {"label": label, "marker": MARKERS[place % len(MARKERS)], "color": color, "markersize": size}


def _dots(axes: Axes, found: Bench, networks: list[str], title: str, of: Callable[[Measurement], float]) -> None:
    for counter in found.counters:
        style = _style(found, counter)
        each = {i: found.of(name, counter) for i, name in enumerate(networks)}
        known = {i: one for i, one in each.items() if one and of(one)}
        axes.plot([], [], linestyle="none", **style)  # type: ignore[arg-type]
        for i, one in known.items():
            hollow = {"markerfacecolor": "none"} if one.exact is False else {}
            axes.plot(of(one), i, linestyle="none", **style | {"label": None} | hollow)  # type: ignore[arg-type]
    logarithmic(axes, "x")
    axes.set_yticks(range(len(networks)), networks)
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.set_xlabel(title)


def _lines(axes: Axes, found: Bench, chains: dict[str, int]) -> None:
    dashes = iter((":", "--", "-."))
    for counter in (*found.counters, *(work for work in WORKS if work != ANALYSIS)):
        known = [
            (length, one.seconds) for name, length in chains.items() if (one := found.of(name, counter)) and one.seconds
        ]
        if not known:
            continue
        x, y = zip(*known, strict=True)
        if counter in found.counters:
            axes.plot(x, y, linewidth=1, **_style(found, counter))  # type: ignore[arg-type]
        else:
            axes.plot(x, y, color=COLORS["merge"], linewidth=1.2, linestyle=next(dashes), label=counter)
    logarithmic(axes, "x")
    logarithmic(axes, "y")
    axes.set_xlabel("Inception modules in a chain")
    axes.set_ylabel("seconds in process")
