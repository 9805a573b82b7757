"""ONNX's norms."""

from __future__ import annotations

from math import prod

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import (
    Declared,
    Elementwise,
    Expand,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocalResponseNorm,
    Op,
    Reduce,
    Reshape,
    RMSNorm,
    Shape,
    TensorType,
    format_shape,
)
from inception_lens.readers.onnx.dtypes import onnx_dtype
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler, is_tensor
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue
from inception_lens.readers.shapes import batch_norm_for, resolve_axis


def batch_norm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """BatchNormalization; a scale or shift that is a Constant is not learned.

    Before opset 9, the statistics can be those of each position and not of each channel.
    """
    x = call.input(0)
    tensors = [call.input(i) for i in range(1, 5)]
    if call.opset < 9 and not call.integer("spatial", 1) and len(x.shape) > 2:
        flat = builder.add(f"{call.name}/flatten", Flatten(), builder.node(x))
        vectors = [msgspec.structs.replace(each, type=TensorType((prod(each.shape),), each.dtype)) for each in tensors]
        attributes = {key: value for key, value in call.attributes.items() if key != "spatial"}
        (output,) = batch_norm(builder, call._replace(inputs=(flat, *vectors), attributes=attributes))
        return [builder.add(f"{call.name}/back", Reshape((-1, *x.shape[1:])), output.node)]
    kind = batch_norm_for(x.shape)
    if any(each.shape != x.shape[1:2] for each in tensors):
        shapes = ", ".join(format_shape(each.shape) for each in tensors)
        raise FormatError(f"scale, shift, mean and variance of {shapes} do not fit {format_shape(x.shape)}")
    scale, shift = map(is_tensor, tensors[:2])
    op = kind(
        eps=call.number("epsilon", 1e-5),
        momentum=round(1 - call.number("momentum", 0.9), 6),
        scale=scale,
        shift=shift,
    )
    learned = [each for each, flag in zip(tensors[:2], (scale, shift), strict=True) if flag]
    builder.kinds |= dict.fromkeys([each.weight for each in tensors[2:] if each.is_weight], "buffer")
    return [builder.add_layer(call, op, x, [(each, each.shape) for each in (*learned, *tensors[2:])])]


def layer_norm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """LayerNormalization and RMSNormalization over the axes from `axis` to the last."""
    x = call.input(0)
    is_rms = call.op != "LayerNormalization"
    axis = resolve_axis(call.integer("axis", -1), len(x.shape))
    over = x.shape[axis:]
    eps = call.number("epsilon", 1e-5)

    def norm(scale: bool, shift: bool) -> Op:
        return RMSNorm(over, eps, scale) if is_rms else LayerNorm(over, eps, scale, shift)

    weights = [call.input(i) for i in (1, 2) if call.has_input(i)]
    scale = call.input(1)
    # A scale of ones that is computed is ONNX's way to have none.
    is_scaled = scale.is_weight or scale.array is None or not (scale.array == 1).all()
    weights = weights[not is_scaled :]
    if all(value.is_weight and value.shape == over for value in weights):
        output = builder.add_layer(call, norm(is_scaled, call.has_input(2)), x, [(value, over) for value in weights])
        return [output, *_statistics(builder, call, output, axis)]
    output = builder.add(call.name, norm(False, False), builder.node(x))
    for function, value in zip(("mul", "add")[not is_scaled :], weights, strict=False):
        name = f"{call.name}/{function}"
        output = builder.add(name, Elementwise(function), output.node, builder.node(value))
    return [output, *_statistics(builder, call, output, axis)]


def _statistics(builder: OnnxGraphBuilder, call: OnnxCall, output: OnnxValue, axis: int) -> list[OnnxValue]:
    """The mean and the inverse standard deviation, which the norm computes, as far as they are read."""
    shape = (*output.shape[:axis], *[1] * (len(output.shape) - axis))
    op = Declared("statistics", (TensorType(shape, onnx_dtype(call.integer("stash_type", 1))),))
    count = len(call.outputs) if any(call.reads[1:]) else 1
    return [builder.add(f"{call.name}/statistics_{i}", op, builder.node(output)) for i in range(1, count)]


def channel_norm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """InstanceNormalization and GroupNormalization, with a scale and a shift per channel.

    Before opset 21, those of GroupNormalization are per group. Constants are part of the function.
    """
    x, *tensors = (call.input(i) for i in range(3))
    eps, groups = call.number("epsilon", 1e-5), call.integer("num_groups", 1)
    affine = all(each.is_weight and not each.constant and each.shape == x.shape[1:2] for each in tensors)
    is_group = call.op == "GroupNormalization"
    op: Op = GroupNorm(groups, eps, affine) if is_group else InstanceNorm(eps, affine)
    if affine:
        return [builder.add_layer(call, op, x, [(each, each.shape) for each in tensors])]
    output = builder.add(call.name, op, builder.node(x))
    for function, value in zip(("mul", "add"), tensors, strict=True):
        if is_tensor(value):
            name = f"{call.name}/{function}"
            output = builder.add(name, Elementwise(function), output.node, _per_channel(builder, name, value, x.shape))
    return [output]


def _per_channel(builder: OnnxGraphBuilder, name: str, value: OnnxValue, shape: Shape) -> str:
    """The node of a number for each channel of a map, from those of consecutive groups of channels."""
    node, (groups,), channels = builder.node(value), value.shape, shape[1]
    if groups != channels:
        column = builder.add(f"{name}_groups", Reshape((groups, 1)), node)
        node = builder.add(f"{name}_expanded", Expand((groups, channels // groups)), column.node).node
    return builder.add(f"{name}_channels", Reshape((channels, *[1] * (len(shape) - 2))), node).node


def local_response_norm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """LRN."""
    size = call.integer("size", 0)
    if size < 1:
        raise FormatError(f"`size` is {size}; expected at least 1")
    alpha, beta, bias = call.number("alpha", 1e-4), call.number("beta", 0.75), call.number("bias", 1.0)
    return [builder.add(call.name, LocalResponseNorm(size, alpha, beta, bias), builder.node(call.input(0)))]


def lp_norm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """LpNormalization: division by the norm along an axis."""
    x = call.input(0)
    axis = resolve_axis(call.integer("axis", -1), len(x.shape))
    norm = builder.add(f"{call.name}/norm", Reduce("norm", (axis,), True), builder.node(x))
    return [builder.add(call.name, Elementwise("div"), builder.node(x), norm.node)]


NORMALIZATION: dict[str, OnnxHandler] = {
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), channel_norm),
    **dict.fromkeys(("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"), layer_norm),
    "BatchNormalization": batch_norm,
    "LRN": local_response_norm,
    "LpNormalization": lp_norm,
}
