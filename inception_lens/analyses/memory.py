"""Activation memory by liveness analysis: the bytes alive at each call, and the bytes kept for the backward pass.

A tensor lives from its producer to its last reader; an output of the network lives to the end. Views and in-place
operations allocate nothing: their output shares the storage of their first input. Kernel workspaces are not counted.
"""

from itertools import accumulate

import msgspec

from inception_lens.analyses.gradients import Gradient, is_differentiable, required_gradients
from inception_lens.graph import CallFacts, Graph, Node, output_name, tensor_names
from inception_lens.ops import Saved, Stored, TensorType

NEVER = -1
"""The step of the last read of a graph input that no call reads."""


PRODUCTS = frozenset({"conv", "linear", "attention"})
"""Categories of calls all of whose tensors automatic mixed precision casts to the dtype of the output."""


class Memory(msgspec.Struct, frozen=True):
    """Bytes, one entry per node of the graph, in its order."""

    activation_bytes: tuple[int | None, ...]
    """Bytes that the outputs of the call allocate; None where the shape of one is unknown."""
    live_bytes: tuple[int | None, ...]
    """Bytes of all tensors alive during the call, its inputs and outputs included; None where one is unknown."""
    saved_activation_bytes: tuple[int | None, ...]
    """Bytes that training keeps from this call on for the backward pass; a tensor that several calls keep counts at
    the first of them. None where unknown; empty in inference mode."""


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
    activations: list[int | None] = [*allocated]
    live: list[int | None] = [*_live(len(graph.inputs), allocated, sizes, last_read)]
    for storage, born in _unknown(graph, storage_of).items():
        activations[born] = None
        live[born : last_read[storage] + 1] = [None] * (last_read[storage] + 1 - born)
    return Memory(tuple(activations), tuple(live), _saved(graph, storage_of, sizes) if training else ())


def _unknown(graph: Graph, storage_of: dict[str, int]) -> dict[int, int]:
    """The storages of unknown size, which are counted as empty, with the steps that allocate them."""
    found: dict[int, int] = {}
    if all(tensor.is_known for facts in {*graph.facts} for tensor in facts.outputs):  # as nearly always
        return found
    for step, (node, facts) in enumerate(zip(graph.nodes, graph.facts, strict=True)):
        for i, tensor in enumerate(facts.outputs):
            if not tensor.is_known:
                found.setdefault(storage_of[output_name(node.name, i)], step)
    return found


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


def _saved(graph: Graph, storage_of: dict[str, int], sizes: list[int]) -> tuple[int | None, ...]:
    """Bytes that each call is the first to keep for the backward pass, by `Op.saved`; None where one is unknown."""
    kept: set[int | str] = set()
    is_mixed = any(node.dtype for node in graph.nodes)
    stored = {storage_of[node.name]: facts.outputs[0] for node, facts in _stored(graph)} if is_mixed else {}
    column: list[int | None] = []
    for node, facts, gradient in zip(graph.nodes, graph.facts, required_gradients(graph), strict=True):
        dtype = facts.outputs[0].dtype if is_mixed and facts.op.category in PRODUCTS else node.dtype
        inputs = facts.inputs if not dtype else tuple([_cast(given, dtype) for given in facts.inputs])
        saved = facts.op.saved(inputs, facts.outputs[0]) if gradient.output else Saved()
        known = all(tensor.is_known for tensor in (*facts.inputs, *facts.outputs))
        if saved is None or not (known or saved == Saved()):
            column.append(None)
            continue
        total = saved.extra_bytes
        tensors: dict[int | str, int] = {}  # what other calls may keep too: bytes by storage, or by the name of a copy
        if saved.output:
            tensors[storage_of[node.name]] = sizes[storage_of[node.name]]
        for i in kept_inputs(saved, gradient):
            storage, is_cast = storage_of[node.inputs[i]], inputs[i] != facts.inputs[i]
            if storage in stored and inputs[i].dtype != stored[storage].dtype:  # cast once for all calls and views
                tensors[f"cast of {storage}"] = TensorType(stored[storage].shape, inputs[i].dtype).bytes
            elif is_cast or (saved.is_copied and i == 0):
                total += inputs[i].bytes
            else:
                tensors[storage] = sizes[storage]
        if is_mixed and (saved.inputs is True or True in gradient.inputs):
            tensors |= _cast_weight(graph, node, facts)
        column.append(total + sum([size for tensor, size in tensors.items() if tensor not in kept]))
        kept.update(tensors)
    return tuple(column)


def _stored(graph: Graph) -> list[tuple[Node, CallFacts]]:
    return [row for row in zip(graph.nodes, graph.facts, strict=True) if isinstance(row[0].op, Stored)]


def _cast_weight(graph: Graph, node: Node, facts: CallFacts) -> dict[int | str, int]:
    """Bytes of the copy of a weight that automatic mixed precision casts, by the weight's name.

    The gradient of a product's input needs it; that of a norm's needs none.
    """
    weights, dtype = facts.parameters[:1], facts.outputs[0].dtype
    if not weights or facts.op.category not in PRODUCTS or dtype == graph.dtype:
        return {}
    return {tensor_names(node, facts.parameters)[0]: TensorType(weights[0].shape, dtype).bytes}


def kept_inputs(saved: Saved, gradient: Gradient) -> list[int]:
    """Positions of the inputs that a call keeps, in ascending order."""
    if saved.inputs is True or (saved.inputs_for_weights and gradient.weights):
        return [*range(len(gradient.inputs))]
    found = {kept for kept, needed in saved.inputs_for if gradient.inputs[needed]}
    return sorted(found.union(saved.inputs or ()))


def _cast(given: TensorType, dtype: str) -> TensorType:
    """The type of an input that automatic mixed precision casts to `dtype`."""
    return TensorType(given.shape, dtype) if is_differentiable(given.dtype) else given
