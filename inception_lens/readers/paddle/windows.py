"""Paddle's convolutions, pools and norms."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Op, Rounding
from inception_lens.ops import window as sliding
from inception_lens.ops.window import Padding
from inception_lens.readers.onnx.values import Attribute, OnnxValue
from inception_lens.readers.paddle.calls import PaddleCall, PaddleHandler
from inception_lens.readers.shapes import (
    ADAPTIVE_AVERAGE_POOLS,
    ADAPTIVE_MAX_POOLS,
    AVERAGE_POOLS,
    MAX_POOLS,
    MAX_WINDOW_SIZE,
    spatial_axes,
)


def _has_channels_last(call: PaddleCall) -> bool:
    return call.text("data_format", call.text("data_layout", "NCHW")).endswith("C")


def _map(call: PaddleCall, *roles: str) -> OnnxValue:
    """The map that a call reads, with its channels after the batch."""
    x = call.input(*roles)
    rank = len(x.shape)
    return call.move(x, (0, rank - 1, *range(1, rank - 1)), "channels_first") if _has_channels_last(call) else x


def _output(call: PaddleCall, outputs: list[OnnxValue]) -> list[OnnxValue]:
    """The outputs in the program's order of axes."""
    if not _has_channels_last(call):
        return outputs
    rank = len(outputs[0].shape)
    return [call.move(outputs[0], (0, *range(2, rank), 1), "channels_last"), *outputs[1:]]


def _sizes(call: PaddleCall, name: str, axes: int, default: Sequence[int] = (1,)) -> list[int] | None:
    """One size per axis; one size is that of all axes, and None is known only at run time."""
    sizes = call.integers(name)
    if sizes is None:
        return None
    sizes = sizes or list(default)
    sizes = sizes * axes if len(sizes) == 1 else sizes
    if len(sizes) != axes:
        raise FormatError(f"`{name}` has {len(sizes)} sizes; expected {axes}")
    return sizes


def _pads(call: PaddleCall, axes: int) -> list[int]:
    """Padding before and after each axis: before and after the first, the second, ... as `paddings` may have it."""
    pads = call.integers("paddings") or [0]
    pads = pads * axes if len(pads) == 1 else pads
    if len(pads) == 2 * (axes + 2):  # with the batch and the channels
        pads = pads[4:] if not _has_channels_last(call) else pads[2:-2]
    if len(pads) not in (axes, 2 * axes) or not all(0 <= pad <= MAX_WINDOW_SIZE for pad in pads):
        raise FormatError(f"`paddings` is {pads}; expected {axes} or {2 * axes} sizes from 0 to {MAX_WINDOW_SIZE:,}")
    return pads if len(pads) == 2 * axes else [pad for pad in pads for _ in range(2)]


def _padding(call: PaddleCall, axes: int) -> dict[str, Attribute]:
    """ONNX's attribute of the padding."""
    algorithm = call.text("padding_algorithm", "EXPLICIT")
    if algorithm in ("SAME", "VALID"):
        return {"auto_pad": "SAME_UPPER" if algorithm == "SAME" else "VALID"}
    pads = _pads(call, axes)
    return {"pads": [*pads[::2], *pads[1::2]]}


def convolution(call: PaddleCall) -> list[OnnxValue] | None:
    """Convolutions and transposed convolutions; their kernels are those of PyTorch."""
    x, kernel = _map(call, "Input", "X"), call.input("Filter")
    axes = spatial_axes(x.shape)
    strides, dilations = _sizes(call, "strides", axes), _sizes(call, "dilations", axes)
    transposed = "transpose" in call.operation.type
    more = _padding(call, axes)
    if transposed:
        sizes, extra = call.integers("output_size"), call.integers("output_padding")
        if sizes is None:
            return None
        more |= {"output_shape": sizes} if sizes else {}
        more |= {"output_padding": extra} if extra else {}
    if strides is None or dilations is None:
        return None
    inputs = [x, kernel, *map(call.vector, call.given("Bias")[:1])]
    groups = call.integer("groups", 1)
    more |= {"strides": strides, "dilations": dilations, "group": groups}
    return _output(call, call.run("ConvTranspose" if transposed else "Conv", *inputs, more=more))


