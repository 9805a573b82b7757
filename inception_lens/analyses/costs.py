"""Costs of each call: parameters, multiply-accumulates and FLOPs."""

from collections.abc import Sequence
from math import prod

import msgspec

from inception_lens.analyses.gradients import gradients
from inception_lens.graph import Graph, Node, tensor_names
from inception_lens.ops import Parameter, Shape


class Costs(msgspec.Struct, frozen=True):
    """One entry per node of the graph, in its order; None is unknown."""

    params: tuple[int, ...]
    """Learned elements; a tensor that several calls share counts at the first."""
    params_trainable: tuple[int, ...]
    """The elements among them that training changes."""
    buffers: tuple[int, ...]
    """Elements kept with the model but not learned, such as the running statistics of batch norms."""
    macs: tuple[int | None, ...]
    """Multiply-accumulates of the forward pass; bias not counted."""
    flops: tuple[int | None, ...]
    """FLOPs of the forward pass: two per MAC, plus each operation's `extra_flops`."""
    backward_macs: tuple[int | None, ...]
    """Multiply-accumulates of the gradients with respect to the weights and, where an earlier call learns, to the
    inputs; empty in inference mode."""


def costs(graph: Graph) -> Costs:
    """Count parameters, MACs and FLOPs of every call of `graph`."""
    shared = bool(graph.frozen) or any(node.parameters for node in graph.nodes)
    # One list per column: a tuple per node would give the garbage collector a tracked object per node.
    all_params: list[int] = []
    all_trainable: list[int] = []
    all_buffers: list[int] = []
    all_macs: list[int | None] = []
    all_flops: list[int | None] = []
    seen: set[str] = set()
    types = graph.types
    for node in graph.nodes:
        op, inputs = node.op, node.inputs
        if len(inputs) == 1:
            shapes: tuple[Shape, ...] = (types[inputs[0]][0].shape,)
        else:
            shapes = tuple([types[name][0].shape for name in inputs])
        output = types[node.name][0].shape
        params = trainable = buffers = 0
        if op.has_weights:
            parameters, kept = op.parameters(*shapes), op.buffers(*shapes)
            if shared:
                params, trainable, buffers = _first_read(graph, node, parameters, kept, seen)
            else:  # the common case: no tensor is shared or frozen
                params = trainable = sum([prod(tensor.shape) for tensor in parameters])
                buffers = sum([prod(tensor.shape) for tensor in kept]) if kept else 0
        macs, extra = op.macs(shapes, output), op.extra_flops(shapes, output)
        all_params.append(params)
        all_trainable.append(trainable)
        all_buffers.append(buffers)
        all_macs.append(macs)
        all_flops.append(None if macs is None or extra is None else 2 * macs + extra)
    return Costs(
        tuple(all_params),
        tuple(all_trainable),
        tuple(all_buffers),
        tuple(all_macs),
        tuple(all_flops),
        _backward(graph, all_macs),
    )


def _backward(graph: Graph, macs: Sequence[int | None]) -> tuple[int | None, ...]:
    if graph.mode == "inference":
        return ()
    return tuple(
        [
            node.op.backward_macs(forward, gradient.inputs, gradient.weights) if forward else forward
            for node, gradient, forward in zip(graph.nodes, gradients(graph), macs, strict=True)
        ]
    )


def _first_read(
    graph: Graph, node: Node, parameters: tuple[Parameter, ...], buffers: tuple[Parameter, ...], seen: set[str]
) -> tuple[int, int, int]:
    """Count parameters, trainable parameters and buffers whose names are not in `seen`, and add them to it."""
    params = trainable = buffered = 0
    tensors = (*parameters, *buffers)
    for i, (name, tensor) in enumerate(zip(tensor_names(node, tensors), tensors, strict=True)):
        if name in seen:
            continue
        seen.add(name)
        if i >= len(parameters) or name in graph.kept:
            buffered += tensor.elements
        else:
            params += tensor.elements
            trainable += 0 if name in graph.frozen else tensor.elements
    return params, trainable, buffered
