"""One large kernel as two consecutive smaller ones, and back (arXiv 1512.00567, sections 3.1 and 3.2)."""

from collections.abc import Callable
from math import sqrt

import msgspec

from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, Node
from inception_lens.ops import LocalResponseNorm, Padding, Shape, format_shape
from inception_lens.ops.window import explicit_padding
from inception_lens.rewrites.plan import Plan, Site, SkippedSite, rewritten
from inception_lens.rewrites.structure import Convolution, GraphStructure, dense, unused_name

Kernels = tuple[Shape, Shape]
"""Sizes of the first and second kernel."""


def with_3x3_pairs(graph: Graph) -> Graph:
    """Replace every 5x5 by two 3x3, as in Inception V2; the padding is divided and the second has the stride.

    The width between them is sqrt(C_in C_out). The norm and activation of the 5x5 follow both (section 3.1, which
    finds that a ReLU in the middle is better than none).
    """
    return rewritten(graph, five_by_five(graph))


def without_3x3_pairs(graph: Graph) -> Graph:
    """Replace two consecutive 3x3 by one 5x5 with the second's channels; the first's norm and activation are dropped.

    The first must have a stride of 1 and no other reader. Of three in a row, the first two are replaced.
    """
    return rewritten(graph, pairs_of_3x3(graph))


def with_asymmetric_pairs(graph: Graph) -> Graph:
    """Replace every square nxn kernel by 1xn and nx1, as in Inception V3; the rest as in `with_3x3_pairs`."""
    return rewritten(graph, square_kernels(graph))


def without_asymmetric_pairs(graph: Graph) -> Graph:
    """Replace consecutive 1xn and nx1, in either order, by one nxn with the second's channels."""
    return rewritten(graph, asymmetric_pairs(graph))


def five_by_five(graph: Graph) -> Plan:
    """The sites of `with_3x3_pairs`."""
    return _split(graph, lambda kernel: (_threes(kernel), _threes(kernel)) if set(kernel) == {5} else None)


def pairs_of_3x3(graph: Graph) -> Plan:
    """The sites of `without_3x3_pairs`."""
    return _merged(graph, lambda first, second: first == second == _threes(first))


def square_kernels(graph: Graph) -> Plan:
    """The sites of `with_asymmetric_pairs`."""
    return _split(graph, lambda kernel: ((1, kernel[1]), (kernel[0], 1)) if len(set(kernel)) == 1 else None)


def asymmetric_pairs(graph: Graph) -> Plan:
    """The sites of `without_asymmetric_pairs`."""
    return _merged(graph, lambda first, second: first == second[::-1] and sorted(first)[0] == 1 < sorted(first)[1])


def _threes(kernel: Shape) -> Shape:
    return (3,) * len(kernel)


def _split(graph: Graph, kernels_for: Callable[[Shape], Kernels | None]) -> Plan:
    """A site for each 2-d convolution for which `kernels_for` returns two kernels."""
    structure = GraphStructure(graph)
    sites, skipped = [], []
    for node in graph.nodes:
        op = node.op
        if not isinstance(op, Convolution) or op.dimensions != 2 or not dense(op):
            continue
        kernels = kernels_for(op.kernel_size)
        if kernels is None:
            continue
        pair = _pair(structure, node, kernels)
        if isinstance(pair, str):
            skipped.append(SkippedSite(node.name, pair))
            continue
        what = f"{format_shape(op.kernel_size)} as {format_shape(kernels[0])}, {format_shape(kernels[1])}"
        sites.append(Site(node.name, what, (node.name,), ((node.name, pair),), ((node.name, pair[-1].name),)))
    return Plan(tuple(sites), tuple(skipped))


