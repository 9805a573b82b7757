"""From an operation to the PyTorch module that computes it: one row for each class of `OPS` in `LOWERINGS`.

Wherever PyTorch has a module with the operation's semantics, it is an instance of that very class.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import torch
from torch import nn

from inception_lens import ops
from inception_lens.errors import GraphError
from inception_lens.ops import Op, TensorType
from inception_lens.ops.window import Padding, Rounding, spans
from inception_lens.pytorch import border, layers
from inception_lens.pytorch.border import Border, Sizes

Inputs = tuple[TensorType, ...]

Lowering = Callable[[Any, Inputs], nn.Module]
"""An operation and the types of its inputs, to the module that computes it."""


def lower(op: Op, inputs: Inputs) -> nn.Module:
    """The module that computes `op` on inputs of these types.

    Raises:
        GraphError: the operation does not say all that its computation needs.
    """
    return LOWERINGS[type(op)](op, inputs)


def _of_the_same_name(op: Op, inputs: Inputs) -> nn.Module:
    """PyTorch's module of the operation's name, whose arguments have the names of the operation's fields."""
    made: nn.Module = getattr(nn, op.kind)(**msgspec.structs.asdict(op))
    return made


def _untold(op: Op, inputs: Inputs) -> nn.Module:
    raise GraphError(f"the graph does not say what {op.kind} computes, so that no module can be built of it")


def _conv(op: ops.Conv2d, inputs: Inputs) -> nn.Module:
    padding = _symmetric(op.kernel_size, op.stride, op.padding, op.dilation)
    made = getattr(nn if padding is not None else border, op.kind if padding is not None else f"Bordered{op.kind}")
    layer: nn.Module = made(
        inputs[0].shape[1], op.out_channels, op.kernel_size, op.stride, padding or 0, op.dilation, op.groups, op.bias
    )
    if padding is None:
        layer.border = Border(op.kernel_size, op.stride, op.dilation, op.padding, "floor")  # type: ignore[assignment]
    return layer


def _transposed_conv(op: ops.ConvTranspose2d, inputs: Inputs) -> nn.Module:
    padding = _symmetric(op.kernel_size, op.stride, op.padding, op.dilation)
    if padding is None:
        raise GraphError(f"PyTorch has no {op.kind} with the padding {op.padding}")
    extra = op.output_padding or (0,) * len(op.kernel_size)
    channels, kernel = inputs[0].shape[1], op.kernel_size
    layer: nn.Module = getattr(nn, op.kind)(
        channels, op.out_channels, kernel, op.stride, padding, extra, op.groups, op.bias, op.dilation
    )
    return layer


def _max_pool(op: ops.MaxPool2d, inputs: Inputs) -> nn.Module:
    padding, ceil = _pool_padding(op, inputs)
    if padding is None:
        if op.indices:
            raise GraphError(f"PyTorch has no {op.kind} with the padding {op.padding} that returns indices")
        return border.BorderedMaxPool(Border(op.kernel_size, op.stride, op.steps, op.padding, op.rounding))
    pool: nn.Module = getattr(nn, op.kind)(op.kernel_size, op.stride, padding, op.steps, op.indices, ceil)
    return pool


def _avg_pool(op: ops.AvgPool2d, inputs: Inputs) -> nn.Module:
    padding, ceil = _pool_padding(op, inputs)
    if padding is None:
        edge = Border(op.kernel_size, op.stride, op.steps, op.padding, op.rounding)
        return border.BorderedAvgPool(edge, op.count_include_pad)
    pool: nn.Module = getattr(nn, op.kind)(op.kernel_size, op.stride, padding, ceil, op.count_include_pad)
    return pool


def _batch_norm(op: ops.BatchNorm2d, inputs: Inputs) -> nn.Module:
    made = getattr(layers, f"PartlyAffine{op.kind}") if op.scale != op.shift else getattr(nn, op.kind)
    norm: nn.Module = made(inputs[0].shape[1], op.eps, op.momentum, op.scale, op.track)
    return norm


def _layer_norm(op: ops.LayerNorm, inputs: Inputs) -> nn.Module:
    if op.shift and not op.scale:
        raise GraphError("PyTorch has no LayerNorm that learns a shift and no scale")
    return nn.LayerNorm(op.normalized_shape, op.eps or 0.0, op.scale, op.shift)


def _instance_norm(op: ops.InstanceNorm, inputs: Inputs) -> nn.Module:
    shape = inputs[0].shape
    made = {3: nn.InstanceNorm1d, 4: nn.InstanceNorm2d, 5: nn.InstanceNorm3d}.get(len(shape))
    if made is None:
        raise GraphError(f"PyTorch has no InstanceNorm of an input with {len(shape)} axes")
    return made(shape[1], op.eps, affine=op.affine, track_running_stats=op.track)


