"""Caffe's pools of windows, of pyramids and of regions, and the inverse of a max pool."""

from inception_lens.errors import FormatError
from inception_lens.ops import (
    AdaptiveAvgPool2d,
    AdaptiveMaxPool2d,
    AvgPool2d,
    Concat,
    Declared,
    Flatten,
    MaxPool2d,
    Rounding,
    Shape,
    TensorType,
    Upsample,
    format_shape,
)
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.message import TextMessage
from inception_lens.readers.caffe.windows import pooling_sizes

METHODS = ("MAX", "AVE", "STOCHASTIC")
MAX_PYRAMID_HEIGHT = 12
"""Levels of SPP; the largest has 4 to the power of one less windows."""


def pooling(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Max and average pools; Caffe keeps a last window that is not full, unless it would start in the padding."""
    found, x = layer.parameters("pooling_param"), builder.bottom(layer)
    method = found.choice("pool", METHODS)
    stride, pad = pooling_sizes(found, "stride", 1), pooling_sizes(found, "pad", 0, least=0)
    if found.flag("global_pooling", False):
        if stride != (1, 1) or any(pad) or any(name in found for name in ("kernel_size", "kernel_h", "kernel_w")):
            raise FormatError("a global pool has no kernel, no padding and a stride of 1", line=found.line)
        return (builder.add(layer, AdaptiveAvgPool2d() if method == "AVE" else AdaptiveMaxPool2d(), x),)
    kernel = pooling_sizes(found, "kernel_size", None)
    if method == "STOCHASTIC" and any(pad):
        raise FormatError("a stochastic pool has a padding; expected none", line=found.line)
    _check_padding(kernel, pad)
    rounding: Rounding = "floor"
    if found.choice("round_mode", ("CEIL", "FLOOR")) == "CEIL" and found.flag("ceil_mode", True):
        # pooling_layer.cpp clips a window that starts in the padding after the map only `if (pad_h_ || pad_w_)`.
        skips = not any(pad) and any(k < s for k, s in zip(kernel, stride, strict=True))
        rounding = "ceil_unclipped" if skips else "ceil"
    if method == "AVE":
        return (builder.add(layer, AvgPool2d(kernel, stride, pad, rounding), x),)
    op = MaxPool2d(kernel, stride, pad, rounding, indices=len(layer.tops) == 2)
    if method == "STOCHASTIC":
        shape = op.output_shape(builder.shape(x))
        return builder.unknown(layer._replace(type="StochasticPooling"), [shape], params_known=True)
    name = builder.add(layer, op, x)
    return (name, f"{name}:1") if op.indices else (name,)


def _check_padding(kernel: Shape, pad: Shape) -> None:
    if any(pad) and any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise FormatError(f"padding of {pad} must be smaller than the kernel of {kernel}")


def pyramid_pooling(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SPP: pools to 1x1, 2x2, 4x4, ... windows, joined to one vector; a pyramid of one level is that pool alone.

    The windows and their padding are those of `SPPLayer::GetPoolingParam` in `spp_layer.cpp`.
    """
    found, x = layer.parameters("spp_param"), builder.bottom(layer)
    levels = found.integer("pyramid_height", None, 1, MAX_PYRAMID_HEIGHT)
    kind = MaxPool2d if found.choice("pool", METHODS[:2]) == "MAX" else AvgPool2d
    size, vectors = builder.map_shape(x)[2:], []
    for level in range(levels):
        kernel = tuple(-(-n >> level) for n in size)
        pad = tuple(((k << level) - n + 1) // 2 for k, n in zip(kernel, size, strict=True))
        _check_padding(kernel, pad)
        op = kind(kernel, kernel, pad, "ceil")
        if levels == 1:
            return (builder.add(layer, op, x),)
        pool = builder.add(layer, op, x, suffix=f"pool_{level}")
        vectors.append(builder.add(layer, Flatten(), pool, suffix=f"flatten_{level}"))
    return (builder.add(layer, Concat(), *vectors),)


def region_pooling(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Pools of the regions that the second bottom lists; without MACs, and with FLOPs that depend on the regions."""
    _, channels, *_ = builder.map_shape(builder.bottom(layer))
    if layer.type == "PSROIPooling":
        found = layer.parameters("psroi_pooling_param")
        group, width = found.integer("group_size", None, 1), found.integer("output_dim", None, 1)
        if channels != width * group**2:
            raise FormatError(f"`output_dim` {width} with groups of {group}x{group} needs {width * group**2} channels")
        size: Shape = (width, group, group)
    else:
        found = layer.parameters("roi_align_param" if layer.type == "ROIAlign" else "roi_pooling_param")
        size = (channels, *(found.integer(f"pooled_{side}", None, 1) for side in "hw"))
    output = TensorType((builder.first_size(builder.bottom(layer, 1)), *size))
    return (builder.add(layer, Declared(layer.type, (output,), declared_flops=None), *builder.bottoms(layer)),)


def upsample(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SegNet's Upsample, the inverse of a max pool by the positions in its second bottom, or YOLO's of the nearest.

    Both copy without arithmetic.
    """
    found, x = layer.parameters("upsample_param"), builder.bottom(layer)
    shape = builder.map_shape(x)
    size = _upsampled_size(found, shape[2:])
    if len(layer.bottoms) == 1:
        return (builder.add(layer, Upsample(size), x),)
    positions = builder.bottom(layer, 1)
    if builder.shape(positions) != shape:
        raise FormatError(f"reads {format_shape(shape)} and positions of {format_shape(builder.shape(positions))}")
    return (builder.add(layer, Declared("MaxUnpool2d", (TensorType((*shape[:2], *size)),)), x, positions),)


def _upsampled_size(found: TextMessage, size: Shape) -> Shape:
    """The size of the output map by SegNet's `upsample_layer.cpp`."""
    if "upsample_h" in found and "upsample_w" in found:
        return tuple(found.integer(f"upsample_{side}", None, 2) for side in "hw")
    if one_of := [name for name in ("scale_h", "scale_w") if name in found]:
        if "scale" in found or len(one_of) < 2:
            raise FormatError("expected `scale`, or `scale_h` and `scale_w`", line=found.line)
        scales = [found.integer(name, None, 2) for name in one_of]
    else:
        scales = [found.integer("scale", 2, 2)] * 2
    cuts = [found.flag(f"pad_out_{side}", False) for side in "hw"]
    if any(cut and scale != 2 for cut, scale in zip(cuts, scales, strict=True)):
        raise FormatError("`pad_out_h` and `pad_out_w` need a scale of 2", line=found.line)
    return tuple(n * scale - cut for n, scale, cut in zip(size, scales, cuts, strict=True))


POOLING: dict[str, CaffeHandler] = {
    **dict.fromkeys(("PSROIPooling", "ROIAlign", "ROIPooling"), region_pooling),
    "Pooling": pooling,
    "SPP": pyramid_pooling,
    "Upsample": upsample,
}
