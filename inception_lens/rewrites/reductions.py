"""1x1 reductions before larger kernels, and networks without them (arXiv 1409.4842, section 4, Figure 2)."""

from math import prod

import msgspec

from inception_lens.errors import GraphError, ShapeError
from inception_lens.graph import Graph, Node
from inception_lens.ops import format_shape
from inception_lens.rewrites.plan import Plan, Site, planned
from inception_lens.rewrites.structure import Convolution, GraphStructure, depthwise, follows, pointwise


def reductions(graph: Graph) -> Plan:
    """Remove every 1x1 reduction: the larger kernels after it read its input; all widths stay.

    A reduction is a 1x1 convolution with no more output than input channels that a larger convolution reads, directly
    or through its norm and activation, which are removed too. A reduction with readers other than convolutions stays
    for them. A stride of the reduction moves into the kernels after it.
    """
    return planned(GraphStructure(graph), _reduction)


def naive_modules(graph: Graph) -> Plan:
    """Make every module the naive one of Figure 2a, without 1x1 reductions and without projections after pools.

    This is `reductions` for those between a fork and the concatenation of its branches; a 1x1 convolution between a
    pool of stride 1 and such a concatenation is removed too, with its norm and activation, so that the concatenation
    grows. Where the map is one side of a residual connection, the convolution that ends the other side gets the same
    width.
    """
    structure = GraphStructure(graph)
    found, projections = planned(structure, _reduction), planned(structure, _pool_projection)
    sites = [*[site for site in found.sites if structure.in_module(site.name)], *projections.sites]
    sites.sort(key=lambda site: graph.index.position[site.name])
    return Plan(tuple(sites), found.skipped, structure.residuals())


def _reduction(structure: GraphStructure, node: Node) -> Site | None:
    if not _reduces(structure, node):
        return None
    between, convolutions, others = _readers_of(structure, node)
    if not any(_larger(structure, conv) for conv in convolutions):
        return None
    moved = [_on_the_unreduced_map(structure, node, conv) for conv in convolutions]
    inputs, outputs = structure.shape(node.inputs[0])[1], structure.shape(node.name)[1]
    widths = "+".join(str(structure.shape(conv.name)[1]) for conv in convolutions)
    sizes = " & ".join(dict.fromkeys(format_shape(conv.op.kernel_size) for conv in convolutions))  # type: ignore[attr-defined]
    what = f"{inputs} > {outputs} > {sizes} {widths}{', kept for other readers' if others else ''}"
    names = tuple([each.name for each in (node, *between, *convolutions)])
    return Site(node.name, what, names, tuple([(each.name, (each,)) for each in moved]), channels=(inputs, outputs))


def _reduces(structure: GraphStructure, node: Node) -> bool:
    if not pointwise(node.op) or node.name in structure.outputs:
        return False
    inputs, outputs = structure.shape(node.inputs[0])[1], structure.shape(node.name)[1]
    return outputs <= inputs and not depthwise(node.op, inputs)


def _readers_of(structure: GraphStructure, node: Node) -> tuple[list[Node], list[Node], bool]:
    """The norms and activations after a reduction, the convolutions after these, and whether it has other readers."""
    between: list[Node] = []
    convolutions: list[Node] = []
    others = False
    waiting = [node]
    while waiting:
        for reader in structure.readers(waiting.pop()):
            if follows(reader):
                between.append(reader)
                waiting.append(reader)
                others |= reader.name in structure.outputs
            elif isinstance(reader.op, Convolution):
                convolutions.append(reader)
            else:
                others = True
    return between, convolutions, others


def _larger(structure: GraphStructure, node: Node) -> bool:
    """Whether a convolution reads more than one position and mixes channels."""
    assert isinstance(node.op, Convolution)
    return max(node.op.kernel_size) > 1 and not depthwise(node.op, structure.shape(node.inputs[0])[1])


def _on_the_unreduced_map(structure: GraphStructure, reduction: Node, node: Node) -> Node:
    """The convolution with the input of the reduction.

    Raises:
        GraphError: it cannot read that.
    """
    first, op = reduction.op, node.op
    assert isinstance(first, Convolution)
    assert isinstance(op, Convolution)
    if node.name in structure.shared:
        raise GraphError(f"`{node.name}` shares weights with another call")
    if prod(first.stride) > 1:
        strides = tuple([a * b for a, b in zip(first.stride, op.stride, strict=True)])
        op = msgspec.structs.replace(op, stride=strides)
    source, wanted = structure.shape(reduction.inputs[0]), structure.shape(node.name)
    try:
        shape = op.output_shape(source)
    except ShapeError as error:
        raise GraphError(f"`{node.name}` cannot read {format_shape(source)}: {error}") from None
    if shape != wanted:
        sizes = f"{format_shape(shape)}, not {format_shape(wanted)}"
        raise GraphError(f"the output of `{node.name}` on {format_shape(source)} is {sizes}")
    return msgspec.structs.replace(node, op=op, inputs=reduction.inputs)


def _pool_projection(structure: GraphStructure, node: Node) -> Site | None:
    """The site of `node` if it is a 1x1 convolution between a pool of stride 1 and a concatenation."""
    pool = structure.nodes.get(node.inputs[0]) if pointwise(node.op) else None
    if pool is None or pool.op.category != "pool" or structure.only_reader(pool) is None:
        return None
    if structure.shape(pool.inputs[0]) != structure.shape(pool.name):
        return None
    names = (node.name, *[each.name for each in structure.followers(node)])
    reader = structure.only_reader(structure.nodes[names[-1]])
    if reader is None or structure.joins.get(node.name) != reader.name:
        return None
    inputs, outputs = structure.shape(pool.name)[1], structure.shape(node.name)[1]
    what = f"pool > {inputs} > {outputs}"
    return Site(node.name, what, names, bypassed=((names[-1], pool.name),), channels=(inputs, outputs))
