"""ONNX's operators with graphs in their attributes.

An `If` is the branch that is taken, where its condition is known while reading. A `Loop` is its iterations, where their
number is known; so are a `Scan` and a `SequenceMap`. Otherwise the operator is Unknown, with the parameters of all
graphs in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from inception_lens.errors import FormatError, GraphError
from inception_lens.ops import Select, Stack, TensorType
from inception_lens.readers.onnx.graph_builder import MAX_STEPS, OnnxGraphBuilder
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, known_value
from inception_lens.readers.shapes import resolve_axis


class ReadBody(Protocol):
    """Reads a graph in an attribute of a call, as `OnnxBodyReader.read_body`."""

    def __call__(
        self, builder: OnnxGraphBuilder, attribute: str, inputs: Sequence[OnnxValue | None] = (), path: str = "", /
    ) -> list[OnnxValue]: ...


class Iterated(NamedTuple):
    """The outputs of an iteration."""

    goes_on: bool | None
    """Whether another one follows; None if that is unknown."""
    carried: Sequence[OnnxValue | None]
    """Values that the next one reads."""
    stacked: Sequence[OnnxValue]
    """Values that are joined with those of all others along a new axis."""


class Iterations(NamedTuple):
    """The iterations of a `Loop` or `Scan`."""

    write: Callable[[OnnxGraphBuilder, int | None, Sequence[OnnxValue | None]], Iterated]
    """Writes the one of a number, None for any, on the values that the one before it carries."""
    initial: Sequence[OnnxValue | None]
    """The values that the first one reads."""
    limit: float | None
    """How many there are at most; None if that is unknown."""
    condition: bool | None = True
    """Whether there is any; None if that is unknown."""
    axes: Sequence[int] = ()
    """The axes along which values are stacked; the first one by default."""


def if_(builder: OnnxGraphBuilder, call: OnnxCall, read: ReadBody) -> list[OnnxValue]:
    """If: the branch that is taken."""
    condition = _truth(call.input(0))
    if condition is not None:
        return read(builder, "then_branch" if condition else "else_branch")
    branch = builder.branch()
    bodies: list[list[OnnxValue]] = []
    for name in ("then_branch", "else_branch"):
        try:
            bodies.append(read(branch, name))
            branch.nodes(bodies[-1])
        except (FormatError, GraphError):  # such as the branch for an input of another size
            bodies.append([])
    return _unknown(builder, call, branch, *bodies, is_complete=all(bodies))


def _unknown(
    builder: OnnxGraphBuilder,
    call: OnnxCall,
    branch: OnnxGraphBuilder,
    ones: Sequence[OnnxValue | None],
    others: Sequence[OnnxValue | None],
    *,
    is_complete: bool = True,
) -> list[OnnxValue]:
    """An Unknown whose outputs are `ones` or `others`: their types are known where both have the same."""
    types, declared = list(call.declared), list(call.declared)
    for i, (one, other) in enumerate(zip(ones[: len(types)], others, strict=False)):
        types[i] = one.type if one and other and one.type == other.type else None
        if one and other and one.type and other.type:
            declared[i] = None
    return builder.unknown(call._replace(declared=tuple(declared)), types, branch, is_complete=is_complete)


def loop(builder: OnnxGraphBuilder, call: OnnxCall, read: ReadBody) -> list[OnnxValue]:
    """Loop: a number of iterations, while a condition holds; each of both can be left out."""
    import numpy as np

    def write(branch: OnnxGraphBuilder, i: int | None, carried: Sequence[OnnxValue | None]) -> Iterated:
        number = OnnxValue(TensorType((), "int64")) if i is None else known_value(np.array(i, "int64"))
        condition = OnnxValue(TensorType((), "bool")) if i is None else known_value(np.array(True))
        last = 1 + len(carried)
        outputs = _read_iteration(branch, read, i, (number, condition, *carried), last)
        return Iterated(_truth(outputs[0]) if call.has_input(1) else True, outputs[1:last], outputs[last:])

    trips = call.input(0).scalar if call.has_input(0) else MAX_STEPS
    condition = _truth(call.input(1)) if call.has_input(1) else True
    return _iterate(builder, call, Iterations(write, call.inputs[2:], trips, condition))


def scan(builder: OnnxGraphBuilder, call: OnnxCall, read: ReadBody) -> list[OnnxValue]:
    """Scan: an iteration for each position of an axis of its last inputs; that of opset 8, with a batch, is unknown."""
    count = call.integer("num_scan_inputs", 0)
    initial, scanned = call.inputs[:-count], call.present_inputs()[-count:]
    if count < 1 or call.opset < 9 or any(value.type is None for value in scanned):
        return builder.unknown(call)
    axes = call.integers("scan_input_axes") or [0] * count
    pairs = [(value, resolve_axis(axis, len(value.shape))) for value, axis in zip(scanned, axes, strict=True)]

    def write(branch: OnnxGraphBuilder, i: int | None, carried: Sequence[OnnxValue | None]) -> Iterated:
        name = f"{call.name}/{_path(i)}input"
        parts = [branch.add(name, Select(axis, i or 0), branch.node(value)) for value, axis in pairs]
        outputs = _read_iteration(branch, read, i, (*carried, *parts), len(carried))
        return Iterated(True, outputs[: len(carried)], outputs[len(carried) :])

    length = pairs[0][0].shape[pairs[0][1]]
    return _iterate(builder, call, Iterations(write, initial, length, axes=call.integers("scan_output_axes") or ()))


def sequence_map(builder: OnnxGraphBuilder, call: OnnxCall, read: ReadBody) -> list[OnnxValue]:
    """SequenceMap: the body for each tensor of a sequence, with those of other sequences or the same tensors."""
    first, *others = call.inputs
    if first is None or first.items is None or any(each and each.type is None and not each.items for each in others):
        return builder.unknown(call)
    rows = [
        read(builder, "body", (item, *(each.items[i] if each and each.items else each for each in others)), _path(i))
        for i, item in enumerate(first.items)
    ]
    return [OnnxValue(None, items=column) for column in zip(*rows, strict=True)]


def _read_iteration(
    branch: OnnxGraphBuilder, read: ReadBody, i: int | None, inputs: Sequence[OnnxValue | None], least: int
) -> list[OnnxValue]:
    branch.steps.take()
    outputs = read(branch, "body", inputs, _path(i))
    if len(outputs) < least:
        raise FormatError(f"`body` has {len(outputs)} outputs; expected at least {least}")
    return outputs


def _path(i: int | None) -> str:
    return "" if i is None else f"{i}/"


def _truth(value: OnnxValue) -> bool | None:
    """The condition in a tensor; None if it is unknown."""
    return None if value.array is None else bool(value.array.reshape(-1)[0])


def _iterate(builder: OnnxGraphBuilder, call: OnnxCall, iterations: Iterations) -> list[OnnxValue]:
    """The outputs of all iterations or, where their number is unknown, of an Unknown with their parameters."""
    branch = builder.branch()
    outputs = _unroll(branch, call, iterations)
    if outputs is not None:
        branch.settle(outputs)
        builder.include(branch)
        return outputs
    branch = builder.branch()
    initial = [value and OnnxValue(value.type, node=branch.node(value)) for value in iterations.initial]
    try:
        _, carried, stacked = iterations.write(branch, None, initial)
        branch.nodes([value for value in (*carried, *stacked) if value is not None])
    except (FormatError, GraphError):
        return builder.unknown(call, (), branch, is_complete=False)
    return _unknown(builder, call, branch, initial, carried)


def _unroll(branch: OnnxGraphBuilder, call: OnnxCall, iterations: Iterations) -> list[OnnxValue] | None:
    """Write all iterations; None where their number is unknown, or they take half of the steps that are left."""
    write, carried, limit, goes_on, axes = iterations
    if limit is None:
        return None
    reserve = branch.steps.left // 2
    rows: list[Sequence[OnnxValue]] = []
    while goes_on is not False and len(rows) < limit:
        if goes_on is None or branch.steps.left < reserve:
            return None
        goes_on, carried, stacked = write(branch, len(rows), carried)
        rows.append(stacked)
    outputs = [value for value in carried if value is not None]
    if len(outputs) < len(carried) or (not rows and len(call.outputs) > len(outputs)):
        return None
    columns = enumerate(zip(*rows, strict=True))
    return [*outputs, *(_stack(branch, call, values, axes[i] if i < len(axes) else 0) for i, values in columns)]


def _stack(branch: OnnxGraphBuilder, call: OnnxCall, values: Sequence[OnnxValue], axis: int) -> OnnxValue:
    if any(value.type is None for value in values):
        stack = call._replace(op="Stack", inputs=tuple(values), outputs=("",), declared=(None,))
        return branch.unknown(stack)[0]
    rank = len(values[0].shape) + 1
    return branch.add(f"{call.name}/stack", Stack(resolve_axis(axis, rank)), *branch.nodes(values))


CONTROL_FLOW: dict[str, Callable[[OnnxGraphBuilder, OnnxCall, ReadBody], list[OnnxValue]]] = {
    "If": if_,
    "Loop": loop,
    "Scan": scan,
    "SequenceMap": sequence_map,
}
"""By the operator's name."""
