"""A lower bound on the time of each call on a named machine (S. Williams et al., "Roofline", CACM 52(4), 2009).

The bound of a call is the larger of two times: its FLOPs at the machine's peak, and its memory traffic at the machine's
bandwidth. A call reads its inputs and weights once and writes its outputs once, in the machine's dtype. Calls run
sequentially, nothing is fused or cached, and views take no time. Real kernels are slower; the bound shows whether a
network is limited by arithmetic or by memory.
"""

import msgspec

from inception_lens.analyses.costs import Costs
from inception_lens.analyses.machines import Machine
from inception_lens.graph import CallFacts, Graph
from inception_lens.ops import BYTES_PER_ELEMENT, TensorType


class Roofline(msgspec.Struct, frozen=True):
    """One entry per node of the graph, in its order."""

    machine: Machine
    """The machine and dtype of the times."""
    bytes: tuple[int, ...]
    """Bytes that the call reads and writes, as far as its shapes are known."""
    seconds: tuple[float | None, ...]
    """The lower bound; None where the FLOPs or the shapes are unknown."""


def roofline(graph: Graph, costs: Costs, machine: Machine) -> Roofline:
    """Compute the lower bound for each call of the forward pass."""
    moved, seconds = [], []
    size, peak, memory = BYTES_PER_ELEMENT[machine.dtype], machine.flops_per_second, machine.bytes_per_second
    known: dict[CallFacts, tuple[int, float | None]] = {}
    for node, facts, flops in zip(graph.nodes, graph.facts, costs.flops, strict=True):
        inputs = node.inputs
        repeated = len(inputs) > 1 and len(set(inputs)) < len(inputs)  # a tensor that is read twice moves once
        bound = None if repeated else known.get(facts)
        if bound is None:
            view = flops == 0 and facts.reuses_input[False]
            traffic = 0 if view else _traffic(facts, inputs, size)
            sized = view or all(tensor.is_known for tensor in (*facts.inputs, *facts.outputs))
            bound = traffic, None if flops is None or not sized else max(flops / peak, traffic / memory)
            if not repeated:
                known[facts] = bound
        moved.append(bound[0])
        seconds.append(bound[1])
    return Roofline(machine, tuple(moved), tuple(seconds))


def _traffic(facts: CallFacts, inputs: tuple[str, ...], size: int) -> int:
    total = sum([_bytes(tensor, size) for tensor in facts.outputs])
    total += sum([_bytes(tensor, size) for tensor in dict(zip(inputs, facts.inputs, strict=True)).values()])
    if facts.op.category == "embedding":  # it reads the selected rows, not the whole table
        return total + _bytes(facts.outputs[0], size)
    return total + size * (facts.parameter_elements + facts.buffer_elements)


def _bytes(tensor: TensorType, size: int) -> int:
    return tensor.elements * (size if "float" in tensor.dtype else BYTES_PER_ELEMENT[tensor.dtype])
