"""The counters that people use now, side by side: time, memory, and whether the count is right.

Every measurement is a process of its own, so that none warms another's caches or adds to its memory. Only ratios of one
run mean anything: machines differ, and so do the hours of one machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from inception_lens.benchmarks.counters import COUNTERS
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.errors import ConfigError, require, suggest

PATIENCE = 180
"""Seconds after which a measurement is given up."""

OURS = "Inception Lens"
STATIC = "Inception Lens, from its table"
"""The same network of the catalogue, without PyTorch."""

CATALOGUE = {
    "GoogLeNet": "googlenet@torchvision",
    "Inception v3": "inception_v3@torchvision",
    "Inception v4": "inception_v4@timm",
    "Inception-ResNet-v2": "inception_resnet_v2@timm",
    "ResNet-152": "resnet152",
}
"""Networks that are in the catalogue too."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One counter on one network."""

    network: str
    counter: str
    macs: int | None = None
    exact: bool | None = None
    """Whether the count is the network's own; None where it counts none."""
    first_seconds: float | None = None
    """Of the first call in a process."""
    seconds: float | None = None
    """Of a later call, the median."""
    process_seconds: float | None = None
    """Of the whole process, imports and the making of the network included."""
    peak_bytes: int | None = None
    device: str = "meta"
    error: str = ""


def measure(network: str, counter: str) -> Measurement:
    """Measure one counter on one network in a process of its own."""
    command = [sys.executable, "-m", "inception_lens.benchmarks.peers", network, counter]
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return Measurement(network=network, counter=counter, error=f"not done after {PATIENCE} s")
    elapsed = time.perf_counter() - start
    line = done.stdout.strip().rpartition("\n")[2]
    if done.returncode or not line.startswith("{"):
        told = (done.stderr.strip().rpartition("\n")[2] or f"ended with {done.returncode}")[:200]
        return Measurement(network=network, counter=counter, error=told)
    found = msgspec.json.decode(line, type=Measurement)
    return msgspec.structs.replace(found, process_seconds=elapsed)


def compared(networks: Iterable[str], counters: Iterable[str]) -> Iterator[Measurement]:
    """Measure every counter on every network, one after the other.

    Raises:
        ConfigError: there is no such network or counter.
    """
    networks, counters = list(networks), list(counters)
    for asked_for, known in ((networks, list(NETWORKS)), (counters, list(COUNTERS))):
        for name in asked_for:
            if name not in known:
                raise ConfigError(f"`{name}` is not measured{suggest(name, known)}")
    for network in networks:
        static = measure_static(network)
        if static is not None:
            yield static
        for counter in counters:
            yield measure(network, counter)


def measure_static(network: str) -> Measurement | None:
    """Measure the catalogue's own network of that name, without PyTorch; None where it has none."""
    name = CATALOGUE.get(network)
    if name is None:
        return None
    command = [sys.executable, "-m", "inception_lens.benchmarks.peers", network, STATIC]
    found = msgspec.json.decode(_printed(command), type=Measurement)
    summary = [sys.executable, "-m", "inception_lens", "summary", name]
    return msgspec.structs.replace(found, process_seconds=statistics.median(_elapsed(summary) for _ in range(3)))


def _printed(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout  # noqa: S603


def _elapsed(command: list[str]) -> float:
    start = time.perf_counter()
    _printed(command)
    return time.perf_counter() - start


def _static(network: str) -> Measurement:
    from inception_lens.analyses.analysis import analyze
    from inception_lens.architectures.catalogue import find

    config = find(CATALOGUE[network]).config

    def count() -> int:
        return analyze(config.graph()).totals.macs

    first, macs = _timed(count)
    return Measurement(
        network=network,
        counter=STATIC,
        macs=macs,
        exact=macs == NETWORKS[network].macs,
        first_seconds=first,
        seconds=statistics.median(_timed(count)[0] for _ in range(9)),
        peak_bytes=_peak_bytes(),
        device="none",
    )


def _here(name: str, counter: str) -> Measurement:
    """The measurement itself, in the process that was started for it."""
    torch = require("torch", extra="torch")
    network, tool = NETWORKS[name], COUNTERS[counter]
    device = "meta" if tool.on_meta else "cpu"
    if device == "cpu" and not network.weights:
        return Measurement(network=name, counter=counter, device=device, error="needs the weights for real")
    with torch.device("meta"):
        module = network.make().eval()
    if device == "cpu":
        module = module.to_empty(device="cpu")
    inputs = {key: _input(torch, key, shape, device) for key, shape in network.inputs.items()}
    first, macs = _timed(lambda: tool.asked(module, inputs))
    later = [_timed(lambda: tool.asked(module, inputs))[0] for _ in range(network.batches)]
    return Measurement(
        network=name,
        counter=counter,
        macs=macs,
        exact=None if macs is None else macs == network.macs,
        first_seconds=first,
        seconds=statistics.median(later),
        peak_bytes=_peak_bytes(),
        device=device,
    )


def _input(torch: Any, name: str, shape: Sequence[int], device: str) -> Any:
    return torch.zeros(shape, dtype=torch.int64 if name == "input_ids" else torch.float32, device=device)


def _timed(function: Callable[[], int | None]) -> tuple[float, int | None]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def _peak_bytes() -> int:
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:  # no Linux: there the peak may be that of the process that started this one
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fastest(measurements: Iterable[Measurement], network: str, *, exact: bool) -> Measurement | None:
    """The fastest of the others on a network, of those that count it exactly, or of all."""
    others = [
        each
        for each in measurements
        if each.network == network and each.counter not in (OURS, STATIC) and each.seconds and (each.exact or not exact)
    ]
    return min(others, key=lambda each: each.seconds or 0.0, default=None)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asked_for = _static(sys.argv[1]) if sys.argv[2] == STATIC else _here(sys.argv[1], sys.argv[2])
    print(msgspec.json.encode(asked_for).decode())
