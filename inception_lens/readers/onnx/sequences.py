"""ONNX's operators on sequences and optional values.

A sequence whose tensors are known is those tensors, and no operator on it costs anything; another one is unknown.
"""

from __future__ import annotations

from inception_lens.errors import FormatError
from inception_lens.ops import Concat, Select, Slice, Stack
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, known_value
from inception_lens.readers.shapes import resolve_axis

MAX_ITEMS = 10_000
"""Tensors of a sequence that a tensor is split into."""


def _sequence(*items: OnnxValue) -> list[OnnxValue]:
    return [OnnxValue(None, items=items)]


def construct(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """SequenceConstruct and SequenceEmpty."""
    return _sequence(*call.present_inputs())


def _position(call: OnnxCall, i: int, size: int) -> int | None:
    """A position in a sequence of some size, the last one where input `i` is left out; None where it is unknown."""
    if not call.has_input(i):
        return size - 1
    position = call.input(i).scalar
    return None if position is None else resolve_axis(int(position), size)


def change(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """SequenceInsert, SequenceErase and SequenceAt."""
    items, is_insert = call.input(0).items, call.op == "SequenceInsert"
    if items is None:
        return builder.unknown(call)
    position = _position(call, 2 if is_insert else 1, len(items) + is_insert)
    if position is None:
        return builder.unknown(call)
    if call.op == "SequenceAt":
        return [items[position]]
    if is_insert:
        return _sequence(*items[:position], call.input(1), *items[position:])
    return _sequence(*items[:position], *items[position + 1 :])


def length(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """SequenceLength."""
    import numpy as np

    items = call.input(0).items
    return builder.unknown(call) if items is None else [known_value(np.array(len(items), "int64"))]


def split_to_sequence(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """SplitToSequence: parts of equal or given sizes or, without them, all positions of an axis."""
    x = call.input(0)
    if x.type is None:
        return builder.unknown(call)
    axis = resolve_axis(call.integer("axis", 0), len(x.shape))
    size, sizes = x.shape[axis], call.known_integers("split", 1, [1])
    if sizes is None:
        return builder.unknown(call)
    if not call.has_input(1) or call.input(1).shape == ():
        step = sizes[0]
        if step < 1:
            raise FormatError(f"`split` is {step}; expected at least 1")
        if size // step > MAX_ITEMS:
            return builder.unknown(call)
        sizes = [min(step, size - start) for start in range(0, size, step)]
    if sum(sizes) != size or min(sizes, default=0) < 0:
        raise FormatError(f"cannot split an axis of {size} into parts of {sizes}")
    node, start, items = builder.node(x), 0, []
    for i, part in enumerate(sizes):
        is_position = not call.has_input(1) and not call.integer("keepdims", 1)
        op = Select(axis, start) if is_position else Slice(axis, start, start + part)
        items.append(builder.add(f"{call.name}/{i}", op, node))
        start += part
    return _sequence(*items)


def concat_from_sequence(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """ConcatFromSequence, along an axis or a new one."""
    items = call.input(0).items
    if not items or any(item.type is None for item in items):
        return builder.unknown(call)
    is_new = call.integer("new_axis", 0)
    axis = resolve_axis(call.integer("axis", 0), len(items[0].shape) + is_new)
    return [builder.add(call.name, Stack(axis) if is_new else Concat(axis), *builder.nodes(items))]


def optional(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Optional and OptionalGetElement: a value in an optional is the value."""
    return [call.input(0)] if call.has_input(0) else builder.unknown(call)


def has_element(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """OptionalHasElement: known only where there is no optional value."""
    import numpy as np

    return builder.unknown(call) if call.has_input(0) else [known_value(np.array(False))]


SEQUENCES: dict[str, OnnxHandler] = {
    **dict.fromkeys(("Optional", "OptionalGetElement"), optional),
    **dict.fromkeys(("SequenceAt", "SequenceErase", "SequenceInsert"), change),
    **dict.fromkeys(("SequenceConstruct", "SequenceEmpty"), construct),
    "ConcatFromSequence": concat_from_sequence,
    "OptionalHasElement": has_element,
    "SequenceLength": length,
    "SplitToSequence": split_to_sequence,
}
"""By the operator's name; these also take values that are no tensors."""
