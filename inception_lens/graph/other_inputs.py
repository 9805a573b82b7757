"""Whether a graph holds for other inputs: sizes that a source computed from its inputs are numbers in a graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from inception_lens.errors import GraphError, InceptionLensError
from inception_lens.graph.facts import CallFacts, infer
from inception_lens.graph.nodes import Node, output_names
from inception_lens.ops import (
    Declared,
    Expand,
    Select,
    Shape,
    Slice,
    Stored,
    TensorType,
    Unknown,
    Upsample,
    format_shape,
)

Axis = tuple[int, int]
"""The position of an input of a call, and one of its axes."""


def check_other_inputs(
    nodes: Sequence[Node], old: Sequence[CallFacts], new: Sequence[CallFacts], independent: Set[str]
) -> None:
    """Check that calls with the facts `old` hold for other inputs, on which their facts are `new`.

    Args:
        nodes: all calls of the graph.
        old: the facts of each call.
        new: the facts of each call on the other inputs.
        independent: names of the tensors that are not computed from an input.

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
    if _shapes(old) != _shapes(new):  # and not only the dtype
        _check_created(nodes, new, independent)


def _shapes(facts: Sequence[CallFacts]) -> list[Shape]:
    return [tensor.shape for call in facts for tensor in (*call.inputs, *call.outputs)]


def _check_created(nodes: Sequence[Node], facts: Sequence[CallFacts], independent: Set[str]) -> None:
    """Check that no size of a tensor that the source created, such as `torch.zeros(x.shape[0], 8)`, adds to the cost.

    Such a size may be any function of the sizes of the inputs. It may not where the call would reject another one, as
    that of an axis that is added to an axis of the input.
    """
    created: dict[str, tuple[int, ...]] = {}
    for node, call in zip(nodes, facts, strict=True):
        is_independent = node.name in independent
        found = [(i, axis) for i, name in enumerate(node.inputs) for axis in created.get(name, ())]
        for axes in _equal_axes(call, found):
            if _depends_on(node, call, axes, is_independent):
                tensor = node.inputs[axes[0][0]]
                shape = format_shape(call.inputs[axes[0][0]].shape)
                raise GraphError(
                    f"axis {axes[0][1]} of `{tensor}`, {shape}, may follow from the inputs: the cost of `{node.name}` "
                    f"({call.op.label}) is unknown for another input"
                )
        if is_independent:
            names = output_names(node.name, len(call.outputs))
            for name, output in zip(names, call.outputs, strict=True):
                if axes_of_output := _created_axes(call, output.shape, bool(found)):
                    created[name] = axes_of_output


def _created_axes(call: CallFacts, shape: Shape, reads_created: bool) -> tuple[int, ...]:
    """The axes of the output of a call on tensors that are not computed from an input whose sizes the source chose."""
    op = call.op
    if call.parameters and not isinstance(op, Stored):
        return ()  # the weights confirm them
    if reads_created or isinstance(op, Expand) or (isinstance(op, Stored) and op.tensor_kind == "constant"):
        return tuple(range(len(shape)))
    return (op.dim % len(shape),) if isinstance(op, Slice) else ()


def _equal_axes(call: CallFacts, axes: Sequence[Axis]) -> Iterator[Sequence[Axis]]:
    """Each axis alone, and all those of one size, which one value of the source may have set."""
    sizes: dict[int, list[Axis]] = {}
    for i, axis in axes:
        yield [(i, axis)]
        sizes.setdefault(call.inputs[i].shape[axis], []).append((i, axis))
    yield from (each for each in sizes.values() if len(each) > 1)


def _depends_on(node: Node, call: CallFacts, axes: Sequence[Axis], is_independent: bool) -> bool:
    """Whether the call accepts another size of these axes, and then costs or allocates more.

    What is computed from an input may not have another shape either, since later calls cost more then.
    """
    size = call.inputs[axes[0][0]].shape[axes[0][1]]
    for other in (size + 1, 2 * size + 2):
        inputs = list(call.inputs)
        for i, axis in axes:
            shape = list(inputs[i].shape)
            shape[axis] = other
            inputs[i] = TensorType(tuple(shape), inputs[i].dtype)
        try:
            changed = infer(node, tuple(inputs))
        except InceptionLensError:
            continue
        if changed.parameters != call.parameters:
            continue  # the weights of the call confirm the size
        is_allocated = not (is_independent and all(call.reuses_input))
        if changed.flops != call.flops or (is_allocated and changed.outputs != call.outputs):
            return True
    return False


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
