"""The PyTorch module that computes an operation, by the name of its class and its arguments: torch is not imported.

`MODULES` has a row for each class of `OPS`: PyTorch's own module if one has the operation's semantics, otherwise one of
this package's layers (pytorch/build/layers.py, pytorch/build/border.py).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from inception_lens import ops
from inception_lens.errors import GraphError
from inception_lens.ops import Op, TensorType
from inception_lens.ops.window import Padding, Rounding, Sizes, spans

InputTypes = tuple[TensorType, ...]


class ModuleSpec(NamedTuple):
    """A module as the name of its class and its keyword arguments."""

    kind: str
    """The class, without `nn.`."""
    arguments: dict[str, Any]
    """Keyword arguments of the constructor."""
    own: bool = False
    """Whether the class is one of this package's layers, not PyTorch's."""


def torch_module(op: Op, inputs: InputTypes) -> ModuleSpec:
    """The module that computes `op` on inputs of these types.

    Raises:
        GraphError: the operation does not define its computation completely, or no module has its semantics.
    """
    return MODULES[type(op)](op, inputs)


def _fields(op: Op, inputs: InputTypes) -> ModuleSpec:
    """PyTorch's module of the operation's name; its arguments are the operation's fields."""
    return ModuleSpec(op.kind, msgspec.structs.asdict(op))


def _undefined(op: Op, inputs: InputTypes) -> ModuleSpec:
    raise GraphError(f"the graph does not define what {op.kind} computes: no module can be built for it")


def _function(name: str, **arguments: Any) -> ModuleSpec:
    return ModuleSpec("Function", {"function": name, **arguments}, own=True)


def _conv(op: ops.Conv2d, inputs: InputTypes) -> ModuleSpec:
    padding = _symmetric(op.kernel_size, op.stride, op.padding, op.dilation)
    arguments = {
        "in_channels": inputs[0].shape[1],
        "out_channels": op.out_channels,
        "kernel_size": op.kernel_size,
        "stride": op.stride,
        "padding": op.padding if padding is None else padding,
        "dilation": op.dilation,
        "groups": op.groups,
        "bias": op.bias,
    }
    return (
        ModuleSpec(op.kind, arguments) if padding is not None else ModuleSpec(f"Bordered{op.kind}", arguments, own=True)
    )


def _transposed_conv(op: ops.ConvTranspose2d, inputs: InputTypes) -> ModuleSpec:
    padding = _symmetric(op.kernel_size, op.stride, op.padding, op.dilation)
    if padding is None:
        raise GraphError(f"PyTorch has no {op.kind} with the padding {op.padding}")
    arguments = {
        "in_channels": inputs[0].shape[1],
        "out_channels": op.out_channels,
        "kernel_size": op.kernel_size,
        "stride": op.stride,
        "padding": padding,
        "output_padding": op.output_padding or (0,) * len(op.kernel_size),
        "groups": op.groups,
        "bias": op.bias,
        "dilation": op.dilation,
    }
    return ModuleSpec(op.kind, arguments)


def _max_pool(op: ops.MaxPool2d, inputs: InputTypes) -> ModuleSpec:
    padding, ceil = _pool_padding(op, inputs)
    arguments: dict[str, Any] = {"kernel_size": op.kernel_size, "stride": op.stride}
    if padding is not None:
        arguments |= {"padding": padding, "dilation": op.steps, "return_indices": op.indices, "ceil_mode": ceil}
        return ModuleSpec(op.kind, arguments)
    if op.indices:
        raise GraphError(f"PyTorch has no {op.kind} with the padding {op.padding} that returns indices")
    arguments |= {"padding": op.padding, "dilation": op.steps, "rounding": op.rounding}
    return ModuleSpec("BorderedMaxPool", arguments, own=True)


def _avg_pool(op: ops.AvgPool2d, inputs: InputTypes) -> ModuleSpec:
    padding, ceil = _pool_padding(op, inputs)
    arguments: dict[str, Any] = {"kernel_size": op.kernel_size, "stride": op.stride}
    if padding is not None:
        arguments |= {"padding": padding, "ceil_mode": ceil, "count_include_pad": op.count_include_pad}
        return ModuleSpec(op.kind, arguments)
    arguments |= {"padding": op.padding, "rounding": op.rounding, "count_include_pad": op.count_include_pad}
    return ModuleSpec("BorderedAvgPool", arguments, own=True)


def _batch_norm(op: ops.BatchNorm2d, inputs: InputTypes) -> ModuleSpec:
    arguments = {"num_features": inputs[0].shape[1], "eps": op.eps, "momentum": op.momentum}
    if op.scale == op.shift:
        return ModuleSpec(op.kind, {**arguments, "affine": op.scale, "track_running_stats": op.track})
    return ModuleSpec(f"PartlyAffine{op.kind}", {**arguments, "scale": op.scale, "track": op.track}, own=True)


