"""1x1 reductions before larger kernels, and networks without them (arXiv 1409.4842, section 4, Figure 2)."""

from collections.abc import Iterator
from math import prod

import msgspec

from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Node
from inception_lens.ops import format_shape
from inception_lens.rewrites.plan import Plan, Site, SkippedSite, rewritten
from inception_lens.rewrites.structure import Convolution, GraphStructure, depthwise, follows, pointwise


def without_reductions(graph: Graph) -> Graph:
    """Remove every 1x1 reduction: the larger kernels after it read its input; all widths stay.

    A reduction is a 1x1 convolution with no more output than input channels that a larger convolution reads, directly
    or through its norm and activation, which are removed too. A reduction with readers other than convolutions stays
    for them. A stride of the reduction moves into the kernels after it.
    """
    return rewritten(graph, reductions(graph))


def naive(graph: Graph) -> Graph:
    """Make every module the naive one of Figure 2a, without 1x1 reductions and without projections after pools.

    This is `without_reductions` for the reductions between a fork and the concatenation of its branches; a 1x1
    convolution between a pool of stride 1 and such a concatenation is removed too, with its norm and activation, so
    that the concatenation grows. Where the map is one side of a residual connection, the convolution that ends the
    other side gets the same width.
    """
    return rewritten(graph, naive_modules(graph))


def reductions(graph: Graph) -> Plan:
    """The sites of `without_reductions`."""
    return _reductions(GraphStructure(graph))


def naive_modules(graph: Graph) -> Plan:
    """The sites of `naive`."""
    structure = GraphStructure(graph)
    found = _reductions(structure)
    inside = [site for site in found.sites if structure.in_module(site.name)]
    projections = [site for node in graph.nodes for site in _pool_projection(structure, node)]
    return Plan(
        tuple(sorted([*inside, *projections], key=lambda site: graph.index.position[site.name])),
        found.skipped,
        structure.residuals(),
    )


def _reductions(structure: GraphStructure) -> Plan:
    sites: list[Site] = []
    skipped: list[SkippedSite] = []
    for node in structure.graph.nodes:
        if not _reduces(structure, node):
            continue
        between, convolutions, others = _readers_of(structure, node)
        kernels = [conv for conv in convolutions if _larger(structure, conv)]
        if not kernels:
            continue
        moved = [_on_the_unreduced_map(structure, node, conv) for conv in convolutions]
        reasons = [each for each in moved if isinstance(each, str)]
        if reasons:
            skipped.append(SkippedSite(node.name, reasons[0]))
            continue
        inputs, outputs = structure.shape(node.inputs[0])[1], structure.shape(node.name)[1]
        widths = "+".join(str(structure.shape(conv.name)[1]) for conv in convolutions)
        sizes = " & ".join(dict.fromkeys(format_shape(conv.op.kernel_size) for conv in convolutions))  # type: ignore[attr-defined]
        stays = ", kept for other readers" if others else ""
        sites.append(
            Site(
                node.name,
                f"{inputs} > {outputs} > {sizes} {widths}{stays}",
                tuple([each.name for each in (node, *between, *convolutions)]),
                tuple([(each.name, (each,)) for each in moved if isinstance(each, Node)]),
                channels=(inputs, outputs),
            )
        )
    return Plan(tuple(sites), tuple(skipped))


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


def _on_the_unreduced_map(structure: GraphStructure, reduction: Node, node: Node) -> Node | str:
    """The convolution with the input of the reduction; or the reason why it cannot read that."""
    first, op = reduction.op, node.op
    assert isinstance(first, Convolution)
    assert isinstance(op, Convolution)
    if node.name in structure.shared:
        return f"`{node.name}` shares weights with another call"
    if prod(first.stride) > 1:
        strides = tuple([a * b for a, b in zip(first.stride, op.stride, strict=True)])
        op = msgspec.structs.replace(op, stride=strides)
    source = structure.shape(reduction.inputs[0])
    try:
        shape = op.output_shape(source)
    except ShapeError as error:
        return f"`{node.name}` cannot read {format_shape(source)}: {error}"
    if shape != structure.shape(node.name):
        return (
            f"the output of `{node.name}` on {format_shape(source)} is "
            f"{format_shape(shape)}, not {format_shape(structure.shape(node.name))}"
        )
    return msgspec.structs.replace(node, op=op, inputs=reduction.inputs)


def _pool_projection(structure: GraphStructure, node: Node) -> Iterator[Site]:
    """The site of `node` if it is a 1x1 convolution between a pool of stride 1 and a concatenation."""
    if not pointwise(node.op):
        return
    pool = structure.nodes.get(node.inputs[0])
    if pool is None or pool.op.category != "pool" or structure.only_reader(pool) is None:
        return
    if structure.shape(pool.inputs[0]) != structure.shape(pool.name):
        return
    followers = structure.followers(node)
    last = (node, *followers)[-1]
    reader = structure.only_reader(last)
    if reader is None or structure.joins.get(node.name) != reader.name:
        return
    inputs, outputs = structure.shape(pool.name)[1], structure.shape(node.name)[1]
    yield Site(
        node.name,
        f"pool > {inputs} > {outputs}",
        tuple([each.name for each in (node, *followers)]),
        bypassed=((last.name, pool.name),),
        channels=(inputs, outputs),
    )
