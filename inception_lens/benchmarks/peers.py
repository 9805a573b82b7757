"""The counters that people use now, side by side: time, memory, and whether the count is right."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

import msgspec

from inception_lens.analyses.machines import host
from inception_lens.benchmarks.counters import COUNTERS
from inception_lens.benchmarks.graphs import GRAPHS, LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import Bench, Measurement
from inception_lens.benchmarks.works import ANALYSIS, WORKS
from inception_lens.errors import ConfigError, suggest

PATIENCE = 240
"""Seconds after which a measurement is given up."""
COMMANDS = 5
"""Whole commands that are timed for one median."""
CHAINS = tuple(map(chain_name, LENGTHS))


def compared(networks: Iterable[str], counters: Iterable[str]) -> Iterator[Measurement]:
    """Measure every counter on every network, one after the other; what fails on a chain is not tried on a longer one.

    Raises:
        ConfigError: there is no such network or counter.
    """
    networks, counters = list(networks), list(counters)
    for asked_for, known in ((networks, list(NETWORKS)), (counters, list(COUNTERS))):
        for name in asked_for:
            if name not in known:
                raise ConfigError(f"`{name}` is not measured{suggest(name, known)}")
    failed: dict[str, str] = {}
    for network in networks:
        for counter in (*(WORKS if network in GRAPHS else ()), *counters):
            if network in CHAINS and counter in failed:
                yield Measurement(network=network, counter=counter, error=f"not tried, after {failed[counter]}")
                continue
            found = measure(network, counter)
            if network in CHAINS and found.error:
                failed[counter] = network
            yield found


def run(measurements: Iterable[Measurement]) -> Bench:
    """The measurements as a run of this machine, now."""
    packages = {package: importlib.metadata.version(package) for package in _installed()}
    return Bench(
        date=f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}",
        machine=host(),
        versions={"Python": platform.python_version(), **packages},
        measurements=tuple(measurements),
    )


def _installed() -> list[str]:
    packages = sorted({counter.module for counter in COUNTERS.values()} | {"torchvision", "timm", "transformers"})
    return [package for package in packages if any(importlib.metadata.distributions(name=package))]


def measure(network: str, counter: str) -> Measurement:
    """Measure one counter on one network in a process of its own."""
    call = [sys.executable, "-m", "inception_lens.benchmarks.alone", network, counter, str(time.time())]
    try:
        done = subprocess.run(call, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return Measurement(network=network, counter=counter, error=f"not done after {PATIENCE} s")
    line = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not line.startswith("{"):
        told = (done.stderr.strip().rpartition("\n")[2] or f"ended with {done.returncode}")[:200]
        return Measurement(network=network, counter=counter, error=told)
    found = msgspec.json.decode(line, type=Measurement)
    if counter == ANALYSIS and GRAPHS[network].name:
        command = [sys.executable, "-m", "inception_lens", "summary", GRAPHS[network].name]
        return msgspec.structs.replace(
            found, process_seconds=statistics.median(elapsed(command) for _ in range(COMMANDS))
        )
    return found


def elapsed(command: list[str]) -> float:
    """Seconds of a whole command that ends well."""
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603
    return time.perf_counter() - start