def _recurrent(op: ops.LSTM, inputs: Inputs) -> nn.Module:
    arguments: dict[str, Any] = {"bias": op.bias, "batch_first": op.batch_first, "bidirectional": op.bidirectional}
    if op.proj_size:
        arguments["proj_size"] = op.proj_size
    made = getattr(layers, f"Flat{op.kind}")
    layer: nn.Module = made(inputs[0].shape[-1], op.hidden_size, op.layers, **arguments)
    return layer


def _never_in_place(op: ops.Sigmoid | ops.Tanh | ops.GELU | ops.Softplus, inputs: Inputs) -> nn.Module:
    """An activation whose module in PyTorch has no `inplace`, though it may have a function of that kind."""
    name = op.kind.lower()
    if op.inplace and hasattr(torch.Tensor, f"{name}_"):
        return layers.InPlace(name)
    made: nn.Module = getattr(nn, op.kind)()
    return made


UNARY = frozenset(
    """abs acos acosh asin asinh atan atanh bitwise_not ceil clone cos cosh digamma erf erfc erfinv exp exp2 expm1 floor
    frac isfinite isinf isnan lgamma log log10 log1p log2 logical_not neg reciprocal relu round rsqrt sigmoid sign
    signbit sin sinc sinh sqrt square tan tanh trunc""".split()  # noqa: SIM905
)
BINARY = frozenset(
    """add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor div eq floor_divide fmax fmin
    fmod ge gt hypot le logaddexp logical_and logical_or logical_xor lt maximum minimum mul ne pow remainder sub
    xlogy""".split()  # noqa: SIM905
)
TERNARY = frozenset({"addcdiv", "addcmul", "lerp", "where"})
"""Element-wise functions of `torch` that so many tensors tell all about; others have numbers that no graph holds."""


def _elementwise(op: ops.Elementwise, inputs: Inputs) -> nn.Module:
    arity = next((n for n, names in enumerate((UNARY, BINARY, TERNARY), 1) if op.function in names), None)
    if arity != len(inputs) or (op.dtype and op.dtype != inputs[0].dtype and op.function not in COMPARISONS):
        raise GraphError(f"the graph does not say with which numbers `{op.function}` is called")
    inplace = op.inplace and hasattr(torch.Tensor, f"{op.function}_")
    return layers.InPlace(op.function) if inplace else layers.Function(op.function)


COMPARISONS = frozenset(
    "eq ge gt isfinite isinf isnan le logical_and logical_not logical_or logical_xor lt ne".split()  # noqa: SIM905
)
"""Those among them whose output is of type bool."""

REDUCTIONS = {"max": "amax", "min": "amin"}
SINGLE = frozenset({"argmax", "argmin", "prod"})
"""Reductions over one axis alone."""


def _reduce(op: ops.Reduce, inputs: Inputs) -> nn.Module:
    axes = len(op.dims) or len(inputs[0].shape)
    if op.function == "norm" or (op.function in SINGLE and axes > 1):
        raise GraphError(f"the graph does not say how `{op.function}` folds {axes} axes")
    if op.dtype not in ("", inputs[0].dtype, "bool", "int64"):
        raise GraphError(f"no `{op.function}` of {inputs[0].dtype} to {op.dtype} can be built")
    return layers.Reduce(REDUCTIONS.get(op.function, op.function), op.dims, op.keepdim)


def _stored(op: ops.Stored, inputs: Inputs) -> nn.Module:
    if op.role == "constant":
        raise GraphError("the graph holds a constant's shape and not its value, so that no module can be built of it")
    return layers.Stored(op.role, op.shape, getattr(torch, op.dtype))


def _attention(op: ops.ScaledDotProductAttention, inputs: Inputs) -> nn.Module:
    return layers.Attention(op.causal, grouped=inputs[0].shape[:-2] != inputs[1].shape[:-2])


