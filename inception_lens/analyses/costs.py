"""What each call costs: parameters, multiply-accumulates and FLOPs."""

from collections.abc import Sequence
from math import prod

import msgspec

from inception_lens.analyses.gradients import gradients
from inception_lens.graph import Graph, Node, tensor_names
from inception_lens.ops import Parameter, Shape


class Costs(msgspec.Struct, frozen=True):
    """One entry per node of the graph, in its order; None where nobody knows."""

    params: tuple[int, ...]
    """Learned numbers; a tensor that several calls share counts at the first."""
    params_trainable: tuple[int, ...]
    buffers: tuple[int, ...]
    """Numbers kept with the model but not learned: the running statistics of batch norms."""
    macs: tuple[int | None, ...]
    """Of the forward pass; bias not counted."""
    flops: tuple[int | None, ...]
    """Of the forward pass: two per MAC, and the rest by each operation's own rule."""
    backward_macs: tuple[int | None, ...]
    """Of the gradients by the weights and, where anything before the call learns, by the inputs; empty in inference."""


def costs(graph: Graph) -> Costs:
    """Fold the costs of every call of `graph`."""
    shared = bool(graph.frozen) or any(node.parameters for node in graph.nodes)
    # Columns from the start: a tuple per node would only be work for the garbage collector.
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
            else:  # nearly always: every tensor is its one reader's, and trained
                params = trainable = sum([prod(tensor.shape) for tensor in parameters])
                buffers = sum([prod(tensor.shape) for tensor in kept]) if kept else 0
        macs, arithmetic = op.macs(shapes, output), op.extra_flops(shapes, output)
        all_params.append(params)
        all_trainable.append(trainable)
        all_buffers.append(buffers)
        all_macs.append(macs)
        all_flops.append(None if macs is None or arithmetic is None else 2 * macs + arithmetic)
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
    """Parameters, trainable ones and buffers that no call in `seen` has read; they are added to it."""
    params = trainable = buffered = 0
    tensors = (*parameters, *buffers)
    for i, (name, tensor) in enumerate(zip(tensor_names(node, tensors), tensors, strict=True)):
        if name in seen:
            continue
        seen.add(name)
        if i >= len(parameters):
            buffered += tensor.elements
        else:
            params += tensor.elements
            trainable += 0 if name in graph.frozen else tensor.elements
    return params, trainable, buffered
