"""Darknet's layers, with the sizes of its `src/*_layer.c`."""

from __future__ import annotations

from math import prod

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.ops import Op, TensorType, format_shape
from inception_lens.readers.darknet.builder import DarknetBuilder, DarknetHandler
from inception_lens.readers.darknet.heads import HEADS
from inception_lens.readers.darknet.sections import DarknetSection

BATCH_NORM_EPS = 1e-6

ACTIVATIONS: dict[str, Op] = {
    "elu": ops.ELU(), "gelu": ops.GELU(approximate="tanh"), "hardtan": ops.Hardtanh(),
    "leaky": ops.LeakyReLU(negative_slope=0.1), "logistic": ops.Sigmoid(), "mish": ops.Mish(), "relu": ops.ReLU(),
    "relu6": ops.Hardtanh(min_val=0.0, max_val=6.0), "selu": ops.Elementwise("selu"), "swish": ops.SiLU(),
    "tanh": ops.Tanh(),
}  # fmt: skip
"""Activations that PyTorch has; `linear` is none, and others of Darknet's have FLOPs that are unknown."""


def _activate(builder: DarknetBuilder, section: DarknetSection, x: str, default: str) -> str:
    """The activation of a layer; none if it is linear."""
    name = section.text("activation", default)
    if name == "linear":
        return x
    kind = builder.type_of(x)
    return builder.add(ACTIVATIONS.get(name) or ops.Declared(name, (kind,), declared_flops=None), x, suffix=name)


def _has_norm(section: DarknetSection) -> bool:
    """Whether a batch norm follows, which has the bias of the layer."""
    return bool(section.integer("batch_normalize", 0) or section.integer("cbn", 0))


def _normalize(builder: DarknetBuilder, section: DarknetSection, x: str) -> str:
    """The batch norm of a layer that has one."""
    if not _has_norm(section):
        return x
    kind = ops.BatchNorm1d if len(builder.shape(x)) == 2 else ops.BatchNorm2d
    return builder.add(kind(eps=BATCH_NORM_EPS), x, suffix="batch_norm")


def _strides(section: DarknetSection) -> tuple[int, int]:
    stride = section.integer("stride", 1, 1)
    return section.integer("stride_y", stride, 1), section.integer("stride_x", stride, 1)


def convolutional(builder: DarknetBuilder, section: DarknetSection) -> str:
    """A convolution, a batch norm and an activation; a layer with a norm has its bias there."""
    x, size = builder.map(), section.integer("size", 1, 1)
    dilation = section.integer("dilation", 1, 1) if size > 1 else 1
    padding = size // 2 if section.integer("pad", 0) else section.integer("padding", 0)
    if section.integer("antialiasing", 0) or (dilation > 1 and 2 * padding != size - 1):
        return builder.unknown()  # the size of the second is that without dilation
    op = ops.Conv2d(
        section.integer("filters", 1, 1),
        (size, size),
        _strides(section),
        (padding * dilation,) * 2,
        (dilation, dilation),
        1 if section.integer("xnor", 0) else section.integer("groups", 1, 1),
        bias=not _has_norm(section),
    )
    shared = (
        builder.layer_index(section.integer("share_index", 0, -(2**40))) if "share_index" in section.options else -1
    )
    x = builder.add(op, x, suffix="conv", weights_of=shared)
    return _activate(builder, section, _normalize(builder, section, x), "logistic")


def deconvolutional(builder: DarknetBuilder, section: DarknetSection) -> str:
    """A transposed convolution, a batch norm and an activation."""
    x, size, stride = builder.map(), section.integer("size", 1, 1), section.integer("stride", 1, 1)
    padding = size // 2 if section.integer("pad", 0) else section.integer("padding", 0)
    bias = not _has_norm(section)
    sides = (size, size), (stride, stride), (padding, padding)
    x = builder.add(ops.ConvTranspose2d(section.integer("filters", 1, 1), *sides, bias=bias), x, suffix="conv")
    return _activate(builder, section, _normalize(builder, section, x), "logistic")


