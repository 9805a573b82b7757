"""Graphs that were written to a file and read back, in a form that formats do not distinguish."""

from typing import Any

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import AvgPool2d, Op
from tests.canonical import canonical


def canonical_nodes(graph: Graph) -> list[Node]:
    """The nodes of the canonical form.

    Adaptive average pools are pools with an explicit window, and whether an unpadded average pool counts its padding
    does not matter.
    """
    form = canonical(graph)
    return [msgspec.structs.replace(node, op=_canonical_op(form, node)) for node in form.nodes]


def _canonical_op(graph: Graph, node: Node) -> Op:
    op: Any = node.op
    if op.kind == "AdaptiveAvgPool2d":
        sizes = zip(graph.input_shapes(node)[0][2:], op.output_size, strict=True)
        kernel = tuple(n // m for n, m in sizes)
        return AvgPool2d(kernel, kernel, (0, 0), "floor")
    if op.kind == "AvgPool2d" and not any(op.padding):
        return AvgPool2d(op.kernel_size, op.stride, op.padding, op.rounding)
    return op  # type: ignore[no-any-return]
