"""The Markdown report of a benchmark run: targets, and a table for each measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from inception_lens.benchmarks.graphs import LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import LENS, Bench, Measurement
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.renderers.escape import markdown_cell

SECONDS, PROCESS_SECONDS, PEAK_BYTES = map(attrgetter, ("seconds", "process_seconds", "peak_bytes"))


class Target(NamedTuple):
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
    Target("analysis of a catalogue network, in process", "analysis", ANALYSIS, SECONDS, 50),
    Target("the same, as a process", "analysis, process", ANALYSIS, PROCESS_SECONDS, 15),
    Target("the same, peak memory", "analysis, memory", ANALYSIS, PEAK_BYTES, 1),
    Target("a PyTorch model, in process, of exact counters", "traced", LENS, SECONDS, 10, exact=True),
    Target("the same, peak memory", "traced, memory", LENS, PEAK_BYTES, 1, exact=True),
)
LINEAR = 13
"""The highest ratio of times for ten times the modules that counts as linear: ten, and some for slower memory."""


def markdown(bench: Bench) -> str:
    """The report of one run."""
    packages = ", ".join(f"{name} {version}" for name, version in bench.versions.items())
    grids: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
        ("Exact counts", _exactness),
        ("Milliseconds in process, after a first call", lambda each: _number(each.seconds, 1000)),
        ("Seconds of the process up to its first answer", lambda each: _number(each.process_seconds, 1)),
        ("Peak memory, MB", lambda each: _number(each.peak_bytes, 1e-6)),
    )
    sections = [
        "# Inception Lens and other counters",
        f"{bench.date}, {markdown_cell(bench.machine)}: {markdown_cell(packages)}. Produced by `inception-lens bench`; "
        "every measurement is a process of its own. *Analysis* builds the network from its config and analyzes "
        "it, without PyTorch; its process is the command `summary`. *Traced* and all other counters get the same "
        "PyTorch module, on the meta device if they support it.",
        "## Ratio of the best other tool to Inception Lens",
        _table(("target", "at least", "lowest", "on", ""), _targets(bench)),
        _table(("network", *(target.column for target in TARGETS)), _ratios(bench)),
        *[part for title, cell in grids for part in (f"## {title}", _grid(bench, cell))],
        *_growth(bench),
        *_errors(bench),
    ]
    return "\n\n".join(sections) + "\n"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    align = ("left", *["right"] * (len(headers) - 1))
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=align if rows else None)


def _targets(bench: Bench) -> list[list[str]]:
    rows = []
    for target in TARGETS:
        ratios = {name: bench.ratio(name, target.counter, target.of, exact=target.exact) for name in bench.networks}
        known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
        if known:
            where = min(known, key=known.__getitem__)
            met = sum(ratio >= target.minimum for ratio in known.values())
            rows.append(
                [target.title, f"{target.minimum:g}", _ratio(known[where]), where, f"met on {met} of {len(known)}"]
            )
    return rows


def _ratios(bench: Bench) -> list[list[str]]:
    rows = []
    for name in bench.networks:
        ratios = [bench.ratio(name, target.counter, target.of, exact=target.exact) for target in TARGETS]
        rows.append([name, *("-" if ratio is None else _ratio(ratio) for ratio in ratios)])
    return rows


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 2 else f"{value:.1f}"


def _grid(bench: Bench, cell: Callable[[Measurement], str]) -> str:
    rows = []
    for network in bench.networks:
        each = [bench.of(network, counter) for counter in bench.counters]
        rows.append([network, *("-" if one is None else cell(one) for one in each)])
    return _table(("network", *bench.counters), rows)


def _exactness(each: Measurement) -> str:
    if each.error:
        return "fails"
    if each.exact is None:
        return "-"
    return "yes" if each.exact else f"{100 * ((each.macs or 0) / NETWORKS[each.network].macs - 1):+.2g} %"


def _number(value: float | None, scale: float) -> str:
    return "-" if value is None else f"{value * scale:.3g}" if value * scale < 100 else f"{value * scale:,.0f}"


def _growth(bench: Bench) -> list[str]:
    """How the time of each task grows with the length of a chain."""
    rows = []
    for counter in (*TASKS, LENS):
        each = [bench.of(chain_name(length), counter) for length in LENGTHS]
        seconds = [one.seconds if one else None for one in each]
        times = [f"{b / a:.1f}" if a and b else "-" for a, b in pairwise(seconds[1:])]
        rows.append([counter, *(_number(one, 1000) for one in seconds), *times])
    if not any("-" not in row for row in rows):
        return []
    chains = [chain_name(length) for length in LENGTHS]
    steps = [f"{a:,} to {b:,}" for a, b in pairwise(LENGTHS[1:])]
    return [
        "## Growth: milliseconds on chains of Inception modules",
        _table(("", *chains, *steps), rows),
        f"The last columns are ratios of times for ten times the modules; up to {LINEAR} is linear growth with slower "
        "memory. The comparison is with a chain that differs in every layer, the diagram an SVG.",
    ]


def _errors(bench: Bench) -> list[str]:
    failed = [each for each in bench.measurements if each.error]
    if not failed:
        return []
    lines = [f"- {each.counter} on {each.network}: {markdown_cell(each.error)}" for each in failed]
    return ["## Failures", "\n".join(lines)]
