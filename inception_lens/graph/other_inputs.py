"""Whether a graph holds for other inputs: sizes that a source computed from its inputs are numbers in a graph."""

from __future__ import annotations

from collections.abc import Sequence, Set

from inception_lens.errors import GraphError
from inception_lens.graph.facts import CallFacts
from inception_lens.graph.nodes import Node
from inception_lens.ops import Declared, Expand, Select, Shape, Slice, Stored, Unknown, Upsample, format_shape


def check_other_inputs(nodes: Sequence[Node], old: Sequence[CallFacts], new: Sequence[CallFacts]) -> None:
    """Check that calls with the facts `old` hold for other inputs, on which their facts are `new`.

    Raises:
        GraphError: the network would need other weights, or a call has a size or a position that may follow from the
            first inputs.
    """
    for node, before, after in zip(nodes, old, new, strict=True):
        op = node.op
        if isinstance(op, Unknown | Declared):
            raise GraphError(f"the output shape of `{node.name}` ({op.kind}) is unknown for another input")
        if before.parameters != after.parameters:
            sizes = " and not ".join(format_shape(each.parameters[0].shape) for each in (after, before))
            raise GraphError(f"for that input `{node.name}` would need weights of {sizes}")
        if before.inputs and _is_bound(node, before.inputs[0].shape, after.inputs[0].shape):
            raise GraphError(
                f"`{node.name}` ({op.label}) holds for an input of {format_shape(before.inputs[0].shape)}; its sizes "
                f"are unknown for one of {format_shape(after.inputs[0].shape)}"
            )


def _is_bound(node: Node, before: Shape, after: Shape) -> bool:
    """Whether a number in the operation may have been computed from an axis whose size changes."""
    op = node.op
    if isinstance(op, Slice | Select):  # of a size that changes, a part: `x[1:]` and `x[1:4]` are one operation
        return before[op.dim] != after[op.dim]
    if isinstance(op, Expand):
        return before != after
    return isinstance(op, Upsample) and before[2:] != after[2:]


def check_batch(nodes: Sequence[Node], facts: Sequence[CallFacts], independent: Set[str], batch: int) -> None:
    """Check that no tensor that is not computed from an input may have been made for this batch.

    Where the batch is 1, a tensor of any batch is broadcast to it, but what is computed from it may cost more.

    Args:
        nodes: all calls of the graph.
        facts: those of each call.
        independent: names of the tensors that are not computed from an input.
        batch: the first axis of the inputs.

    Raises:
        GraphError: one may have been made for it.
    """
    for node, call in zip(nodes, facts, strict=True):
        shape, op = call.outputs[0].shape, node.op
        if node.name not in independent or len(shape) < 2 or shape[0] != batch:
            continue
        is_fixed = isinstance(op, Stored) and op.tensor_kind != "constant"
        if not is_fixed and (batch > 1 or call.flops):
            raise GraphError(
                f"the first axis of `{node.name}`, {format_shape(shape)}, may be the batch of {batch}: its shape is "
                "unknown for another batch"
            )
