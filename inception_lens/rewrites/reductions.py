"""1x1 reductions in front of larger kernels, and the networks without them (arXiv 1409.4842, section 4, Figure 2)."""

from collections.abc import Iterator
from math import prod

import msgspec

from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Node
from inception_lens.ops import format_shape
from inception_lens.rewrites.plan import Plan, Site, SkippedSite, rewritten
from inception_lens.rewrites.structure import Convolution, Structure, depthwise, follows, pointwise


def without_reductions(graph: Graph) -> Graph:
    """Every larger kernel behind a 1x1 reduction reads the map that the reduction reads; all widths stay.

    A reduction is a 1x1 convolution that makes no more channels than it reads, and that a larger convolution reads, at
    once or through norm and activation. These go with it. Where something other than a convolution reads it as well, it
    stays for that reader. A stride of the reduction moves into the kernels behind it.
    """
    return rewritten(graph, reductions(graph))


def naive(graph: Graph) -> Graph:
    """Every module as in Figure 2a: no 1x1 reduction and no projection behind a pool, so that the concatenations grow.

    As `without_reductions`, for the reductions between a fork and the concatenation that joins its branches; and the
    1x1 convolution between a pool of stride 1 and such a concatenation goes too, with its norm and activation. Where
    the grown map is one side of a residual connection, the convolution that ends the other side grows with it.
    """
    return rewritten(graph, naive_modules(graph))


def reductions(graph: Graph) -> Plan:
    """The sites of `without_reductions`."""
    return _reductions(Structure(graph))


def naive_modules(graph: Graph) -> Plan:
    """The sites of `naive`."""
    structure = Structure(graph)
    found = _reductions(structure)
    inside = [site for site in found.sites if structure.in_module(site.name)]
    projections = [site for node in graph.nodes for site in _pool_projection(structure, node)]
    return Plan(
        tuple(sorted([*inside, *projections], key=lambda site: structure.positions[site.name])),
        found.skipped,
        structure.residuals(),
    )


def _reductions(structure: Structure) -> Plan:
    sites: list[Site] = []
    skipped: list[SkippedSite] = []
    for node in structure.graph.nodes:
        if not _reduces(structure, node):
            continue
        between, convolutions, others = _behind(structure, node)
        kernels = [conv for conv in convolutions if _larger(structure, conv)]
        if not kernels:
            continue
        moved = [_reading_the_map(structure, node, conv) for conv in convolutions]
        reasons = [each for each in moved if isinstance(each, str)]
        if reasons:
            skipped.append(SkippedSite(node.name, reasons[0]))
            continue
        read, made = structure.shape(node.inputs[0])[1], structure.shape(node.name)[1]
        widths = "+".join(str(structure.shape(conv.name)[1]) for conv in convolutions)
        sizes = " & ".join(dict.fromkeys(format_shape(conv.op.kernel_size) for conv in convolutions))  # type: ignore[attr-defined]
        stays = ", stays for other readers" if others else ""
        sites.append(
            Site(
                node.name,
                f"{read} > {made} > {sizes} {widths}{stays}",
                tuple([each.name for each in (node, *between, *convolutions)]),
                tuple([(each.name, (each,)) for each in moved if isinstance(each, Node)]),
                channels=(read, made),
            )
        )
    return Plan(tuple(sites), tuple(skipped))


def _reduces(structure: Structure, node: Node) -> bool:
    if not pointwise(node.op) or node.name in structure.outputs:
        return False
    read, made = structure.shape(node.inputs[0])[1], structure.shape(node.name)[1]
    return made <= read and not depthwise(node.op, read)


def _behind(structure: Structure, node: Node) -> tuple[list[Node], list[Node], bool]:
    """Norms and activations behind a reduction, the convolutions behind these, and whether anything else reads it."""
    between: list[Node] = []
    convolutions: list[Node] = []
    others = False
    waiting = [node]
    while waiting:
        for reader in structure.readers[waiting.pop().name]:
            if follows(reader):
                between.append(reader)
                waiting.append(reader)
                others |= reader.name in structure.outputs
            elif isinstance(reader.op, Convolution):
                convolutions.append(reader)
            else:
                others = True
    return between, convolutions, others


def _larger(structure: Structure, node: Node) -> bool:
    """Whether a convolution sees more than one position of its input, and mixes its channels."""
    assert isinstance(node.op, Convolution)
    return max(node.op.kernel_size) > 1 and not depthwise(node.op, structure.shape(node.inputs[0])[1])


def _reading_the_map(structure: Structure, reduction: Node, node: Node) -> Node | str:
    """The convolution, reading what the reduction reads; or why it cannot."""
    first, op = reduction.op, node.op
    assert isinstance(first, Convolution)
    assert isinstance(op, Convolution)
    if node.name in structure.shared:
        return f"`{node.name}` shares its weights with another call"
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
            f"`{node.name}` would make {format_shape(shape)} of "
            f"{format_shape(source)}, not {format_shape(structure.shape(node.name))}"
        )
    return msgspec.structs.replace(node, op=op, inputs=reduction.inputs)


def _pool_projection(structure: Structure, node: Node) -> Iterator[Site]:
    """The site of a 1x1 convolution between a pool of stride 1 and a concatenation, where `node` is one."""
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
    read, made = structure.shape(pool.name)[1], structure.shape(node.name)[1]
    yield Site(
        node.name,
        f"pool > {read} > {made}",
        tuple([each.name for each in (node, *followers)]),
        bypassed=((last.name, pool.name),),
        channels=(read, made),
    )
