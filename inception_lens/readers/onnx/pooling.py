"""ONNX's pools."""

from __future__ import annotations

from math import prod

from inception_lens.ops import Declared, Op, Rounding, TensorType
from inception_lens.ops import window as sliding
from inception_lens.readers.onnx.convolution import window_attributes
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue
from inception_lens.readers.shapes import (
    ADAPTIVE_AVERAGE_POOLS,
    ADAPTIVE_MAX_POOLS,
    AVERAGE_POOLS,
    MAX_POOLS,
    spatial_axes,
)


def pool(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """MaxPool and AveragePool."""
    x = call.input(0)
    axes = spatial_axes(x.shape)
    kernel, stride, dilation, padding = window_attributes(call, x.shape)
    rounding: Rounding = "ceil" if call.integer("ceil_mode", 0) else "floor"
    is_dilated = set(dilation) != {1}
    if call.op == "MaxPool":
        count = len(call.outputs)
        spread = dilation if is_dilated else ()
        op: Op = MAX_POOLS[axes - 1](kernel, stride, padding, rounding, dilation=spread, indices=count > 1)
        return builder.outputs(builder.add(call.name, op, builder.node(x)), count)
    if is_dilated:  # PyTorch has none
        size = sliding.output_size(x.shape[2:], kernel, stride, padding, dilation, rounding)
        output = TensorType((*x.shape[:2], *size), x.dtype)
        op = Declared("AvgPool", (output,), declared_flops=output.elements * prod(kernel))
    else:
        counts_padding = bool(call.integer("count_include_pad", 0)) or padding == (0,) * axes
        op = AVERAGE_POOLS[axes - 1](kernel, stride, padding, rounding, counts_padding)
    return [builder.add(call.name, op, builder.node(x))]


def global_pool(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """GlobalAveragePool and GlobalMaxPool."""
    x = call.input(0)
    axes = spatial_axes(x.shape)
    pools = ADAPTIVE_AVERAGE_POOLS if call.op == "GlobalAveragePool" else ADAPTIVE_MAX_POOLS
    return [builder.add(call.name, pools[axes - 1]((1,) * axes), builder.node(x))]


POOLING: dict[str, OnnxHandler] = {
    **dict.fromkeys(("AveragePool", "MaxPool"), pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), global_pool),
}
