"""ONNX's operators that only lay out: other shapes, parts and joins."""

from __future__ import annotations

from math import prod

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import (
    Concat,
    Declared,
    Expand,
    Flatten,
    Pad,
    Permute,
    Reshape,
    Shape,
    Slice,
    TensorType,
    Upsample,
    broadcast,
    format_shape,
)
from inception_lens.readers.onnx.run import OnnxGraphBuilder
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, known_value
from inception_lens.readers.onnx.windows import OnnxHandler, decimal


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front.

    Raises:
        FormatError: there is no such axis.
    """
    if not -rank <= axis < max(rank, 1):
        raise FormatError(f"axis {axis} of a tensor with {rank} axes")
    return axis % max(rank, 1)


def reshaped(run: OnnxGraphBuilder, call: OnnxCall, x: OnnxValue, shape: Shape) -> list[OnnxValue]:
    """The same numbers in another shape; a weight stays a weight."""
    if x.type is not None and prod(shape) != x.type.elements:
        raise FormatError(f"{format_shape(x.shape)} does not become {format_shape(shape)}")
    if shape == x.shape:
        return [x]
    if x.is_weight:
        return [msgspec.structs.replace(x, type=TensorType(shape, x.dtype), numbers=None)]
    if len(x.shape) > 2 and shape == (x.shape[0], prod(x.shape[1:])):
        return [run.add(call.name, Flatten(), run.tensor(x))]
    batch_first = bool(shape) and bool(x.shape) and shape[0] == x.shape[0] and prod(shape[1:]) > 0
    return [run.add(call.name, Reshape((-1, *shape[1:]) if batch_first else shape), run.tensor(x))]


def reshape(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Reshape to a shape that is known: 0 keeps an axis, -1 is worked out."""
    x, wanted = call.given(0), call.ints("shape", 1)
    assert x.type is not None
    if wanted is None:
        return run.unknown(call)
    keep = not call.attributes.get("allowzero", 0)
    sizes = [x.shape[i] if size == 0 and keep and i < len(x.shape) else size for i, size in enumerate(wanted)]
    rest = prod(size for size in sizes if size != -1)
    if sizes.count(-1) > 1 or (-1 in sizes and (rest == 0 or x.type.elements % rest)):
        raise FormatError(f"{format_shape(x.shape)} does not become {format_shape(tuple(sizes))}")
    return reshaped(run, call, x, tuple(x.type.elements // rest if size == -1 else size for size in sizes))


def flatten(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Flatten to a matrix."""
    x = call.given(0)
    axis = int(call.attributes.get("axis", 1))
    axis = axis + len(x.shape) if axis < 0 else axis
    return reshaped(run, call, x, (prod(x.shape[:axis]), prod(x.shape[axis:])))


def squeeze(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Squeeze: axes of 1 are gone."""
    x, axes = call.given(0), call.ints("axes", 1, ())
    if axes is None:
        return run.unknown(call)
    gone = {axis_of(axis, len(x.shape)) for axis in axes} or {i for i, size in enumerate(x.shape) if size == 1}
    return reshaped(run, call, x, tuple(size for i, size in enumerate(x.shape) if i not in gone))


def unsqueeze(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Unsqueeze: new axes of 1."""
    x, axes = call.given(0), call.ints("axes", 1)
    if axes is None:
        return run.unknown(call)
    rank = len(x.shape) + len(axes)
    new, old = {axis_of(axis, rank) for axis in axes}, iter(x.shape)
    return reshaped(run, call, x, tuple(1 if i in new else next(old) for i in range(rank)))


def transpose(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Transpose; a weight's other reading is a weight."""
    x = call.given(0)
    order = tuple(call.attributes.get("perm") or range(len(x.shape))[::-1])
    if sorted(order) != list(range(len(x.shape))):
        raise FormatError(f"an order of {order} for a tensor of {format_shape(x.shape)}")
    if x.is_weight:
        turned = TensorType(tuple(x.shape[axis] for axis in order), x.dtype)
        return [msgspec.structs.replace(x, type=turned, numbers=None)]
    return [run.add(call.name, Permute(order), run.tensor(x))]


def concat(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Concat."""
    values = [value for value in call.inputs if value is not None]
    axis = axis_of(int(call.attributes.get("axis", 1)), len(values[0].shape) if values else 0)
    return [run.add(call.name, Concat(axis), *map(run.tensor, values))]


def split(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Split: a view for each part, of the sizes that are given or of equal ones."""
    x = call.given(0)
    axis = axis_of(int(call.attributes.get("axis", 0)), len(x.shape))
    size, count = x.shape[axis], len(call.outputs)
    equal = -(-size // count)
    sizes = call.ints("split", 1, [min(equal, max(size - i * equal, 0)) for i in range(count)])
    if sizes is None:
        return run.unknown(call)
    if len(sizes) != count or sum(sizes) != size or min(sizes) < 0:
        raise FormatError(f"parts of {sizes} of an axis of {size}")
    node, made, start = run.tensor(x), [], 0
    for i, part in enumerate(sizes):
        made.append(run.add(f"{call.name}/{i}", Slice(axis, start, start + part), node))
        start += part
    return made


def slices(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Slice, an axis at a time; where its places are not known, what the file declares."""
    x = call.given(0)
    starts, ends = call.ints("starts", 1), call.ints("ends", 2)
    if starts is None or ends is None:
        return run.unknown(call)
    axes, steps = call.ints("axes", 3, range(len(starts))), call.ints("steps", 4, [1] * len(starts))
    if axes is None or steps is None or not len(starts) == len(ends) == len(axes) == len(steps):
        return run.unknown(call)
    made = x
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(axis, len(x.shape))
        size = x.shape[axis]
        if step < 1:
            taken = len(range(size)[slice(start, None if end < -size else end, step or 1)])
            kind = TensorType((*made.shape[:axis], taken, *made.shape[axis + 1 :]), x.dtype)
            made = run.add(call.name, Declared("flip", (kind,)), run.tensor(made))
            continue
        first, last, _ = slice(start, end).indices(size)
        if (first, last, step) != (0, size, 1):
            made = run.add(call.name, Slice(axis, first, max(first, last), step), run.tensor(made))
    return [made]


def shape(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Shape and Size, which are known."""
    import numpy as np

    x = call.given(0)
    if x.type is None:
        return run.unknown(call)
    if call.op == "Size":
        return [known_value(np.array(x.type.elements, "int64"))]
    first, last, _ = slice(call.attributes.get("start", 0), call.attributes.get("end")).indices(len(x.shape))
    return [known_value(np.array(x.shape[first : max(first, last)], "int64"))]


def expand(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Expand to a shape that is known."""
    x, wanted = call.given(0), call.ints("shape", 1)
    if wanted is None:
        return run.unknown(call)
    made = broadcast(x.shape, tuple(wanted))
    return [x] if made == x.shape else [run.add(call.name, Expand(made), run.tensor(x))]


def pad(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Pad, of all axes or of those that are named."""
    x, pads = call.given(0), call.ints("pads", 1)
    rank = len(x.shape)
    axes = call.ints("axes", 3, range(rank))
    if pads is None or axes is None or len(pads) != 2 * len(axes):
        return run.unknown(call)
    sides = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        sides[axis_of(axis, rank)] = (pads[i], pads[i + len(axes)])
    value = call.attributes.get("value", call.given(2).scalar if call.has(2) else 0.0) or 0.0
    mode = {"edge": "replicate", "wrap": "circular"}.get(call.attributes.get("mode", ""), call.attributes.get("mode"))
    if not any(map(any, sides)):
        return [x]
    return [run.add(call.name, Pad(tuple(sides), str(mode or "constant"), float(value)), run.tensor(x))]


def resize(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Resize and Upsample of the spatial axes, by factors or to sizes."""
    x = call.given(0)
    rank = len(x.shape)
    factors, sizes = (2, 3) if call.op == "Resize" and call.opset >= 11 else (1, 9)
    target = call.ints("sizes", sizes)
    if target is None:
        scales = call.given(factors).numbers if call.has(factors) else None
        found = call.attributes.get("scales", None if scales is None else scales.reshape(-1).tolist())
        if not found or len(found) != rank:
            return run.unknown(call)
        target = [int(size * decimal(factor)) for size, factor in zip(x.shape, found, strict=True)]
    if rank not in (3, 4, 5) or len(target) != rank or tuple(target[:2]) != x.shape[:2]:
        return run.unknown(call)
    mode = str(call.attributes.get("mode", "nearest"))
    linear = {3: "linear", 4: "bilinear", 5: "trilinear"}[rank]
    return [
        run.add(
            call.name,
            Upsample(tuple(target[2:]), {"linear": linear, "cubic": "bicubic"}.get(mode, mode)),
            run.tensor(x),
        )
    ]


def depth_to_space(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """DepthToSpace and SpaceToDepth: blocks of the map and channels change places."""
    x = call.given(0)
    block = int(call.attributes.get("blocksize", 1))
    n, channels, height, width = x.shape if len(x.shape) == 4 else (0, 0, 0, 0)
    deep = call.op == "DepthToSpace"
    if block < 1 or (channels % block**2 if deep else height % block + width % block) or not n:
        raise FormatError(f"blocks of {block} in {format_shape(x.shape)}")
    if deep:
        parts, order = (-1, block, block, channels // block**2, height, width), (0, 3, 4, 1, 5, 2)
        back = (-1, channels // block**2, height * block, width * block)
    else:
        parts, order = (-1, channels, height // block, block, width // block, block), (0, 3, 5, 1, 2, 4)
        back = (-1, channels * block**2, height // block, width // block)
    parted = run.add(f"{call.name}/parted", Reshape(parts), run.tensor(x))
    turned = run.add(f"{call.name}/turned", Permute(order), parted.node)
    return [run.add(call.name, Reshape(back), turned.node)]


SHAPES: dict[str, OnnxHandler] = {
    **dict.fromkeys(("Shape", "Size"), shape),
    **dict.fromkeys(("Resize", "Upsample"), resize),
    **dict.fromkeys(("DepthToSpace", "SpaceToDepth"), depth_to_space),
    "Concat": concat,
    "Expand": expand,
    "Flatten": flatten,
    "Pad": pad,
    "Reshape": reshape,
    "Slice": slices,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}  # fmt: skip
"""By the operator's name."""
