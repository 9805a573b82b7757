"""ONNX's pools, and how their windows are rounded."""

from __future__ import annotations

from inception_lens import ops
from inception_lens.errors import FormatError, ShapeError
from inception_lens.ops import Shape, format_shape
from inception_lens.ops import window as sliding
from inception_lens.writers.onnx.convolution import OnnxWindow, pads, window_attributes
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter, OnnxWriter

MAX_POOLS = (ops.MaxPool1d, ops.MaxPool2d, ops.MaxPool3d)
AVERAGE_POOLS = (ops.AvgPool1d, ops.AvgPool2d, ops.AvgPool3d)
ADAPTIVE_AVERAGE_POOLS = (ops.AdaptiveAvgPool1d, ops.AdaptiveAvgPool2d, ops.AdaptiveAvgPool3d)
ADAPTIVE_MAX_POOLS = (ops.AdaptiveMaxPool1d, ops.AdaptiveMaxPool2d, ops.AdaptiveMaxPool3d)


def _max_pool(op: ops.MaxPool2d, writer: OnnxNodeWriter) -> None:
    window = _window(op, writer, counted=False)
    writer.add("MaxPool", writer.inputs, outputs=1 + op.indices, dilations=op.dilation or None, **window)


def _average_pool(op: ops.AvgPool2d, writer: OnnxNodeWriter) -> None:
    window = _window(op, writer, counted=op.count_include_pad)
    # Padding that only completes a last window is not counted: the operation itself has none.
    padded = isinstance(op.padding, str) or any(pads(op.padding))
    writer.add("AveragePool", writer.inputs, count_include_pad=int(op.count_include_pad and padded), **window)


def _window(op: ops.MaxPool2d | ops.AvgPool2d, writer: OnnxNodeWriter, *, counted: bool) -> OnnxWindow:
    if isinstance(op.padding, str) or op.rounding == "floor":
        return window_attributes(op.kernel_size, op.stride, op.padding)
    padding = sliding.padding_pairs(op.padding)
    return _rounded_window(op, padding, writer.shape[2:], writer.output_shape[2:], counted=counted)


def _rounded_window(
    op: ops.MaxPool2d | ops.AvgPool2d,
    padding: tuple[tuple[int, int], ...],
    map_size: Shape,
    windows: Shape,
    *,
    counted: bool,
) -> OnnxWindow:
    """The attributes that give as many windows: ONNX's ceil mode, or floor mode with more padding at the end.

    Raises:
        FormatError: the additional padding is `counted` in a mean.
    """
    spans = sliding.spans(op.kernel_size, op.steps)
    axes = tuple(zip(map_size, windows, op.stride, spans, padding, strict=True))
    try:
        same = sliding.output_size(map_size, op.kernel_size, op.stride, padding, op.steps, "ceil") == windows
    except ShapeError:
        same = False
    # Runtimes disagree about ceil mode where a window starts after the map or none fits into it.
    starts_inside = all((count - 1) * stride < n + before for n, count, stride, _, (before, _) in axes)
    fits = all(n + before + after >= span for n, _, _, span, (before, after) in axes)
    if same and starts_inside and fits:
        return {**window_attributes(op.kernel_size, op.stride, padding), "ceil_mode": 1}
    if counted and any(pads(padding)):
        raise FormatError(f"{format_shape(windows)} windows need more padding, whose zeros the mean would count")
    completed = tuple(
        (before, after + max((count - 1) * stride + span - n - before - after, 0))
        for n, count, stride, span, (before, after) in axes
    )
    return window_attributes(op.kernel_size, op.stride, completed)


def _adaptive_pool(op: ops.AdaptiveAvgPool2d | ops.AdaptiveMaxPool2d, writer: OnnxNodeWriter) -> None:
    average = isinstance(op, ADAPTIVE_AVERAGE_POOLS)
    sizes = tuple(zip(writer.shape[2:], op.output_size, strict=True))
    if set(op.output_size) == {1}:
        writer.add("GlobalAveragePool" if average else "GlobalMaxPool", writer.inputs)
    elif all(n % m == 0 for n, m in sizes):
        kernel = [n // m for n, m in sizes]
        writer.add("AveragePool" if average else "MaxPool", writer.inputs, kernel_shape=kernel, strides=kernel)
    else:
        x = writer.inputs[0]
        for axis, (n, m) in enumerate(sizes, 2):
            suffix = "" if axis == len(sizes) + 1 else f"axis_{axis}"
            x = _reduced_bins(writer, x, axis, n, m, "ReduceMean" if average else "ReduceMax", suffix)


def _reduced_bins(writer: OnnxNodeWriter, x: str, axis: int, n: int, m: int, reduction: str, suffix: str) -> str:
    """Reduce each of `m` overlapping bins of one axis of size `n`, as adaptive pools of PyTorch define them."""
    axes = writer.integers(f"axis_{axis}", [axis])
    reduced = []
    for i in range(m):
        start = writer.integers(f"start_{axis}_{i}", [i * n // m])
        end = writer.integers(f"end_{axis}_{i}", [-(-(i + 1) * n // m)])
        part = writer.add("Slice", [x, start, end, axes], f"part_{axis}_{i}")
        reduced.append(writer.add(reduction, [part, axes], f"fold_{axis}_{i}", keepdims=1))
    return writer.add("Concat", reduced, suffix, axis=axis)


POOLING_WRITERS: dict[type[ops.Op], OnnxWriter] = {
    **dict.fromkeys(MAX_POOLS, _max_pool),
    **dict.fromkeys(AVERAGE_POOLS, _average_pool),
    **dict.fromkeys((*ADAPTIVE_AVERAGE_POOLS, *ADAPTIVE_MAX_POOLS), _adaptive_pool),
}
