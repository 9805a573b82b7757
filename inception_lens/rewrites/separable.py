"""Depthwise separable convolutions, and back (F. Chollet, arXiv 1610.02357, section 1.2)."""

import msgspec

from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node
from inception_lens.ops import format_shape
from inception_lens.rewrites.plan import Plan, Site, planned
from inception_lens.rewrites.structure import Convolution, GraphStructure, dense, depthwise, pointwise, unused_name


def dense_kernels(graph: Graph) -> Plan:
    """Replace every convolution larger than 1x1 by a depthwise convolution with its kernel and a 1x1 with its width.

    There is no norm or activation between the two, as in Xception.
    """
    return planned(GraphStructure(graph), _separated)


def separable_kernels(graph: Graph) -> Plan:
    """Replace a depthwise convolution and the 1x1 after it by one dense convolution.

    The nodes between them, such as MobileNet's norm and activation, are removed.
    """
    return planned(GraphStructure(graph), _merged)


def _separated(structure: GraphStructure, node: Node) -> Site | None:
    op = node.op
    if not isinstance(op, Convolution) or not dense(op):
        return None
    structure.check_unshared(node)
    channels, ones, replace = structure.shape(node.inputs[0])[1], (1,) * op.dimensions, msgspec.structs.replace
    depth = replace(op, out_channels=channels, groups=channels)
    point = replace(op, kernel_size=ones, stride=ones, padding=(0,) * op.dimensions)
    first = Node(unused_name(structure, f"{node.name}/depthwise"), depth, node.inputs)
    second = Node(unused_name(structure, f"{node.name}/pointwise"), point, (first.name,))
    what = f"{format_shape(op.kernel_size)} as depthwise, 1x1"
    return Site(node.name, what, (node.name,), ((node.name, (first, second)),), ((node.name, second.name),))


def _merged(structure: GraphStructure, node: Node) -> Site | None:
    op = node.op
    if not isinstance(op, Convolution) or not depthwise(op, structure.shape(node.inputs[0])[1]):
        return None
    second = structure.next_layer(node)
    if second is None or not isinstance(second.op, Convolution) or not pointwise(second.op):
        raise GraphError("its only reader is not a 1x1 convolution")
    if second.op.groups > 1 or max(second.op.stride) > 1:
        raise GraphError(f"`{second.name}` is grouped or has a stride")
    structure.check_unshared(node, second)
    whole = msgspec.structs.replace(op, out_channels=second.op.out_channels, groups=1, bias=second.op.bias)
    new = msgspec.structs.replace(second, op=whole, inputs=node.inputs)
    names = (node.name, *[each.name for each in structure.followers(node)], second.name)
    what = f"depthwise {format_shape(op.kernel_size)}, 1x1 for {format_shape(op.kernel_size)}"
    return Site(second.name, what, names, ((second.name, (new,)),))
