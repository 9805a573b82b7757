"""The table of PyTorch's modules and the operations that they compute; `modules.py` explains how it is read.

Classes of this package (`own=True`) compute what PyTorch has no module for. Most of them are only written: the tracer
runs them, and the operators that they call have rules.
"""

from collections.abc import Callable
from typing import Any

from inception_lens import ops
from inception_lens.errors import GraphError
from inception_lens.ops import Op, Shape, format_shape
from inception_lens.writers.pytorch.modules import (
    InputSize,
    InputTypes,
    ModuleRow,
    ModuleSpec,
    Setting,
    always,
    is_present,
    never,
    row,
)
from inception_lens.writers.pytorch.window_rows import (
    BIAS,
    adaptive_pool,
    avg_pool,
    convolution,
    max_pool,
    transposed_convolution,
)


def torch_module(op: Op, inputs: InputTypes) -> ModuleSpec:
    """The module that computes `op` on inputs of these types.

    Raises:
        GraphError: the operation does not define its computation completely, or no module has its semantics.
    """
    rows = ROWS_OF[type(op)]
    if not rows:
        raise GraphError(f"the graph does not define what {op.kind} computes: no module can be built for it")
    rank = len(inputs[0].shape) if inputs else None
    for candidate in rows:
        if candidate.rank in (None, rank) and candidate.writable(op, inputs):
            return candidate.write(op, inputs)
    shapes = " and ".join(format_shape(each.shape) for each in inputs)
    raise GraphError(f"PyTorch has no module that computes {op} of {shapes}")


def _batch_norm(op: type[Op]) -> tuple[ModuleRow, ...]:
    """PyTorch's batch norm learns both scale and shift or none; this package's learns one of them."""
    before = (InputSize("num_features", 1), "eps", "momentum")
    return (
        row(
            op, *before,
            Setting("affine", "scale", "weight", read=is_present),
            Setting("", "shift", "bias", read=is_present),
            Setting("track_running_stats", "track", "running_mean", read=is_present),
            readable=lambda module, shape: len(shape) >= 2,
            writable=lambda op, inputs: op.scale == op.shift,
        ),
        row(
            op, *before, "scale", "track", module=f"PartlyAffine{op.__name__}", own=True, readable=None
        ),
    )  # fmt: skip


def _recurrent(op: type[Op]) -> tuple[ModuleRow, ...]:
    """A recurrent layer is read as PyTorch's, and written as this package's, whose states are not nested in tuples."""
    settings = (
        InputSize("input_size", -1), "hidden_size", Setting("num_layers", "layers"), "bias", "batch_first",
        "bidirectional",
    )  # fmt: skip
    flat = f"Flat{op.__name__}"
    return (
        row(op, *settings, "proj_size", readable=_is_plain_recurrent, writable=never),
        row(op, *settings, module=flat, own=True, readable=None, writable=lambda op, inputs: not op.proj_size),
        row(op, *settings, "proj_size", module=flat, own=True, readable=None, writable=lambda op, _: op.kind == "LSTM"),
    )


def _is_plain_recurrent(module: Any, shape: Shape) -> bool:
    return len(shape) in (2, 3) and getattr(module, "nonlinearity", "tanh") == "tanh"


def _function(op: type[Op], name: str, *settings: str | Setting) -> ModuleRow:
    """An operation for which PyTorch has a function and no module."""
    return row(op, _constant("function", name), *settings, module="Function", own=True, readable=None)


def _constant(argument: str, value: object) -> Setting:
    return Setting(argument, write=lambda op, inputs: value)


def _own(
    op: type[Op], *settings: str | Setting, module: str = "", writable: Callable[[Any, InputTypes], bool] = always
) -> ModuleRow:
    """An operation that a class of this package computes."""
    return row(op, *settings, module=module, own=True, readable=None, writable=writable)


def _is_written_in_place(op: ops.Elementwise, inputs: InputTypes) -> bool:
    return op.inplace and op.function not in NOT_IN_PLACE and _is_complete(op, inputs)


def _has_numbers(op: ops.Elementwise, inputs: InputTypes) -> bool:
    return bool(op.numbers) and _is_complete(op, inputs)


