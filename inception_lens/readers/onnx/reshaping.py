"""ONNX's operators that join, split, reorder, resize or pad tensors, or return their shape."""

from __future__ import annotations

from math import prod

import msgspec

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.ops import Shape, TensorType, broadcast, format_shape
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.pixel_shuffle import PIXEL_SHUFFLES, merged_shuffle, pending_reshape, pending_transpose
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, decimal, known_value
from inception_lens.readers.shapes import resolve_axis


def reshape_to(builder: OnnxGraphBuilder, call: OnnxCall, x: OnnxValue, shape: Shape) -> OnnxValue:
    """The same elements in another shape; a weight stays a weight."""
    if prod(shape) != prod(x.shape):
        raise FormatError(f"{format_shape(x.shape)} cannot be reshaped to {format_shape(shape)}")
    if shape == x.shape:
        return x
    if x.is_weight:
        return msgspec.structs.replace(x, type=TensorType(shape, x.dtype), array=None)
    if len(x.shape) > 2 and shape == (x.shape[0], prod(x.shape[1:])):
        return builder.add(call.name, ops.Flatten(), builder.node(x))
    if (shuffle := merged_shuffle(builder, call, x, shape)) is not None:
        return shuffle
    keeps_batch = bool(shape) and shape[:1] == x.shape[:1] and prod(shape[1:]) > 0
    op = ops.Reshape((-1, *shape[1:]) if keeps_batch else shape)  # -1: the graph can take another batch
    base = builder.node(x)
    if (len(x.shape), len(shape)) == (4, 6):
        return pending_reshape(builder, call, base, op, shape)
    return builder.add(call.name, op, base)


