"""Keras' convolutions, dense layers and pools."""

from __future__ import annotations

from inception_lens.errors import FormatError
from inception_lens.ops import Flatten, Linear, Padding, Shape
from inception_lens.ops.window import spans
from inception_lens.readers.keras.activations import activate
from inception_lens.readers.keras.graph_builder import Handlers, KerasCall, KerasGraphBuilder, KerasTensor
from inception_lens.readers.shapes import (
    ADAPTIVE_AVERAGE_POOLS,
    ADAPTIVE_MAX_POOLS,
    AVERAGE_POOLS,
    CONVOLUTIONS,
    MAX_POOLS,
    TRANSPOSED_CONVOLUTIONS,
)


def spatial(builder: KerasGraphBuilder, call: KerasCall, axes: int) -> KerasTensor:
    """The input with its channels after the batch.

    Raises:
        FormatError: it has not this number of axes for positions.
    """
    x = call.x
    if len(builder.shape(x)) != axes + 2:
        raise FormatError(f"its input has {len(builder.shape(x))} axes; expected {axes + 2}")
    return builder.unmoved(x) if call.settings.text("data_format") == "channels_first" else builder.moved(x)


def _axes(call: KerasCall) -> int:
    return next(n for n in (1, 2, 3) if f"{n}D" in call.layer.kind)


def _padding(call: KerasCall, kernel: Shape, dilation: Shape) -> Padding:
    padding = call.settings.text("padding", "valid").lower()
    if padding == "same":
        return "same"
    if padding == "causal":
        return tuple([(span - 1, 0) for span in spans(kernel, dilation)])
    if padding != "valid":
        raise FormatError(f"`padding` is {padding[:40]}; expected valid, same or causal")
    return (0,) * len(kernel)


def _convolution(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """Conv, DepthwiseConv, whose filters are a multiple of the channels, and SeparableConv, which is both."""
    n, settings, kind = _axes(call), call.settings, call.layer.kind
    x = spatial(builder, call, n)
    kernel, stride = settings.sizes("kernel_size", n), settings.sizes("strides", n, 1)
    dilation, bias = settings.sizes("dilation_rate", n, 1), settings.flag("use_bias", True)
    padding, conv = _padding(call, kernel, dilation), CONVOLUTIONS[n - 1]
    channels = builder.writer.shape(x.node)[1]
    depthwise = channels * settings.integer("depth_multiplier", 1)
    if kind.startswith("Depthwise"):
        node = builder.add(call, conv(depthwise, kernel, stride, padding, dilation, channels, bias), x.node)
    elif kind.startswith("Separable"):
        first = conv(depthwise, kernel, stride, padding, dilation, channels, False)
        node = builder.add(call, first, x.node, suffix="depthwise")
        last = conv(settings.integer("filters"), (1,) * n, bias=bias)
        node = builder.add(call, last, node, suffix="pointwise")
    else:
        groups = settings.integer("groups", 1)
        op = conv(settings.integer("filters"), kernel, stride, padding, dilation, groups, bias)
        node = builder.add(call, op, x.node)
    return activate(builder, call, x._replace(node=node))


def _transposed(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """Source of the sizes: keras/src/backend/common/backend_utils.py, `compute_conv_transpose_output_shape`."""
    n, settings = _axes(call), call.settings
    x = spatial(builder, call, n)
    kernel, stride = settings.sizes("kernel_size", n), settings.sizes("strides", n, 1)
    dilation = settings.sizes("dilation_rate", n, 1)
    is_same = _padding(call, kernel, dilation) == "same"
    extra = None if settings.values.get("output_padding") is None else settings.sizes("output_padding", n, 0, 0)
    pads: list[tuple[int, int]] = []
    more: list[int] = []
    for axis, (size, span, step) in enumerate(
        zip(builder.writer.shape(x.node)[2:], spans(kernel, dilation), stride, strict=True)
    ):
        full = (size - 1) * step + span
        if extra is not None:
            wanted = full - 2 * (span // 2) * is_same + extra[axis]
        else:
            wanted = size * step if is_same else size * step + max(span - step, 0)
        pads.append(((max(full - wanted, 0)) // 2, max(full - wanted, 0) - max(full - wanted, 0) // 2))
        more.append(max(wanted - full, 0))
    op = TRANSPOSED_CONVOLUTIONS[n - 1](
        settings.integer("filters"), kernel, stride, tuple(pads), dilation, settings.integer("groups", 1),
        settings.flag("use_bias", True), tuple(more) if any(more) else (),
    )  # fmt: skip
    return activate(builder, call, x._replace(node=builder.add(call, op, x.node)))


def dense(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    """A linear layer of the last axis."""
    x = builder.unmoved(call.x)
    op = Linear(call.settings.integer("units"), call.settings.flag("use_bias", True))
    return activate(builder, call, KerasTensor(builder.add(call, op, x.node)))


def _pool(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    n, settings = _axes(call), call.settings
    x = spatial(builder, call, n)
    kernel = settings.sizes("pool_size", n, 2)
    stride = settings.sizes("strides", n) if settings.values.get("strides") is not None else kernel
    padding = _padding(call, kernel, (1,) * n)
    if "Max" in call.layer.kind:
        return [x._replace(node=builder.add(call, MAX_POOLS[n - 1](kernel, stride, padding), x.node))]
    op = AVERAGE_POOLS[n - 1](kernel, stride, padding, count_include_pad=False)
    return [x._replace(node=builder.add(call, op, x.node))]


def _global_pool(builder: KerasGraphBuilder, call: KerasCall) -> list[KerasTensor]:
    n = _axes(call)
    x = spatial(builder, call, n)
    op = (ADAPTIVE_MAX_POOLS if "Max" in call.layer.kind else ADAPTIVE_AVERAGE_POOLS)[n - 1]()
    if call.settings.flag("keepdims", False):
        return [x._replace(node=builder.add(call, op, x.node))]
    node = builder.add(call, op, x.node, suffix="pool")
    return [KerasTensor(builder.add(call, Flatten(), node))]


HANDLERS: Handlers = {
    "Dense": dense,
    **{f"{kind}{n}D": _convolution for kind in ("Conv", "DepthwiseConv", "SeparableConv") for n in (1, 2, 3)},
    **{f"Convolution{n}D": _convolution for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": _transposed for n in (1, 2, 3)},
    **{f"{kind}Pooling{n}D": _pool for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{kind}Pooling{n}D": _global_pool for kind in ("Max", "Average") for n in (1, 2, 3)},
}