def _layer_norm(op: ops.LayerNorm, inputs: InputTypes) -> ModuleSpec:
    if op.shift and not op.scale:
        raise GraphError("PyTorch has no LayerNorm that learns a shift and no scale")
    shape, eps = op.normalized_shape, op.eps or 0.0
    return ModuleSpec(
        op.kind, {"normalized_shape": shape, "eps": eps, "elementwise_affine": op.scale, "bias": op.shift}
    )


def _rms_norm(op: ops.RMSNorm, inputs: InputTypes) -> ModuleSpec:
    return ModuleSpec(op.kind, {"normalized_shape": op.normalized_shape, "eps": op.eps, "elementwise_affine": op.scale})


def _group_norm(op: ops.GroupNorm, inputs: InputTypes) -> ModuleSpec:
    channels = inputs[0].shape[1]
    return ModuleSpec(op.kind, {"num_groups": op.groups, "num_channels": channels, "eps": op.eps, "affine": op.affine})


def _instance_norm(op: ops.InstanceNorm, inputs: InputTypes) -> ModuleSpec:
    shape = inputs[0].shape
    if not 3 <= len(shape) <= 5:
        raise GraphError(f"PyTorch has no InstanceNorm of an input with {len(shape)} axes")
    arguments = {"num_features": shape[1], "eps": op.eps, "affine": op.affine, "track_running_stats": op.track}
    return ModuleSpec(f"InstanceNorm{len(shape) - 2}d", arguments)


def _recurrent(op: ops.LSTM, inputs: InputTypes) -> ModuleSpec:
    arguments = {
        "input_size": inputs[0].shape[-1],
        "hidden_size": op.hidden_size,
        "num_layers": op.layers,
        "bias": op.bias,
        "batch_first": op.batch_first,
        "bidirectional": op.bidirectional,
    }
    projected = {"proj_size": op.proj_size} if op.proj_size else {}
    return ModuleSpec(f"Flat{op.kind}", {**arguments, **projected}, own=True)


def _never_in_place(op: ops.Sigmoid | ops.Tanh | ops.GELU | ops.Softplus, inputs: InputTypes) -> ModuleSpec:
    """An activation whose module in PyTorch has no `inplace`; sigmoid and tanh have an in-place function instead."""
    if op.inplace and op.kind in ("Sigmoid", "Tanh"):
        return ModuleSpec("InPlace", {"function": op.kind.lower()}, own=True)
    return ModuleSpec(op.kind, {})


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
"""Element-wise functions of `torch` whose arguments are one, two and three tensors, and no numbers: a graph does not
hold the numbers that other functions are called with."""

COMPARISONS = frozenset(
    "eq ge gt isfinite isinf isnan le logical_and logical_not logical_or logical_xor lt ne".split()  # noqa: SIM905
)
"""The functions above whose output type is bool."""

NOT_IN_PLACE = COMPARISONS | {"clone", "fmax", "fmin", "maximum", "minimum", "isfinite", "where"}
"""The functions above that have no in-place form in PyTorch."""


def _elementwise(op: ops.Elementwise, inputs: InputTypes) -> ModuleSpec:
    arity = next((n for n, names in enumerate((UNARY, BINARY, TERNARY), 1) if op.function in names), None)
    if arity != len(inputs) or (op.dtype and op.dtype != inputs[0].dtype and op.function not in COMPARISONS):
        raise GraphError(f"the graph does not hold the numbers that `{op.function}` is called with")
    if op.inplace and op.function not in NOT_IN_PLACE:
        return ModuleSpec("InPlace", {"function": op.function}, own=True)
    return _function(op.function)


REDUCTIONS = {"max": "amax", "min": "amin"}
SINGLE = frozenset({"argmax", "argmin", "prod"})
"""Reductions that PyTorch computes over a single axis."""


def _reduce(op: ops.Reduce, inputs: InputTypes) -> ModuleSpec:
    axes = len(op.dims) or len(inputs[0].shape)
    if op.function == "norm" or (op.function in SINGLE and axes > 1):
        raise GraphError(f"the graph does not define `{op.function}` over {axes} axes")
    if op.dtype not in ("", inputs[0].dtype, "bool", "int64"):
        raise GraphError(f"PyTorch has no `{op.function}` from {inputs[0].dtype} to {op.dtype}")
    function = REDUCTIONS.get(op.function, op.function)
    return ModuleSpec("Reduce", {"function": function, "dims": op.dims, "keepdim": op.keepdim}, own=True)


def _stored(op: ops.Stored, inputs: InputTypes) -> ModuleSpec:
    if op.tensor_kind == "constant":
        raise GraphError("the graph holds a constant's shape but not its value: no module can be built for it")
    return ModuleSpec("Stored", {"role": op.tensor_kind, "shape": op.shape, "dtype": op.dtype}, own=True)


def _attention(op: ops.ScaledDotProductAttention, inputs: InputTypes) -> ModuleSpec:
    grouped = inputs[0].shape[:-2] != inputs[1].shape[:-2]
    return ModuleSpec("Attention", {"causal": op.causal, "grouped": grouped}, own=True)


