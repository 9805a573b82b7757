"""Upper bounds of a machine's training speed, in images per second, from its roofline."""

import re
import time
from collections.abc import Callable
from typing import NamedTuple

import torch

from inception_lens.analyses.costs import costs
from inception_lens.analyses.machines import MACHINES, Machine, machine
from inception_lens.analyses.roofline import roofline
from inception_lens.graph import Graph

BATCH = 64
"""Images per batch; the weights are read once for all of them."""
PRODUCTS = {
    "h200": "h200",
    "h100 80gb hbm3": "h100",
    "a100 sxm 80gb": "a100",
    "a100 sxm4 80gb": "a100",
    "l4": "l4",
    "v100 sxm2 16gb": "v100",
    "v100 sxm2 32gb": "v100",
    "t4": "t4",
    "k40c": "k40",
    "k40m": "k40",
}
"""Keys of `MACHINES` by the driver's name of the device, in lower case and without its maker.

The full name has to match: an H100 PCIe or a part of a GPU (MIG) is slower than the H100 SXM of the table.
"""


class Bounds(NamedTuple):
    """The most images per second that a machine can train."""

    machine: Machine
    compute: float
    """At the peak arithmetic: two FLOPs per MAC of the forward and the backward pass."""
    memory: float
    """If every operation reads its inputs and weights and writes its output once, and the backward pass moves twice as
    many bytes as the forward pass."""
    memory_fused: float
    """The same, of convolutions, linear layers, pools and constants only: all other operations are fused into them."""


def bounds(training: Graph, hardware: Machine) -> Bounds:
    """The bounds of a training graph. A layer of unknown cost counts as 0, which can only raise a bound."""
    graph = training.with_batch(BATCH)
    counted = costs(graph)
    traffic = roofline(graph, counted, hardware).bytes
    macs = sum(filter(None, counted.macs)) + sum(filter(None, counted.backward_macs))
    unfused = [moved for node, moved in zip(graph.nodes, traffic, strict=True) if node.role in ("work", "source")]
    memory, fused = (BATCH * hardware.bytes_per_second / max(3 * sum(moved), 1) for moved in (traffic, unfused))
    return Bounds(hardware, BATCH * hardware.flops_per_second / max(2 * macs, 1), memory, fused)


def machine_of(device: torch.device, bfloat16: bool) -> Machine | None:
    """The machine that a device is part of: a CPU is measured, a GPU is looked up by name; None if it is unknown."""
    if device.type != "cuda":
        return measured_cpu()
    return gpu(torch.cuda.get_device_name(device), "bfloat16" if bfloat16 else "float32")


def gpu(name: str, dtype: str) -> Machine | None:
    """A GPU by the name that its driver reports; None if the table has no such product, or no peak in the dtype."""
    words = [word for word in re.findall(r"[a-z0-9.]+", name.lower()) if word not in ("nvidia", "tesla")]
    key = PRODUCTS.get(" ".join(words))
    return machine(f"{key}:{dtype}") if key is not None and dtype in MACHINES[key].peaks else None


def measured_cpu() -> Machine:
    """The CPU that runs this code, from the fastest of a few matrix products and of a few copies of 64 MiB."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    source = torch.rand(1 << 24)
    target = torch.empty_like(source)
    multiply = _fastest(lambda: torch.mm(a, b))
    copy = _fastest(lambda: target.copy_(source))
    threads = torch.get_num_threads()
    return Machine(
        f"this CPU ({threads} threads)", "float32", 2 * 1024**3 / multiply, 2 * 4 * (1 << 24) / copy, "measured here"
    )


def _fastest(function: Callable[[], object]) -> float:
    """The shortest of five times of a call, in seconds."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
