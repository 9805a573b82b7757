"""What operations that hold weights, slide a window or normalise are called in ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inception_lens.errors import FormatError, ShapeError
from inception_lens.ops import Shape, format_shape
from inception_lens.ops import window as sliding
from inception_lens.writers.onnx.parts import Parts


def _pads(parts: Parts) -> dict[str, Any]:
    """The attributes of a window's padding."""
    op: Any = parts.op
    if op.padding == "same":
        return {"auto_pad": "SAME_UPPER"}
    pairs = [pad if isinstance(pad, tuple) else (pad, pad) for pad in op.padding]
    return {"pads": [before for before, _ in pairs] + [after for _, after in pairs]}


def _conv(parts: Parts) -> None:
    op: Any = parts.op
    extra = list(getattr(op, "output_padding", ())) or None
    parts.add(
        "ConvTranspose" if "Transpose" in op.kind else "Conv",
        [*parts.inputs, *parts.weights("weight", "bias")],
        kernel_shape=op.kernel_size,
        strides=op.stride,
        dilations=op.dilation,
        group=op.groups,
        output_padding=extra if extra and any(extra) else None,
        **_pads(parts),
    )


def _linear(parts: Parts) -> None:
    if len(parts.shape) == 2:
        parts.add("Gemm", [*parts.inputs, *parts.weights("weight", "bias")], transB=1)
        return
    turned = parts.add("Transpose", parts.weights("weight"), "weight", perm=[1, 0])
    bias = parts.weights("bias")
    product = parts.add("MatMul", [*parts.inputs, turned], "product" if bias else "")
    if bias:
        parts.add("Add", [product, *bias])


def _pool(parts: Parts) -> None:
    op: Any = parts.op
    made = parts.graph.types[parts.node.name][0].shape[2:]
    fields: dict[str, Any] = {"kernel_shape": op.kernel_size, "strides": op.stride, **_pads(parts)}
    is_max = op.kind.startswith("Max")
    if is_max and op.dilation:
        fields["dilations"] = op.dilation
    if op.padding != "same" and op.rounding != "floor":
        steps = (parts.shape[2:], op.kernel_size, op.stride, op.padding, op.steps)
        fields |= _rounded(steps, made, fields["pads"], counted=not is_max and op.count_include_pad)
    if not is_max:
        fields["count_include_pad"] = int(op.count_include_pad and (op.padding == "same" or any(fields["pads"])))
        if op.padding != "same" and not any(pad if isinstance(pad, int) else any(pad) for pad in op.padding):
            fields["count_include_pad"] = 0
    parts.add("MaxPool" if is_max else "AveragePool", parts.inputs, outputs=1 + getattr(op, "indices", False), **fields)


def _rounded(steps: Any, made: Shape, pads: list[int], *, counted: bool) -> dict[str, Any]:
    """How ONNX makes as many windows: with its ceil mode, or with what is missing behind the map as padding."""
    map_size, kernel, stride, _, dilation = steps
    spans = sliding.spans(kernel, dilation)
    axes = len(made)
    missing = [
        max((windows - 1) * step + span - n - before - after, 0)
        for windows, step, span, n, before, after in zip(
            made, stride, spans, map_size, pads[:axes], pads[axes:], strict=True
        )
    ]
    starts_inside = all(
        (windows - 1) * step < n + before
        for windows, step, n, before in zip(made, stride, map_size, pads[:axes], strict=True)
    )
    fits = all(
        size + before + after >= span
        for size, before, after, span in zip(map_size, pads[:axes], pads[axes:], spans, strict=True)
    )
    try:
        same = sliding.output_size(*steps, "ceil") == made
    except ShapeError:
        same = False
    if same and starts_inside and fits:
        return {"ceil_mode": 1}
    if counted and any(pads):
        raise FormatError(f"counts zeros behind the padding that make {format_shape(made)} windows")
    return {"pads": pads[:axes] + [after + more for after, more in zip(pads[axes:], missing, strict=True)]}


