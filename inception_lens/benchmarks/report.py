"""A run of the benchmark as Markdown: what was aimed at, and a table per question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from inception_lens.benchmarks.graphs import LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import OURS, Bench, Measurement
from inception_lens.benchmarks.works import ANALYSIS, WORKS
from inception_lens.renderers.escape import markdown_cell

SECONDS, PROCESS_SECONDS, PEAK_BYTES = map(attrgetter, ("seconds", "process_seconds", "peak_bytes"))


class Aim(NamedTuple):
    """How many times ours the least of the others should be, on every network."""

    title: str
    column: str
    counter: str
    of: Callable[[Measurement], float | None]
    least: float
    exact: bool = False
    """Beside those alone that count the network right."""


AIMS = (
    Aim("analysis of a network of ours, in process", "analysis", ANALYSIS, SECONDS, 50),
    Aim("the same, as a whole process", "analysis, process", ANALYSIS, PROCESS_SECONDS, 15),
    Aim("the same, peak memory", "analysis, memory", ANALYSIS, PEAK_BYTES, 1),
    Aim("a PyTorch model, in process, beside the fastest that is exact", "traced", OURS, SECONDS, 10, exact=True),
    Aim("the same, peak memory", "traced, memory", OURS, PEAK_BYTES, 1, exact=True),
)
LINEAR = 13
"""Times the time of a tenth of the modules, at most: linear, and some for the memory that is further away."""


def markdown(found: Bench) -> str:
    """Write the report of one run."""
    packages = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    grids: tuple[tuple[str, Callable[[Measurement], str]], ...] = (
        ("Is the count right?", _right),
        ("Milliseconds in process, after a first call", lambda each: _number(each.seconds, 1000)),
        ("Seconds of the process up to its first answer", lambda each: _number(each.process_seconds, 1)),
        ("Peak memory, MB", lambda each: _number(each.peak_bytes, 1e-6)),
    )
    sections = [
        "# Beside other counters",
        f"{found.date}, {markdown_cell(found.machine)}: {markdown_cell(packages)}. By `inception-lens bench`; every "
        "measurement is a process of its own. *Analysis* builds the network from its table and sums it up, without "
        "PyTorch; its process is the whole command `summary`. *Traced* and all others are given the same PyTorch "
        "module, on the meta device where they can be.",
        "## How many times ours the best of the others takes",
        _table(("aimed at", "at least", "lowest", "on", ""), _aims(found)),
        _table(("network", *(aim.column for aim in AIMS)), _ratios(found)),
        *[part for title, cell in grids for part in (f"## {title}", _grid(found, cell))],
        *_growth(found),
        *_errors(found),
    ]
    return "\n\n".join(sections) + "\n"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from tabulate import tabulate

    align = ("left", *["right"] * (len(headers) - 1))
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=align if rows else None)


def _aims(found: Bench) -> list[list[str]]:
    rows = []
    for aim in AIMS:
        ratios = {name: found.times(name, aim.counter, aim.of, exact=aim.exact) for name in found.networks}
        known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
        if known:
            where = min(known, key=known.__getitem__)
            met = sum(ratio >= aim.least for ratio in known.values())
            rows.append([aim.title, f"{aim.least:g}", _ratio(known[where]), where, f"met on {met} of {len(known)}"])
    return rows


def _ratios(found: Bench) -> list[list[str]]:
    rows = []
    for name in found.networks:
        ratios = [found.times(name, aim.counter, aim.of, exact=aim.exact) for aim in AIMS]
        rows.append([name, *("-" if ratio is None else _ratio(ratio) for ratio in ratios)])
    return rows


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 2 else f"{value:.1f}"


def _grid(found: Bench, cell: Callable[[Measurement], str]) -> str:
    rows = []
    for network in found.networks:
        each = [found.of(network, counter) for counter in found.counters]
        rows.append([network, *("-" if one is None else cell(one) for one in each)])
    return _table(("network", *found.counters), rows)


def _right(each: Measurement) -> str:
    if each.error:
        return "fails"
    if each.exact is None:
        return "-"
    return "yes" if each.exact else f"{100 * ((each.macs or 0) / NETWORKS[each.network].macs - 1):+.2g} %"


def _number(value: float | None, scale: float) -> str:
    return "-" if value is None else f"{value * scale:.3g}" if value * scale < 100 else f"{value * scale:,.0f}"


def _growth(found: Bench) -> list[str]:
    """How the time of ours grows with the length of a chain."""
    rows = []
    for counter in (*WORKS, OURS):
        each = [found.of(chain_name(length), counter) for length in LENGTHS]
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
        f"The last columns are how many times longer ten times the modules take; up to {LINEAR} is linear growth, and "
        "memory that is further away. A comparison is with a chain that differs in every layer, a diagram an SVG.",
    ]


def _errors(found: Bench) -> list[str]:
    failed = [each for each in found.measurements if each.error]
    if not failed:
        return []
    told = [f"- {each.counter} on {each.network}: {markdown_cell(each.error)}" for each in failed]
    return ["## What was not to be had", "\n".join(told)]
