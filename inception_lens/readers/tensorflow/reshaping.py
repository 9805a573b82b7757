"""TensorFlow's operations that join, split, reorder, resize, pad or generate tensors, or return their shape."""

from __future__ import annotations

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Declared, Shape, TensorType, Upsample
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.readers.onnx.values import OnnxValue, known_value
from inception_lens.readers.shapes import resolve_axis
from inception_lens.readers.tensorflow.calls import (
    GraphDefCall,
    GraphDefHandler,
    TensorFlowValue,
    channels_first,
    known,
    like,
    plain,
)
from inception_lens.readers.tensorflow.fusion import FORWARDING
from inception_lens.readers.tensors import NUMPY_DTYPES

MAX_PARTS = 10_000
"""Outputs of a split, inputs of a join and numbers of a range."""


def _rearranged(call: GraphDefCall, x: TensorFlowValue) -> OnnxValue:
    """The tensor in TensorFlow's order, without a Permute where one of its channels and its map has one element."""
    sizes = x.value.shape
    return x.value if x.is_moved and 1 in (sizes[1], prod(sizes[2:])) else call.as_is(x)


def reshape(call: GraphDefCall) -> list[TensorFlowValue]:
    """Reshape to a known shape.

    A map that becomes one vector per sample needs no Permute: the layer that reads it has its weights in that order.
    Nor does a vector per sample that becomes a map of one position.
    """
    x, shape = call.input(0), call.integers(1)
    if shape is None:
        return call.unknown()
    elements, rest = prod(x.shape), prod(size for size in shape if size != -1)
    if shape.count(-1) > 1 or (-1 in shape and (not rest or elements % rest)):
        raise FormatError(f"a tensor of {elements:,} elements cannot be reshaped to {shape}")
    sizes = [elements // rest if size == -1 else size for size in shape]
    is_vector = len(sizes) == 2 and sizes[0] == x.shape[0]
    value = x.value if is_vector and x.is_moved else _rearranged(call, x)
    if len(sizes) > 3 and prod(sizes[1:-1]) == 1 and not value.is_weight and value.array is None:
        order = channels_first(len(sizes))
        return [TensorFlowValue(call.run("Reshape", value, shape=[sizes[axis] for axis in order])[0], is_moved=True)]
    return plain(call.run("Reshape", value, shape=sizes))


def squeeze(call: GraphDefCall) -> list[TensorFlowValue]:
    """Squeeze: axes of size 1 are removed."""
    x = call.input(0)
    axes = call.node.integers("squeeze_dims") or call.node.integers("axis")
    shape, rank = x.shape, len(x.shape)
    removed = {resolve_axis(axis, rank) for axis in axes} or {i for i, size in enumerate(shape) if size == 1}
    if any(shape[axis] != 1 for axis in removed):
        raise FormatError(f"cannot remove axes {sorted(removed)} of a tensor of {list(shape)}")
    return plain(call.run("Reshape", _rearranged(call, x), shape=[n for i, n in enumerate(shape) if i not in removed]))


def expand_dims(call: GraphDefCall) -> list[TensorFlowValue]:
    """ExpandDims: a new axis of size 1."""
    x, axes = call.input(0), call.integers(1)
    if not axes:
        return call.unknown()
    at = resolve_axis(axes[0], len(x.shape) + 1)
    return plain(call.run("Reshape", call.as_is(x), shape=[*x.shape[:at], 1, *x.shape[at:]]))


def transpose(call: GraphDefCall) -> list[TensorFlowValue]:
    """Transpose; one that moves the channels of a map changes only how TensorFlow counts the axes."""
    x, order = call.input(0), call.integers(1)
    if order is None:
        return call.unknown()
    rank = len(x.shape)
    if rank > 3 and x.is_moved and tuple(order) == channels_first(rank):
        return [TensorFlowValue(x.value)]
    if rank > 3 and not x.is_moved and not x.value.is_weight and tuple(order) == (0, *range(2, rank), 1):
        return [TensorFlowValue(x.value, is_moved=True)]
    return plain(call.run("Transpose", call.as_is(x), perm=order))


def concat(call: GraphDefCall) -> list[TensorFlowValue]:
    """Concat (axis first) and ConcatV2 (axis last)."""
    is_first = call.node.op == "Concat"
    axes = call.integers(0 if is_first else len(call.inputs) - 1)
    tensors = call.values()[1:] if is_first else call.values()[:-1]
    if not axes or not tensors:
        return call.unknown()
    if all(x.is_moved for x in tensors):
        output = call.run("Concat", *[x.value for x in tensors], axis=tensors[0].axis(axes[0]))
        return like(tensors[0], output)
    return plain(call.run("Concat", *map(call.as_is, tensors), axis=axes[0]))


def pack(call: GraphDefCall) -> list[TensorFlowValue]:
    """Pack: tensors of one shape joined along a new axis."""
    tensors = call.values()
    at = resolve_axis(call.node.integer("axis", 0), len(tensors[0].shape) + 1)
    parts = []
    for i, x in enumerate(tensors):
        shape = x.shape
        parts += call.run("Reshape", call.as_is(x), suffix=str(i), shape=[*shape[:at], 1, *shape[at:]])
    return plain(call.run("Concat", *parts, axis=at))


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
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
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


def pad(call: GraphDefCall) -> list[TensorFlowValue]:
    """Pad, PadV2 and MirrorPad by known numbers."""
    x, pads = call.input(0), call.integers(1)
    rank = len(x.shape)
    if pads is None or len(pads) != 2 * rank:
        return call.unknown()
    sides = [(pads[2 * axis], pads[2 * axis + 1]) for axis in range(rank)]
    if x.is_moved:
        sides = [sides[axis] for axis in channels_first(rank)]
    mode = call.node.text("mode", "constant").lower()
    fill = call.input(2).value.scalar if len(call.inputs) > 2 else None
    both = [before for before, _ in sides] + [after for _, after in sides]
    if mode == "symmetric":  # the border is repeated: PyTorch has no such mode
        shape = tuple(n + sum(side) for n, side in zip(x.value.shape, sides, strict=True))
        op = Declared("MirrorPad", (TensorType(shape, x.value.dtype),))
        return like(x, [call.builder.add(call.node.name, op, call.builder.node(x.value))])
    return like(x, call.run("Pad", x.value, pads=both, mode=mode, value=fill or 0.0))


def resize(call: GraphDefCall) -> list[TensorFlowValue]:
    """Resizing of a map to a known size."""
    sizes = call.integers(1)
    if sizes is None or len(sizes) != 2:
        return call.unknown()
    x = call.moved(0)
    mode = {"ResizeNearestNeighbor": "nearest", "ResizeBilinear": "bilinear"}.get(call.node.op, "bicubic")
    aligned = mode != "nearest" and bool(call.node.integer("align_corners", 0))
    if mode != "nearest":  # the result is float32
        (x,) = call.run("Cast", x, suffix="cast", to=onnx_dtype_number("float32"))
    op = Upsample((sizes[0], sizes[1]), mode, aligned)
    return [TensorFlowValue(call.builder.add(call.node.name, op, call.builder.node(x)), is_moved=True)]


def blocks(call: GraphDefCall) -> list[TensorFlowValue]:
    """DepthToSpace, SpaceToDepth, SpaceToBatchND and BatchToSpaceND, which only move elements."""
    x = call.input(0)
    shape = _moved_blocks(call, x.shape)
    if shape is None or min(shape, default=0) < 0:
        return call.unknown()
    if x.is_moved:
        shape = tuple(shape[axis] for axis in channels_first(len(shape)))
    op = Declared(call.node.op, (TensorType(shape, x.value.dtype),))
    return like(x, [call.builder.add(call.node.name, op, call.builder.node(x.value))])


def _moved_blocks(call: GraphDefCall, shape: Shape) -> Shape | None:
    """The shape after elements of a block and of the channels, or the batch, change places."""
    op, side = call.node.op, call.node.integer("block_size", 0)
    if op in ("DepthToSpace", "SpaceToDepth"):
        if len(shape) != 4 or side < 1 or call.node.text("data_format", "NHWC") != "NHWC":
            return None
        batch, height, width, channels = shape
        if op == "DepthToSpace":
            return (batch, height * side, width * side, channels // side**2)
        return (batch, height // side, width // side, channels * side**2)
    sides, edges = call.integers(1), call.integers(2)
    if sides is None or edges is None or min(sides, default=0) < 1 or not len(edges) == 2 * len(sides) < 2 * len(shape):
        return None
    pairs = [(edges[2 * i], edges[2 * i + 1]) for i in range(len(sides))]
    axes = list(zip(shape[1:], sides, pairs, strict=False))
    if op == "SpaceToBatchND":
        sizes = [(size + sum(pair)) // side for size, side, pair in axes]
        return (shape[0] * prod(sides), *sizes, *shape[len(sides) + 1 :])
    sizes = [size * side - sum(pair) for size, side, pair in axes]
    return (shape[0] // prod(sides), *sizes, *shape[len(sides) + 1 :])


def shape(call: GraphDefCall) -> list[TensorFlowValue]:
    """Shape, Size and Rank, which are known while reading."""
    sizes = call.input(0).shape
    return [known({"Shape": list(sizes), "Size": prod(sizes), "Rank": len(sizes)}[call.node.op])]


def fill(call: GraphDefCall) -> list[TensorFlowValue]:
    """Fill of a known shape, and ZerosLike and OnesLike."""
    import numpy as np

    is_fill = call.node.op == "Fill"
    sizes = call.integers(0) if is_fill else list(call.input(0).shape)
    if sizes is None:
        return call.unknown()
    value = call.input(1).value.scalar if is_fill else float(call.node.op == "OnesLike")
    kind = TensorType(tuple(sizes), call.input(int(is_fill)).value.dtype)
    if value is not None and kind.dtype in NUMPY_DTYPES and kind.elements <= MAX_PARTS:
        return [TensorFlowValue(known_value(np.full(sizes, value, kind.dtype)))]
    return plain([call.builder.add(call.node.name, Declared("Fill", (kind,)))])


def random(call: GraphDefCall) -> list[TensorFlowValue]:
    """Random numbers of a known shape."""
    sizes = call.integers(0)
    return call.unknown() if sizes is None else plain(call.run("RandomUniform", shape=sizes))


def range_(call: GraphDefCall) -> list[TensorFlowValue]:
    """Range of known numbers."""
    return plain(call.run("Range", *[call.input(i).value for i in range(3)]))


def tile(call: GraphDefCall) -> list[TensorFlowValue]:
    """Tile by known numbers."""
    repeats = call.integers(1)
    if repeats is None:
        return call.unknown()
    return plain(call.run("Tile", call.as_is(call.input(0)), repeats=repeats))


def top_k(call: GraphDefCall) -> list[TensorFlowValue]:
    """TopKV2: the largest elements of the last axis and their positions."""
    k = call.integers(1)
    return call.unknown() if not k else plain(call.run("TopK", call.as_is(call.input(0)), outputs=2, k=k))


def identity(call: GraphDefCall) -> list[TensorFlowValue]:
    """Operations that return their inputs."""
    return call.values()


RESHAPING: dict[str, GraphDefHandler] = {
    **dict.fromkeys(("Concat", "ConcatV2"), concat),
    **dict.fromkeys(("Split", "SplitV"), split),
    **dict.fromkeys(("Gather", "GatherV2", "ResourceGather"), gather),
    **dict.fromkeys(("MirrorPad", "Pad", "PadV2"), pad),
    **dict.fromkeys(("ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"), resize),
    **dict.fromkeys(("BatchToSpaceND", "DepthToSpace", "SpaceToBatchND", "SpaceToDepth"), blocks),
    **dict.fromkeys(("Rank", "Shape", "Size"), shape),
    **dict.fromkeys(("Fill", "OnesLike", "ZerosLike"), fill),
    **dict.fromkeys(("RandomStandardNormal", "RandomUniform"), random),
    **dict.fromkeys((*FORWARDING, "IdentityN"), identity),
    "ExpandDims": expand_dims,
    "Pack": pack,
    "Range": range_,
    "Reshape": reshape,
    "Slice": slice_,
    "Squeeze": squeeze,
    "StridedSlice": strided_slice,
    "Tile": tile,
    "TopKV2": top_k,
    "Transpose": transpose,
    "Unpack": unpack,
}
