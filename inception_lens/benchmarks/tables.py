"""The tables of a benchmark run: targets, ratios, every measure, and growth with the length of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from inception_lens.benchmarks.graphs import LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import LENS, Bench, Measurement
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.tables.table import Cell, Column, Kind, Row, Table

SECONDS, PROCESS_SECONDS, PEAK_BYTES = map(attrgetter, ("seconds", "process_seconds", "peak_bytes"))
NETWORK = Column(key="network", title="network")


class BenchTarget(NamedTuple):
    """A target: how many times better than the best other tool a counter should be, on every network."""

    title: str
    """In the table of targets."""
    column: str
    """In the table of networks."""
    counter: str
    """The counter or task of Inception Lens."""
    of: Callable[[Measurement], float | None]
    """Reads the value from a measurement."""
    minimum: float
    """The lowest ratio that meets the target."""
    exact: bool = False
    """Whether to compare with exact counts only."""


TARGETS = (
    BenchTarget("analysis of a catalogue network, in process", "analysis", ANALYSIS, SECONDS, 50),
    BenchTarget("the same, as a process", "analysis, process", ANALYSIS, PROCESS_SECONDS, 15),
    BenchTarget("the same, peak memory", "analysis, memory", ANALYSIS, PEAK_BYTES, 1),
    BenchTarget("a PyTorch model, in process, of exact counters", "traced", LENS, SECONDS, 10, exact=True),
    BenchTarget("the same, peak memory", "traced, memory", LENS, PEAK_BYTES, 1, exact=True),
)
LINEAR = 13
"""The highest ratio of times for ten times the modules that counts as linear: ten, and some for slower memory."""
METHOD = (
    "Every measurement is a process of its own. Analysis: builds the network from its config and analyzes it, without "
    "PyTorch; its process is the command `summary`. Traced, and all other counters: get the same PyTorch module, on "
    "the meta device if they support it."
)


def bench_table(bench: Bench) -> Table:
    """The targets of a run, with a further table for each measure."""
    packages = ", ".join(f"{name} {version}" for name, version in bench.versions.items())
    grids: tuple[tuple[str, str, Kind, Callable[[Measurement], Cell]], ...] = (
        ("exact", "Exact counts", "text", _exactness),
        ("seconds", "Time in process, after a first call", "seconds", _or_nothing(SECONDS)),
        ("process_seconds", "Time of the process up to its first result", "seconds", _or_nothing(PROCESS_SECONDS)),
        ("peak_bytes", "Peak memory", "bytes", _or_nothing(PEAK_BYTES)),
    )
    return Table(
        title="Inception Lens and other counters",
        subtitle=f"{bench.date}, {bench.machine}: {packages}",
        key="targets",
        label=Column(key="target", title="best other tool / Inception Lens"),
        columns=(
            Column(key="minimum", title="target", kind="ratio"),
            Column(key="lowest", title="lowest", kind="ratio"),
            Column(key="on", title="on"),
            Column(key="met", title="met on", kind="count"),
            Column(key="networks", title="of", kind="count"),
        ),
        rows=tuple(_targets(bench)),
        notes=(METHOD,),
        further=(
            _ratios(bench),
            *[_grid(bench, key, title, kind, cell) for key, title, kind, cell in grids],
            *_growth(bench),
            *_errors(bench),
        ),
    )


def _targets(bench: Bench) -> list[Row]:
    rows = []
    for target in TARGETS:
        ratios = {name: bench.ratio(name, target.counter, target.of, exact=target.exact) for name in bench.networks}
        known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
        if known:
            where = min(known, key=known.__getitem__)
            met = sum(ratio >= target.minimum for ratio in known.values())
            rows.append(Row(target.title, (target.minimum, known[where], where, met, len(known))))
    return rows


def _ratios(bench: Bench) -> Table:
    rows = [
        Row(name, tuple([_known(bench.ratio(name, each.counter, each.of, exact=each.exact)) for each in TARGETS]))
        for name in bench.networks
    ]
    columns = [Column(key=target.column, title=target.column, kind="ratio") for target in TARGETS]
    title = "Best other tool / Inception Lens"
    return Table(title=title, key="ratios", label=NETWORK, columns=tuple(columns), rows=tuple(rows))


def _grid(bench: Bench, key: str, title: str, kind: Kind, cell: Callable[[Measurement], Cell]) -> Table:
    """A row for each network, a column for each counter."""
    rows = [
        Row(network, tuple([cell(each) if (each := bench.of(network, counter)) else "" for counter in bench.counters]))
        for network in bench.networks
    ]
    counters = enumerate(bench.counters)
    columns = [Column(key=counter, title=counter, kind=kind, priority=max(i - 1, 0)) for i, counter in counters]
    return Table(title=title, key=key, label=NETWORK, columns=tuple(columns), rows=tuple(rows))


def _exactness(each: Measurement) -> str:
    if each.error:
        return "fails"
    if each.exact is None:
        return ""
    return "exact" if each.exact else f"{100 * ((each.macs or 0) / NETWORKS[each.network].macs - 1):+.2g} %"


def _or_nothing(of: Callable[[Measurement], float | None]) -> Callable[[Measurement], Cell]:
    return lambda each: _known(of(each))


def _known(value: float | None) -> Cell:
    """A value; nothing if the counter failed or does not count."""
    return "" if value is None else value


def _growth(bench: Bench) -> Sequence[Table]:
    """How the time of each task grows with the length of a chain, if all lengths were measured."""
    rows = []
    for counter in (*TASKS, LENS):
        each = [bench.of(chain_name(length), counter) for length in LENGTHS]
        seconds = [one.seconds if one else None for one in each]
        ratios = [b / a if a and b else None for a, b in pairwise(seconds[1:])]
        rows.append(Row(counter, tuple(map(_known, (*seconds, *ratios)))))
    if all("" in row.cells for row in rows):
        return ()
    steps = [f"{a:,} to {b:,}" for a, b in pairwise(LENGTHS[1:])]
    columns = (
        *[Column(key=f"{length} modules", title=chain_name(length), kind="seconds") for length in LENGTHS],
        *[Column(key=step.replace(",", ""), title=step, kind="ratio") for step in steps],
    )
    note = (
        f"The last columns are ratios of times for ten times the modules; up to {LINEAR} is linear growth with slower "
        "memory. The comparison is with a chain that differs in every layer, the diagram is an SVG."
    )
    title = "Growth: time on chains of Inception modules"
    return (
        Table(
            title=title,
            key="growth",
            label=Column(key="task", title="task"),
            columns=columns,
            rows=tuple(rows),
            notes=(note,),
        ),
    )


def _errors(bench: Bench) -> Sequence[Table]:
    failed = [each for each in bench.measurements if each.error]
    columns = (Column(key="counter", title="counter"), Column(key="error", title="error", min_width=30))
    rows = [Row(each.network, (each.counter, each.error)) for each in failed]
    return (Table(title="Failures", key="failures", label=NETWORK, columns=columns, rows=tuple(rows)),) if rows else ()
