"""ONNX's convolutions, and the attributes of all operators that slide a window over a map."""

from __future__ import annotations

from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.ops import Op, Shape, format_shape
from inception_lens.ops import window as sliding
from inception_lens.ops.window import Padding
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue
from inception_lens.readers.shapes import CONVOLUTIONS, MAX_WINDOW_SIZE, TRANSPOSED_CONVOLUTIONS, spatial_axes


class WindowAttributes(NamedTuple):
    """The attributes `kernel_shape`, `strides`, `dilations`, `pads` and `auto_pad`, one entry per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: Padding


def window_attributes(call: OnnxCall, shape: Shape, kernel: Shape | None = None) -> WindowAttributes:
    """The window of a call on a map of the shape; `kernel` is that of the weights, if it has any.

    Raises:
        FormatError: an attribute has not one entry per axis, or is out of range; or the kernel is not that of the
            weights, or missing.
    """
    axes = spatial_axes(shape)
    sizes = _entries(call, "kernel_shape", axes, 1, kernel)
    stride, dilation = (_entries(call, name, axes, 1, (1,) * axes) for name in ("strides", "dilations"))
    if kernel is not None and sizes != kernel:
        raise FormatError(f"`kernel_shape` is {list(sizes)}, but that of the weights is {list(kernel)}")
    kernel = sizes
    return WindowAttributes(kernel, stride, dilation, _padding(call, shape[2:], kernel, stride, dilation))


def _entries(call: OnnxCall, name: str, count: int, least: int, default: Shape | None) -> Shape:
    """An attribute with a number of integers, of at least `least`."""
    values = call.integers(name) or default
    if values is None:
        raise FormatError(f"attribute `{name}` is missing; expected {count} integers")
    if len(values) != count:
        raise FormatError(f"`{name}` is {list(values)}; expected {count} integers")
    if wrong := [n for n in values if not least <= n <= MAX_WINDOW_SIZE]:
        raise FormatError(f"`{name}` contains {wrong[0]}; expected integers from {least} to {MAX_WINDOW_SIZE:,}")
    return tuple(values)


def _padding(call: OnnxCall, map_size: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Padding:
    auto = call.text("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        return "same"
    if auto == "SAME_LOWER":  # an odd element of padding goes before the map
        spans = sliding.spans(kernel, dilation)
        evens = [sliding.same_padding(*each) for each in zip(map_size, spans, stride, strict=True)]
        return tuple([(after, before) for before, after in evens])
    axes = len(kernel)
    none = (0,) * 2 * axes
    pads = none if auto == "VALID" else _entries(call, "pads", 2 * axes, 0, none)
    return _pairs(list(zip(pads[:axes], pads[axes:], strict=True)))


def _pairs(padding: list[tuple[int, int]]) -> Padding:
    """Padding per axis, one number where both sides have the same."""
    return tuple([before if before == after else (before, after) for before, after in padding])


def convolution(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Conv and ConvTranspose; a kernel that the model computes is not a parameter."""
    x, kernel = call.input(0), call.input(1)
    axes, transposed = spatial_axes(x.shape), call.op == "ConvTranspose"
    if len(kernel.shape) != axes + 2:
        raise FormatError(f"weights of {format_shape(kernel.shape)} do not fit an input of {format_shape(x.shape)}")
    groups = call.integer("group", 1)
    window = window_attributes(call, x.shape, kernel.shape[2:])
    out_channels = kernel.shape[1] * groups if transposed else kernel.shape[0]
    sizes, bias = (out_channels, window.kernel, window.stride), call.has_input(2)
    if transposed:
        padding, output_padding = _transposed_padding(call, x.shape[2:], window)
        op: Op = TRANSPOSED_CONVOLUTIONS[axes - 1](
            *sizes, padding=padding, output_padding=output_padding, dilation=window.dilation, groups=groups, bias=bias
        )
    else:
        op = CONVOLUTIONS[axes - 1](*sizes, window.padding, window.dilation, groups, bias)
    divides = groups > 0 and x.shape[1] % groups == 0
    if not divides or op.parameters(x.shape)[0].shape != kernel.shape:
        raise FormatError(f"weights of {format_shape(kernel.shape)} do not fit an input of {format_shape(x.shape)}")
    weights: list[tuple[OnnxValue, Shape]] = [(kernel, kernel.shape)]
    if bias:
        if call.input(2).shape != (out_channels,):
            raise FormatError(f"a bias of {format_shape(call.input(2).shape)} does not fit {out_channels} channels")
        weights.append((call.input(2), (out_channels,)))
    return [builder.add_layer(call, op, x, weights)]


def _transposed_padding(call: OnnxCall, map_size: Shape, window: WindowAttributes) -> tuple[Padding, tuple[int, ...]]:
    """Padding and output padding of a ConvTranspose, which `output_shape` and `auto_pad` can give indirectly.

    The ONNX specification: total_padding[i] = stride[i] * (input_size[i] - 1) + output_padding[i] +
    ((kernel_shape[i] - 1) * dilations[i] + 1) - output_shape[i].
    """
    extra = tuple(call.integers("output_padding") or ())
    wanted = call.integers("output_shape")
    auto = call.text("auto_pad", "NOTSET")
    if not wanted and auto not in ("SAME_UPPER", "SAME_LOWER"):
        return window.padding, extra
    axes = len(map_size)
    sizes = wanted[-axes:] if wanted else [n * s for n, s in zip(map_size, window.stride, strict=True)]
    spans = sliding.spans(window.kernel, window.dilation)
    totals = [
        s * (n - 1) + more + span - size
        for s, n, more, span, size in zip(window.stride, map_size, extra or (0,) * axes, spans, sizes, strict=True)
    ]
    if min(totals) < 0:
        return (0,) * axes, tuple(-total for total in totals)
    halves = [(total // 2, total - total // 2) for total in totals]
    return _pairs(halves if auto == "SAME_UPPER" else [(more, less) for less, more in halves]), extra


CONVOLUTION: dict[str, OnnxHandler] = {"Conv": convolution, "ConvTranspose": convolution}
