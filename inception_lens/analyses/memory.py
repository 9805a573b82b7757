"""Activation memory by liveness analysis: the bytes alive at each call, and the bytes kept for the backward pass.

A tensor lives from its producer to its last reader; an output of the network lives to the end. Views and in-place
operations allocate nothing: their output shares the storage of their first input. Kernel workspaces are not counted.
"""

from itertools import accumulate

import msgspec

from inception_lens.analyses.gradients import gradients
from inception_lens.graph import Graph, output_name

NEVER = -1
"""The step of the last read of a graph input that no call reads."""


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
    # Tensors that share memory (views, in-place results) are one storage. Storages are numbered: `storage_of` maps the
    # name of each tensor to the number of its storage, and size and last read are lists over those numbers.
    training = graph.mode == "training"
    storage_of = {given.name: number for number, given in enumerate(graph.inputs)}
    sizes = [given.type.bytes for given in graph.inputs]
    last_read = [NEVER] * len(sizes)
    allocated: list[int] = []
    for step, (node, facts) in enumerate(zip(graph.nodes, graph.facts, strict=True)):
        name, inputs = node.name, node.inputs
        for read in inputs:
            last_read[storage_of[read]] = step
        if facts.reuses_input[training]:
            # An operation without inputs that allocates nothing returns a tensor of the model: an empty storage.
            storage = storage_of[inputs[0]] if inputs else len(sizes)
            if not inputs:
                sizes.append(0)
                last_read.append(step)
            storage_of[name] = storage
            for i in range(1, len(facts.outputs)):
                storage_of[output_name(name, i)] = storage
            allocated.append(0)
            continue
        storage_of[name] = len(sizes)
        allocated.append(facts.output_bytes)
        if len(facts.outputs) == 1:
            sizes.append(facts.output_bytes)
            last_read.append(step)
        else:
            for i, tensor in enumerate(facts.outputs):
                storage_of[output_name(name, i)] = len(sizes)
                sizes.append(tensor.bytes)
                last_read.append(step)
    for given in graph.outputs:
        last_read[storage_of[given.node]] = len(graph.nodes) - 1
    live = _live(len(graph.inputs), allocated, sizes, last_read)
    return Memory(tuple(allocated), live, _saved(graph, storage_of, sizes) if training else ())


def _live(inputs: int, allocated: list[int], sizes: list[int], last_read: list[int]) -> tuple[int, ...]:
    """Bytes alive at each step: a running sum over the sizes that are born and the sizes that die at it.

    The first storages are those of the inputs; one that is never read is not counted.
    """
    change = [*allocated, 0]
    for storage in range(inputs):
        if last_read[storage] != NEVER:
            change[0] += sizes[storage]
    for size, last in zip(sizes, last_read, strict=True):
        if last != NEVER:
            change[last + 1] -= size
    return tuple(accumulate(change[:-1]))


def _saved(graph: Graph, storage_of: dict[str, int], sizes: list[int]) -> tuple[int, ...]:
    """Bytes that each call is the first to keep for the backward pass, by `Op.saved`."""
    kept: set[int] = set()
    column = []
    for node, facts, gradient in zip(graph.nodes, graph.facts, gradients(graph), strict=True):
        total = 0
        if gradient.output:
            saved = facts.op.saved(facts.inputs, facts.outputs[0])
            reads_inputs = saved.inputs or (saved.inputs_for_weights and gradient.weights)
            total = saved.extra_bytes
            for name in (*(node.inputs if reads_inputs else ()), *((node.name,) if saved.output else ())):
                storage = storage_of[name]
                if storage not in kept:
                    kept.add(storage)
                    total += sizes[storage]
        column.append(total)
    return tuple(column)
