"""A lower bound on the time of each call on a named machine (S. Williams et al., "Roofline", CACM 52(4), 2009).

The bound of a call is the larger of two times: its FLOPs at the machine's peak, and its memory traffic at the machine's
bandwidth. A call reads its inputs and weights once and writes its outputs once, in the machine's dtype. Calls run
sequentially, nothing is fused or cached, and views take no time. Real kernels are slower; the bound shows whether a
network is limited by arithmetic or by memory.
"""

import msgspec

from inception_lens.analyses.costs import Costs
from inception_lens.analyses.machines import Machine
from inception_lens.graph import Graph, Node
from inception_lens.ops import BYTES_PER_ELEMENT, TensorType


class Roofline(msgspec.Struct, frozen=True):
    """One entry per node of the graph, in its order."""

    machine: Machine
    """The machine and dtype of the times."""
    bytes: tuple[int, ...]
    """Bytes that the call reads and writes."""
    seconds: tuple[float | None, ...]
    """The lower bound; None where the FLOPs are unknown."""


def roofline(graph: Graph, costs: Costs, machine: Machine) -> Roofline:
    """Compute the lower bound for each call of the forward pass."""
    moved, seconds = [], []
    size, peak, memory = BYTES_PER_ELEMENT[machine.dtype], machine.flops_per_second, machine.bytes_per_second
    for node, flops in zip(graph.nodes, costs.flops, strict=True):
        view = flops == 0 and node.op.reuses_input(False)
        traffic = 0 if view else _traffic(graph, node, size)
        moved.append(traffic)
        seconds.append(None if flops is None else max(flops / peak, traffic / memory))
    return Roofline(machine, tuple(moved), tuple(seconds))


def _traffic(graph: Graph, node: Node, size: int) -> int:
    types = graph.types
    total = sum([_bytes(tensor, size) for tensor in types[node.name]])
    for name in node.inputs if len(node.inputs) < 2 else dict.fromkeys(node.inputs):
        total += _bytes(types[name][0], size)
    if node.op.category == "embedding":  # it reads the selected rows, not the whole table
        return total + _bytes(types[node.name][0], size)
    if node.op.has_weights:
        shapes = graph.input_shapes(node)
        total += size * sum([each.elements for each in (*node.op.parameters(*shapes), *node.op.buffers(*shapes))])
    return total


def _bytes(tensor: TensorType, size: int) -> int:
    return tensor.elements * (size if "float" in tensor.dtype else BYTES_PER_ELEMENT[tensor.dtype])
