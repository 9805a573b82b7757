"""What each call costs: parameters, multiply-accumulates and FLOPs."""

from math import prod

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import Shape


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
    training = graph.mode == "training"
    rows: list[tuple[int, int, int, int | None, int | None]] = []
    backward: list[int | None] = []
    seen: set[str] = set()
    needs_gradient = dict.fromkeys((given.name for given in graph.inputs), False)
    types = graph.types
    for node in graph.nodes:
        op, inputs = node.op, node.inputs
        if len(inputs) == 1:
            shapes: tuple[Shape, ...] = (types[inputs[0]][0].shape,)
        else:
            shapes = tuple([types[name][0].shape for name in inputs])
        output = types[node.name][0].shape
        params = trainable = buffers = 0
        learns = False
        if op.has_weights:
            params, trainable, buffers, learns = _tensors(graph, node, shapes, seen)
        macs, arithmetic = op.macs(shapes, output), op.arithmetic(shapes, output)
        flops = None if macs is None or arithmetic is None else 2 * macs + arithmetic
        rows.append((params, trainable, buffers, macs, flops))
        if training:
            inputs_need = tuple([needs_gradient[name] for name in inputs])
            backward.append(op.backward_macs(macs, inputs_need, learns) if macs else macs)
            needs_gradient[node.name] = learns or True in inputs_need
    params_, trainable_, buffers_, macs_, flops_ = zip(*rows, strict=True) if rows else ((),) * 5
    return Costs(params_, trainable_, buffers_, macs_, flops_, tuple(backward))


def _tensors(graph: Graph, node: Node, shapes: tuple[Shape, ...], seen: set[str]) -> tuple[int, int, int, bool]:
    """Parameters, trainable ones and buffers that no call in `seen` has read, and whether this one learns any.

    The tensors are added to `seen`.
    """
    parameters, buffers = node.op.parameters(*shapes), node.op.buffers(*shapes)
    if not node.parameters and not graph.frozen:  # nearly always: nothing is shared, so no names are needed
        own = sum([prod(tensor.shape) for tensor in parameters])
        return own, own, sum([prod(tensor.shape) for tensor in buffers]) if buffers else 0, own > 0
    names = node.parameters or [f"{node.name}.{tensor.role}" for tensor in (*parameters, *buffers)]
    params = trainable = buffered = 0
    for name, tensor in zip(names, (*parameters, *buffers), strict=True):
        if name in seen:
            continue
        seen.add(name)
        if tensor in buffers:
            buffered += tensor.elements
        else:
            params += tensor.elements
            trainable += 0 if name in graph.frozen else tensor.elements
    return params, trainable, buffered, any(name not in graph.frozen for name in names[: len(parameters)])