LOWERINGS: dict[type[Op], Lowering] = {
    **dict.fromkeys((ops.Conv1d, ops.Conv2d, ops.Conv3d), _conv),
    **dict.fromkeys((ops.ConvTranspose1d, ops.ConvTranspose2d, ops.ConvTranspose3d), _transposed_conv),
    ops.Linear: lambda op, inputs: nn.Linear(inputs[0].shape[-1], op.out_features, op.bias),
    ops.MatMul: lambda op, inputs: layers.Function("matmul"),
    ops.ScaledDotProductAttention: _attention,
    **dict.fromkeys((ops.GRU, ops.LSTM, ops.RNN), _recurrent),
    ops.Embedding: lambda op, inputs: nn.Embedding(op.num_embeddings, op.embedding_dim),
    **dict.fromkeys((ops.MaxPool1d, ops.MaxPool2d, ops.MaxPool3d), _max_pool),
    **dict.fromkeys((ops.AvgPool1d, ops.AvgPool2d, ops.AvgPool3d), _avg_pool),
    **dict.fromkeys((ops.AdaptiveAvgPool1d, ops.AdaptiveAvgPool2d, ops.AdaptiveAvgPool3d), _of_the_same_name),
    **dict.fromkeys((ops.AdaptiveMaxPool1d, ops.AdaptiveMaxPool2d, ops.AdaptiveMaxPool3d), _of_the_same_name),
    **dict.fromkeys((ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d), _batch_norm),
    ops.LayerNorm: _layer_norm,
    ops.RMSNorm: lambda op, inputs: nn.RMSNorm(op.normalized_shape, op.eps, op.scale),
    ops.GroupNorm: lambda op, inputs: nn.GroupNorm(op.groups, inputs[0].shape[1], op.eps, op.affine),
    ops.InstanceNorm: _instance_norm,
    ops.LocalResponseNorm: _of_the_same_name,
    **dict.fromkeys((ops.ReLU, ops.LeakyReLU, ops.ELU, ops.SiLU, ops.Mish), _of_the_same_name),
    **dict.fromkeys((ops.Hardswish, ops.Hardsigmoid, ops.Hardtanh), _of_the_same_name),
    **dict.fromkeys((ops.Softmax, ops.LogSoftmax, ops.Dropout), _of_the_same_name),
    **dict.fromkeys((ops.Sigmoid, ops.Tanh, ops.GELU, ops.Softplus), _never_in_place),
    ops.PReLU: lambda op, inputs: nn.PReLU(op.slopes),
    ops.Elementwise: _elementwise,
    ops.Reduce: _reduce,
    ops.Concat: lambda op, inputs: layers.Concat(op.dim),
    ops.Add: lambda op, inputs: layers.Add(op.scale),
    ops.Stack: lambda op, inputs: layers.Stack(op.dim),
    ops.Flatten: _of_the_same_name,
    ops.Reshape: lambda op, inputs: layers.Function("reshape", shape=op.shape),
    ops.Permute: lambda op, inputs: layers.Function("permute", dims=op.dims),
    ops.Expand: lambda op, inputs: layers.Function("broadcast_to", size=op.shape),
    ops.Slice: lambda op, inputs: layers.Slice(op.dim, op.start, op.stop, op.step),
    ops.Select: lambda op, inputs: layers.Function("select", dim=op.dim, index=op.index),
    ops.Pad: lambda op, inputs: layers.Pad(op.padding, op.mode, op.value),
    ops.Upsample: lambda op, inputs: nn.Upsample(op.size, mode=op.mode),
    ops.Stored: _stored,
    ops.Declared: _untold,
    ops.Unknown: _untold,
}


def _symmetric(kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes) -> Sizes | None:
    """The padding that both sides of each axis have on every map; None where there is no such padding."""
    if isinstance(padding, str):  # at a stride of 1, SAME is the same for every map
        span = spans(kernel, dilation)
        return tuple(k // 2 for k in span) if max(stride) == 1 and all(k % 2 for k in span) else None
    sides = tuple(pad if isinstance(pad, tuple) else (pad, pad) for pad in padding)
    return tuple(before for before, _ in sides) if all(before == after for before, after in sides) else None


def _pool_padding(op: ops.MaxPool2d | ops.AvgPool2d, inputs: Inputs) -> tuple[Sizes | None, bool]:
    """Padding and `ceil_mode` of PyTorch's pool; no padding where it has other windows than the operation."""
    kernel, stride, map_size = op.kernel_size, op.stride, inputs[0].shape[2:]
    padding = _symmetric(kernel, stride, op.padding, op.steps)
    if padding is None or any(2 * pad > k for pad, k in zip(padding, kernel, strict=True)):
        return None, False
    rounding: Rounding = "floor" if isinstance(op.padding, str) else op.rounding
    axes = tuple(zip(map_size, spans(kernel, op.steps), stride, padding, strict=True))
    if rounding == "trunc" and any(n + 2 * pad < span for n, span, _, pad in axes):
        return None, False
    if rounding == "ceil_unclipped" and any(pad + s > span for _, span, s, pad in axes):  # may start behind the map
        return None, False
    return padding, rounding.startswith("ceil")