def _adaptive_pool(parts: Parts) -> None:
    op: Any = parts.op
    average = "Avg" in op.kind
    sizes = tuple(zip(parts.shape[2:], op.output_size, strict=True))
    if set(op.output_size) == {1}:
        parts.add("GlobalAveragePool" if average else "GlobalMaxPool", parts.inputs)
    elif all(n % m == 0 for n, m in sizes):
        kernel = [n // m for n, m in sizes]
        parts.add("AveragePool" if average else "MaxPool", parts.inputs, kernel_shape=kernel, strides=kernel)
    else:
        x = parts.inputs[0]
        for axis, (n, m) in enumerate(sizes, 2):
            x = _bins(parts, x, axis, n, m, "ReduceMean" if average else "ReduceMax", last=axis == len(sizes) + 1)


def _bins(parts: Parts, x: str, axis: int, n: int, m: int, reduction: str, *, last: bool) -> str:
    """Fold one axis of an adaptive pool, whose windows are not of one size, part by part."""
    over = parts.integers(f"axis_{axis}", [axis])
    means = []
    for i in range(m):
        tag = f"{axis}_{i}"
        ends = [
            parts.integers(f"{end}_{tag}", [at]) for end, at in (("start", i * n // m), ("end", -(-(i + 1) * n // m)))
        ]
        part = parts.add("Slice", [x, *ends, over], f"part_{tag}")
        means.append(parts.add(reduction, [part, over], f"fold_{tag}", keepdims=1))
    return parts.add("Concat", means, "" if last else f"axis_{axis}", axis=axis)


def _batch_norm(parts: Parts) -> None:
    op: Any = parts.op
    if not op.track or op.momentum is None:
        raise FormatError("normalises by running statistics with a momentum")
    import numpy as np

    tensors = []
    for role, present, value in (("weight", op.scale, 1.0), ("bias", op.shift, 0.0)):
        if present:
            tensors.append(parts.tensors[role])
        else:
            numbers = np.full(parts.shape[1], value, "float32")
            name = f"{parts.node.name}.{'scale' if value else 'shift'}"
            tensor = parts.files.onnx.numpy_helper.from_array(numbers, name)
            proto = parts.files.onnx.helper.make_node("Constant", [], [name], name, value=tensor)
            parts.protos.append(proto)
            tensors.append(name)
    parts.add(
        "BatchNormalization",
        [*parts.inputs, *tensors, *parts.weights("running_mean", "running_var")],
        epsilon=op.eps,
        momentum=1 - op.momentum,
    )


def _layer_norm(parts: Parts) -> None:
    op: Any = parts.op
    if not op.scale or op.eps is None:
        raise FormatError("has a scale and an eps")
    parts.add(
        "LayerNormalization",
        [*parts.inputs, *parts.weights("weight", "bias")],
        axis=-len(op.normalized_shape),
        epsilon=op.eps,
    )


def _instance_norm(parts: Parts) -> None:
    op: Any = parts.op
    if not op.affine or op.track:
        raise FormatError("has a scale and a shift and no running statistics")
    parts.add("InstanceNormalization", [*parts.inputs, *parts.weights("weight", "bias")], epsilon=op.eps)


def _lrn(parts: Parts) -> None:
    op: Any = parts.op
    parts.add("LRN", parts.inputs, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)


def _embedding(parts: Parts) -> None:
    parts.add("Gather", [*parts.weights("weight"), *parts.inputs], axis=0)


def _matmul(parts: Parts) -> None:
    parts.add("MatMul", parts.inputs)


LAYERS: dict[str, Callable[[Parts], None]] = {
    **dict.fromkeys([f"Conv{kind}{n}d" for kind in ("", "Transpose") for n in (1, 2, 3)], _conv),
    **dict.fromkeys([f"{kind}Pool{n}d" for kind in ("Max", "Avg") for n in (1, 2, 3)], _pool),
    **dict.fromkeys([f"Adaptive{kind}Pool{n}d" for kind in ("Max", "Avg") for n in (1, 2, 3)], _adaptive_pool),
    **dict.fromkeys([f"BatchNorm{n}d" for n in (1, 2, 3)], _batch_norm),
    "Embedding": _embedding,
    "InstanceNorm": _instance_norm,
    "LayerNorm": _layer_norm,
    "Linear": _linear,
    "LocalResponseNorm": _lrn,
    "MatMul": _matmul,
}
"""By the operation's class."""
