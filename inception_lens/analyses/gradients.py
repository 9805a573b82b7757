"""Which calls a backward pass reaches: what needs a gradient, and by what."""

import msgspec

from inception_lens.graph import Graph, output_name, tensor_names


class Gradient(msgspec.Struct, frozen=True, gc=False):
    """What one call needs gradients by."""

    inputs: tuple[bool, ...]
    """For each input: whether anything that it was computed from is trained."""
    weights: bool
    """Whether the tensor that its multiply-accumulates read is trained: its first parameter."""
    output: bool
    """Whether the output needs one: an input does, or any parameter is trained."""


def gradients(graph: Graph) -> tuple[Gradient, ...]:
    """One entry per node, in the graph's order."""
    needs = dict.fromkeys((given.name for given in graph.inputs), False)
    column = []
    for node in graph.nodes:
        inputs = tuple([needs[name] for name in node.inputs])
        weights = learns = False
        if node.op.has_weights:
            parameters = node.op.parameters(*graph.input_shapes(node))
            trained = [name not in graph.frozen for name in tensor_names(node, parameters)[: len(parameters)]]
            weights, learns = trained[:1] == [True], True in trained
        needs[node.name] = learns or True in inputs
        for i in range(1, len(graph.types[node.name])):
            needs[output_name(node.name, i)] = needs[node.name]
        column.append(Gradient(inputs, weights, needs[node.name]))
    return tuple(column)
