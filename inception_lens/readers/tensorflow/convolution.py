"""TensorFlow's convolutions, pools and norms."""

from __future__ import annotations

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import format_shape
from inception_lens.readers.onnx.values import Attribute, OnnxValue
from inception_lens.readers.shapes import batch_norm_for
from inception_lens.readers.tensorflow.calls import GraphDefCall, GraphDefHandler, TensorFlowValue, known
from inception_lens.readers.tensorflow.fusion import BIAS


def has_channels_last(call: GraphDefCall) -> bool:
    """Whether the call's maps have their channels last."""
    return call.node.text("data_format", "NHWC").endswith("C")


def spatial(call: GraphDefCall, name: str, rank: int) -> list[int] | None:
    """An attribute of one entry per axis, without the batch and the channels; None where those are not 1."""
    sizes = call.node.integers(name) or [1] * rank
    if len(sizes) != rank:
        raise FormatError(f"`{name}` is {sizes}; expected {rank} integers")
    channels = rank - 1 if has_channels_last(call) else 1
    others = [size for axis, size in enumerate(sizes) if axis not in (0, channels)]
    return others if sizes[0] == sizes[channels] == 1 else None


def _map(call: GraphDefCall, i: int = 0) -> OnnxValue:
    """The map that a call reads, with its channels after the batch."""
    return call.moved(i) if has_channels_last(call) else call.as_is(call.input(i))


def _padding(call: GraphDefCall, axes: int) -> dict[str, Attribute]:
    """ONNX's attribute of the padding."""
    padding = call.node.text("padding", "VALID")
    if padding != "EXPLICIT":
        return {"auto_pad": {"SAME": "SAME_UPPER"}.get(padding, padding)}
    pads = call.node.integers("explicit_paddings")
    if len(pads) != 2 * (axes + 2):
        raise FormatError(f"`explicit_paddings` is {pads}; expected {2 * (axes + 2)} integers")
    start = 2 if has_channels_last(call) else 4
    sides = pads[start : start + 2 * axes]
    return {"pads": [*sides[::2], *sides[1::2]]}


def _outputs(call: GraphDefCall, values: list[OnnxValue]) -> list[TensorFlowValue]:
    return [TensorFlowValue(value, has_channels_last(call)) for value in values]


def convolution(call: GraphDefCall) -> list[TensorFlowValue]:
    """Conv2D, Conv3D and DepthwiseConv2dNative, whose kernels are (height, width, channels, units)."""
    kernel = call.as_is(call.input(1))
    rank = len(call.input(0).shape)
    if len(kernel.shape) != rank or not 4 <= rank <= 5:
        raise FormatError(f"a kernel of {format_shape(kernel.shape)} for a map of {rank} axes")
    strides, dilations = spatial(call, "strides", rank), spatial(call, "dilations", rank)
    if strides is None or dilations is None:
        return call.unknown()
    *sides, channels, units = kernel.shape
    x = _map(call)
    if call.node.op == "DepthwiseConv2dNative":  # one kernel per channel and unit
        groups, swapped = channels, call.move(kernel, (2, 3, 0, 1), "kernel")
        kernel = call.run("Reshape", swapped, suffix="kernel", shape=[channels * units, 1, *sides])[0]
    else:
        groups = x.shape[1] // channels if channels else 1
        kernel = call.move(kernel, (rank - 1, rank - 2, *range(rank - 2)), "kernel")
    inputs = [x, kernel, *_bias(call)]
    padding = _padding(call, rank - 2)
    return _outputs(call, call.run("Conv", *inputs, more=padding, strides=strides, dilations=dilations, group=groups))


def _bias(call: GraphDefCall) -> list[OnnxValue]:
    """The bias that was an addition after the convolution."""
    if not call.node.integer(BIAS, 0):
        return []
    return [call.vector(call.input(len(call.inputs) - 1).value)]