def pool(call: PaddleCall) -> list[OnnxValue] | None:
    """Max and average pools, of windows or adaptive.

    Without `ceil_mode`, division rounds towards zero; with it, a window may start in the padding after the map.
    """
    x = _map(call, "X")
    axes = spatial_axes(x.shape)
    kernel = _sizes(call, "ksize", axes, call.integers("kernel_size") or ())
    strides = _sizes(call, "strides", axes)
    is_max = call.text("pooling_type", "max") == "max"
    if kernel is None or strides is None:
        return None
    if call.integer("global_pooling", 0) or call.integer("adaptive", 0):
        pools = ADAPTIVE_MAX_POOLS if is_max else ADAPTIVE_AVERAGE_POOLS
        size = (1,) * axes if call.integer("global_pooling", 0) else tuple(kernel)
        return _output(call, call.add(pools[axes - 1](size), x))
    window, step, padding = tuple(kernel), tuple(strides), _pool_padding(call, axes)
    rounding: Rounding = "ceil_unclipped" if call.integer("ceil_mode", 0) else "floor"
    if rounding == "floor" and _exceeds_map(x, window, padding):
        rounding = "trunc"
    with_indices = "with_index" in call.operation.type
    if is_max or with_indices:
        op: Op = MAX_POOLS[axes - 1](window, step, padding, rounding, indices=with_indices)
    else:
        counts_padding = not call.integer("exclusive", 1) or padding == (0,) * axes
        op = AVERAGE_POOLS[axes - 1](window, step, padding, rounding, counts_padding)
    (output,) = call.add(op, x)
    return _output(call, call.builder.outputs(output, 2) if with_indices else [output])


def _pool_padding(call: PaddleCall, axes: int) -> Padding:
    algorithm = call.text("padding_algorithm", "EXPLICIT")
    if algorithm == "SAME":
        return "same"
    pads = [0] * 2 * axes if algorithm == "VALID" else _pads(call, axes)
    pairs = zip(pads[::2], pads[1::2], strict=True)
    return tuple([before if before == after else (before, after) for before, after in pairs])


def _exceeds_map(x: OnnxValue, kernel: tuple[int, ...], padding: Padding) -> bool:
    """Whether a window is larger than the padded map."""
    if padding == "same":
        return False
    pairs = sliding.padding_pairs(padding)
    return any(k > n + sum(pair) for k, n, pair in zip(kernel, x.shape[2:], pairs, strict=True))


def batch_norm(call: PaddleCall) -> list[OnnxValue]:
    """Batch norm."""
    x = _map(call, "X")
    tensors = [call.input(role) for role in ("Scale", "Bias", "Mean", "Variance")]
    return _output(call, call.run("BatchNormalization", x, *tensors, epsilon=call.number("epsilon", 1e-5)))


def layer_norm(call: PaddleCall) -> list[OnnxValue]:
    """Layer norm over the axes from `begin_norm_axis`; its tensors are vectors of all their elements."""
    x, axis = call.input("X"), call.integer("begin_norm_axis", 1)
    over = list(x.shape[axis:])
    tensors = [
        found[0] if list(found[0].shape) == over else call.run("Reshape", found[0], suffix=role, shape=over)[0]
        for role in ("Scale", "Bias")
        if (found := call.given(role))
    ]
    return call.run("LayerNormalization", x, *tensors, axis=axis, epsilon=call.number("epsilon", 1e-5))


def channel_norm(call: PaddleCall) -> list[OnnxValue] | None:
    """Group norm and instance norm; without a scale they are unknown."""
    x, tensors = _map(call, "X"), [*call.given("Scale"), *call.given("Bias")]
    if len(tensors) != 2:
        return None
    eps = call.number("epsilon", 1e-5)
    if call.operation.type == "group_norm":
        groups = call.integer("groups", 1)
        return _output(call, call.run("GroupNormalization", x, *tensors, epsilon=eps, num_groups=groups))
    return _output(call, call.run("InstanceNormalization", x, *tensors, epsilon=eps))


def local_response_norm(call: PaddleCall) -> list[OnnxValue]:
    """LRN, whose alpha is not divided by the size of its window."""
    size = call.integer("n", 5)
    alpha, beta, bias = call.number("alpha", 1e-4) * size, call.number("beta", 0.75), call.number("k", 1.0)
    return _output(call, call.run("LRN", _map(call, "X"), size=size, alpha=alpha, beta=beta, bias=bias))


def affine_channel(call: PaddleCall) -> list[OnnxValue]:
    """A scale and a shift per channel."""
    x = _map(call, "X")
    for function, role in (("Mul", "Scale"), ("Add", "Bias")):
        factor = call.input(role)
        shape = [prod(factor.shape), *[1] * (len(x.shape) - 2)]
        (x,) = call.run(function, x, *call.run("Reshape", factor, suffix=role, shape=shape), suffix=function)
    return _output(call, [x])


CONVOLUTIONS = (
    "conv2d", "conv2d_transpose", "conv3d", "conv3d_transpose", "depthwise_conv2d", "depthwise_conv2d_transpose",
)  # fmt: skip

WINDOWS: dict[str, PaddleHandler] = {
    **dict.fromkeys(CONVOLUTIONS, convolution),
    **dict.fromkeys(("max_pool2d_with_index", "max_pool3d_with_index", "pool2d", "pool3d"), pool),
    **dict.fromkeys(("group_norm", "instance_norm"), channel_norm),
    "affine_channel": affine_channel,
    **dict.fromkeys(("batch_norm", "sync_batch_norm"), batch_norm),
    "layer_norm": layer_norm,
    "lrn": local_response_norm,
}
