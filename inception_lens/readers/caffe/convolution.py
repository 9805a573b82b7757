"""Caffe's convolutions, and their windows as columns."""

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Declared, Op, Reshape, Shape, TensorType
from inception_lens.ops import window as sliding
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer
from inception_lens.readers.caffe.windows import convolution_sizes
from inception_lens.readers.shapes import CONVOLUTIONS, TRANSPOSED_CONVOLUTIONS


def convolution(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Convolution and Deconvolution; the same weights convolve each of several bottoms of one shape.

    The axes before the channels are one batch for Caffe, and a blob without axes after them is a map of one position.
    """
    bottoms = builder.bottoms(layer)
    shape, axis = builder.shape(bottoms[0]), _channel_axis(builder, layer)
    if any(builder.shape(x) != shape for x in bottoms):
        raise FormatError("its bottoms have different shapes")
    op, owner, nodes = _convolution(layer, shape[axis], len(shape) - axis - 1), "", []
    for i, x in enumerate(bottoms):
        suffix = str(i) if i else ""
        if axis == 1 and len(shape) > 2:
            nodes.append(builder.add(layer, op, x, suffix=suffix, owner=owner))
            owner = nodes[0]
            continue
        folded = Reshape((-1 if axis else 1, *shape[axis:], *[1] * (axis == len(shape) - 1)))
        x = builder.add(layer, folded, x, suffix=f"fold{suffix}")
        x = builder.add(layer, op, x, suffix=f"map{suffix}", owner=owner)
        owner = owner or x
        batch = (-1, *shape[1:axis]) if axis else ()
        unfolded = Reshape((*batch, *builder.shape(x)[1 : 1 + len(shape) - axis]))
        nodes.append(builder.add(layer, unfolded, x, suffix=suffix))
    return tuple(nodes)


def _channel_axis(builder: CaffeGraphBuilder, layer: CaffeLayer) -> int:
    return builder.axis(builder.bottom(layer), layer.parameters("convolution_param").integer("axis", 1, -8))


def _window(layer: CaffeLayer, axes: int) -> tuple[Shape, Shape, Shape, Shape]:
    """Kernel, stride, padding and dilation."""
    found = layer.parameters("convolution_param")
    return (
        convolution_sizes(found, "kernel_size", axes, None),
        convolution_sizes(found, "stride", axes, 1),
        convolution_sizes(found, "pad", axes, 0, least=0),
        convolution_sizes(found, "dilation", axes, 1),
    )


def _convolution(layer: CaffeLayer, channels: int, axes: int) -> Op:
    """The operation on maps of a number of axes; the types of two forks have one filter per channel."""
    if axes > len(CONVOLUTIONS):
        raise FormatError(f"a map of {axes} axes; expected at most {len(CONVOLUTIONS)}")
    found, depthwise = layer.parameters("convolution_param"), "Depthwise" in layer.type
    kernel, stride, pad, dilation = _window(layer, axes)
    width = found.integer("num_output", None, 1)
    kinds = TRANSPOSED_CONVOLUTIONS if layer.type == "Deconvolution" else CONVOLUTIONS
    return kinds[max(axes, 1) - 1](
        out_channels=channels if layer.type == "ConvolutionDepthwise" else width,  # which ignores `num_output`
        kernel_size=kernel or (1,),
        stride=stride or (1,),
        padding=pad or (0,),
        dilation=dilation or (1,),
        groups=channels if depthwise else found.integer("group", 1, 1),
        bias=found.flag("bias_term", True),
    )


def image_to_columns(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Im2col: the windows of a convolution as channels, copied without arithmetic."""
    x, axis = builder.bottom(layer), _channel_axis(builder, layer)
    shape = builder.shape(x)
    if axis == len(shape) - 1:
        raise FormatError("reads a blob without axes after the channels")
    kernel, stride, pad, dilation = _window(layer, len(shape) - axis - 1)
    size = sliding.output_size(shape[axis + 1 :], kernel, stride, pad, dilation, "floor")
    output = TensorType((*shape[:axis], shape[axis] * prod(kernel), *size))
    return (builder.add(layer, Declared(layer.type, (output,)), x),)


CONVOLUTION: dict[str, CaffeHandler] = {
    **dict.fromkeys(("Convolution", "ConvolutionDepthwise", "Deconvolution", "DepthwiseConvolution"), convolution),
    "Im2col": image_to_columns,
}
