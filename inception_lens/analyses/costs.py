"""Costs of each call: parameters, multiply-accumulates and FLOPs."""

from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from inception_lens.analyses.gradients import computed_gradients
from inception_lens.graph import CallFacts, Graph, Node, tensor_names


class Costs(msgspec.Struct, frozen=True):
    """One entry per node of the graph, in its order; None is unknown."""

    params: tuple[int, ...]
    """Learned elements; a tensor that several calls share counts at the first."""
    params_trainable: tuple[int, ...]
    """The elements among them that training changes."""
    buffers: tuple[int, ...]
    """Elements kept with the model but not learned, such as the running statistics of batch norms."""
    params_exact: tuple[bool, ...]
    """Whether the parameters of a call are known; where they are not, `params` is a lower bound."""
    macs: tuple[int | None, ...]
    """Multiply-accumulates of the forward pass; bias not counted."""
    flops: tuple[int | None, ...]
    """FLOPs of the forward pass: two per MAC, plus each operation's `extra_flops`."""
    backward_macs: tuple[int | None, ...]
    """Multiply-accumulates of the gradients with respect to the weights and, where an earlier call learns, to the
    inputs; empty in inference mode."""


class CostSums(msgspec.Struct, frozen=True):
    """Sums over all nodes of a graph; unknown costs are left out."""

    params: int
    """Learned elements; a tensor that several calls share counts once."""
    params_trainable: int
    """The elements among them that training changes."""
    buffers: int
    """Elements that are kept but not learned."""
    macs: int
    """Multiply-accumulates of the forward pass."""
    flops: int
    """FLOPs of the forward pass."""
    exact: bool
    """Whether the FLOPs of every call are known."""
    macs_exact: bool
    """Whether the MACs of every call are known."""
    params_exact: bool
    """Whether the parameters of every call are known."""


def costs(graph: Graph) -> Costs:
    """Count parameters, MACs and FLOPs of every call of `graph`."""
    facts = graph.facts
    macs = tuple([each.macs for each in facts])
    known = tuple([each.params_known for each in facts])
    flops = tuple([each.flops for each in facts])
    return Costs(*_tensor_elements(graph), known, macs, flops, _backward(graph, macs))


def nonzero_params(graph: Graph) -> tuple[int, ...]:
    """Of each call, the elements of its parameters that are not zero; empty if the model is not pruned."""
    if not graph.nonzero:
        return ()
    seen: set[str] = set()
    column = []
    for node, facts in zip(graph.nodes, graph.facts, strict=True):
        names = tensor_names(node, (*facts.parameters, *facts.buffers))
        new = {
            name: tensor.elements
            for name, tensor in zip(names, facts.parameters, strict=False)
            if name not in seen and name not in graph.kept
        }
        column.append(sum([graph.nonzero.get(name, elements) for name, elements in new.items()]))
        seen.update(new)
    return tuple(column)


def cost_sums(graph: Graph) -> CostSums:
    """The sums of the columns of `costs`: of each of the few different facts, times the number of its nodes."""
    counts = Counter(graph.facts)
    if _names_tensors(graph):
        params, trainable, buffers = map(sum, _tensor_elements(graph))
    else:
        params = trainable = sum([count * each.parameter_elements for each, count in counts.items()])
        buffers = sum([count * each.buffer_elements for each, count in counts.items()])
    return CostSums(
        params,
        trainable,
        buffers,
        macs=sum([count * (each.macs or 0) for each, count in counts.items()]),
        flops=sum([count * (each.flops or 0) for each, count in counts.items()]),
        exact=None not in [each.flops for each in counts],
        macs_exact=None not in [each.macs for each in counts],
        params_exact=all(each.params_known for each in counts),
    )


def _names_tensors(graph: Graph) -> bool:
    """Whether tensors have names, because some are shared or frozen: then they are followed node by node."""
    return bool(graph.frozen) or any(map(attrgetter("parameters"), graph.nodes))


def _tensor_elements(graph: Graph) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The columns of parameters, trainable parameters and buffers."""
    if not _names_tensors(graph):
        params = tuple([each.parameter_elements for each in graph.facts])
        return params, params, tuple([each.buffer_elements for each in graph.facts])
    seen: set[str] = set()
    rows = [_first_read(graph, node, facts, seen) for node, facts in zip(graph.nodes, graph.facts, strict=True)]
    params, trainable, buffers = zip(*rows, strict=True)
    return params, trainable, buffers


def _backward(graph: Graph, macs: Sequence[int | None]) -> tuple[int | None, ...]:
    if graph.mode == "inference":
        return ()
    return tuple(
        [
            node.op.backward_macs(forward, gradient.inputs, gradient.weights) if forward else forward
            for node, gradient, forward in zip(graph.nodes, computed_gradients(graph), macs, strict=True)
        ]
    )


def _first_read(graph: Graph, node: Node, facts: CallFacts, seen: set[str]) -> tuple[int, int, int]:
    """Count parameters, trainable parameters and buffers whose names are not in `seen`, and add them to it."""
    params = trainable = buffered = 0
    tensors = (*facts.parameters, *facts.buffers)
    for i, (name, tensor) in enumerate(zip(tensor_names(node, tensors), tensors, strict=True)):
        if name in seen:
            continue
        seen.add(name)
        if i >= len(facts.parameters) or name in graph.kept:
            buffered += tensor.elements
        else:
            params += tensor.elements
            trainable += 0 if name in graph.frozen else tensor.elements
    return params, trainable, buffered
