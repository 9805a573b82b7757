"""Paddle's operations that join, split, reorder, resize, pad or generate tensors, or return their shape."""

from __future__ import annotations

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Declared, Pad, PixelShuffle, TensorType, Upsample
from inception_lens.readers.onnx.values import OnnxValue, known_value
from inception_lens.readers.paddle.calls import PaddleCall, PaddleHandler
from inception_lens.readers.shapes import resolve_axis
from inception_lens.readers.tensors import NUMPY_DTYPES

MAX_PARTS = 10_000
"""Outputs of a split, and elements of a tensor of one number that are kept."""


def reshape(call: PaddleCall) -> list[OnnxValue] | None:
    """Reshape to a known shape: a size of 0 is kept, and -1 is inferred."""
    shape = call.integers("shape", "ShapeTensor", "Shape")
    return call.run("Reshape", call.input("X"), shape=shape) if shape is not None else None


def flatten(call: PaddleCall) -> list[OnnxValue]:
    """A range of axes merged into one; `flatten2` makes a matrix."""
    x = call.input("X")
    rank = len(x.shape)
    if call.operation.type in ("flatten2",):
        axis = call.integer("axis", 1)
        return call.run("Reshape", x, shape=[prod(x.shape[:axis]), prod(x.shape[axis:])])
    start, stop = (
        resolve_axis(call.integer(f"{name}_axis", 1 if name == "start" else -1), rank) for name in ("start", "stop")
    )
    return call.run("Reshape", x, shape=[*x.shape[:start], prod(x.shape[start : stop + 1]), *x.shape[stop + 1 :]])


def squeeze(call: PaddleCall) -> list[OnnxValue] | None:
    """Axes of size 1 are removed; others that are listed stay."""
    x, axes = call.input("X"), call.integers("axes")
    if axes is None:
        return None
    listed = {resolve_axis(axis, len(x.shape)) for axis in axes} or set(range(len(x.shape)))
    return call.run("Reshape", x, shape=[n for i, n in enumerate(x.shape) if i not in listed or n != 1])


def unsqueeze(call: PaddleCall) -> list[OnnxValue] | None:
    """New axes of size 1."""
    axes = call.integers("axes", "AxesTensor", "AxesTensorList")
    return call.run("Unsqueeze", call.input("X"), axes=axes) if axes else None


def transpose(call: PaddleCall) -> list[OnnxValue] | None:
    """The axes in another order."""
    order = call.integers("perm") or call.integers("axis")
    return call.run("Transpose", call.input("X"), perm=order) if order else None


def concat(call: PaddleCall) -> list[OnnxValue] | None:
    """Concatenation along a known axis."""
    axes = call.integers("axis", "AxisTensor")
    return None if axes is None else call.run("Concat", *call.given("X"), axis=(axes or [0])[0])


def stack(call: PaddleCall) -> list[OnnxValue]:
    """Tensors of one shape joined along a new axis."""
    axis = call.integer("axis", 0)
    parts = [call.run("Unsqueeze", x, suffix=str(i), axes=[axis])[0] for i, x in enumerate(call.given("X"))]
    return call.run("Concat", *parts, axis=axis)


