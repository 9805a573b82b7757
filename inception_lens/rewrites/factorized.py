"""One large kernel as two consecutive smaller ones, and back (arXiv 1512.00567, sections 3.1 and 3.2)."""

from collections.abc import Callable, Sequence
from math import sqrt

import msgspec

from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node
from inception_lens.ops import LocalResponseNorm, Padding, Shape, format_shape
from inception_lens.ops.window import explicit_padding, padding_pairs
from inception_lens.rewrites.plan import Plan, Site, planned
from inception_lens.rewrites.structure import Convolution, GraphStructure, dense, short_padding, unused_name

Kernels = tuple[Shape, Shape]
"""Sizes of the first and second kernel."""


def five_by_five(graph: Graph) -> Plan:
    """Replace every 5x5 by two 3x3, as in Inception V2; the padding is divided and the second has the stride.

    The width between them is sqrt(C_in C_out). The norm and activation of the 5x5 follow both (section 3.1, which
    finds that a ReLU in the middle is better than none).
    """
    return _split(graph, lambda kernel: (_threes(kernel), _threes(kernel)) if set(kernel) == {5} else None)


def pairs_of_3x3(graph: Graph) -> Plan:
    """Replace two consecutive 3x3 by one 5x5 with the second's channels; the first's norm and activation are dropped.

    The first must have a stride of 1 and no other reader. Of three in a row, the first two are replaced.
    """
    return _merged(graph, lambda first, second: first == second == _threes(first))


def square_kernels(graph: Graph) -> Plan:
    """Replace every square nxn kernel by 1xn and nx1, as in Inception V3; the rest as in `five_by_five`."""
    return _split(graph, lambda kernel: ((1, kernel[1]), (kernel[0], 1)) if len(set(kernel)) == 1 else None)


def asymmetric_pairs(graph: Graph) -> Plan:
    """Replace consecutive 1xn and nx1, in either order, by one nxn with the second's channels."""
    return _merged(graph, lambda first, second: first == second[::-1] and sorted(first)[0] == 1 < sorted(first)[1])


def _threes(kernel: Shape) -> Shape:
    return (3,) * len(kernel)


def _split(graph: Graph, kernels_for: Callable[[Shape], Kernels | None]) -> Plan:
    """A site for each 2-d convolution for which `kernels_for` returns two kernels."""

    def site(structure: GraphStructure, node: Node) -> Site | None:
        op = node.op
        if not isinstance(op, Convolution) or op.dimensions != 2 or not dense(op):
            return None
        kernels = kernels_for(op.kernel_size)
        if kernels is None:
            return None
        pair = _pair(structure, node, op, kernels)
        what = f"{format_shape(op.kernel_size)} as {format_shape(kernels[0])}, {format_shape(kernels[1])}"
        return Site(node.name, what, (node.name,), ((node.name, pair),), ((node.name, pair[-1].name),))

    return planned(GraphStructure(graph), site)


def _pair(structure: GraphStructure, node: Node, op: Convolution, kernels: Kernels) -> tuple[Node, ...]:
    """Two convolutions in place of one, with its norm and activation between them.

    Raises:
        GraphError: the pair cannot replace the convolution.
    """
    structure.check_unshared(node)
    first_pads, second_pads = _divided(op.padding, kernels)
    steps = [tuple([s if k > 1 else 1 for s, k in zip(op.stride, kernel, strict=True)]) for kernel in kernels]
    if kernels[0] == kernels[1]:
        steps[0] = (1,) * len(op.stride)
    replace, source = msgspec.structs.replace, structure.shape(node.inputs[0])
    middle = round(sqrt(source[1] * op.out_channels))
    first = replace(op, out_channels=middle, kernel_size=kernels[0], stride=steps[0], padding=first_pads)
    second = replace(op, kernel_size=kernels[1], stride=steps[1], padding=second_pads)
    nodes = [Node(unused_name(structure, f"{node.name}/{format_shape(kernels[0])}_1"), first, node.inputs)]
    for follower in structure.followers(node):
        if isinstance(follower.op, LocalResponseNorm):
            continue  # it follows a few layers of a stem, not every layer
        name = unused_name(structure, f"{nodes[0].name}/{follower.name.rpartition('/')[2]}")
        nodes.append(Node(name, follower.op, (nodes[-1].name,)))
    shape = second.output_shape(first.output_shape(source))
    if shape != structure.shape(node.name):
        raise GraphError(
            f"the output of the pair is {format_shape(shape)}, not {format_shape(structure.shape(node.name))}"
        )
    name = unused_name(structure, f"{node.name}/{format_shape(kernels[1])}_2")
    return (*nodes, Node(name, second, (nodes[-1].name,)))


def _divided(padding: Padding, kernels: Kernels) -> tuple[Padding, Padding]:
    """Divide the padding between the two kernels in proportion to their sizes; the first gets the rest."""
    if padding == "same":
        return "same", "same"
    firsts, seconds = [], []
    for pad, first, second in zip(padding_pairs(padding), *kernels, strict=True):
        share = (second - 1) / max(first + second - 2, 1)
        own = int(pad[0] * share), int(pad[1] * share)
        firsts.append((pad[0] - own[0], pad[1] - own[1]))
        seconds.append(own)
    return short_padding(firsts), short_padding(seconds)


def _merged(graph: Graph, together: Callable[[Shape, Shape], bool]) -> Plan:
    """A site for each pair of consecutive dense 2-d convolutions whose kernels satisfy `together`."""
    taken: set[str] = set()

    def site(structure: GraphStructure, node: Node) -> Site | None:
        second = structure.next_layer(node)
        if node.name in taken or second is None:
            return None
        first, op = node.op, second.op
        if not isinstance(first, Convolution) or not isinstance(op, type(first)) or first.dimensions != 2:
            return None
        if not (dense(first) and dense(op) and max(first.stride) == 1 and together(first.kernel_size, op.kernel_size)):
            return None
        whole = _whole(structure, node, second, first, op)
        taken.add(second.name)
        sizes = [format_shape(each.kernel_size) for each in (first, op, whole)]
        names = (node.name, *[each.name for each in structure.followers(node)], second.name)
        new = msgspec.structs.replace(second, op=whole, inputs=node.inputs)
        return Site(second.name, f"{sizes[0]}, {sizes[1]} for {sizes[2]}", names, ((second.name, (new,)),))

    return planned(GraphStructure(graph), site)


def _whole(structure: GraphStructure, node: Node, second: Node, first: Convolution, op: Convolution) -> Convolution:
    """One convolution in place of two.

    Raises:
        GraphError: it cannot replace them.
    """
    structure.check_unshared(node, second)
    kernel = tuple([a + b - 1 for a, b in zip(first.kernel_size, op.kernel_size, strict=True)])
    padding: Padding = "same"
    if first.padding != "same" or op.padding != "same":
        pads = zip(_explicit(structure, node, first), _explicit(structure, second, op), strict=True)
        padding = short_padding([(a + c, b + d) for (a, b), (c, d) in pads])
    whole = msgspec.structs.replace(op, kernel_size=kernel, padding=padding)
    shape = whole.output_shape(structure.shape(node.inputs[0]))
    if shape != structure.shape(second.name):
        raise GraphError(
            f"the output of one {format_shape(kernel)} is {format_shape(shape)}, "
            f"not {format_shape(structure.shape(second.name))}"
        )
    return whole


def _explicit(structure: GraphStructure, node: Node, op: Convolution) -> Sequence[tuple[int, int]]:
    map_size = structure.shape(node.inputs[0])[2:]
    return explicit_padding(map_size, op.kernel_size, op.stride, op.padding, op.dilation)
