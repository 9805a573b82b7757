"""Caffe's layers that join, split, reorder, resize or copy blobs."""

from inception_lens.errors import FormatError
from inception_lens.ops import (
    UNKNOWN_SIZE,
    Concat,
    Declared,
    Flatten,
    Op,
    Permute,
    Reshape,
    Shape,
    Slice,
    TensorType,
    Upsample,
    format_shape,
)
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.message import TextMessage
from inception_lens.readers.shapes import MAX_WINDOW_SIZE

PLACEHOLDER = 2**31 - 1
"""A prime number in the place of an unknown size, larger than any size: only what follows from it is a multiple."""


def concat(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Concatenation along an axis."""
    found, inputs = layer.parameters("concat_param"), builder.bottoms(layer)
    axis = builder.axis(inputs[0], found.integer("axis", found.integer("concat_dim", 1), -8))
    return (builder.add(layer, Concat(axis), *inputs),)


def slice_(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """One part per top along an axis, split at `slice_point` or into equal parts."""
    found, x = layer.parameters("slice_param"), builder.bottom(layer)
    axis = builder.axis(x, found.integer("axis", found.integer("slice_dim", 1), -8))
    size = builder.shape(x)[axis]
    parts, points = len(layer.tops), found.integers("slice_point", 1)
    if not points and parts and size % parts == 0:
        points = [i * size // parts for i in range(1, parts)]
    if len(points) != parts - 1:
        raise FormatError(f"has {len(points)} `slice_point` to split {size} into {parts} parts")
    if parts == 1:
        return (x,)
    ends = [0, *points, size]
    return tuple(builder.add(layer, Slice(axis, ends[i], ends[i + 1]), x, suffix=str(i)) for i in range(parts))


def reshape(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Another shape of some axes: a size of 0 is kept, and -1 is inferred."""
    found, x = layer.parameters("reshape_param"), builder.bottom(layer)
    wanted = found.message("shape").integers("dim", -1)
    shape = tuple(PLACEHOLDER if size == UNKNOWN_SIZE else size for size in builder.shape(x))
    start = builder.axis(x, found.integer("axis", 0, -9), extra=1)
    axes = found.integer("num_axes", -1, -1)
    end = len(shape) if axes == -1 else start + axes
    if end > len(shape) or any(size == 0 and start + i >= len(shape) for i, size in enumerate(wanted)):
        raise FormatError(f"keeps or replaces axes that a blob of {len(shape)} axes does not have")
    sizes = [shape[start + i] if size == 0 else size for i, size in enumerate(wanted)]
    op = Reshape((*shape[:start], *sizes, *shape[end:]))
    output = op.output_shape(shape)
    if output[:1] == shape[:1]:  # infer the batch instead, so that the graph can take another one
        op = Reshape((-1, *output[1:]))
    elif PLACEHOLDER in shape:  # infer what is unknown
        op = Reshape(tuple(-1 if size % PLACEHOLDER == 0 else size for size in output))
    return (builder.add(layer, op, x),)


def flatten(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A range of axes merged into one."""
    found, x = layer.parameters("flatten_param"), builder.bottom(layer)
    start, end = (builder.axis(x, found.integer(name, one, -8)) for name, one in (("axis", 1), ("end_axis", -1)))
    return (builder.add(layer, Flatten(start, -1 if end == len(builder.shape(x)) - 1 else end), x),)


def permute(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Axes in another order; those that are not listed follow in their own."""
    x = builder.bottom(layer)
    order = layer.parameters("permute_param").integers("order", 0, 31)
    rest = [axis for axis in range(len(builder.shape(x))) if axis not in order]
    return (builder.add(layer, Permute((*order, *rest)), x),)


def crop(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """The first blob cropped to the size of the second from an offset, along the axes from `axis` to the last."""
    found, x = layer.parameters("crop_param"), builder.bottom(layer)
    shape, target = builder.shape(x), builder.shape(builder.bottom(layer, 1))
    axis = builder.axis(x, found.integer("axis", 2, -8))
    offsets = found.integers("offset") or [0]
    if len(target) != len(shape) or len(offsets) not in (1, len(shape) - axis):
        raise FormatError(f"has {len(offsets)} `offset` for bottoms of {len(shape)} and {len(target)} axes")
    steps: list[tuple[str, Op]] = []
    for i in range(axis, len(shape)):
        offset = offsets[i - axis if len(offsets) > 1 else 0]
        if target[i] != shape[i]:
            steps.append((f"axis_{i}", Slice(i, offset, offset + target[i])))
    return (builder.add_chain(layer, x, steps),)


def tile(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Copies of a blob along an axis."""
    found, x = layer.parameters("tile_param"), builder.bottom(layer)
    shape = list(builder.shape(x))
    shape[builder.axis(x, found.integer("axis", 1, -8))] *= found.integer("tiles", None, 1)
    return (builder.add(layer, Declared("Tile", (TensorType(tuple(shape)),)), x),)


def interp(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """DeepLab's Interp: bilinear resizing, between pixel centres, of the map without a border.

    The size is that of the second bottom, or follows from the fields as in `interp_layer.cpp`.
    """
    found, x = layer.parameters("interp_param"), builder.bottom(layer)
    shape = builder.map_shape(x)
    before, after = (-found.integer(name, 0, -MAX_WINDOW_SIZE, 0) for name in ("pad_beg", "pad_end"))
    inner = tuple(n - before - after for n in shape[2:])
    if min(inner) < 1:
        raise FormatError(f"`pad_beg` and `pad_end` leave nothing of a {format_shape(shape[2:])} map", line=found.line)
    size = builder.map_shape(builder.bottom(layer, 1))[2:] if len(layer.bottoms) > 1 else _interp_size(found, inner)
    steps: list[tuple[str, Op]] = [
        (f"crop_{axis}", Slice(axis, before, shape[axis] - after)) for axis in (2, 3) if before or after
    ]
    return (builder.add_chain(layer, x, [*steps, ("", Upsample(size, "bilinear", align_corners=True))]),)


def _interp_size(found: TextMessage, size: Shape) -> Shape:
    """The size by one factor, else by `height` and `width`, else by both factors."""
    factors = "shrink_factor" in found, "zoom_factor" in found
    if any(factors) and (not all(factors) or not ("height" in found and "width" in found)):
        shrink, zoom = found.integer("shrink_factor", 1, 1), found.integer("zoom_factor", 1, 1)
        return tuple((n - 1) // shrink * zoom + 1 for n in size)
    return found.integer("height", None, 1), found.integer("width", None, 1)


def shuffle_channels(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """ShuffleNet's ShuffleChannel: the channels as a matrix of groups, transposed."""
    x = builder.bottom(layer)
    channels, *sides = builder.shape(x)[1:] or (1,)
    groups = layer.parameters("shuffle_channel_param").integer("group", 1, 1)
    if channels % groups:
        raise FormatError(f"{groups} groups must divide {channels} channels")
    split = Reshape((-1, groups, channels // groups, *sides))
    swap = Permute((0, 2, 1, *range(3, 3 + len(sides))))
    return (builder.add_chain(layer, x, [("split", split), ("swap", swap), ("join", Reshape((-1, channels, *sides)))]),)


def batch_reindex(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """The samples of the first bottom that the second lists, copied."""
    x, listed = builder.bottoms(layer)[0], builder.bottom(layer, 1)
    output = TensorType((builder.first_size(listed), *builder.shape(x)[1:]))
    return (builder.add(layer, Declared(layer.type, (output,)), x, listed),)


def reorganize(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """YOLO's Reorg: blocks of a map as channels, or with `reverse` channels as blocks; it copies."""
    found, x = layer.parameters("reorg_param"), builder.bottom(layer)
    batch, channels, height, width = builder.map_shape(x)
    side = found.integer("stride", None, 1, MAX_WINDOW_SIZE)
    reverse = found.flag("reverse", False)
    if (channels % side**2) if reverse else (height % side or width % side):
        raise FormatError(f"`stride` {side} does not divide {format_shape((channels, height, width))}")
    if reverse:
        shape = (batch, channels // side**2, height * side, width * side)
    else:
        shape = (batch, channels * side**2, height // side, width // side)
    return (builder.add(layer, Declared(layer.type, (TensorType(shape),)), x),)


def prior_boxes(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SSD's PriorBox: the boxes of each position of a map, and their variances; the same for every sample.

    FLOPs, as in `prior_box_layer.cpp`: 4 per position for its centre, and per coordinate of a box 3, and 2 to clip it.
    """
    found, x = layer.parameters("prior_box_param"), builder.bottom(layer)
    _, _, height, width = builder.map_shape(x)
    ratios = [1.0]
    for ratio in found.numbers("aspect_ratio"):
        if ratio <= 0:
            raise FormatError(f"`aspect_ratio` is {ratio:g}; expected a positive number", line=found.line)
        if all(abs(ratio - each) >= 1e-6 for each in ratios):
            ratios += [ratio, 1 / ratio] if found.flag("flip", True) else [ratio]
    least, most = (found.numbers(name) for name in ("min_size", "max_size"))
    if not least or len(most) not in (0, len(least)):
        raise FormatError(f"has {len(least)} `min_size` and {len(most)} `max_size`", line=found.line)
    positions, priors = height * width, len(ratios) * len(least) + len(most)
    flops = positions * (4 + priors * 4 * (5 if found.flag("clip", False) else 3))
    output = TensorType((1, 2, 4 * priors * positions))
    return (builder.add(layer, Declared(layer.type, (output,), declared_flops=flops), *builder.bottoms(layer)),)


def split(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """The same blob under several names."""
    return (builder.bottom(layer),) * max(len(layer.tops), 1)


def detections(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SSD's DetectionOutput: 7 numbers for each box that is found; their number and the FLOPs depend on the image."""
    output = TensorType((1, 1, UNKNOWN_SIZE, 7))
    return (builder.add(layer, Declared(layer.type, (output,), declared_flops=None), *builder.bottoms(layer)),)


RESHAPING: dict[str, CaffeHandler] = {
    "BatchReindex": batch_reindex,
    "Concat": concat,
    "Crop": crop,
    "DetectionOutput": detections,
    "Flatten": flatten,
    "Interp": interp,
    "Permute": permute,
    "PriorBox": prior_boxes,
    "Reorg": reorganize,
    "Reshape": reshape,
    "ShuffleChannel": shuffle_channels,
    "Slice": slice_,
    "Split": split,
    "Tile": tile,
}