def _pair(structure: GraphStructure, node: Node, kernels: Kernels) -> tuple[Node, ...] | str:
    """Two convolutions in place of one, with its norm and activation between them; or the reason why not."""
    if node.name in structure.shared:
        return "it shares weights with another call"
    op = node.op
    assert isinstance(op, Convolution)
    first_pads, second_pads = _divided(op.padding, kernels)
    steps = [tuple([s if k > 1 else 1 for s, k in zip(op.stride, kernel, strict=True)]) for kernel in kernels]
    if kernels[0] == kernels[1]:
        steps[0] = (1,) * len(op.stride)
    replace = msgspec.structs.replace
    middle = round(sqrt(structure.shape(node.inputs[0])[1] * op.out_channels))
    first = Node(
        unused_name(structure, f"{node.name}/{format_shape(kernels[0])}_1"),
        replace(op, out_channels=middle, kernel_size=kernels[0], stride=steps[0], padding=first_pads),
        node.inputs,
    )
    between = [first]
    for follower in structure.followers(node):
        if isinstance(follower.op, LocalResponseNorm):
            continue  # it follows a few layers of a stem, not every layer
        name = unused_name(structure, f"{first.name}/{follower.name.rpartition('/')[2]}")
        between.append(Node(name, follower.op, (between[-1].name,)))
    second = Node(
        unused_name(structure, f"{node.name}/{format_shape(kernels[1])}_2"),
        replace(op, kernel_size=kernels[1], stride=steps[1], padding=second_pads),
        (between[-1].name,),
    )
    try:
        shape = second.op.output_shape(first.op.output_shape(structure.shape(node.inputs[0])))
    except ShapeError as error:
        return str(error)
    if shape != structure.shape(node.name):
        return f"the output of the pair is {format_shape(shape)}, not {format_shape(structure.shape(node.name))}"
    return (*between, second)


def _divided(padding: Padding, kernels: Kernels) -> tuple[Padding, Padding]:
    """Divide the padding between the two kernels in proportion to their sizes; the first gets the rest."""
    if padding == "same":
        return "same", "same"
    seconds, firsts = [], []
    for pad, first, second in zip(padding, *kernels, strict=True):
        before, after = pad if isinstance(pad, tuple) else (pad, pad)
        share = (second - 1) / max(first + second - 2, 1)
        own = (int(before * share), int(after * share))
        seconds.append(own if own[0] != own[1] else own[0])
        rest = (before - own[0], after - own[1])
        firsts.append(rest if rest[0] != rest[1] else rest[0])
    return tuple(firsts), tuple(seconds)


def _merged(graph: Graph, together: Callable[[Shape, Shape], bool]) -> Plan:
    """A site for each pair of consecutive dense 2-d convolutions whose kernels satisfy `together`."""
    structure = GraphStructure(graph)
    sites, skipped, taken = [], [], set()
    for node in graph.nodes:
        op, second = node.op, structure.next_layer(node)
        if node.name in taken or second is None or not isinstance(op, Convolution) or op.dimensions != 2:
            continue
        if not (isinstance(second.op, type(op)) and dense(op) and dense(second.op) and max(op.stride) == 1):
            continue
        if not together(op.kernel_size, second.op.kernel_size):
            continue
        whole = _whole(structure, node, second)
        if isinstance(whole, str):
            skipped.append(SkippedSite(node.name, whole))
            continue
        taken.add(second.name)
        assert isinstance(whole.op, Convolution)
        what = (
            f"{format_shape(op.kernel_size)}, {format_shape(second.op.kernel_size)} "
            f"for {format_shape(whole.op.kernel_size)}"
        )
        names = (node.name, *[each.name for each in structure.followers(node)], second.name)
        sites.append(Site(second.name, what, names, ((second.name, (whole,)),)))
    return Plan(tuple(sites), tuple(skipped))


def _whole(structure: GraphStructure, node: Node, second: Node) -> Node | str:
    """One convolution with the second's name in place of two; or the reason why not."""
    if not structure.shared.isdisjoint((node.name, second.name)):
        return "it shares weights with another call"
    first, op = node.op, second.op
    assert isinstance(first, Convolution)
    assert isinstance(op, Convolution)
    kernel = tuple([a + b - 1 for a, b in zip(first.kernel_size, op.kernel_size, strict=True)])
    padding: Padding = "same"
    if first.padding != "same" or op.padding != "same":
        pads = zip(_explicit(structure, node), _explicit(structure, second), strict=True)
        sums = [(before + more_before, after + more_after) for (before, after), (more_before, more_after) in pads]
        padding = tuple([before if before == after else (before, after) for before, after in sums])
    whole = msgspec.structs.replace(op, kernel_size=kernel, padding=padding)
    try:
        shape = whole.output_shape(structure.shape(node.inputs[0]))
    except ShapeError as error:
        return str(error)
    if shape != structure.shape(second.name):
        return (
            f"the output of one {format_shape(kernel)} is {format_shape(shape)}, "
            f"not {format_shape(structure.shape(second.name))}"
        )
    return msgspec.structs.replace(second, op=whole, inputs=node.inputs)


def _explicit(structure: GraphStructure, node: Node) -> tuple[tuple[int, int], ...]:
    op = node.op
    assert isinstance(op, Convolution)
    map_size = structure.shape(node.inputs[0])[2:]
    return explicit_padding(map_size, op.kernel_size, op.stride, op.padding, op.dilation)
