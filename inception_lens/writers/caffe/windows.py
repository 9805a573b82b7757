"""Caffe's convolutions and pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from inception_lens import ops
from inception_lens.errors import FormatError, ShapeError
from inception_lens.ops import Op, Shape, format_shape
from inception_lens.ops import window as sliding
from inception_lens.writers.caffe.text_format import EnumName, Fields, repeated


class CallShapes(NamedTuple):
    """The shapes of one node's tensors."""

    inputs: tuple[Shape, ...]
    """In the order of `Node.inputs`."""
    output: Shape
    """Of the only output."""


class LayerText(NamedTuple):
    """A layer of Caffe."""

    type: str
    """Such as `Convolution`."""
    fields: Fields = ()
    """The message of its parameters, such as `convolution_param`."""


CaffeWriter = Callable[[Any, CallShapes], LayerText]
"""Gives the layer for an operation; raises a FormatError with the reason if Caffe cannot express it."""

_Pool = ops.MaxPool2d | ops.AvgPool2d


def _padding(shape: Shape, kernel: Shape, stride: Shape, padding: sliding.Padding, dilation: Shape) -> Shape:
    """The padding of each axis, which Caffe applies to both sides.

    Raises:
        FormatError: the sides differ.
    """
    pads = sliding.explicit_padding(shape[2:], kernel, stride, padding, dilation)
    if any(before != after for before, after in pads):
        sides = ", ".join(f"{before} and {after}" for before, after in pads)
        raise FormatError(f"Caffe pads both sides of an axis equally, and here the sides differ: {sides}")
    return tuple(before for before, _ in pads)


def _convolution(op: ops.Conv2d | ops.ConvTranspose2d, shapes: CallShapes) -> LayerText:
    if any(getattr(op, "output_padding", ())):
        raise FormatError("Caffe has no output padding")
    fields: Fields = [
        ("num_output", op.out_channels),
        *([] if op.bias else [("bias_term", False)]),
        *repeated("pad", "pad", _padding(shapes.inputs[0], op.kernel_size, op.stride, op.padding, op.dilation), 0),
        *repeated("kernel_size", "kernel", op.kernel_size),
        *([("group", op.groups)] if op.groups != 1 else []),
        *repeated("stride", "stride", op.stride, 1),
        *[("dilation", size) for size in (op.dilation if set(op.dilation) != {1} else ())],
    ]
    return LayerText("Deconvolution" if "Transpose" in op.kind else "Convolution", [("convolution_param", fields)])


def _pool(op: _Pool, shapes: CallShapes) -> LayerText:
    (shape, *_), wanted = shapes.inputs, shapes.output[2:]
    pad = _padding(shape, op.kernel_size, op.stride, op.padding, op.steps)
    if any(pad) and not getattr(op, "count_include_pad", True):
        raise FormatError("Caffe counts the zeros of the padding in a mean, and this pool does not")
    if set(op.steps) != {1}:
        raise FormatError("Caffe has no dilation in pools")
    modes = ("FLOOR", "CEIL") if op.rounding == "floor" and op.padding != "same" else ("CEIL", "FLOOR")
    sizes = {mode: _pooled_size(op, shape, pad, mode) for mode in modes}
    mode = next((mode for mode in modes if sizes[mode] == wanted), None)
    if mode is None:
        found = " or ".join(format_shape(size) or "nothing" for size in dict.fromkeys(sizes.values()))
        raise FormatError(f"Caffe's output would be {found}, not {format_shape(wanted)}")
    return _pooling(
        op,
        [
            *repeated("pad", "pad", pad, 0),
            *repeated("kernel_size", "kernel", op.kernel_size),
            *repeated("stride", "stride", op.stride, 1),
            *([("round_mode", EnumName("FLOOR"))] if mode == "FLOOR" else []),
        ],
    )


def _pooled_size(op: _Pool, shape: Shape, pad: Shape, mode: str) -> Shape:
    """The height and width of Caffe's output; empty if no window fits."""
    # pooling_layer.cpp clips a window that starts in the padding after the map only if there is padding.
    rounding: sliding.Rounding = "floor" if mode == "FLOOR" else "ceil" if any(pad) else "ceil_unclipped"
    try:
        return sliding.output_size(shape[2:], op.kernel_size, op.stride, pad, (1, 1), rounding)
    except ShapeError:
        return ()


def _adaptive_pool(op: ops.AdaptiveAvgPool2d | ops.AdaptiveMaxPool2d, shapes: CallShapes) -> LayerText:
    map_size, output_size = shapes.inputs[0][2:], op.output_size
    if output_size == (1, 1):
        return _pooling(op, [("global_pooling", True)])
    if any(n % m for n, m in zip(map_size, output_size, strict=True)):
        raise FormatError(f"equal windows do not divide {format_shape(map_size)} into {format_shape(output_size)}")
    kernel = tuple(n // m for n, m in zip(map_size, output_size, strict=True))
    return _pooling(op, [*repeated("kernel_size", "kernel", kernel), *repeated("stride", "stride", kernel, 1)])


def _pooling(op: Op, fields: Fields) -> LayerText:
    method = ("pool", EnumName("MAX" if "Max" in op.kind else "AVE"))
    return LayerText("Pooling", [("pooling_param", [method, *fields])])


WINDOW_WRITERS: dict[type[Op], CaffeWriter] = {
    **dict.fromkeys((ops.Conv1d, ops.Conv2d, ops.Conv3d, ops.ConvTranspose2d, ops.ConvTranspose3d), _convolution),
    **dict.fromkeys((ops.MaxPool2d, ops.AvgPool2d), _pool),
    **dict.fromkeys((ops.AdaptiveAvgPool2d, ops.AdaptiveMaxPool2d), _adaptive_pool),
}
