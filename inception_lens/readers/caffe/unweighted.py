"""Caffe's layers without weights: element-wise functions, and those that join, part and reshape blobs."""

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import (
    ELU,
    Add,
    Concat,
    Declared,
    Dropout,
    Elementwise,
    Flatten,
    Hardtanh,
    LeakyReLU,
    Op,
    Permute,
    PReLU,
    Reduce,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Slice,
    Softmax,
    Softplus,
    Tanh,
    TensorType,
    Upsample,
)
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.net import CaffeGraphBuilder, axis_of
from inception_lens.readers.caffe.weighted import CaffeHandler


def activation(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """One function of each element, in place where the top is the bottom."""
    x, inplace = net.bottom(layer), layer.tops == layer.bottoms
    slope = layer.parameters("relu_param").number("negative_slope", 0.0)
    match layer.type:
        case "ReLU":
            op: Op = LeakyReLU(inplace=inplace, negative_slope=slope) if slope else ReLU(inplace=inplace)
        case "ReLU6":
            op = Hardtanh(inplace, 0.0, 6.0)
        case "ELU":
            op = ELU(inplace=inplace, alpha=layer.parameters("elu_param").number("alpha", 1.0))
        case "PReLU":
            shared = layer.parameters("prelu_param").flag("channel_shared", False)
            shape = net.shape(x)
            op = PReLU(inplace, 1 if shared or len(shape) < 2 else shape[1])
        case "Swish":
            op = SiLU()
        case "Clip":
            found = layer.parameters("clip_param")
            op = Hardtanh(inplace, found.number("min", 0.0), found.number("max", 0.0))
        case "AbsVal":
            op = Elementwise("abs", inplace=inplace)
        case "Threshold":
            op = Elementwise("gt")
        case "BNLL":
            op = Softplus()
        case _:
            op = Sigmoid(inplace=inplace) if layer.type == "Sigmoid" else Tanh(inplace=inplace)
    return (net.add(layer, op, x),)


def power(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """(shift + scale x) ^ power, base ^ (shift + scale x) or its logarithm: as many operations as are not idle."""
    found, x = layer.parameters(f"{layer.type.lower()}_param"), net.bottom(layer)
    steps: list[tuple[str, Op]] = []
    if found.number("scale", 1.0) != 1:
        steps.append(("scale", Elementwise("mul")))
    if found.number("shift", 0.0):
        steps.append(("shift", Elementwise("add")))
    if layer.type == "Power" and (exponent := found.number("power", 1.0)) != 1:
        steps.append(("power", Elementwise("square" if exponent == 2 else "pow")))
    elif layer.type in ("Exp", "Log"):
        steps.append(("function", Elementwise(layer.type.lower())))
        if layer.type == "Log" and found.number("base", -1.0) > 0:
            steps.append(("base", Elementwise("mul")))
    return (net.chain(layer, x, steps),)


def dropout(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Dropout."""
    ratio = layer.parameters("dropout_param").number("dropout_ratio", 0.5)
    if not 0 <= ratio < 1:
        raise FormatError(f"`{layer.name}` (Dropout): `dropout_ratio` is {ratio:g}: from 0 to below 1", line=layer.line)
    return (net.add(layer, Dropout(ratio), net.bottom(layer)),)


def softmax(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Softmax along one axis."""
    x = net.bottom(layer)
    rank = len(net.shape(x))
    axis = axis_of(layer, layer.parameters("softmax_param").integer("axis", 1, -8), rank)
    return (net.add(layer, Softmax(-1 if axis == rank - 1 else axis), x),)


def concat(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Concatenation."""
    found, inputs = layer.parameters("concat_param"), _bottoms(net, layer)
    rank = len(net.shape(inputs[0]))
    axis = axis_of(layer, found.integer("axis", found.integer("concat_dim", 1), -8), rank)
    return (net.add(layer, Concat(axis), *inputs),)


def _bottoms(net: CaffeGraphBuilder, layer: CaffeLayer) -> list[str]:
    return [net.bottom(layer, i) for i in range(max(len(layer.bottoms), 1))]


def eltwise(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A sum, with coefficients where there are any, a product or a maximum of blobs of one shape."""
    found, inputs = layer.parameters("eltwise_param"), _bottoms(net, layer)
    operation = found.choice("operation", ("PROD", "SUM", "MAX")) if "operation" in found else "SUM"
    if operation != "SUM":
        function = "mul" if operation == "PROD" else "maximum"
        for i, other in enumerate(inputs[1:-1], 1):
            inputs[0] = net.add(layer, Elementwise(function), inputs[0], other, suffix=str(i))
        return (net.add(layer, Elementwise(function), inputs[0], inputs[-1]),)
    factors = found.numbers("coeff") or [1.0] * len(inputs)
    if len(factors) != len(inputs):
        raise FormatError(f"{found.name}: {len(factors)} of `coeff` for {len(inputs)} blobs", line=found.line)
    if factors == [1.0, -1.0]:
        return (net.add(layer, Elementwise("sub"), *inputs),)
    for i, factor in enumerate(factors[:-1]):
        if factor != 1:
            inputs[i] = net.add(layer, Elementwise("mul"), inputs[i], suffix=f"scale_{i}")
    return (net.add(layer, Add(factors[-1]), *inputs),)


def axpy(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SENet's Axpy: a factor per channel times a blob, and another added."""
    product = net.add(layer, Elementwise("mul"), net.bottom(layer, 1), net.bottom(layer), suffix="product")
    return (net.add(layer, Add(), product, net.bottom(layer, 2)),)


def slices(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Parts of a blob along an axis, at the points that are given or of one size."""
    found, x = layer.parameters("slice_param"), net.bottom(layer)
    shape = net.shape(x)
    axis = axis_of(layer, found.integer("axis", found.integer("slice_dim", 1), -8), len(shape))
    parts, points = len(layer.tops), found.integers("slice_point", 1)
    if not points and parts and shape[axis] % parts == 0:
        points = [i * shape[axis] // parts for i in range(1, parts)]
    if len(points) != parts - 1:
        raise FormatError(f"{found.name}: {len(points)} of `slice_point` part {shape[axis]} into {parts}")
    if parts == 1:
        return (x,)
    ends = [0, *points, shape[axis]]
    return tuple(net.add(layer, Slice(axis, ends[i], ends[i + 1]), x, suffix=str(i)) for i in range(parts))


def reshape(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Another shape, some of its sizes kept (0) or worked out (-1)."""
    found, x = layer.parameters("reshape_param"), net.bottom(layer)
    shape, wanted = net.shape(x), found.message("shape").integers("dim", -1)
    start = axis_of(layer, found.integer("axis", 0, -9), len(shape) + 1)
    axes = found.integer("num_axes", -1, -1)
    end = len(shape) if axes == -1 else start + axes
    if end > len(shape) or any(size == 0 and start + i >= len(shape) for i, size in enumerate(wanted)):
        raise FormatError(f"{found.name}: it keeps an axis that a blob with {len(shape)} axes does not have")
    sizes = [shape[start + i] if size == 0 else size for i, size in enumerate(wanted)]
    whole = Reshape((*shape[:start], *sizes, *shape[end:]))
    made = whole.output_shape(shape)
    if made[:1] == shape[:1]:  # the batch, which a caller may change
        whole = Reshape((-1, *made[1:]))
    return (net.add(layer, whole, x),)


def flatten(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Axes as one."""
    found, x = layer.parameters("flatten_param"), net.bottom(layer)
    rank = len(net.shape(x))
    start, end = (axis_of(layer, found.integer(name, one, -8), rank) for name, one in (("axis", 1), ("end_axis", -1)))
    return (net.add(layer, Flatten(start, -1 if end == rank - 1 else end), x),)


def permute(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Axes in another order; those that are not named follow in theirs."""
    x = net.bottom(layer)
    order = layer.parameters("permute_param").integers("order", 0, 31)
    rest = [axis for axis in range(len(net.shape(x))) if axis not in order]
    return (net.add(layer, Permute((*order, *rest)), x),)


def crop(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """The part of the first blob that is as large as the second, from an offset on, along the axes from `axis`."""
    found, x = layer.parameters("crop_param"), net.bottom(layer)
    shape, model = net.shape(x), net.shape(net.bottom(layer, 1))
    axis = axis_of(layer, found.integer("axis", 2, -8), len(shape))
    offsets = found.integers("offset") or [0]
    if len(model) != len(shape) or len(offsets) not in (1, len(shape) - axis):
        raise FormatError(f"{found.name}: {len(offsets)} of `offset` for blobs of {len(shape)} and {len(model)} axes")
    steps: list[tuple[str, Op]] = []
    for i in range(axis, len(shape)):
        offset = offsets[i - axis if len(offsets) > 1 else 0]
        if model[i] != shape[i]:
            steps.append((f"axis_{i}", Slice(i, offset, offset + model[i])))
    return (net.chain(layer, x, steps),)


def reduction(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A sum or mean over the axes from `axis` on."""
    found, x = layer.parameters("reduction_param"), net.bottom(layer)
    rank = len(net.shape(x))
    axis = axis_of(layer, found.integer("axis", 0, -8), rank)
    operation = found.choice("operation", ("", "SUM", "ASUM", "SUMSQ", "MEAN")) or "SUM"
    steps: list[tuple[str, Op]] = []
    if operation in ("ASUM", "SUMSQ"):
        steps.append(("each", Elementwise("abs" if operation == "ASUM" else "square")))
    steps.append(("sum", Reduce("mean" if operation == "MEAN" else "sum", tuple(range(axis, rank)))))
    if found.number("coeff", 1.0) != 1:
        steps.append(("coeff", Elementwise("mul")))
    return (net.chain(layer, x, steps),)


def argmax(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Places of the largest elements: a comparison for each element."""
    found, x = layer.parameters("argmax_param"), net.bottom(layer)
    shape, top, both = net.shape(x), found.integer("top_k", 1, 1), found.flag("out_max_val", False)
    made = [shape[0], 2 if both else 1, top]
    if "axis" in found:
        made = list(shape)
        made[axis_of(layer, found.integer("axis", 1, -8), len(shape))] = top
    return (net.add(layer, Declared("ArgMax", (TensorType(tuple(made)),), flops_beside=top * prod(shape)), x),)


def tile(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Copies of a blob side by side."""
    found, x = layer.parameters("tile_param"), net.bottom(layer)
    shape = list(net.shape(x))
    shape[axis_of(layer, found.integer("axis", 1, -8), len(shape))] *= found.integer("tiles", None, 1)
    return (net.add(layer, Declared("Tile", (TensorType(tuple(shape)),)), x),)


def interp(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """DeepLab's Interp: a map brought to another size, bilinear."""
    found, x = layer.parameters("interp_param"), net.bottom(layer)
    shape = net.shape(x)
    if len(shape) != 4:
        raise FormatError(f"{found.name}: a blob with {len(shape)} axes: 4")
    if "height" in found:
        size = found.integer("height", None, 1), found.integer("width", None, 1)
    else:
        shrink, zoom = found.integer("shrink_factor", 1, 1), found.integer("zoom_factor", 1, 1)
        height, width = (((n - 1) // shrink + 1 - 1) * zoom + 1 for n in shape[2:])
        size = height, width
    return (net.add(layer, Upsample(size, "bilinear"), x),)


def shuffle(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """ShuffleNet's shuffle of channels: two axes exchanged."""
    x = net.bottom(layer)
    channels, *sides = net.shape(x)[1:] or (1,)
    groups = layer.parameters("shuffle_channel_param").integer("group", 1, 1)
    if channels % groups:
        raise FormatError(f"`{layer.name}` ({layer.type}): {groups} groups must divide {channels} channels")
    parted, order = Reshape((-1, groups, channels // groups, *sides)), (0, 2, 1, *range(3, 3 + len(sides)))
    back = Reshape((-1, channels, *sides))
    return (net.chain(layer, x, [("parted", parted), ("exchanged", Permute(order)), ("joined", back)]),)


def same(net: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Split: the same blob under several names."""
    return (net.bottom(layer),) * max(len(layer.tops), 1)


PLAIN: dict[str, CaffeHandler] = {
    **dict.fromkeys(
        ("AbsVal", "BNLL", "Clip", "ELU", "PReLU", "ReLU", "ReLU6", "Sigmoid", "Swish", "TanH", "Threshold"), activation
    ),
    **dict.fromkeys(("Exp", "Log", "Power"), power),
    "ArgMax": argmax,
    "Axpy": axpy,
    "Concat": concat,
    "Crop": crop,
    "Dropout": dropout,
    "Eltwise": eltwise,
    "Flatten": flatten,
    "Interp": interp,
    "Permute": permute,
    "Reduction": reduction,
    "Reshape": reshape,
    "ShuffleChannel": shuffle,
    "Slice": slices,
    "Softmax": softmax,
    "Split": same,
    "Tile": tile,
}
"""By Caffe's name of the layer's type."""
