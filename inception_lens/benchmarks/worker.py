"""One measurement, in a process that `peers` starts for it."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from inception_lens.benchmarks.counters import COUNTERS, Counter
from inception_lens.benchmarks.graphs import GRAPHS, LENGTHS, chain_name
from inception_lens.benchmarks.networks import NETWORKS
from inception_lens.benchmarks.record import LENS, Measurement
from inception_lens.benchmarks.tasks import ANALYSIS, TASKS
from inception_lens.errors import require

if TYPE_CHECKING:
    from torch import Tensor

CHAINS = [chain_name(length) for length in LENGTHS if length >= 1_000]
"""Networks whose memory per node is measured: on short ones it is that of what every graph has."""
SHORT, LONG = 1.0, 20.0
"""Seconds of a first call: below SHORT the median is of nine calls, below LONG of three, above of the first alone."""


def measure_here(network: str, counter: str, started: float) -> Measurement:
    """Measure a counter or a task of Inception Lens; `started` is the `time.time()` at which the process started."""
    if counter in TASKS:
        return _timed(network, counter, lambda: TASKS[counter](GRAPHS[network]), started)
    torch = require("torch", extra="torch")
    benchmark, tool = NETWORKS[network], COUNTERS[counter]
    device = "meta" if tool.on_meta else "cpu"
    if device == "cpu" and not benchmark.weights:
        return Measurement(network=network, counter=counter, device=device, error="needs real weights")
    with torch.device("meta"):
        module = benchmark.make().eval()
    _warm_up(tool, device)
    if device == "cpu":
        module = module.to_empty(device="cpu")
    inputs = {key: _zeros(key, shape, device) for key, shape in benchmark.inputs.items()}
    return _timed(network, counter, lambda: tool.count_macs(module, inputs), started, device)


def _warm_up(tool: Counter, device: str) -> None:
    """Count a small module, so that the first call on the network measures no imports, and forget its operators."""
    from torch import nn

    from inception_lens.pytorch.trace import call_record

    with contextlib.suppress(Exception):  # what fails here fails on the network, and is reported there
        small = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).to(device).eval()
        tool.count_macs(small, {"x": _zeros("x", (1, 3, 8, 8), device)})
    call_record.clear()


def _zeros(name: str, shape: Sequence[int], device: str) -> Tensor:
    import torch

    return torch.zeros(shape, dtype=torch.int64 if name.endswith("input_ids") else torch.float32, device=device)


def _timed(
    network: str, counter: str, count: Callable[[], int | None], started: float, device: str = ""
) -> Measurement:
    first, macs = _call(count)
    process = time.time() - started
    repeats = 9 if first < SHORT else 3 if first < LONG else 0
    later = [_call(count)[0] for _ in range(repeats)] or [first]
    peak = _peak_bytes()
    return Measurement(
        network=network,
        counter=counter,
        macs=macs,
        exact=None if macs is None else macs == NETWORKS[network].macs,
        first_seconds=first,
        seconds=statistics.median(later),
        process_seconds=process,
        peak_bytes=peak,
        bytes_per_node=_bytes_per_node(network, counter, count),
        device=device,
    )


def _bytes_per_node(network: str, counter: str, count: Callable[[], int | None]) -> float | None:
    """Peak allocations of building or tracing a long chain, per node of its graph; None for others."""
    if network not in CHAINS or counter not in (ANALYSIS, LENS):
        return None
    build = GRAPHS[network].graph
    nodes = len(build().nodes)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    graph = build() if counter == ANALYSIS else count()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del graph  # it was alive at the peak
    return (peak - before) / nodes


def _call(count: Callable[[], int | None]) -> tuple[float, int | None]:
    start = time.perf_counter()
    macs = count()
    return time.perf_counter() - start, macs


def _peak_bytes() -> int:
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    except OSError:  # not on Linux; elsewhere the peak may include that of the parent process
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(msgspec.json.encode(measure_here(sys.argv[1], sys.argv[2], float(sys.argv[3]))).decode())
