"""Heads: auxiliary heads, which inference drops, and classifier heads."""

from math import prod

import msgspec

from inception_lens import ops
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node
from inception_lens.ops import Dropout, Flatten, Linear, Reshape, format_shape
from inception_lens.rewrites.plan import Plan, Site, planned
from inception_lens.rewrites.structure import Convolution, GraphStructure, follows, pointwise, unused_name
from inception_lens.rewrites.widths import width_of

GLOBAL = {1: ops.AdaptiveAvgPool1d, 2: ops.AdaptiveAvgPool2d, 3: ops.AdaptiveAvgPool3d}
"""Global average pooling, by the number of spatial dimensions."""


def auxiliary_heads(graph: Graph) -> Plan:
    """Keep only the first output and its inputs: inference drops auxiliary heads (arXiv 1409.4842, section 5).

    Each head is a site.
    """
    structure = GraphStructure(graph)
    kept = _needed(structure, graph.outputs[0].node)
    sites = []
    for output in graph.outputs[1:]:
        alone = _needed(structure, output.node) - kept
        names = tuple([node.name for node in graph.nodes if node.name in alone])
        if names:
            what = f"of weight {output.loss_weight:g} on {structure.nodes[names[0]].inputs[0]}"
            sites.append(Site(names[-1], what, names))
            kept |= alone
    return Plan(tuple(sites), outputs=graph.outputs[:1])


def _needed(structure: GraphStructure, output: str) -> set[str]:
    """The nodes and inputs that `output` is computed from."""
    needed = {structure.producer(output)}
    for node in reversed(structure.graph.nodes):
        if node.name in needed:
            needed.update(map(structure.producer, node.inputs))
    return needed


def linear_heads(graph: Graph) -> Plan:
    """Replace a head of linear layers over a flattened map, such as VGG's, by global pooling and the last layer.

    Hidden linear layers with their activations and dropouts are removed, and so is an adaptive pool before them. M. Lin
    et al. (arXiv 1312.4400, section 3.2) and GoogLeNet do this.
    """
    return planned(GraphStructure(graph), _linear_head)


def pooled_heads(graph: Graph) -> Plan:
    """Remove the global pooling of a head, so that its first layer reads the whole map.

    The linear layer or 1x1 convolution after the pool reads every position. Where there is none, as in Network in
    Network, a linear layer with as many outputs as the map has channels replaces the pool.
    """
    return planned(GraphStructure(graph), _pooled_head)


def _linear_head(structure: GraphStructure, node: Node) -> Site | None:
    shape = structure.shape(node.inputs[0]) if node.inputs else ()
    vector = isinstance(node.op, Flatten | Reshape) and structure.shape(node.name) == (*shape[:1], prod(shape[1:]))
    if not vector or not 3 <= len(shape) <= 5 or max(shape[2:]) == 1:
        return None
    linears, hidden = _linear_layers(structure, node)
    if not linears:
        return None
    pool = structure.nodes.get(node.inputs[0])
    if pool is not None and not (pool.op.category == "pool" and hasattr(pool.op, "output_size")):
        pool = None
    dimensions = len(shape) - 2
    mean = GLOBAL[dimensions]((1,) * dimensions)
    means = Node(unused_name(structure, f"{node.name}/mean"), mean, (pool or node).inputs[:1])
    flat = msgspec.structs.replace(node, op=Flatten(), inputs=(means.name,))
    last = linears[-1].name
    return Site(
        last,
        f"linear layers of {format_shape(shape[1:])} as mean, linear",
        (*([pool.name] if pool else []), node.name, *[each.name for each in hidden], last),
        ((node.name, (means, flat)), *[(each.name, ()) for each in hidden]),
        tuple([(each.name, node.name) for each in hidden]),
    )


def _linear_layers(structure: GraphStructure, node: Node) -> tuple[list[Node], list[Node]]:
    """The linear layers after a flattened map, and the nodes between the map and the last of them."""
    linears: list[Node] = []
    passed: list[Node] = []
    hidden: list[Node] = []
    for each in structure.chain(node):
        if isinstance(each.op, Linear):
            linears.append(each)
            hidden = [*passed]
        elif not (isinstance(each.op, Dropout) or follows(each)):
            break
        passed.append(each)
    last_dropout = hidden[-1:] if hidden and isinstance(hidden[-1].op, Dropout) else []
    return linears, hidden[: len(hidden) - len(last_dropout)]


def _pooled_head(structure: GraphStructure, pool: Node) -> Site | None:
    if pool.op.category != "pool" or not pool.inputs:
        return None
    shape = structure.shape(pool.inputs[0])
    if max(structure.shape(pool.name)[2:]) > 1 or max(shape[2:]) == 1:
        return None
    head = [pool, *structure.chain(pool)]
    if head[-1].name not in structure.outputs:
        raise GraphError("the nodes after it are more than a head")
    first = next((node for node in head[1:] if isinstance(node.op, Linear | Convolution)), None)
    what = f"a mean for {format_shape(shape[1:])} to {width_of(first) if first else shape[1]}"
    if first is None:
        flat = Node(unused_name(structure, f"{pool.name}/flatten"), Flatten(), pool.inputs)
        linear = Node(unused_name(structure, f"{pool.name}/linear"), Linear(shape[1]), (flat.name,))
        replaced = ((pool.name, (flat, linear)),)
        return Site(pool.name, what, (pool.name,), replaced, ((pool.name, linear.name),))
    new: tuple[tuple[str, tuple[Node, ...]], ...] = ()
    if isinstance(first.op, Convolution) and pointwise(first.op):
        whole = msgspec.structs.replace(first.op, kernel_size=shape[2:], padding=(0,) * first.op.dimensions)
        new = ((first.name, (msgspec.structs.replace(first, op=whole),)),)
    return Site(pool.name, what, (pool.name, first.name), new, ((pool.name, pool.inputs[0]),))
