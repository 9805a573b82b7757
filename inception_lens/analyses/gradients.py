"""Which tensors a backward pass computes gradients of."""

from itertools import compress

import msgspec

from inception_lens.graph import Graph, output_names, tensor_names


class Gradient(msgspec.Struct, frozen=True, gc=False):
    """Which gradients the backward pass of one call has to compute."""

    inputs: tuple[bool, ...]
    """For each input, whether it is computed from a trained tensor."""
    weights: bool
    """Whether the first parameter, which the multiply-accumulates read, is trained."""
    output: bool
    """Whether the first output requires a gradient: an input does, or any parameter is trained."""


def required_gradients(graph: Graph) -> tuple[Gradient, ...]:
    """Find what requires a gradient in every call, so that tensors are kept for it; one entry per node, in order."""
    return tuple(_required(graph)[1])


def computed_gradients(graph: Graph) -> tuple[Gradient, ...]:
    """Find the gradients that every call computes: the required ones, where an output of the graph depends on it."""
    needs, column = _required(graph)
    received = {output.node for output in graph.outputs if needs[output.node]}
    for i in range(len(column) - 1, -1, -1):
        node, gradient = graph.nodes[i], column[i]
        names = output_names(node.name, len(graph.facts[i].outputs))
        if received.isdisjoint(names):
            column[i] = Gradient((False,) * len(node.inputs), False, False)
        else:
            received.update(compress(node.inputs, gradient.inputs))
    return tuple(column)


def _required(graph: Graph) -> tuple[dict[str, bool], list[Gradient]]:
    """Which tensors depend on trained ones, and what requires a gradient in every call."""
    needs = dict.fromkeys((given.name for given in graph.inputs), False)
    column = []
    for node, facts in zip(graph.nodes, graph.facts, strict=True):
        inputs = tuple([needs[name] for name in node.inputs])
        weights = learns = False
        if node.op.has_weights:
            parameters = facts.parameters
            trained = [name not in graph.frozen for name in tensor_names(node, parameters)[: len(parameters)]]
            weights, learns = trained[:1] == [True], True in trained
        for name, output in zip(output_names(node.name, len(facts.outputs)), facts.outputs, strict=True):
            requires = (learns or True in inputs) and name not in graph.detached
            needs[name] = requires and is_differentiable(output.dtype)
        column.append(Gradient(inputs, weights, needs[node.name]))
    return needs, column


def is_differentiable(dtype: str) -> bool:
    """Whether tensors of this dtype can have a gradient."""
    return "float" in dtype or "complex" in dtype
