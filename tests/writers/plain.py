"""What two formats cannot tell apart: windows as they are on a graph's own input, and pools of another name."""

from typing import Any

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import AvgPool2d, Op
from inception_lens.rewrites.canonical import canonical


def plain(graph: Graph) -> list[Node]:
    """The nodes of the canonical form, with adaptive pools as pools of one window, and none that count no padding."""
    form = canonical(graph)
    return [msgspec.structs.replace(node, op=_plain(form, node)) for node in form.nodes]


def _plain(graph: Graph, node: Node) -> Op:
    op: Any = node.op
    if op.kind == "AdaptiveAvgPool2d":
        sizes = zip(graph.input_shapes(node)[0][2:], op.output_size, strict=True)
        kernel = tuple(n // m for n, m in sizes)
        return AvgPool2d(kernel, kernel, (0, 0), "floor")
    if op.kind == "AvgPool2d" and not any(op.padding):
        return AvgPool2d(op.kernel_size, op.stride, op.padding, op.rounding)
    return op  # type: ignore[no-any-return]
