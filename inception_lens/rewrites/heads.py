"""Heads: auxiliary heads, which inference drops, and classifier heads."""

from math import prod

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    Dropout,
    Flatten,
    Linear,
    Reshape,
    format_shape,
)
from inception_lens.rewrites.plan import Plan, Site, SkippedSite, rewritten
from inception_lens.rewrites.structure import Convolution, GraphStructure, follows, pointwise, unused_name

GLOBAL = {1: AdaptiveAvgPool1d, 2: AdaptiveAvgPool2d, 3: AdaptiveAvgPool3d}
"""Global average pooling, by the number of spatial dimensions."""


def without_auxiliary_heads(graph: Graph) -> Graph:
    """Keep only the first output and its inputs: inference drops auxiliary heads (arXiv 1409.4842, section 5)."""
    return rewritten(graph, auxiliary_heads(graph))


def auxiliary_heads(graph: Graph) -> Plan:
    """The heads that `without_auxiliary_heads` drops, one site each."""
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


def with_global_pooling(graph: Graph) -> Graph:
    """Replace a head of linear layers over a flattened map, such as VGG's, by global pooling and the last layer.

    Hidden linear layers with their activations and dropouts are removed, and so is an adaptive pool before them. M. Lin
    et al. (arXiv 1312.4400, section 3.2) and GoogLeNet do this.
    """
    return rewritten(graph, linear_heads(graph))


def without_global_pooling(graph: Graph) -> Graph:
    """Remove the global pooling of a head, so that its first layer reads the whole map.

    The linear layer or 1x1 convolution after the pool reads every position. Where there is none, as in Network in
    Network, a linear layer with as many outputs as the map has channels replaces the pool.
    """
    return rewritten(graph, pooled_heads(graph))


def linear_heads(graph: Graph) -> Plan:
    """The sites of `with_global_pooling`."""
    structure = GraphStructure(graph)
    sites = []
    for node in graph.nodes:
        shape = structure.shape(node.inputs[0]) if node.inputs else ()
        vector = isinstance(node.op, Flatten | Reshape) and structure.shape(node.name) == (*shape[:1], prod(shape[1:]))
        if not vector or not 3 <= len(shape) <= 5 or max(shape[2:]) == 1:
            continue
        linears, hidden = _linear_layers(structure, node)
        if not linears:
            continue
        pool = structure.nodes.get(node.inputs[0])
        fixed = pool is not None and pool.op.category == "pool" and hasattr(pool.op, "output_size")
        dimensions = len(shape) - 2
        mean = GLOBAL[dimensions]((1,) * dimensions)
        source = pool.inputs[0] if pool is not None and fixed else node.inputs[0]
        means = Node(unused_name(structure, f"{node.name}/mean"), mean, (source,))
        removed = tuple([(each.name, ()) for each in hidden])
        what = f"linear layers of {format_shape(shape[1:])} as mean, linear"
        names = [*([pool.name] if pool is not None and fixed else []), node.name, *[each.name for each in hidden]]
        flat = msgspec.structs.replace(node, op=Flatten(), inputs=(means.name,))
        sites.append(
            Site(
                linears[-1].name,
                what,
                (*names, linears[-1].name),
                ((node.name, (means, flat)), *removed),
                tuple([(each.name, node.name) for each in hidden]),
            )
        )
    return Plan(tuple(sites))


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


def pooled_heads(graph: Graph) -> Plan:
    """The sites of `without_global_pooling`."""
    structure = GraphStructure(graph)
    sites: list[Site] = []
    skipped: list[SkippedSite] = []
    for pool in graph.nodes:
        if pool.op.category != "pool" or not pool.inputs:
            continue
        shape, pooled = structure.shape(pool.inputs[0]), structure.shape(pool.name)
        if max(pooled[2:]) > 1 or max(shape[2:]) == 1:
            continue
        head = [pool, *structure.chain(pool)]
        if head[-1].name in structure.outputs:
            sites.append(_whole_map(structure, pool, head[1:]))
        else:
            skipped.append(SkippedSite(pool.name, "the nodes after it are more than a head"))
    return Plan(tuple(sites), tuple(skipped))


def _whole_map(structure: GraphStructure, pool: Node, head: list[Node]) -> Site:
    """The site of a head after global pooling: its first layer with weights reads the whole map."""
    shape = structure.shape(pool.inputs[0])
    first = next((node for node in head if isinstance(node.op, Linear | Convolution)), None)
    what = f"a mean for {format_shape(shape[1:])} to "
    if first is None:
        flat = Node(unused_name(structure, f"{pool.name}/flatten"), Flatten(), pool.inputs)
        linear = Node(unused_name(structure, f"{pool.name}/linear"), Linear(shape[1]), (flat.name,))
        replaced = ((pool.name, (flat, linear)),)
        return Site(pool.name, f"{what}{shape[1]}", (pool.name,), replaced, ((pool.name, linear.name),))
    if isinstance(first.op, Linear):
        what += str(first.op.out_features)
        return Site(pool.name, what, (pool.name, first.name), bypassed=((pool.name, pool.inputs[0]),))
    assert isinstance(first.op, Convolution)
    what += str(first.op.out_channels)
    if not pointwise(first.op):
        return Site(pool.name, what, (pool.name, first.name), bypassed=((pool.name, pool.inputs[0]),))
    whole = msgspec.structs.replace(first.op, kernel_size=shape[2:], padding=(0,) * first.op.dimensions)
    return Site(
        pool.name,
        what,
        (pool.name, first.name),
        ((first.name, (msgspec.structs.replace(first, op=whole),)),),
        ((pool.name, pool.inputs[0]),),
    )
