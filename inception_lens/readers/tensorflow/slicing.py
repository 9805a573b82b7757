"""TensorFlow's operations that select elements: parts of an axis, slices and rows."""

from __future__ import annotations

from itertools import accumulate

from inception_lens.errors import FormatError
from inception_lens.readers.onnx.values import OnnxValue
from inception_lens.readers.shapes import resolve_axis
from inception_lens.readers.tensorflow.calls import GraphDefCall, GraphDefHandler, TensorFlowValue, like, plain

MAX_PARTS = 10_000
"""Outputs of a split."""


def unpack(call: GraphDefCall) -> list[TensorFlowValue]:
    """Unpack: the elements of an axis, which is removed."""
    x = call.input(0)
    axis = resolve_axis(call.node.integer("axis", 0), len(x.shape))
    rest = [*x.shape[:axis], *x.shape[axis + 1 :]]
    if not 1 <= x.shape[axis] <= MAX_PARTS:
        return call.unknown()
    parts = _parts(call, TensorFlowValue(call.as_is(x)), axis, [1] * x.shape[axis])
    return plain([each for part in parts for each in call.run("Reshape", part.value, suffix="part", shape=rest)])


def _parts(call: GraphDefCall, x: TensorFlowValue, axis: int, sizes: list[int]) -> list[TensorFlowValue]:
    """Consecutive parts of an axis."""
    value, at = x.value, x.axis(axis)
    if value.array is not None:
        ends = list(accumulate(sizes))
        slices = [
            call.run("Slice", value, starts=[end - size], ends=[end], axes=[at])[0]
            for size, end in zip(sizes, ends, strict=True)
        ]
        return like(x, slices)
    return like(x, call.run("Split", value, outputs=len(sizes), axis=at, split=sizes))


def split(call: GraphDefCall) -> list[TensorFlowValue]:
    """Split (axis, tensor) into equal parts and SplitV (tensor, sizes, axis)."""
    if call.node.op == "Split":
        axes, x, count = call.integers(0), call.input(1), call.node.integer("num_split", 1)
        sizes = None
    else:
        x, sizes, axes = call.input(0), call.integers(1), call.integers(2)
        count = call.node.integer("num_split", len(sizes or [0]))
    if not 1 <= count <= MAX_PARTS:
        raise FormatError(f"a split into {count:,} parts; expected 1 to {MAX_PARTS:,}")
    if not axes or (sizes is None and call.node.op == "SplitV"):
        return call.unknown()
    total = x.shape[resolve_axis(axes[0], len(x.shape))]
    if sizes is None:
        if total % count:
            raise FormatError(f"an axis of {total} cannot be split into {count} equal parts")
        sizes = [total // count] * count
    elif sizes.count(-1) == 1:
        sizes = [total - sum(sizes) - 1 if size == -1 else size for size in sizes]
    return _parts(call, x, axes[0], sizes)


def slice_(call: GraphDefCall) -> list[TensorFlowValue]:
    """Slice from known positions, of known sizes; -1 is the rest of an axis."""
    x, starts, sizes = call.input(0), call.integers(1), call.integers(2)
    if starts is None or sizes is None or not len(starts) == len(sizes) == len(x.shape):
        return call.unknown()
    ends = [total if size == -1 else start + size for start, size, total in zip(starts, sizes, x.shape, strict=True)]
    axes = [x.axis(axis) for axis in range(len(starts))]
    return like(x, call.run("Slice", x.value, starts=starts, ends=ends, axes=axes))


def strided_slice(call: GraphDefCall) -> list[TensorFlowValue]:
    """StridedSlice by known positions, with NumPy's rules."""
    x = call.input(0)
    if call.node.integer("shrink_axis_mask", 0) or call.node.integer("new_axis_mask", 0):
        x = TensorFlowValue(call.as_is(x))
    starts, ends, steps = (call.integers(i) for i in (1, 2, 3))
    if starts is None or ends is None or steps is None or not len(starts) == len(ends) == len(steps):
        return call.unknown()
    masks = [call.node.integer(f"{name}_mask", 0) for name in ("begin", "end", "shrink_axis", "new_axis", "ellipsis")]
    index: list[slice] = []
    shape: list[int] = []
    for i, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True)):
        starts_open, ends_open, removes, adds, rest = (mask >> i & 1 for mask in masks)
        if rest:  # the axes that no other entry is for
            others = sum(not masks[3] >> j & 1 for j in range(i + 1, len(starts)))
            skipped = x.shape[len(index) : len(x.shape) - others]
            index += [slice(None)] * len(skipped)
            shape += skipped
            continue
        if adds:
            shape.append(1)
            continue
        size = x.shape[resolve_axis(len(index), len(x.shape))]
        if removes:
            at = resolve_axis(start, size)
            index.append(slice(at, at + 1, 1))
            continue
        if not step:
            raise FormatError("a step of 0")
        index.append(slice(None if starts_open else start, None if ends_open else end, step))
        shape.append(len(range(*index[-1].indices(size))))
    shape += x.shape[len(index) :]
    output = _cut(call, x, index)
    return like(x, [output] if x.is_moved else call.run("Reshape", output, shape=shape))


def _cut(call: GraphDefCall, x: TensorFlowValue, index: list[slice]) -> OnnxValue:
    """The elements of each axis; with negative steps in their order."""
    bounds = [each.indices(size) for each, size in zip(index, x.shape, strict=False)]
    axes = [axis for axis, found in enumerate(bounds) if found != (0, x.shape[axis], 1)]
    if not axes:
        return x.value
    starts, ends, steps = ([bounds[axis][i] for axis in axes] for i in range(3))
    ends = [end if end >= 0 else -x.shape[axis] - 1 for end, axis in zip(ends, axes, strict=True)]
    moved = [x.axis(axis) for axis in axes]
    return call.run("Slice", x.value, suffix="slice", starts=starts, ends=ends, axes=moved, steps=steps)[0]


def gather(call: GraphDefCall) -> list[TensorFlowValue]:
    """Gather, GatherV2 and ResourceGather: positions of an axis, or an embedding."""
    axes = call.integers(2) if len(call.inputs) > 2 else [0]
    if not axes or call.node.integer("batch_dims", 0):
        return call.unknown()
    return plain(call.run("Gather", call.as_is(call.input(0)), call.as_is(call.input(1)), axis=axes[0]))


SLICING: dict[str, GraphDefHandler] = {
    **dict.fromkeys(("Split", "SplitV"), split),
    **dict.fromkeys(("Gather", "GatherV2", "ResourceGather"), gather),
    "Slice": slice_,
    "StridedSlice": strided_slice,
    "Unpack": unpack,
}