def _is_complete(op: ops.Elementwise, inputs: InputTypes) -> bool:
    """Raise a GraphError unless the inputs and the name of a function are all that its call needs."""
    if not op.is_complete(len(inputs)) or (op.dtype and op.dtype != inputs[0].dtype and op.function not in COMPARISONS):
        raise GraphError(f"the graph does not hold the numbers that `{op.function}` is called with")
    return True


def _is_reduction(op: ops.Reduce, inputs: InputTypes) -> bool:
    axes = len(op.dims) or len(inputs[0].shape)
    if op.function == "norm" or (op.function in SINGLE_AXIS and axes > 1):
        raise GraphError(f"the graph does not define `{op.function}` over {axes} axes")
    if op.function == "count_nonzero" and op.keepdim:
        raise GraphError("PyTorch has no `count_nonzero` that keeps its axes")
    if op.dtype not in ("", inputs[0].dtype, "bool", "int64"):
        raise GraphError(f"PyTorch has no `{op.function}` from {inputs[0].dtype} to {op.dtype}")
    return True


def _is_grouped(query: Shape, key: Shape, value: Shape) -> bool:
    """Whether heads of keys or values are shared by groups of queries; a single head, `(1,)`, is broadcast."""
    return any(heads not in ((), (1,), query) for heads in (key, value))


def _is_stored(op: ops.Stored, inputs: InputTypes) -> bool:
    if op.tensor_kind == "constant":
        raise GraphError("the graph holds a constant's shape but not its value: no module can be built for it")
    return True


COMPARISONS = frozenset(
    "eq ge gt isfinite isinf isnan le logical_and logical_not logical_or logical_xor lt ne".split()  # noqa: SIM905
)
"""Element-wise functions whose output type is bool."""

NOT_IN_PLACE = COMPARISONS | {"clone", "fmax", "fmin", "maximum", "minimum", "rsub", "where"}
"""Element-wise functions of tensors that have no in-place form in PyTorch."""

SINGLE_AXIS = frozenset({"argmax", "argmin", "prod"})
"""Reductions that PyTorch computes over a single axis."""

_GROUPED = Setting("grouped", write=lambda op, inputs: _is_grouped(*[each.shape[-3:-2] for each in inputs[:3]]))
_REDUCTION = Setting("function", write=lambda op, inputs: {"max": "amax", "min": "amin"}.get(op.function, op.function))
_DTYPE = Setting("", "dtype", "weight", read=lambda weight, shape: str(weight.dtype).removeprefix("torch."))

