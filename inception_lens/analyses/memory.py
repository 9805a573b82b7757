"""Activation memory by liveness analysis: the bytes alive at each call, and the bytes kept for the backward pass.

A tensor lives from its producer to its last reader; an output of the network lives to the end. Views and in-place
operations allocate nothing: their output shares the storage of their first input. Kernel workspaces are not counted.
"""

import msgspec

from inception_lens.analyses.gradients import gradients
from inception_lens.graph import Graph, output_name

WEIGHTS = ""
"""Name of the storage of tensors that come with the model; it counts as weights, not as activations."""


class Memory(msgspec.Struct, frozen=True):
    """Bytes, one entry per node of the graph, in its order."""

    activation_bytes: tuple[int, ...]
    """Bytes that the outputs of the call allocate."""
    live_bytes: tuple[int, ...]
    """Bytes of all tensors alive during the call, its inputs and outputs included."""
    saved_activation_bytes: tuple[int, ...]
    """Bytes that training keeps from this call on for the backward pass; a tensor that several calls keep counts at
    the first of them. Empty in inference mode."""


def memory(graph: Graph) -> Memory:
    """Follow every tensor of `graph` from its producer to its last reader."""
    # Tensors that share memory (views, in-place results) are one storage: `storage_of` maps each name to the name of
    # the tensor that allocated it, and size, birth and last read are kept per storage.
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
            # An operation without inputs that allocates nothing returns a tensor of the model.
            storage = storage_of[inputs[0]] if inputs else WEIGHTS
            for i in range(len(types[name])):
                storage_of[output_name(name, i)] = storage
            allocated.append(0)
        else:
            allocation, outputs = 0, types[name]
            for i, tensor in enumerate(outputs):
                output = output_name(name, i) if i else name
                storage_of[output] = output
                size[output] = tensor.bytes
                born[output] = last_read[output] = step
                allocation += size[output]
            allocated.append(allocation)
    for given in graph.outputs:
        last_read[storage_of[given.node]] = len(graph.nodes) - 1
    live = _live(len(graph.nodes), size, born, last_read)
    return Memory(tuple(allocated), live, _saved(graph, storage_of, size) if training else ())


def _live(steps: int, size: dict[str, int], born: dict[str, int], last_read: dict[str, int]) -> tuple[int, ...]:
    """Bytes alive at each step: a running sum over the sizes that are born and the sizes that die at it."""
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
    """Bytes that each call is the first to keep for the backward pass, by `Op.saved`."""
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