def _linear(op: ops.Linear, inputs: InputTypes) -> ModuleSpec:
    return ModuleSpec(op.kind, {"in_features": inputs[0].shape[-1], "out_features": op.out_features, "bias": op.bias})


def _own(op: Op, inputs: InputTypes) -> ModuleSpec:
    return ModuleSpec(op.kind, msgspec.structs.asdict(op), own=True)


MODULES: dict[type[Op], Callable[[Any, InputTypes], ModuleSpec]] = {
    **dict.fromkeys((ops.Conv1d, ops.Conv2d, ops.Conv3d), _conv),
    **dict.fromkeys((ops.ConvTranspose1d, ops.ConvTranspose2d, ops.ConvTranspose3d), _transposed_conv),
    ops.Linear: _linear,
    ops.MatMul: lambda op, inputs: _function("matmul"),
    ops.ScaledDotProductAttention: _attention,
    **dict.fromkeys((ops.GRU, ops.LSTM, ops.RNN), _recurrent),
    ops.Embedding: lambda op, inputs: ModuleSpec(
        op.kind, {"num_embeddings": op.num_embeddings, "embedding_dim": op.embedding_dim}
    ),
    **dict.fromkeys((ops.MaxPool1d, ops.MaxPool2d, ops.MaxPool3d), _max_pool),
    **dict.fromkeys((ops.AvgPool1d, ops.AvgPool2d, ops.AvgPool3d), _avg_pool),
    **dict.fromkeys((ops.AdaptiveAvgPool1d, ops.AdaptiveAvgPool2d, ops.AdaptiveAvgPool3d), _fields),
    **dict.fromkeys((ops.AdaptiveMaxPool1d, ops.AdaptiveMaxPool2d, ops.AdaptiveMaxPool3d), _fields),
    **dict.fromkeys((ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d), _batch_norm),
    ops.LayerNorm: _layer_norm,
    ops.RMSNorm: _rms_norm,
    ops.GroupNorm: _group_norm,
    ops.InstanceNorm: _instance_norm,
    ops.LocalResponseNorm: _fields,
    **dict.fromkeys((ops.ReLU, ops.LeakyReLU, ops.ELU, ops.SiLU, ops.Mish), _fields),
    **dict.fromkeys((ops.Hardswish, ops.Hardsigmoid, ops.Hardtanh), _fields),
    **dict.fromkeys((ops.Softmax, ops.LogSoftmax, ops.Dropout), _fields),
    **dict.fromkeys((ops.Sigmoid, ops.Tanh, ops.GELU, ops.Softplus), _never_in_place),
    ops.PReLU: lambda op, inputs: ModuleSpec(op.kind, {"num_parameters": op.slopes}),
    ops.Elementwise: _elementwise,
    ops.Reduce: _reduce,
    **dict.fromkeys((ops.Concat, ops.Add, ops.Stack, ops.Slice, ops.Pad), _own),
    ops.Flatten: _fields,
    ops.Reshape: lambda op, inputs: _function("reshape", shape=op.shape),
    ops.Permute: lambda op, inputs: _function("permute", dims=op.dims),
    ops.Expand: lambda op, inputs: _function("broadcast_to", size=op.shape),
    ops.Select: lambda op, inputs: _function("select", dim=op.dim, index=op.index),
    ops.Upsample: _fields,
    ops.Stored: _stored,
    ops.Declared: _undefined,
    ops.Unknown: _undefined,
}


def _symmetric(kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes) -> Sizes | None:
    """The padding of each axis if both sides are equal for inputs of every size; otherwise None."""
    if isinstance(padding, str):  # at stride 1 the padding of SAME does not depend on the input's size
        span = spans(kernel, dilation)
        return tuple(k // 2 for k in span) if max(stride) == 1 and all(k % 2 for k in span) else None
    sides = tuple(pad if isinstance(pad, tuple) else (pad, pad) for pad in padding)
    return tuple(before for before, _ in sides) if all(before == after for before, after in sides) else None


def _pool_padding(op: ops.MaxPool2d | ops.AvgPool2d, inputs: InputTypes) -> tuple[Sizes | None, bool]:
    """Padding and `ceil_mode` of PyTorch's pool; the padding is None if its windows differ from the operation's."""
    kernel, stride, map_size = op.kernel_size, op.stride, inputs[0].shape[2:]
    padding = _symmetric(kernel, stride, op.padding, op.steps)
    if padding is None or any(2 * pad > k for pad, k in zip(padding, kernel, strict=True)):
        return None, False
    rounding: Rounding = "floor" if isinstance(op.padding, str) else op.rounding
    axes = tuple(zip(map_size, spans(kernel, op.steps), stride, padding, strict=True))
    if rounding == "trunc" and any(n + 2 * pad < span for n, span, _, pad in axes):
        return None, False
    # Unclipped, a window may start after the input's end; PyTorch drops that one.
    if rounding == "ceil_unclipped" and any(pad + s > span for _, span, s, pad in axes):
        return None, False
    return padding, rounding.startswith("ceil")
