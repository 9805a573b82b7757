"""TensorFlow's operations that join, reorder, resize, pad or generate tensors, or return their shape."""

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

MAX_FILLED = 10_000
"""Elements of a tensor of one number that are kept."""


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
    if value is not None and kind.dtype in NUMPY_DTYPES and kind.elements <= MAX_FILLED:
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
    "Squeeze": squeeze,
    "Tile": tile,
    "TopKV2": top_k,
    "Transpose": transpose,
}