def local(builder: DarknetBuilder, section: DarknetSection) -> str:
    """A convolution with other weights at each position."""
    x, size, stride = builder.map(), section.integer("size", 1, 1), section.integer("stride", 1, 1)
    batch, channels, *sides = builder.shape(x)
    filters, less = section.integer("filters", 1, 1), 1 if section.integer("pad", 0) else size
    height, width = ((n - less) // stride + 1 for n in sides)
    if min(height, width) < 1:
        raise FormatError(f"a kernel of {size} is larger than the map of {format_shape(tuple(sides))}")
    fan_in = channels * size**2
    weight = builder.add(ops.Stored((height * width, filters, fan_in)), suffix="weight")
    bias = builder.add(ops.Stored((filters, height, width)), suffix="bias")
    output = TensorType((batch, filters, height, width))
    op = ops.Declared("LocallyConnected2d", (output,), output.elements * fan_in, output.elements)
    return _activate(builder, section, builder.add(op, x, weight, bias, suffix="local"), "logistic")


def connected(builder: DarknetBuilder, section: DarknetSection) -> str:
    """A linear layer, a batch norm and an activation."""
    bias = not _has_norm(section)
    linear = ops.Linear(section.integer("output", 1, 1, 2**30), bias)
    x = builder.add(linear, builder.vector(), suffix="linear")
    return _activate(builder, section, _normalize(builder, section, x), "logistic")


def local_pool(builder: DarknetBuilder, section: DarknetSection) -> str:
    """`maxpool` and `local_avgpool`, in which padding does not count.

    `padding` is that of both sides together, and half of it, rounded down, is before the map.
    """
    if section.integer("maxpool_depth", 0) or section.integer("antialiasing", 0):
        return builder.unknown()
    x, strides = builder.map(), _strides(section)
    size = section.integer("size", section.integer("stride", 1, 1), 1)
    total = section.integer("padding", size - 1)
    padding = []
    for n, step in zip(builder.shape(x)[2:], strides, strict=True):
        windows = (n + total - size) // step + 1
        before = total // 2
        after = max((windows - 1) * step + size - n - before, 0)  # what no window reads is left out
        padding.append(before if before == after else (before, after))
    if section.type == "maxpool":
        return builder.add(ops.MaxPool2d((size, size), strides, tuple(padding)), x)
    return builder.add(ops.AvgPool2d((size, size), strides, tuple(padding), count_include_pad=not any(padding)), x)


def avgpool(builder: DarknetBuilder, section: DarknetSection) -> str:
    """The mean of each channel."""
    return builder.add(ops.AdaptiveAvgPool2d(), builder.map())


def route(builder: DarknetBuilder, section: DarknetSection) -> str:
    """The outputs of layers, or a group of the channels of each, joined; those of different maps as vectors."""
    if not section.integers("layers"):
        raise FormatError("has no `layers`")
    inputs = [builder.output(index) for index in section.integers("layers")]
    groups, group = section.integer("groups", 1, 1), section.integer("group_id", 0)
    if groups > 1:
        for i, x in enumerate(inputs):
            channels = builder.shape(x)[1] // groups
            part = ops.Slice(1, group * channels, (group + 1) * channels)
            inputs[i] = builder.add(part, x, suffix=f"group_{i}" if len(inputs) > 1 else "group")
    if len(inputs) == 1:
        return inputs[0]
    if len({builder.shape(x)[2:] for x in inputs}) > 1:
        inputs = [builder.vector(x) for x in inputs]
    return builder.add(ops.Concat(1), *inputs)


def shortcut(builder: DarknetBuilder, section: DarknetSection) -> str:
    """The sum of the layer before and others; of another shape, the part that both have."""
    x, others = builder.previous(), [builder.output(index) for index in section.integers("from")]
    if not others:
        raise FormatError("has no `from`")
    kind = TensorType(builder.shape(x))
    if section.text("weights_type", "none") != "none":  # learned factors
        per_channel = section.text("weights_type", "") == "per_channel"
        shape = (len(others) + 1, kind.shape[1]) if per_channel else (len(others) + 1,)
        op: Op = ops.Unknown("shortcut", (kind,), learned=(ops.Parameter("weight", shape),))
    elif all(builder.shape(other) == kind.shape for other in others):
        op = ops.Add()
    else:
        shared = [prod(map(min, zip(kind.shape, builder.shape(other), strict=True))) for other in others]
        op = ops.Declared("shortcut", (kind,), declared_flops=sum(shared))
    return _activate(builder, section, builder.add(op, x, *others, suffix="add"), "linear")


def product(builder: DarknetBuilder, section: DarknetSection) -> str:
    """`scale_channels` and `sam`: another layer times the one before."""
    others = [builder.output(index) for index in section.integers("from")]
    if len(others) != 1:
        raise FormatError("needs one layer in `from`")
    x = builder.add(ops.Elementwise("mul"), others[0], builder.map(), suffix="mul")
    return _activate(builder, section, x, "linear")


def upsample(builder: DarknetBuilder, section: DarknetSection) -> str:
    """Each element copied to a block."""
    x, stride = builder.map(), section.integer("stride", 2, -1024, 1024)
    height, width = builder.shape(x)[2:]
    if not stride:
        raise FormatError("`stride` is 0")
    if stride < 0:
        return builder.unknown()
    x = builder.add(ops.Upsample((height * stride, width * stride)), x, suffix="nearest")
    scale = section.number("scale", 1.0)
    return x if scale == 1 else builder.add(ops.Elementwise("mul", numbers=(None, scale)), x, suffix="scale")


def reorg(builder: DarknetBuilder, section: DarknetSection) -> str:
    """Blocks of the map moved to the channels, or back."""
    x, stride = builder.map(), section.integer("stride", 1, 1)
    batch, channels, height, width = builder.shape(x)
    if extra := section.integer("extra", 0):
        vector = TensorType((batch, channels * height * width + extra))
        return builder.add(ops.Declared("reorg", (vector,)), x)
    if section.integer("flatten", 0):
        shape = (batch, channels, height, width)
    elif section.integer("reverse", 0):
        shape = (batch, channels // stride**2, height * stride, width * stride)
    else:
        shape = (batch, channels * stride**2, height // stride, width // stride)
    if prod(shape) != channels * height * width * batch:
        raise FormatError(f"a stride of {stride} does not divide {channels}x{height}x{width}")
    return builder.add(ops.Declared("reorg", (TensorType(shape),)), x)


def unchanged(builder: DarknetBuilder, section: DarknetSection) -> str:
    """Layers that return their input."""
    return builder.previous()


def dropout(builder: DarknetBuilder, section: DarknetSection) -> str:
    """Dropout."""
    return builder.add(ops.Dropout(section.number("probability", 0.5)), builder.previous())


def crop(builder: DarknetBuilder, section: DarknetSection) -> str:
    """The centre of the image; unless `noadjust`, its values are moved from 0..1 to -1..1."""
    x = builder.map()
    for axis, name in ((2, "crop_height"), (3, "crop_width")):
        size, n = section.integer(name, 1, 1), builder.shape(x)[axis]
        if size > n:
            raise FormatError(f"`{name}` is {size}, but the map has {n}")
        start = (n - size) // 2
        if size != n:
            x = builder.add(ops.Slice(axis, start, start + size), x, suffix=name)
    if section.integer("noadjust", 0):
        return x
    x = builder.add(ops.Elementwise("mul", numbers=(None, 2.0)), x, suffix="mul")
    return builder.add(ops.Elementwise("sub", numbers=(None, 1.0)), x, suffix="sub")


def normalization(builder: DarknetBuilder, section: DarknetSection) -> str:
    """Local response normalisation, whose alpha is not divided by the size of its window."""
    size, beta, kappa = section.integer("size", 5, 1), section.number("beta", 0.75), section.number("kappa", 1.0)
    alpha = section.number("alpha", 1e-4) * size
    return builder.add(ops.LocalResponseNorm(size, alpha, beta, kappa), builder.map())


def batchnorm(builder: DarknetBuilder, section: DarknetSection) -> str:
    """A batch norm."""
    return builder.add(ops.BatchNorm2d(eps=BATCH_NORM_EPS), builder.map())


def activation(builder: DarknetBuilder, section: DarknetSection) -> str:
    """An activation."""
    return _activate(builder, section, builder.previous(), "linear")


HANDLERS: dict[str, DarknetHandler] = {
    **HEADS,
    **dict.fromkeys(("sam", "scale_channels"), product),
    **dict.fromkeys(("local_avgpool", "maxpool"), local_pool),
    **dict.fromkeys(("reorg", "reorg3d"), reorg),
    **dict.fromkeys(("cost", "empty", "silence"), unchanged),
    "activation": activation,
    "avgpool": avgpool,
    "batchnorm": batchnorm,
    "connected": connected,
    "convolutional": convolutional,
    "crop": crop,
    "deconvolutional": deconvolutional,
    "dropout": dropout,
    "local": local,
    "normalization": normalization,
    "route": route,
    "shortcut": shortcut,
    "upsample": upsample,
}
