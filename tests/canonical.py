"""The canonical form: equal for graphs of different sources that compute the same."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from inception_lens.errors import ShapeError
from inception_lens.graph import Graph, GraphIndex, Input, Node, Output, output_name
from inception_lens.ops import Op, Pad, Padding, Shape
from inception_lens.ops.window import Rounding, explicit_padding, output_size

PaddingPairs = Sequence[tuple[int, int]]
"""Padding before and after, per axis."""

ROUNDINGS: tuple[Rounding, ...] = ("floor", "ceil", "trunc", "ceil_unclipped")
"""In order of preference."""


def canonical(graph: Graph) -> Graph:
    """The same network without the conventions of its source.

    SAME padding becomes explicit for this input. The rounding of a pool becomes the first of `ROUNDINGS` that gives as
    many windows. A Pad before a convolution or pool is folded into it, if it pads with zeros, or with minus infinity
    before a max pool. Calls whose tensors are not shared have no tensor names. Inputs are called `input`, `input_1`
    and so on. Nodes keep their names, except that a folded call takes the name of the module that it forms with its
    Pad.
    """
    renamed = {each.name: output_name("input", i).replace(":", "_") for i, each in enumerate(graph.inputs)}
    inputs = [Input(renamed[each.name], each.type) for each in graph.inputs]
    index = graph.index
    kept = {output.node for output in graph.outputs}
    pads = {
        node.name: node
        for node in graph.nodes
        if isinstance(node.op, Pad) and len(index.readers[node.name]) == 1 and node.name not in kept
    }
    nodes: list[Node] = []
    for node in graph.nodes:
        pad = pads.get(node.inputs[0]) if node.inputs else None
        folded = _with_pad(node, graph, pad) if pad else None
        op = folded or _explicit(node.op, graph.input_shapes(node)[0][2:] if node.inputs else ())
        name, reads = node.name, node.inputs
        if folded is not None and pad is not None:
            nodes = [each for each in nodes if each.name != pad.name]
            reads = pad.inputs
            above = node.name.rpartition("/")[0]
            if above and above == pad.name.rpartition("/")[0] and above not in graph.types:
                name = above
        nodes.append(Node(name, op, tuple([_named(each, renamed, index) for each in reads]), node.parameters))
        if name != node.name:
            renamed[node.name] = name
    outputs = [Output(_named(each.node, renamed, index), each.loss_weight) for each in graph.outputs]
    result = Graph.of(inputs, _without_own_names(nodes), outputs, graph.mode)
    return msgspec.structs.replace(
        result, dtype=graph.dtype, unused=graph.unused, frozen=graph.frozen, metadata=graph.metadata
    )


def _named(name: str, renamed: Mapping[str, str], index: GraphIndex) -> str:
    producer = index.producer[name]
    return renamed.get(producer, producer) + name.removeprefix(producer)


def _explicit(op: Op, map_size: tuple[int, ...]) -> Op:
    """The operation with SAME padding size explicit for this map, and a pair of equal paddings as one number."""
    padding: Padding | None = getattr(op, "padding", None)
    if isinstance(op, Pad) or not padding:
        return op
    return _padded(op, _pairs(op, map_size), map_size)


def _pairs(op: Op, map_size: Shape) -> PaddingPairs:
    window: Any = op
    return explicit_padding(map_size, window.kernel_size, window.stride, window.padding, _dilation(op))


def _dilation(op: Any) -> Shape:
    return getattr(op, "dilation", ()) or (1,) * len(op.kernel_size)


def _padded(op: Any, pairs: PaddingPairs, map_size: Shape) -> Op:
    """The operation with this padding, and with the first rounding that gives as many windows of the map."""
    padding = tuple([a if a == b else (a, b) for a, b in pairs])
    changes: dict[str, Any] = {"padding": padding}
    if hasattr(op, "rounding"):
        window = (map_size, op.kernel_size, op.stride, padding, _dilation(op))
        size = output_size(*window, "floor" if op.padding == "same" else op.rounding)
        changes["rounding"] = next(each for each in ROUNDINGS if _windows(window, each) == size)
        # Padding after the map never holds a maximum: if only the last windows reach it, it is a rounding.
        plain = tuple([before for before, _ in pairs])
        if "MaxPool" in op.kind and plain != padding:
            for rounding in ROUNDINGS:
                if _windows((*window[:3], plain, window[4]), rounding) == size:
                    changes = {"padding": plain, "rounding": rounding}
                    break
    return cast(Op, msgspec.structs.replace(op, **changes))


def _windows(window: tuple[Any, ...], rounding: Rounding) -> Shape | None:
    try:
        return output_size(*window, rounding)
    except ShapeError:
        return None


def _with_pad(node: Node, graph: Graph, pad: Node) -> Op | None:
    """The operation of a call with the Pad before it folded in; None where the Pad differs from window padding."""
    op, before = node.op, pad.op
    assert isinstance(before, Pad)
    windowed = op.category in ("conv", "pool") and hasattr(op, "kernel_size")
    neutral = float("-inf") if op.kind.startswith("MaxPool") else 0.0
    spatial = before.padding[2:]
    if not windowed or before.mode != "constant" or before.value != neutral or before.padding[:2] != ((0, 0), (0, 0)):
        return None
    if min([side for pair in spatial for side in pair]) < 0 or "Transpose" in op.kind:
        return None
    if op.kind.startswith("AvgPool") and not getattr(op, "count_include_pad", True):
        return None
    own = _pairs(op, graph.input_shapes(node)[0][2:])
    pairs = [(a + c, b + d) for (a, b), (c, d) in zip(own, spatial, strict=True)]
    return _padded(op, pairs, graph.input_shapes(pad)[0][2:])


def _without_own_names(nodes: Iterable[Node]) -> list[Node]:
    """Drop the tensor names of calls that share no tensor."""
    nodes = list(nodes)
    counts: dict[str, int] = {}
    for node in nodes:
        for name in node.parameters:
            counts[name] = counts.get(name, 0) + 1
    return [
        node if any(counts[name] > 1 for name in node.parameters) else msgspec.structs.replace(node, parameters=())
        for node in nodes
    ]
