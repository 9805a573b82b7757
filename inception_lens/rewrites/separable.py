"""Depthwise separable convolutions, and back (F. Chollet, arXiv 1610.02357, section 1.2)."""

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import format_shape
from inception_lens.rewrites.plan import Plan, Site, SkippedSite, rewritten
from inception_lens.rewrites.structure import Convolution, GraphStructure, dense, depthwise, pointwise, unused_name


def with_separable(graph: Graph) -> Graph:
    """Replace every convolution larger than 1x1 by a depthwise convolution with its kernel and a 1x1 with its width.

    There is no norm or activation between the two, as in Xception.
    """
    return rewritten(graph, dense_kernels(graph))


def without_separable(graph: Graph) -> Graph:
    """Replace a depthwise convolution and the 1x1 after it by one dense convolution.

    The nodes between them, such as MobileNet's norm and activation, are removed.
    """
    return rewritten(graph, separable_kernels(graph))


def dense_kernels(graph: Graph) -> Plan:
    """The sites of `with_separable`."""
    structure = GraphStructure(graph)
    sites, skipped = [], []
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Convolution) or not dense(op):
            continue
        if node.name in structure.shared:
            skipped.append(SkippedSite(node.name, "it shares weights with another call"))
            continue
        channels, ones = structure.shape(node.inputs[0])[1], (1,) * op.dimensions
        replace = msgspec.structs.replace
        first = Node(
            unused_name(structure, f"{node.name}/depthwise"),
            replace(op, out_channels=channels, groups=channels),
            node.inputs,
        )
        second = Node(
            unused_name(structure, f"{node.name}/pointwise"),
            replace(op, kernel_size=ones, stride=ones, padding=(0,) * op.dimensions),
            (first.name,),
        )
        what = f"{format_shape(op.kernel_size)} as depthwise, 1x1"
        pair = (first, second)
        sites.append(Site(node.name, what, (node.name,), ((node.name, pair),), ((node.name, second.name),)))
    return Plan(tuple(sites), tuple(skipped))


def separable_kernels(graph: Graph) -> Plan:
    """The sites of `without_separable`."""
    structure = GraphStructure(graph)
    sites, skipped = [], []
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Convolution) or not depthwise(op, structure.shape(node.inputs[0])[1]):
            continue
        second = structure.next_layer(node)
        if second is None or not isinstance(second.op, Convolution) or not pointwise(second.op):
            skipped.append(SkippedSite(node.name, "its only reader is not a 1x1 convolution"))
            continue
        if second.op.groups > 1 or max(second.op.stride) > 1:
            skipped.append(SkippedSite(node.name, f"`{second.name}` is grouped or has a stride"))
            continue
        if not structure.shared.isdisjoint((node.name, second.name)):
            skipped.append(SkippedSite(node.name, "it shares weights with another call"))
            continue
        whole = msgspec.structs.replace(op, out_channels=second.op.out_channels, groups=1, bias=second.op.bias)
        new = msgspec.structs.replace(second, op=whole, inputs=node.inputs)
        names = (node.name, *[each.name for each in structure.followers(node)], second.name)
        what = f"depthwise {format_shape(op.kernel_size)}, 1x1 for {format_shape(op.kernel_size)}"
        sites.append(Site(second.name, what, names, ((second.name, (new,)),)))
    return Plan(tuple(sites), tuple(skipped))
