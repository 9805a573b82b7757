"""The benchmark: time, memory and exactness of Inception Lens and of other counters."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from inception_lens.analyses.machines import host
from inception_lens.benchmarks.counters import COUNTERS
from inception_lens.benchmarks.graphs import GRAPHS, LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import LENS, Bench, Measurement
from inception_lens.benchmarks.startup import CommandTime, elapsed
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.errors import ConfigError, suggest

BenchPart = Literal["static", "traced", "startup", "memory"]
"""A part of the report that can be measured alone."""

TIMEOUT = 240
"""Seconds after which a measurement is stopped."""
COMMAND_REPEATS = 5
"""Runs of a command whose median time is reported."""
CHAINS = tuple(map(chain_name, LENGTHS))


def measure_all(
    networks: Iterable[str], counters: Iterable[str], part: BenchPart | None = None
) -> Iterator[Measurement]:
    """Measure every counter on every network; one that fails on a chain is not run on a longer chain.

    `part` restricts that to what a part of the report needs: `static` to networks of the catalogue and chains, without
    tracing; `traced` to counters of PyTorch modules; `memory` to the two longest chains; `startup` to nothing.

    Raises:
        ConfigError: a network or a counter is unknown.
    """
    networks, counters = list(networks), list(counters)
    for requested, known in ((networks, list(NETWORKS)), (counters, list(COUNTERS))):
        for name in requested:
            if name not in known:
                raise ConfigError(f"`{name}` is not a network or counter of the benchmark{suggest(name, known)}")
    failed: dict[str, str] = {}
    for network in networks:
        for counter in _counters(network, counters, part):
            if network in CHAINS and counter in failed:
                yield Measurement(
                    network=network, counter=counter, error=f"skipped after the error on {failed[counter]}"
                )
                continue
            found = measure(network, counter)
            if network in CHAINS and found.error:
                failed[counter] = network
            yield found


def _counters(network: str, counters: Sequence[str], part: BenchPart | None) -> Sequence[str]:
    """The tasks and counters to measure on a network."""
    tasks = list(TASKS) if network in GRAPHS else []
    match part:
        case None:
            return [*tasks, *counters]
        case "static":
            return [*tasks, *[counter for counter in counters if counter != LENS]] if tasks else []
        case "traced":
            return counters
        case "memory":
            return [ANALYSIS, *counters] if network in CHAINS[-2:] else []
        case "startup":
            return []


def record(measurements: Iterable[Measurement], commands: Iterable[CommandTime] = ()) -> Bench:
    """The measurements with today's date, this machine and the versions of all packages."""
    packages = {package: importlib.metadata.version(package) for package in _installed()}
    return Bench(
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        machine=host(),
        versions={"Python": platform.python_version(), **packages},
        measurements=tuple(measurements),
        commands=tuple(commands),
    )


def _installed() -> list[str]:
    packages = sorted({counter.package for counter in COUNTERS.values()} | {"torchvision", "timm", "transformers"})
    return [package for package in packages if any(importlib.metadata.distributions(name=package))]


def measure(network: str, counter: str) -> Measurement:
    """Measure one counter on one network in a process of its own."""
    call = [sys.executable, "-m", "inception_lens.benchmarks.worker", network, counter, str(time.time())]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return Measurement(network=network, counter=counter, error=f"not finished after {TIMEOUT} s")
    line = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not line.startswith("{"):
        reason = (done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}")[:200]
        return Measurement(network=network, counter=counter, error=reason)
    found = msgspec.json.decode(line, type=Measurement)
    if counter == ANALYSIS and GRAPHS[network].name:
        command = [sys.executable, "-m", "inception_lens", "summary", GRAPHS[network].name]
        return msgspec.structs.replace(
            found, process_seconds=statistics.median(elapsed(command) for _ in range(COMMAND_REPEATS))
        )
    return found
