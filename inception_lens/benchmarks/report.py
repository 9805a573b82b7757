"""The benchmark's measurements as Markdown: a table per question, every time as a ratio within the run."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence

from inception_lens.benchmarks.peers import OURS, STATIC, Measurement, fastest
from inception_lens.renderers.escape import markdown_cell


def markdown(found: Sequence[Measurement], date: str) -> str:
    """Write the report of one run."""
    networks = list(dict.fromkeys(each.network for each in found))
    counters = list(dict.fromkeys(each.counter for each in found))
    by = {(each.network, each.counter): each for each in found}
    lines = [
        "# Beside other counters",
        "",
        f"{date}, Python {platform.python_version()}, {platform.machine()}, by `inception-lens bench`. A counter is "
        "asked on the meta device where it can be; every measurement is a process of its own.",
        "",
        "## How often the fastest other takes the time",
        "",
        *_ratios(found, networks),
        "",
        "## Is the count right?",
        "",
        *_grid(by, networks, counters, _right),
        "",
        "## Milliseconds in process, after a first call",
        "",
        *_grid(by, networks, counters, lambda each: _number(each.seconds, 1000)),
        "",
        "## Seconds of the whole process",
        "",
        *_grid(by, networks, counters, lambda each: _number(each.process_seconds, 1)),
        "",
        "## Peak memory, MB",
        "",
        *_grid(by, networks, counters, lambda each: _number(each.peak_bytes, 1e-6)),
        "",
        *_errors(found),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _ratios(found: Sequence[Measurement], networks: Sequence[str]) -> list[str]:
    head = ("network", "from its table", "traced", "traced, beside the fastest exact", "whole command")
    head = ("network", "from its table", "traced", "traced, beside the fastest exact", "whole command")
    rows = [f"| {' | '.join(head)} |", "|---|--:|--:|--:|--:|"]
    by = {(each.network, each.counter): each for each in found}
    for network in networks:
        any_other, exact = (fastest(found, network, exact=exact) for exact in (False, True))
        static, traced = by.get((network, STATIC)), by.get((network, OURS))
        cells = [
            _times(any_other, static, "seconds"),
            _times(any_other, traced, "seconds"),
            _times(exact, traced, "seconds"),
            _times(any_other, static, "process_seconds"),
        ]
        rows.append(f"| {network} | {' | '.join(cells)} |")
    return rows


def _times(other: Measurement | None, ours: Measurement | None, attribute: str) -> str:
    theirs = getattr(other, attribute, None)
    mine = getattr(ours, attribute, None)
    return f"{theirs / mine:.1f}" if theirs and mine else "-"


def _grid(
    by: dict[tuple[str, str], Measurement],
    networks: Sequence[str],
    counters: Sequence[str],
    cell: Callable[[Measurement], str],
) -> list[str]:
    head = [f"| network | {' | '.join(counters)} |", f"|---|{'--:|' * len(counters)}"]
    rows = []
    for network in networks:
        cells = [cell(by[network, counter]) if (network, counter) in by else "-" for counter in counters]
        rows.append(f"| {network} | {' | '.join(cells)} |")
    return [*head, *rows]


def _right(each: Measurement) -> str:
    if each.exact is None:
        return "fails" if each.error else "-"
    return "yes" if each.exact else f"{(each.macs or 0) / 1e9:.4f} G"


def _number(value: float | None, scale: float) -> str:
    return "-" if value is None else f"{value * scale:.3g}" if value * scale < 100 else f"{value * scale:,.0f}"


def _errors(found: Sequence[Measurement]) -> list[str]:
    failed = [each for each in found if each.error]
    if not failed:
        return []
    told = [f"- {each.counter} on {each.network}: {markdown_cell(each.error)}" for each in failed]
    return ["## What was not to be had", "", *told]
