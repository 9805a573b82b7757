"""Caffe's layers that slide a window over a map."""

from inception_lens.errors import FormatError
from inception_lens.ops import AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, MaxPool2d, Op, Rounding
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.message import TextMessage
from inception_lens.readers.shapes import CONVOLUTIONS, MAX_WINDOW_SIZE, TRANSPOSED_CONVOLUTIONS, spatial_axes


def _sizes(
    message: TextMessage, name: str, prefix: str, axes: int, default: int | None, least: int = 1
) -> tuple[int, ...]:
    """One size per axis: `kernel_size` once or once per axis, or `kernel_h` and `kernel_w` with the `prefix`."""
    if axes == 2 and f"{prefix}_h" in message:
        return tuple(message.integer(f"{prefix}_{side}", default, least, MAX_WINDOW_SIZE) for side in "hw")
    sizes = message.integers(name, least, MAX_WINDOW_SIZE)
    if len(sizes) == axes:
        return tuple(sizes)
    if len(sizes) > 1:
        raise FormatError(f"has {len(sizes)} `{name}` for {axes} axes", line=message.line)
    return (message.integer(name, default, least, MAX_WINDOW_SIZE),) * axes


def convolution(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Convolution and Deconvolution; the same weights convolve each of several bottoms."""
    found = layer.parameters("convolution_param")
    kinds = TRANSPOSED_CONVOLUTIONS if layer.type == "Deconvolution" else CONVOLUTIONS
    nodes: list[str] = []
    for i, x in enumerate(builder.bottoms(layer)):
        shape = builder.shape(x)
        axes = spatial_axes(shape)
        if builder.axis(x, found.integer("axis", 1, -8)) != 1:
            raise FormatError("a channel axis other than 1 is not supported")
        op = kinds[axes - 1](
            out_channels=found.integer("num_output", None, 1),
            kernel_size=_sizes(found, "kernel_size", "kernel", axes, None),
            stride=_sizes(found, "stride", "stride", axes, 1),
            padding=_sizes(found, "pad", "pad", axes, 0, 0),
            dilation=_sizes(found, "dilation", "dilation", axes, 1),
            groups=shape[1] if "Depthwise" in layer.type else found.integer("group", 1, 1),
            bias=found.flag("bias_term", True),
        )
        nodes.append(builder.add(layer, op, x, suffix=str(i) if i else ""))
    if len(nodes) > 1 and not any(layer.shared_names()):
        raise FormatError("several bottoms share weights, which need names: param { name: ... }")
    return tuple(nodes)


def pooling(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Max and average pools; Caffe keeps a last window that is not full, unless it would start in the padding."""
    found, x = layer.parameters("pooling_param"), builder.bottom(layer)
    method = found.choice("pool", ("MAX", "AVE", "STOCHASTIC"))
    if found.flag("global_pooling", False):
        return (builder.add(layer, AdaptiveAvgPool2d() if method == "AVE" else AdaptiveMaxPool2d(), x),)
    kernel = _sizes(found, "kernel_size", "kernel", 2, None)
    stride, pad = _sizes(found, "stride", "stride", 2, 1), _sizes(found, "pad", "pad", 2, 0, 0)
    if any(p >= k for p, k in zip(pad, kernel, strict=True)):
        raise FormatError(f"padding of {pad} must be smaller than the kernel of {kernel}")
    rounding: Rounding = "floor"
    if found.choice("round_mode", ("CEIL", "FLOOR")) == "CEIL" and found.flag("ceil_mode", True):
        # pooling_layer.cpp clips a window that starts in the padding after the map only `if (pad_h_ || pad_w_)`.
        skips = not any(pad) and any(k < s for k, s in zip(kernel, stride, strict=True))
        rounding = "ceil_unclipped" if skips else "ceil"
    if method == "AVE":
        return (builder.add(layer, AvgPool2d(kernel, stride, pad, rounding), x),)
    op: Op = MaxPool2d(kernel, stride, pad, rounding, indices=len(layer.tops) == 2)
    if method == "STOCHASTIC":
        return builder.unknown(layer._replace(type="StochasticPooling"), [op.output_shape(builder.shape(x))])
    name = builder.add(layer, op, x)
    return (name, f"{name}:1") if len(layer.tops) == 2 else (name,)


def roi_pooling(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Pools of regions, whose sizes and cost are known only at run time; the shape of the output is known."""
    found = layer.parameters("roi_pooling_param")
    maps, regions = builder.shape(builder.bottom(layer)), builder.shape(builder.bottom(layer, 1))
    size = tuple(found.integer(f"pooled_{side}", None, 1) for side in "hw")
    return builder.unknown(layer, [(regions[0], maps[1], *size)] if len(maps) == 4 and regions else [])


CONVOLUTION: dict[str, CaffeHandler] = {
    **dict.fromkeys(("Convolution", "ConvolutionDepthwise", "Deconvolution", "DepthwiseConvolution"), convolution),
    "Pooling": pooling,
    "ROIPooling": roi_pooling,
}