def split(call: PaddleCall) -> list[OnnxValue] | None:
    """Parts of an axis, of given or of equal sizes."""
    x, count = call.input("X"), len(call.operation.outputs)
    axes, sizes = call.integers("axis", "AxisTensor"), call.integers("sections", "SectionsTensorList")
    if axes is None or sizes is None or not 1 <= count <= MAX_PARTS:
        return None
    axis = resolve_axis((axes or [0])[0], len(x.shape))
    total = x.shape[axis]
    if not sizes and total % count:
        raise FormatError(f"an axis of {total} cannot be split into {count} equal parts")
    sizes = [total - sum(sizes) - 1 if size == -1 else size for size in sizes] or [total // count] * count
    return call.run("Split", x, outputs=count, axis=axis, split=sizes)


def slice_(call: PaddleCall) -> list[OnnxValue] | None:
    """A part of some axes, of which those in `decrease_axis` are removed."""
    x, axes = call.input("Input", "X"), call.integers("axes")
    starts = call.integers("starts", "StartsTensor", "StartsTensorList")
    ends = call.integers("ends", "EndsTensor", "EndsTensorList")
    steps = call.integers("strides", "StridesTensor", "StridesTensorList")
    if axes is None or starts is None or ends is None or steps is None:
        return None
    (output,) = call.run("Slice", x, starts=starts, ends=ends, axes=axes, steps=steps or [1] * len(axes))
    removed = {resolve_axis(axis, len(x.shape)) for axis in call.integers("decrease_axis") or []}
    if not removed:
        return [output]
    return call.run(
        "Reshape", output, suffix="squeeze", shape=[n for i, n in enumerate(output.shape) if i not in removed]
    )


def expand(call: PaddleCall) -> list[OnnxValue] | None:
    """Axes of size 1 repeated; a size of -1 is kept."""
    x, shape = call.input("X"), call.integers("shape", "Shape", "expand_shapes_tensor")
    if not shape:
        return None
    kept = [1] * (len(shape) - len(x.shape)) + list(x.shape)
    return call.run("Expand", x, shape=[n if size == -1 else size for n, size in zip(kept, shape, strict=True)])


def tile(call: PaddleCall) -> list[OnnxValue] | None:
    """Copies along each axis."""
    repeats = call.integers("repeat_times", "RepeatTimes", "repeat_times_tensor")
    return call.run("Tile", call.input("X"), repeats=repeats) if repeats else None


def gather(call: PaddleCall) -> list[OnnxValue] | None:
    """Positions of an axis."""
    axes = call.integers("axis", "Axis")
    return None if axes is None else call.run("Gather", call.input("X"), call.input("Index"), axis=(axes or [0])[0])


def embedding(call: PaddleCall) -> list[OnnxValue]:
    """Rows of a matrix of weights; the older kind has indices with a last axis of size 1."""
    indices = call.input("Ids")
    if call.operation.type == "lookup_table" and indices.shape[-1:] == (1,):
        (indices,) = call.run("Reshape", indices, suffix="indices", shape=list(indices.shape[:-1]))
    return call.run("Gather", call.input("W"), indices, axis=0)


def top_k(call: PaddleCall) -> list[OnnxValue] | None:
    """The largest elements and their positions."""
    k = call.integers("k", "K")
    return call.run("TopK", call.input("X"), outputs=2, k=k, axis=call.integer("axis", -1)) if k else None


def pad(call: PaddleCall) -> list[OnnxValue] | None:
    """`pad` of all axes, and `pad2d` and `pad3d` of the last axes, the last one first in `pad3d`."""
    x, pads, kind = call.input("X"), call.integers("paddings", "Paddings"), call.operation.type
    rank = len(x.shape)
    if pads is None:
        return None
    pairs = list(zip(pads[::2], pads[1::2], strict=True))
    if kind != "pad":
        pairs = pairs[::-1] if kind == "pad3d" else pairs
        is_last = call.text("data_format", "NCHW").endswith("C")
        pairs = [(0, 0), *([] if is_last else [(0, 0)]), *pairs, *([(0, 0)] if is_last else [])]
    mode = {"edge": "replicate", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}.get(
        call.text("mode", "constant"), "constant"
    )
    if len(pairs) != rank:
        raise FormatError(f"{len(pairs)} pairs of padding for a tensor of {rank} axes")
    return call.add(Pad(tuple(pairs), mode, call.number("value", call.number("pad_value", 0.0))), x)


def resize(call: PaddleCall) -> list[OnnxValue] | None:
    """A map resized to a known size, or by known factors."""
    x, kind = call.input("X"), call.operation.type
    axes = len(x.shape) - 2
    sizes = call.integers("size", "OutSize", "SizeTensor")
    if sizes is None or call.text("data_layout", "NCHW").endswith("C"):
        return None
    names = ("out_d", "out_h", "out_w")[3 - axes :]
    sizes = sizes or [call.integer(name, -1) for name in names]
    factors = _factors(call)
    if min(sizes) < 1:
        if not factors:
            return None
        factors = factors * axes if len(factors) == 1 else factors
        sizes = [int(n * factor) for n, factor in zip(x.shape[2:], factors, strict=True)]
    mode = kind.removesuffix("_v2").removesuffix("_interp")
    aligned = mode != "nearest" and bool(call.integer("align_corners", 1))
    return call.add(Upsample(tuple(sizes), mode, aligned), x)


def _factors(call: PaddleCall) -> list[float]:
    """Factors of a resize; empty where there are none, or where they are known only at run time."""
    given = call.given("Scale")
    if given:
        array = given[0].array
        return [] if array is None else [float(each) for each in array.reshape(-1)]
    value = call.operation.attributes.get("scale", [])
    values = value if isinstance(value, list) else [value]
    return [float(each) for each in values if isinstance(each, int | float) and each > 0]


def pixel_shuffle(call: PaddleCall) -> list[OnnxValue]:
    """Channels rearranged to blocks."""
    return call.add(PixelShuffle(call.integer("upscale_factor", 1)), call.input("X"))


def shuffle_channel(call: PaddleCall) -> list[OnnxValue]:
    """Channels of groups interleaved."""
    x = call.input("X")
    return call.add(Declared("ShuffleChannel", (TensorType(x.shape, x.dtype),)), x)


def shape(call: PaddleCall) -> list[OnnxValue]:
    """The shape, which is known while reading."""
    return call.run("Shape", call.input("Input", "X"))


def full(call: PaddleCall) -> list[OnnxValue] | None:
    """A tensor of one number, of a known shape; `full_int_array` is a vector of several."""
    import numpy as np

    if call.operation.type == "full_int_array":
        return [known_value(np.array(call.integers("value") or [], "int64"))]
    sizes = call.integers("shape", "ShapeTensor", "ShapeTensorList")
    if sizes is None:
        return None
    dtype = call.dtype("dtype")
    text = call.operation.attributes.get("str_value", "")
    value = float(text) if isinstance(text, str) and text else call.number("value", 0.0)
    kind = TensorType(tuple(sizes), dtype)
    if dtype in NUMPY_DTYPES and kind.elements <= MAX_PARTS:
        return [known_value(np.full(sizes, value, dtype))]
    return [call.builder.add(call.name, Declared("fill", (kind,)))]


def assign_value(call: PaddleCall) -> list[OnnxValue] | None:
    """A constant that is an attribute."""
    import numpy as np

    shape = call.integers("shape")
    names = ("values", "int32_values", "int64_values", "fp32_values", "bool_values")
    values = next((found for name in names if (found := call.operation.attributes.get(name))), None)
    if shape is None or not isinstance(values, list) or call.dtype("dtype") not in NUMPY_DTYPES:
        return None
    return [known_value(np.array(values, call.dtype("dtype")).reshape(shape))]


def identity(call: PaddleCall) -> list[OnnxValue]:
    """Operations that return their input."""
    return [call.input("X", "Input")]


RESHAPING: dict[str, PaddleHandler] = {
    **dict.fromkeys(("reshape", "reshape2"), reshape),
    **dict.fromkeys(("flatten", "flatten2", "flatten_contiguous_range"), flatten),
    **dict.fromkeys(("squeeze", "squeeze2"), squeeze),
    **dict.fromkeys(("unsqueeze", "unsqueeze2"), unsqueeze),
    **dict.fromkeys(("transpose", "transpose2"), transpose),
    **dict.fromkeys(("split", "split_with_num"), split),
    **dict.fromkeys(("slice", "strided_slice"), slice_),
    **dict.fromkeys(("expand", "expand_v2"), expand),
    **dict.fromkeys(("embedding", "lookup_table", "lookup_table_v2"), embedding),
    **dict.fromkeys(("top_k", "top_k_v2", "topk"), top_k),
    **dict.fromkeys(("pad", "pad2d", "pad3d"), pad),
    **dict.fromkeys(
        (
            "bicubic_interp", "bicubic_interp_v2", "bilinear_interp", "bilinear_interp_v2", "linear_interp",
            "linear_interp_v2", "nearest_interp", "nearest_interp_v2", "trilinear_interp", "trilinear_interp_v2",
        ),
        resize,
    ),
    **dict.fromkeys(("shape", "shape64"), shape),
    **dict.fromkeys(("fill_constant", "full", "full_int_array"), full),
    **dict.fromkeys(("assign", "memcpy_d2h", "memcpy_h2d", "share_data"), identity),
    "assign_value": assign_value,
    "concat": concat,
    "gather": gather,
    "pixel_shuffle": pixel_shuffle,
    **dict.fromkeys(("channel_shuffle", "shuffle_channel"), shuffle_channel),
    "stack": stack,
    "tile": tile,
}  # fmt: skip
