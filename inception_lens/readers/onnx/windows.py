"""ONNX's operators whose windows slide over a map, and how an operator's weights become a layer's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from inception_lens.errors import FormatError
from inception_lens.ops import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Declared,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    Op,
    Rounding,
    Shape,
    TensorType,
    format_shape,
)
from inception_lens.ops import window as sliding
from inception_lens.readers.onnx.run import OnnxGraphBuilder
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue

OnnxHandler = Callable[[OnnxGraphBuilder, OnnxCall], list[OnnxValue]]
"""Writes the nodes of one call and returns its outputs."""
LARGEST_WINDOW = 2**20


def decimal(value: Any) -> float:
    """A number as people wrote it: ONNX keeps it in 32 bits, so that 0.1 is read as 0.10000000149."""
    import numpy as np

    return float(str(np.float32(value)))


def window_attributes(call: OnnxCall, axes: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Strides, dilations and kernel of a call.

    Raises:
        FormatError: they are not of its axes, or out of all bounds.
    """
    ones = [1] * axes
    found = tuple(tuple(call.attributes.get(name) or ones) for name in ("strides", "dilations", "kernel_shape"))
    if any(len(each) != axes or not all(1 <= n <= LARGEST_WINDOW for n in each) for each in found):
        raise FormatError(f"strides, dilations and kernel {found} are not of {axes} axes")
    return found[0], found[1], found[2]