def transposed_convolution(call: GraphDefCall) -> list[TensorFlowValue]:
    """The gradient of a convolution: Conv2DBackpropInput (size, kernel, map)."""
    kernel, rank = call.as_is(call.input(1)), len(call.input(2).shape)
    if len(kernel.shape) != rank or not 4 <= rank <= 5:
        raise FormatError(f"a kernel of {format_shape(kernel.shape)} for a map of {rank} axes")
    strides, dilations, sizes = spatial(call, "strides", rank), spatial(call, "dilations", rank), call.integers(0)
    if strides is None or dilations is None or call.node.text("padding", "VALID") == "EXPLICIT":
        return call.unknown()
    window = _padding(call, rank - 2)
    if sizes is not None and len(sizes) == rank:
        window["output_shape"] = sizes[1:-1] if has_channels_last(call) else sizes[2:]
    x = _map(call, 2)
    kernel = call.move(kernel, (rank - 1, rank - 2, *range(rank - 2)), "kernel")
    inputs = [x, kernel, *_bias(call)]
    return _outputs(call, call.run("ConvTranspose", *inputs, more=window, strides=strides, dilations=dilations))


def pool(call: GraphDefCall) -> list[TensorFlowValue]:
    """MaxPool and AvgPool, in which padding does not count."""
    rank = len(call.input(0).shape)
    kernel, strides = spatial(call, "ksize", rank), spatial(call, "strides", rank)
    if kernel is None or strides is None:
        return call.unknown()
    kind = "MaxPool" if call.node.op.startswith("Max") else "AveragePool"
    padding = _padding(call, rank - 2)
    return _outputs(call, call.run(kind, _map(call), more=padding, kernel_shape=kernel, strides=strides))


def local_response_norm(call: GraphDefCall) -> list[TensorFlowValue]:
    """LRN, whose alpha is not divided by the size of its window."""
    node = call.node
    size = 2 * node.integer("depth_radius", 5) + 1
    alpha, beta, bias = (node.number(name, default) for name, default in (("alpha", 1.0), ("beta", 0.5), ("bias", 1.0)))
    x = call.moved(0)
    return [TensorFlowValue(call.run("LRN", x, size=size, alpha=alpha * size, beta=beta, bias=bias)[0], is_moved=True)]


def batch_norm(call: GraphDefCall) -> list[TensorFlowValue]:
    """FusedBatchNorm (x, scale, shift, mean, variance), where either of scale and shift can be left out."""
    x, eps = call.input(0).value, call.node.number("epsilon", 1e-4)
    moved = len(x.shape) > 2 and has_channels_last(call)
    x = call.moved(0) if moved else call.as_is(call.input(0))
    tensors = [_per_channel(call, i, x.shape[1]) for i in range(1, 5)]
    if not call.node.integer("is_training", 1):
        return [TensorFlowValue(call.run("BatchNormalization", x, *tensors, epsilon=eps)[0], moved)]
    learned = [each.weight for each in tensors[:2] if each.is_weight]
    op = batch_norm_for(x.shape)(eps, scale=tensors[0].is_weight, shift=tensors[1].is_weight, track=False)
    output = call.builder.add(call.node.name, op, call.builder.node(x), parameters=tuple(learned))
    return [TensorFlowValue(output, moved)]


def global_batch_norm(call: GraphDefCall) -> list[TensorFlowValue]:
    """BatchNormWithGlobalNormalization (x, mean, variance, shift, scale), which may not use its scale."""
    x = call.moved(0)
    mean, variance, shift, scale = (_per_channel(call, i, x.shape[1]) for i in range(1, 5))
    if not call.node.integer("scale_after_normalization", 0):
        scale = known([1.0] * x.shape[1], "float32").value
    eps = call.node.number("variance_epsilon", 1e-3)
    outputs = call.run("BatchNormalization", x, scale, shift, mean, variance, epsilon=eps)
    return [TensorFlowValue(outputs[0], is_moved=True)]


def _per_channel(call: GraphDefCall, i: int, channels: int) -> OnnxValue:
    """A tensor of a norm, as a vector; one that is left out or empty, as in training, changes nothing."""
    x = call.inputs[i] if i < len(call.inputs) else None
    if x is None or not prod(x.value.shape):
        return known([1.0 if i == 1 else 0.0] * channels, "float32").value
    return call.vector(x.value)


WINDOWS: dict[str, GraphDefHandler] = {
    **dict.fromkeys(("Conv2D", "Conv3D", "DepthwiseConv2dNative"), convolution),
    **dict.fromkeys(("Conv2DBackpropInput", "Conv3DBackpropInputV2"), transposed_convolution),
    **dict.fromkeys(("AvgPool", "AvgPool3D", "MaxPool", "MaxPool3D"), pool),
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), batch_norm),
    "BatchNormWithGlobalNormalization": global_batch_norm,
    "LRN": local_response_norm,
}
