"""Activation memory by liveness: what the forward pass holds at once, and what training keeps for the backward pass.

A tensor lives from its producer to its last reader; an output of the network lives to the end. Views and operations in
place take no memory of their own. Workspaces of the kernels are not counted.
"""

import msgspec

from inception_lens.analyses.gradients import gradients
from inception_lens.graph import Graph, output_name

WEIGHTS = ""
"""The storage of what comes with the model, which is no activation."""


class Memory(msgspec.Struct, frozen=True):
    """Bytes, one entry per node of the graph, in its order."""

    activation_bytes: tuple[int, ...]
    """What the call's outputs take anew."""
    live_bytes: tuple[int, ...]
    """What all tensors alive during the call take, its inputs and outputs among them."""
    saved_bytes: tuple[int, ...]
    """What training keeps from the call on for the backward pass; a tensor that several calls keep counts at the first.
    Empty in inference mode."""


def memory(graph: Graph) -> Memory:
    """Follow every tensor of `graph` from its producer to its last reader."""
    training = graph.mode == "training"
    storage_of = {given.name: given.name for given in graph.inputs}
    size = {given.name: given.type.bytes for given in graph.inputs}
    size[WEIGHTS] = 0
    born = dict.fromkeys(storage_of, 0)
    last_read: dict[str, int] = {}
    types = graph.types
    allocated = []
    for step, node in enumerate(graph.nodes):
        name, inputs = node.name, node.inputs
        for read in inputs:
            last_read[storage_of[read]] = step
        if node.op.reuses_input(training):
            # What reads no input and makes nothing new lies with the weights.
            storage = storage_of[inputs[0]] if inputs else WEIGHTS
            for i in range(len(types[name])):
                storage_of[output_name(name, i)] = storage
            allocated.append(0)
        else:
            taken, outputs = 0, types[name]
            for i, tensor in enumerate(outputs):
                output = output_name(name, i) if i else name
                storage_of[output] = output
                size[output] = tensor.bytes
                born[output] = last_read[output] = step
                taken += size[output]
            allocated.append(taken)
    for given in graph.outputs:
        last_read[storage_of[given.node]] = len(graph.nodes) - 1
    live = _live(len(graph.nodes), size, born, last_read)
    return Memory(tuple(allocated), live, _saved(graph, storage_of, size) if training else ())


def _live(steps: int, size: dict[str, int], born: dict[str, int], last_read: dict[str, int]) -> tuple[int, ...]:
    change = [0] * (steps + 1)
    for storage, first in born.items():
        if storage in last_read:
            change[first] += size[storage]
            change[last_read[storage] + 1] -= size[storage]
    live, now = [], 0
    for step in range(steps):
        now += change[step]
        live.append(now)
    return tuple(live)


def _saved(graph: Graph, storage_of: dict[str, str], size: dict[str, int]) -> tuple[int, ...]:
    kept: set[str] = set()
    column = []
    for node, gradient in zip(graph.nodes, gradients(graph), strict=True):
        total = 0
        if gradient.output:
            saved = node.op.saved(graph.input_types(node), graph.types[node.name][0])
            reads_inputs = saved.inputs or (saved.inputs_for_weights and gradient.weights)
            total = saved.extra_bytes
            for name in (*(node.inputs if reads_inputs else ()), *((node.name,) if saved.output else ())):
                storage = storage_of[name]
                if storage not in kept:
                    kept.add(storage)
                    total += size[storage]
        column.append(total)
    return tuple(column)