def window_padding(
    call: OnnxCall, shape: Shape, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Any:
    """The padding of a call: `same`, or a number or a pair for each axis.

    Raises:
        FormatError: it is not of the axes of the map.
    """
    axes, auto = len(kernel), call.attributes.get("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        return "same"
    if auto == "SAME_LOWER":
        spans = sliding.spans(tuple(kernel), tuple(dilations))
        return tuple([sliding.same_padding(*each)[::-1] for each in zip(shape[2:], spans, strides, strict=True)])
    pads = call.attributes.get("pads") or [0] * 2 * axes
    if auto == "VALID":
        pads = [0] * 2 * axes
    if len(pads) != 2 * axes or not all(0 <= n <= LARGEST_WINDOW for n in pads):
        raise FormatError(f"pads {pads} are not of {axes} axes")
    return tuple([a if a == b else (a, b) for a, b in zip(pads[:axes], pads[axes:], strict=True)])


def _spatial(value: OnnxValue, op: str) -> int:
    axes = len(value.shape) - 2
    if not 1 <= axes <= 3:
        raise FormatError(f"{op} of a tensor of {format_shape(value.shape)}: 1 to 3 axes behind the channels")
    return axes


def convolution(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Conv and ConvTranspose; a kernel that the model computes itself is no weight, and its products count as well."""
    x, kernel = call.given(0), call.given(1)
    axes, transposed = _spatial(x, call.op), call.op == "ConvTranspose"
    if len(kernel.shape) != axes + 2:
        raise FormatError(f"a kernel of {format_shape(kernel.shape)} for a map of {format_shape(x.shape)}")
    groups = int(call.attributes.get("group", 1))
    strides, dilations, _ = window_attributes(call, axes)
    sizes = kernel.shape[2:]
    fields: dict[str, Any] = {
        "out_channels": kernel.shape[1] * groups if transposed else kernel.shape[0],
        "kernel_size": sizes,
        "stride": strides,
        "padding": window_padding(call, x.shape, sizes, strides, dilations),
        "dilation": dilations,
        "groups": groups,
        "bias": call.has(2),
    }
    if transposed:
        fields |= _transposed(call, x.shape, fields)
    kinds = (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d) if transposed else (Conv1d, Conv2d, Conv3d)
    op: Op = kinds[axes - 1](**fields)
    needed = op.parameters(x.shape)[0].shape if x.shape[1] % max(groups, 1) == 0 else ()
    if needed != kernel.shape:
        raise FormatError(f"weights of {format_shape(kernel.shape)} do not fit an input of {format_shape(x.shape)}")
    weights: list[tuple[OnnxValue, Shape]] = [(kernel, kernel.shape)]
    if call.has(2):
        weights.append((call.given(2), (fields["out_channels"],)))
    return [weighted(run, call, op, x, weights)]


def _transposed(call: OnnxCall, shape: Shape, fields: dict[str, Any]) -> dict[str, Any]:
    """The padding and output padding of a ConvTranspose, which may be told by the size of its output."""
    extra = tuple(call.attributes.get("output_padding") or ())
    wanted = call.attributes.get("output_shape")
    auto = call.attributes.get("auto_pad", "NOTSET")
    spans = sliding.spans(fields["kernel_size"], fields["dilation"])
    rows = list(zip(shape[2:], fields["stride"], spans, extra or (0,) * len(spans), strict=True))
    if not wanted and auto not in ("SAME_UPPER", "SAME_LOWER"):
        return {"output_padding": extra}
    sizes = wanted[-len(spans) :] if wanted else [n * s for n, s, _, _ in rows]
    totals = [s * (n - 1) + more + span - size for (n, s, span, more), size in zip(rows, sizes, strict=True)]
    if min(totals) < 0:
        return {"padding": (0,) * len(spans), "output_padding": tuple(-total for total in totals)}
    halves = [(total // 2, total - total // 2) for total in totals]
    pads = [pair if auto == "SAME_UPPER" else pair[::-1] for pair in halves]
    return {"padding": tuple([a if a == b else (a, b) for a, b in pads]), "output_padding": extra}


def weighted(
    run: OnnxGraphBuilder, call: OnnxCall, op: Op, x: OnnxValue, weights: Sequence[tuple[OnnxValue, Shape]]
) -> OnnxValue:
    """A layer whose tensors are the model's weights, each with the shape in which the layer has it.

    Where one is computed by the model, or was read in another shape before, the layer's work is written without
    weights of its own, as it reads them.
    """
    node = run.tensor(x)
    own = all(run.shared(value, shape) for value, shape in weights)
    if own:
        return run.add(call.name, op, node, parameters=tuple(value.weight for value, _ in weights))
    types = op.output_types((x.type,)) if x.type else ()
    macs = op.macs((x.shape,), types[0].shape) or 0
    beside = op.extra_flops((x.shape,), types[0].shape) or 0
    inputs = [node, *(run.tensor(value) for value, _ in weights)]
    return run.add(call.name, Declared(op.kind, types, macs, beside), *inputs)


def pool(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """MaxPool and AveragePool."""
    x = call.given(0)
    axes = _spatial(x, call.op)
    strides, dilations, kernel = window_attributes(call, axes)
    rounding: Rounding = "ceil" if call.attributes.get("ceil_mode", 0) else "floor"
    fields = (kernel, strides, window_padding(call, x.shape, kernel, strides, dilations), rounding)
    if call.op == "MaxPool":
        spread = dilations if set(dilations) != {1} else ()
        several = len(call.outputs) > 1
        op: Op = (MaxPool1d, MaxPool2d, MaxPool3d)[axes - 1](*fields, dilation=spread, indices=several)
        return run.outputs(run.add(call.name, op, run.tensor(x)), len(call.outputs))
    if set(dilations) != {1}:
        made = sliding.output_size(x.shape[2:], kernel, strides, fields[2], dilations, rounding)
        types = (TensorType((*x.shape[:2], *made), x.dtype),)
        flops = types[0].elements * prod(kernel)
        return [run.add(call.name, Declared("AvgPool", types, flops_beside=flops), run.tensor(x))]
    counted = bool(call.attributes.get("count_include_pad", 0)) or fields[2] == (0,) * axes
    return [run.add(call.name, (AvgPool1d, AvgPool2d, AvgPool3d)[axes - 1](*fields, counted), run.tensor(x))]


def global_pool(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """GlobalAveragePool and GlobalMaxPool."""
    x = call.given(0)
    axes, average = _spatial(x, call.op), call.op == "GlobalAveragePool"
    averages, maxima = (
        (AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d),
        (
            AdaptiveMaxPool1d,
            AdaptiveMaxPool2d,
            AdaptiveMaxPool3d,
        ),
    )
    return [run.add(call.name, (averages if average else maxima)[axes - 1]((1,) * axes), run.tensor(x))]


WINDOWS: dict[str, OnnxHandler] = {
    "AveragePool": pool,
    "Conv": convolution,
    "ConvTranspose": convolution,
    "GlobalAveragePool": global_pool,
    "GlobalMaxPool": global_pool,
    "MaxPool": pool,
}
"""By the operator's name."""