def reshape(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Reshape to a known shape: a size of 0 is kept, unless `allowzero`, and -1 is inferred."""
    x, wanted = call.input(0), call.known_integers("shape", 1)
    if wanted is None:
        return builder.unknown(call)
    if not call.integer("allowzero", 0):
        wanted = [x.shape[i] if size == 0 and i < len(x.shape) else size for i, size in enumerate(wanted)]
    elements, rest = prod(x.shape), prod(size for size in wanted if size != -1)
    if wanted.count(-1) > 1 or (-1 in wanted and (rest == 0 or elements % rest)):
        raise FormatError(f"{format_shape(x.shape)} cannot be reshaped to {format_shape(tuple(wanted))}")
    return [reshape_to(builder, call, x, tuple(elements // rest if size == -1 else size for size in wanted))]


def flatten(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Flatten to a matrix."""
    x = call.input(0)
    axis = resolve_axis(call.integer("axis", 1), len(x.shape), extra=1)
    return [reshape_to(builder, call, x, (prod(x.shape[:axis]), prod(x.shape[axis:])))]


def squeeze(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Squeeze: axes of size 1 are removed."""
    x, axes = call.input(0), call.known_integers("axes", 1, ())
    if axes is None:
        return builder.unknown(call)
    removed = {resolve_axis(axis, len(x.shape)) for axis in axes} or {i for i, size in enumerate(x.shape) if size == 1}
    return [reshape_to(builder, call, x, tuple(size for i, size in enumerate(x.shape) if i not in removed))]


def unsqueeze(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Unsqueeze: new axes of size 1."""
    x, axes = call.input(0), call.known_integers("axes", 1)
    if axes is None:
        return builder.unknown(call)
    rank = len(x.shape) + len(axes)
    new, old = {resolve_axis(axis, rank) for axis in axes}, iter(x.shape)
    return [reshape_to(builder, call, x, tuple(1 if i in new else next(old) for i in range(rank)))]


def transpose(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Transpose; a weight stays a weight."""
    x = call.input(0)
    order = tuple(call.integers("perm") or range(len(x.shape))[::-1])
    if sorted(order) != list(range(len(x.shape))):
        raise FormatError(f"`perm` is {list(order)}; expected the axes of {format_shape(x.shape)}")
    if x.is_weight:
        swapped = TensorType(tuple(x.shape[axis] for axis in order), x.dtype)
        return [msgspec.structs.replace(x, type=swapped, array=None)]
    if x.pending is not None and x.pending.blocks:
        return [pending_transpose(builder, call, x.pending, order)]
    return [builder.add(call.name, ops.Permute(order), builder.node(x))]


def concat(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Concat."""
    axis = resolve_axis(call.integer("axis", 1), len(call.input(0).shape))
    return [builder.add(call.name, ops.Concat(axis), *builder.nodes(call.present_inputs()))]


def split(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Split into one view per output, of given or of equal sizes."""
    x = call.input(0)
    axis = resolve_axis(call.integer("axis", 0), len(x.shape))
    size, count = x.shape[axis], len(call.outputs)
    equal = -(-size // count)
    sizes = call.known_integers("split", 1, [min(equal, max(size - i * equal, 0)) for i in range(count)])
    if sizes is None:
        return builder.unknown(call)
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 0:
        raise FormatError(f"cannot split an axis of {size} into {count} parts of {sizes}")
    node, outputs, start = builder.node(x), [], 0
    for i, part in enumerate(sizes):
        outputs.append(builder.add(f"{call.name}/{i}", ops.Slice(axis, start, start + part), node))
        start += part
    return outputs


def slice_(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Slice, one node per axis; a negative step copies."""
    x = call.input(0)
    starts, ends = call.known_integers("starts", 1), call.known_integers("ends", 2)
    if starts is None or ends is None:
        return builder.unknown(call)
    axes = call.known_integers("axes", 3, range(len(starts)))
    steps = call.known_integers("steps", 4, [1] * len(starts))
    if axes is None or steps is None:
        return builder.unknown(call)
    output = x
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = resolve_axis(axis, len(x.shape))
        size = x.shape[axis]
        if step < 0:
            taken = len(range(size)[slice(start, None if end < -size else end, step)])
            flipped = TensorType((*output.shape[:axis], taken, *output.shape[axis + 1 :]), x.dtype)
            output = builder.add(call.name, ops.Declared("flip", (flipped,)), builder.node(output))
            continue
        first, last, _ = slice(start, end).indices(size)
        if (first, last, step) != (0, size, 1):
            op = ops.Slice(axis, first, max(first, last), step)
            output = builder.add(call.name, op, builder.node(output))
    return [output]


def shape(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Shape and Size, which are known while reading."""
    import numpy as np

    sizes = call.input(0).shape
    if call.op == "Size":
        return [known_value(np.array(prod(sizes), "int64"))]
    part = slice(call.integer("start", 0), call.integer("end", len(sizes)))
    return [known_value(np.array(sizes[part], "int64"))]


def expand(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Expand to a known shape."""
    x, wanted = call.input(0), call.known_integers("shape", 1)
    if wanted is None:
        return builder.unknown(call)
    output = broadcast(x.shape, tuple(wanted))
    return [x] if output == x.shape else [builder.add(call.name, ops.Expand(output), builder.node(x))]


def pad(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Pad of all axes or of those that are given."""
    x, pads = call.input(0), call.known_integers("paddings" if call.opset == 1 else "pads", 1)
    rank = len(x.shape)
    axes = call.known_integers("axes", 3, range(rank))
    if pads is None or axes is None:
        return builder.unknown(call)
    sides = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        sides[resolve_axis(axis, rank)] = (before, after)
    if not any(map(any, sides)):
        return [x]
    known = call.input(2).scalar if call.has_input(2) else None
    value = call.number("value", known or 0.0)
    mode = call.text("mode", "constant")
    mode = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
    return [builder.add(call.name, ops.Pad(tuple(sides), mode, value), builder.node(x))]


def resize(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Resize and Upsample of the spatial axes, by factors or to sizes."""
    x = call.input(0)
    rank = len(x.shape)
    scales, sizes = (2, 3) if call.op == "Resize" and call.opset >= 11 else (1, -1)
    target = call.known_integers("sizes", sizes)
    if target is None:
        array = call.input(scales).array if call.has_input(scales) else None
        factors = call.numbers("scales") or ([] if array is None else array.reshape(-1).tolist())
        if "height_scale" in call.attributes:  # before opset 7
            factors = [1.0, 1.0, call.number("height_scale", 1.0), call.number("width_scale", 1.0)]
        if len(factors) != rank:
            return builder.unknown(call)
        target = [int(size * decimal(factor)) for size, factor in zip(x.shape, factors, strict=True)]
    if rank not in (3, 4, 5) or len(target) != rank or tuple(target[:2]) != x.shape[:2]:
        return builder.unknown(call)
    mode = call.text("mode", "nearest")
    linear = {3: "linear", 4: "bilinear", 5: "trilinear"}[rank]
    aligned = mode != "nearest" and call.text("coordinate_transformation_mode", "") == "align_corners"
    op = ops.Upsample(tuple(target[2:]), {"linear": linear, "cubic": "bicubic"}.get(mode, mode), aligned)
    return [builder.add(call.name, op, builder.node(x))]


RESHAPING: dict[str, OnnxHandler] = {
    **dict.fromkeys(("Shape", "Size"), shape),
    **dict.fromkeys(("Resize", "Upsample"), resize),
    **PIXEL_SHUFFLES,
    "Concat": concat,
    "Expand": expand,
    "Flatten": flatten,
    "Pad": pad,
    "Reshape": reshape,
    "Slice": slice_,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