MODULES: tuple[ModuleRow, ...] = (
    *[each for n, op in enumerate((ops.Conv1d, ops.Conv2d, ops.Conv3d), 3) for each in convolution(op, n)],
    transposed_convolution(ops.ConvTranspose1d, 3),
    transposed_convolution(ops.ConvTranspose2d, 4),
    transposed_convolution(ops.ConvTranspose3d, 5),
    row(ops.Linear, InputSize("in_features", -1), "out_features", BIAS, readable=lambda module, shape: bool(shape)),
    *[each for n, op in enumerate((ops.MaxPool1d, ops.MaxPool2d, ops.MaxPool3d), 3) for each in max_pool(op, n)],
    *[each for n, op in enumerate((ops.AvgPool1d, ops.AvgPool2d, ops.AvgPool3d), 3) for each in avg_pool(op, n)],
    adaptive_pool(ops.AdaptiveAvgPool1d, 3),
    adaptive_pool(ops.AdaptiveAvgPool2d, 4),
    adaptive_pool(ops.AdaptiveAvgPool3d, 5),
    adaptive_pool(ops.AdaptiveMaxPool1d, 3),
    adaptive_pool(ops.AdaptiveMaxPool2d, 4),
    adaptive_pool(ops.AdaptiveMaxPool3d, 5),
    *[each for op in (ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d) for each in _batch_norm(op)],
    row(
        ops.LayerNorm, "normalized_shape", Setting("eps", "eps", write=lambda op, inputs: op.eps or 0.0),
        Setting("elementwise_affine", "scale", "weight", read=is_present), Setting("bias", "shift", read=is_present),
        writable=lambda op, inputs: op.scale or not op.shift,
    ),
    row(
        ops.RMSNorm, "normalized_shape", "eps", Setting("elementwise_affine", "scale", "weight", read=is_present)
    ),
    row(ops.GroupNorm, Setting("num_groups", "groups"), InputSize("num_channels", 1), "eps", "affine"),
    *[
        row(
            ops.InstanceNorm, InputSize("num_features", 1), "eps", "affine", Setting("track_running_stats", "track"),
            module=f"InstanceNorm{n}d", rank=n + 2,
        )
        for n in (1, 2, 3)
    ],
    row(ops.LocalResponseNorm, "size", "alpha", "beta", "k"),
    row(ops.Embedding, "num_embeddings", "embedding_dim", _DTYPE, readable=lambda m, shape: m.max_norm is None),
    *[each for op in (ops.RNN, ops.LSTM, ops.GRU) for each in _recurrent(op)],
    *[row(op, "inplace") for op in (ops.ReLU, ops.SiLU, ops.Mish, ops.Hardswish, ops.Hardsigmoid)],
    row(ops.Hardtanh, "inplace", "min_val", "max_val"),
    row(ops.Hardtanh, "inplace", "min_val", "max_val", module="ReLU6", writable=never),
    row(ops.LeakyReLU, "inplace", "negative_slope"),
    row(ops.ELU, "inplace", "alpha"),
    row(ops.PReLU, Setting("num_parameters", "slopes")),
    # These modules never write over their input; two have a function that does.
    _own(ops.Sigmoid, _constant("function", "sigmoid"), module="InPlace", writable=lambda op, inputs: op.inplace),
    _own(ops.Tanh, _constant("function", "tanh"), module="InPlace", writable=lambda op, inputs: op.inplace),
    *[row(op) for op in (ops.Sigmoid, ops.Tanh)],
    row(ops.GELU, "approximate"),
    row(ops.Softplus, readable=lambda module, shape: (module.beta, module.threshold) == (1, 20)),
    *[row(op, "dim", readable=lambda m, shape: m.dim is not None) for op in (ops.Softmax, ops.LogSoftmax)],
    row(
        ops.Dropout, "p", "inplace", Setting("", "by_channel", "p", read=never),
        writable=lambda op, inputs: not op.by_channel,
    ),
    *[
        row(
            ops.Dropout, "p", "inplace", Setting("", "by_channel", "p", read=always), module=f"Dropout{n}d", rank=n + 2,
            writable=lambda op, inputs: op.by_channel,
        )
        for n in (1, 2, 3)
    ],
    row(ops.Flatten, "start_dim", "end_dim", readable=lambda module, shape: module.start_dim >= 0),
    row(
        ops.Upsample, "size", "mode",
        Setting("align_corners", write=lambda op, inputs: None if "nearest" in op.mode else op.align_corners),
        readable=None,
    ),
    row(ops.PixelShuffle, "upscale_factor", rank=4),
    row(ops.PixelUnshuffle, "downscale_factor", rank=4),
    _function(ops.MatMul, "matmul"),
    _function(ops.Reshape, "reshape", "shape"),
    _function(ops.Permute, "permute", "dims"),
    _function(ops.Expand, "broadcast_to", Setting("size", "shape")),
    _function(ops.Select, "select", "dim", "index"),
    _own(ops.Elementwise, "function", "numbers", module="InPlace", writable=_is_written_in_place),
    _own(ops.Elementwise, "function", "numbers", writable=_has_numbers),
    _own(ops.Elementwise, "function", module="Function", writable=_is_complete),
    _own(ops.Reduce, _REDUCTION, "dims", "keepdim", writable=_is_reduction),
    _own(ops.Concat, "dim"),
    _own(ops.Add, "scale", "inplace"),
    _own(ops.Stack, "dim"),
    _own(ops.Slice, "dim", "start", "stop", "step"),
    _own(ops.Pad, "padding", "mode", "value"),
    _own(ops.ScaledDotProductAttention, "causal", _GROUPED, "scale", module="Attention"),
    _own(ops.Stored, Setting("role", "tensor_kind"), "shape", "dtype", writable=_is_stored),
)  # fmt: skip

ROWS_OF: dict[type[Op], tuple[ModuleRow, ...]] = {
    op: tuple([each for each in MODULES if each.op is op]) for op in ops.OPS
}
"""The rows of each operation in the order in which they are tried; none where it does not say what it computes."""
