"""The tables of a benchmark run: targets, ratios, every measure, and growth with the length of a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from inception_lens.benchmarks.graphs import LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import LENS, Bench, Measurement
from inception_lens.benchmarks.startup import LIMITS
from inception_lens.benchmarks.targets import (
    FIRST_SECONDS,
    PEAK_BYTES,
    PROCESS_SECONDS,
    SECONDS,
    TARGETS,
    known_ratios,
)
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.tables.table import Cell, Column, Kind, Row, Table

NETWORK = Column(key="network", title="network")
NODE_BYTES = {ANALYSIS: 300, LENS: 550}
"""The most peak allocations per node of a graph that is built, and of one that is traced."""
LINEAR = 13
"""The highest ratio of times for ten times the modules that counts as linear: ten, and some for slower memory."""
METHOD = (
    "Every measurement is a process of its own. Analysis: builds the network from its config and analyzes it, without "
    "PyTorch; its process is the command `summary`. Traced, and all other counters: get the same PyTorch module, on "
    "the meta device if they support it. Cold is the first call on a network, in a process that has counted another, "
    "small module and remembers nothing of operators; hot is the median of later calls. No result and no graph is kept "
    "between calls. Peak memory is that of the process."
)


def bench_table(bench: Bench) -> Table:
    """The targets of a run, with a further table for each measure."""
    packages = ", ".join(f"{name} {version}" for name, version in bench.versions.items())
    grids: tuple[tuple[str, str, Kind, Callable[[Measurement], Cell]], ...] = (
        ("exact", "Exact counts", "text", _exactness),
        ("seconds", "Time in process, hot", "seconds", _or_nothing(SECONDS)),
        ("first_seconds", "Time in process, cold", "seconds", _or_nothing(FIRST_SECONDS)),
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
            Column(key="lowest", title="least met", kind="ratio"),
            Column(key="on", title="on"),
            Column(key="met", title="met on", kind="count"),
            Column(key="networks", title="of", kind="count"),
        ),
        rows=tuple(_targets(bench)),
        notes=(METHOD,),
        further=(
            *_missed(bench),
            _ratios(bench),
            *_node_bytes(bench),
            *_commands(bench),
            *[_grid(bench, key, title, kind, cell) for key, title, kind, cell in grids],
            *_growth(bench),
            *_errors(bench),
        ),
    )


def _targets(bench: Bench) -> list[Row]:
    rows = []
    for target in TARGETS:
        known = known_ratios(bench, target)
        if known:
            where = min(known, key=lambda name: known[name] / target.minimum[name])
            met = sum(ratio >= target.minimum[name] for name, ratio in known.items())
            rows.append(Row(target.title, (target.minimum[where], known[where], where, met, len(known))))
    return rows


def _missed(bench: Bench) -> Sequence[Table]:
    """Every target that a network misses."""
    rows = [
        Row(name, (target.column, target.minimum[name], ratio))
        for target in TARGETS
        for name, ratio in known_ratios(bench, target).items()
        if ratio < target.minimum[name]
    ]
    columns = (
        Column(key="of", title="of"),
        Column(key="target", title="target", kind="ratio"),
        Column(key="ratio", title="measured", kind="ratio"),
    )
    return (
        (Table(title="Missed targets", key="missed", label=NETWORK, columns=columns, rows=tuple(rows)),) if rows else ()
    )


def _node_bytes(bench: Bench) -> Sequence[Table]:
    """Peak allocations per node of long chains."""
    found = [each for each in bench.measurements if each.bytes_per_node is not None]
    columns = (
        Column(key="counter", title="counter"),
        Column(key="limit", title="limit", kind="count"),
        Column(key="bytes", title="bytes per node", kind="count"),
    )
    rows = [
        Row(each.network, (each.counter, NODE_BYTES[each.counter], round(each.bytes_per_node or 0))) for each in found
    ]
    note = "Peak allocations of Python while the graph is built, or while the module is traced and analyzed."
    return (
        (Table(title="Memory per node", key="nodes", label=NETWORK, columns=columns, rows=tuple(rows), notes=(note,)),)
        if rows
        else ()
    )


def _commands(bench: Bench) -> Sequence[Table]:
    """Start-up times of commands."""
    if not bench.commands:
        return ()
    rows = [Row(each.command, (each.seconds, each.ratio, LIMITS.get(each.command, ""))) for each in bench.commands]
    columns = (
        Column(key="seconds", title="time", kind="seconds"),
        Column(key="ratio", title="/ import torch", kind="number"),
        Column(key="limit", title="limit", kind="number"),
    )
    cached = all(each.bytecode_cached for each in bench.commands)
    note = (
        f"Medians of whole processes; `import torch` took {bench.commands[0].torch_seconds:.2f} s in the same rounds. "
        + ("Bytecode was cached." if cached else "Bytecode was not cached: every process compiled the modules it used.")
    )
    return (
        Table(
            title="Start-up of commands",
            key="commands",
            label=Column(key="command", title="command"),
            columns=columns,
            rows=tuple(rows),
            notes=(note,),
        ),
    )


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
