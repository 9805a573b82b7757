"""The figure of a benchmark run: time, memory, and time by the length of a chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from inception_lens.benchmarks.graphs import LENGTHS, chain_name
from inception_lens.benchmarks.record import LENS, Bench, Measurement
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.renderers.plots.figure import set_log_scale, styled_figure
from inception_lens.renderers.theme import BLUE, NEUTRAL, ORANGE, SKY

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^v<>Pp*Xh"
COLOR = {ANALYSIS: BLUE, LENS: ORANGE}


def bench_figure(bench: Bench) -> Figure:
    """Time and memory of every counter on every network, and time of chains by their length.

    A hollow marker means that the count is not exact.
    """
    chains = {chain_name(length): length for length in LENGTHS}
    networks = [name for name in bench.networks if name not in chains]
    length = [name for name in bench.networks if name in chains]
    panels = bool(networks) * 2 + bool(length)
    with styled_figure(3.6 * panels + 1.6, max(4.2, 1.6 + 0.42 * len(networks))) as drawn:
        every = list(drawn.subplots(1, panels, squeeze=False)[0])
        if networks:
            _dots(every[0], bench, networks, "milliseconds in process", lambda each: 1000 * (each.seconds or 0))
            _dots(every[1], bench, networks, "peak memory (MB)", lambda each: (each.peak_bytes or 0) / 1e6)
            every[1].set_yticklabels([])
        if length:
            _lines(every[-1], bench, {name: chains[name] for name in length})
        handles: dict[str, Artist] = {}
        for axes in every:
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        title = "hollow: count not exact" if networks else None
        drawn.legend(handles.values(), handles.keys(), loc="outside right center", title=title)
        drawn.suptitle(f"Inception Lens and other counters ({bench.date}, {bench.machine})", fontsize=10)
    return drawn


def _style(bench: Bench, counter: str) -> dict[str, object]:
    place = bench.counters.index(counter)
    color = COLOR.get(counter, NEUTRAL)
    label = f"{LENS}, traced" if counter == LENS else counter
    size = 7 if counter in COLOR else 5
    return {"label": label, "marker": MARKERS[place % len(MARKERS)], "color": color, "markersize": size}


def _dots(axes: Axes, bench: Bench, networks: list[str], title: str, of: Callable[[Measurement], float]) -> None:
    for counter in bench.counters:
        style = _style(bench, counter)
        each = {i: bench.of(name, counter) for i, name in enumerate(networks)}
        known = {i: one for i, one in each.items() if one and of(one)}
        axes.plot([], [], linestyle="none", **style)  # type: ignore[arg-type]
        for i, one in known.items():
            hollow = {"markerfacecolor": "none"} if one.exact is False else {}
            axes.plot(of(one), i, linestyle="none", **style | {"label": None} | hollow)  # type: ignore[arg-type]
    set_log_scale(axes, "x")
    axes.set_yticks(range(len(networks)), networks)
    axes.set_ylim(len(networks) - 0.5, -0.5)
    axes.set_xlabel(title)


def _lines(axes: Axes, bench: Bench, chains: dict[str, int]) -> None:
    dashes = iter((":", "--", "-."))
    for counter in (*bench.counters, *(task for task in TASKS if task != ANALYSIS)):
        known = [
            (length, one.seconds) for name, length in chains.items() if (one := bench.of(name, counter)) and one.seconds
        ]
        if not known:
            continue
        x, y = zip(*known, strict=True)
        if counter in bench.counters:
            axes.plot(x, y, linewidth=1, **_style(bench, counter))  # type: ignore[arg-type]
        else:
            axes.plot(x, y, color=SKY, linewidth=1.2, linestyle=next(dashes), label=counter)
    set_log_scale(axes, "x")
    set_log_scale(axes, "y")
    axes.set_xlabel("Inception modules in a chain")
    axes.set_ylabel("seconds in process")
