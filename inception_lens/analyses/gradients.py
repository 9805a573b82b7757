"""Which tensors a backward pass computes gradients of."""

import msgspec

from inception_lens.graph import Graph, output_names, tensor_names


class Gradient(msgspec.Struct, frozen=True, gc=False):
    """The gradients that the backward pass of one call computes."""

    inputs: tuple[bool, ...]
    """For each input, whether it is computed from a trained tensor."""
    weights: bool
    """Whether the first parameter, which the multiply-accumulates read, is trained."""
    output: bool
    """Whether the first output requires a gradient: an input does, or any parameter is trained."""


def gradients(graph: Graph) -> tuple[Gradient, ...]:
    """Find the required gradients of every call; one entry per node, in the graph's order."""
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
            needs[name] = (learns or True in inputs) and is_differentiable(output.dtype)
        column.append(Gradient(inputs, weights, needs[node.name]))
    return tuple(column)


def is_differentiable(dtype: str) -> bool:
    """Whether tensors of this dtype can have a gradient."""
    return "float" in dtype or "complex" in dtype
