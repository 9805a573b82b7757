"""How many images a second a machine could train at most, by its roofline.

Compute: two FLOPs per MAC of forward and backward, at the machine's peak. Memory, unfused: every call reads its inputs
and weights and writes its output once, and the backward pass moves twice as much as the forward one. Memory, fused:
the same for convolutions, linear layers and pools alone, as if all else were done on the way.
"""

import time
from typing import NamedTuple

import torch

from inception_lens.analyses.costs import costs
from inception_lens.analyses.machines import MACHINES, Machine, machine
from inception_lens.analyses.roofline import roofline
from inception_lens.graph import Graph

BATCH = 64
"""Images at once, over which the reading of the weights is spread."""


class Bounds(NamedTuple):
    """Images a second that a machine allows at most in training."""

    machine: Machine
    compute: float
    memory: float
    memory_fused: float


def bounds(training: Graph, on: Machine) -> Bounds:
    """The bounds of a training graph; layers whose cost nobody knows are left out, so that they only fall."""
    graph = training.with_batch(BATCH)
    counted = costs(graph)
    traffic = roofline(graph, counted, on).bytes
    macs = sum(filter(None, counted.macs)) + sum(filter(None, counted.backward_macs))
    kept = [moved for node, moved in zip(graph.nodes, traffic, strict=True) if node.role in ("work", "source")]
    memory, fused = (BATCH * on.bytes_per_second / max(3 * sum(moved), 1) for moved in (traffic, kept))
    return Bounds(on, BATCH * on.flops_per_second / max(2 * macs, 1), memory, fused)


def machine_of(device: torch.device, bfloat16: bool) -> Machine | None:
    """The machine behind a device: a GPU by its name, a CPU as measured; None for a GPU that the table lacks."""
    if device.type != "cuda":
        return measured()
    name = torch.cuda.get_device_name(device).lower()
    key = next((key for key in MACHINES if key in name), None)
    return None if key is None else machine(f"{key}:{'bfloat16' if bfloat16 else 'float32'}")


def measured() -> Machine:
    """The CPU: the best of a few products of matrices, and of a few copies of 64 MiB."""
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    source = torch.rand(1 << 24)
    target = torch.empty_like(source)
    multiply = _least(lambda: torch.mm(a, b))
    copy = _least(lambda: target.copy_(source))
    threads = torch.get_num_threads()
    return Machine(
        f"this CPU ({threads} threads)", "float32", 2 * 1024**3 / multiply, 2 * 4 * (1 << 24) / copy, "measured here"
    )


def _least(function: object) -> float:
    assert callable(function)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)
