"""Standard modules as operations: what a module of PyTorch's own is in a graph, without running it.

Each rule reads a module's settings and answers with the operation, or None where the module does something that the
operation does not describe; then the module is run and its operators are traced one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from inception_lens import ops
from inception_lens.ops import Op, Shape
from inception_lens.pytorch.build.border import BorderedAvgPool

Rule = Callable[[Any, Shape], Op | None]
"""From a module and the shape of its input to the operation."""

Kind = TypeVar("Kind", bound=Op)


def _sizes(value: Any, dimensions: int) -> tuple[int, ...]:
    """A size for every axis, written once or once per axis."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * dimensions


def _convolution(kind: type[ops.Conv2d]) -> Rule:
    dimensions = kind.dimensions

    def rule(module: Any, shape: Shape) -> Op | None:
        if len(shape) != dimensions + 2 or module.padding_mode != "zeros" or shape[1] != module.in_channels:
            return None
        padding = module.padding
        if padding == "valid":
            padding = (0,) * dimensions
        return kind(
            module.out_channels,
            module.kernel_size,
            module.stride,
            padding,
            module.dilation,
            module.groups,
            module.bias is not None,
        )

    return rule


def _transposed(kind: type[ops.ConvTranspose2d]) -> Rule:
    def rule(module: Any, shape: Shape) -> Op | None:
        if len(shape) != kind.dimensions + 2 or module.padding_mode != "zeros" or shape[1] != module.in_channels:
            return None
        extra = module.output_padding if any(module.output_padding) else ()
        return kind(
            module.out_channels,
            module.kernel_size,
            module.stride,
            module.padding,
            module.dilation,
            module.groups,
            module.bias is not None,
            extra,
        )

    return rule


def _linear(module: nn.Linear, shape: Shape) -> Op | None:
    if not shape or shape[-1] != module.in_features:
        return None
    return ops.Linear(module.out_features, module.bias is not None)


def _max_pool(kind: type[ops.MaxPool2d]) -> Rule:
    n = kind.dimensions

    def rule(module: Any, shape: Shape) -> Op | None:
        if len(shape) != n + 2:
            return None
        dilation = _sizes(module.dilation, n)
        return kind(
            _sizes(module.kernel_size, n),
            _sizes(module.stride, n),
            _sizes(module.padding, n),
            "ceil" if module.ceil_mode else "floor",
            dilation if max(dilation) > 1 else (),
            module.return_indices,
        )

    return rule


def _avg_pool(kind: type[ops.AvgPool2d]) -> Rule:
    n = kind.dimensions

    def rule(module: Any, shape: Shape) -> Op | None:
        if len(shape) != n + 2 or getattr(module, "divisor_override", None):
            return None
        return kind(
            _sizes(module.kernel_size, n),
            _sizes(module.stride, n),
            _sizes(module.padding, n),
            "ceil" if module.ceil_mode else "floor",
            module.count_include_pad,
        )

    return rule


def _bordered(module: BorderedAvgPool, shape: Shape) -> Op:
    """Our own pool, which takes several operators to do what is one operation."""
    border = module.border
    kind = (ops.AvgPool1d, ops.AvgPool2d, ops.AvgPool3d)[len(border.kernel) - 1]
    return kind(border.kernel, border.stride, border.padding, border.rounding, module.count_include_pad)


def _adaptive(kind: type[ops.AdaptiveAvgPool2d] | type[ops.AdaptiveMaxPool2d]) -> Rule:
    n = kind.dimensions

    def rule(module: Any, shape: Shape) -> Op | None:
        if len(shape) != n + 2 or getattr(module, "return_indices", False):
            return None
        wanted = _sizes(module.output_size, n)
        return kind(tuple(size if want is None else want for want, size in zip(wanted, shape[2:], strict=True)))

    return rule


def _batch_norm(kind: type[ops.BatchNorm2d]) -> Rule:
    def rule(module: Any, shape: Shape) -> Op | None:
        if len(shape) < 2 or shape[1] != module.num_features:
            return None
        return kind(
            module.eps,
            module.momentum,
            module.weight is not None,
            module.bias is not None,
            module.running_mean is not None,
        )

    return rule


def _layer_norm(module: nn.LayerNorm, shape: Shape) -> Op:
    scale, shift = module.weight is not None, module.bias is not None
    return ops.LayerNorm(tuple(module.normalized_shape), module.eps, scale, shift)


def _rms_norm(module: nn.RMSNorm, shape: Shape) -> Op:
    return ops.RMSNorm(tuple(module.normalized_shape), module.eps, module.weight is not None)


def _group_norm(module: nn.GroupNorm, shape: Shape) -> Op:
    return ops.GroupNorm(module.num_groups, module.eps, module.affine)


def _instance_norm(module: Any, shape: Shape) -> Op | None:
    unbatched = len(shape) != {nn.InstanceNorm1d: 3, nn.InstanceNorm2d: 4, nn.InstanceNorm3d: 5}[type(module)]
    return None if unbatched else ops.InstanceNorm(module.eps, module.affine, module.track_running_stats)


def _local_response_norm(module: nn.LocalResponseNorm, shape: Shape) -> Op:
    return ops.LocalResponseNorm(module.size, module.alpha, module.beta, module.k)


def _embedding(module: nn.Embedding, shape: Shape) -> Op | None:
    if module.max_norm is not None:  # it writes to its own weights
        return None
    return ops.Embedding(module.num_embeddings, module.embedding_dim, str(module.weight.dtype).removeprefix("torch."))


def _dropout(module: Any, shape: Shape) -> Op:
    return ops.Dropout(module.p)


def _softmax(kind: type[ops.Softmax]) -> Rule:
    return lambda module, shape: None if module.dim is None else kind(module.dim)


def _flatten(module: nn.Flatten, shape: Shape) -> Op | None:
    return ops.Flatten(module.start_dim, module.end_dim) if module.start_dim >= 0 else None


def _recurrent(kind: type[ops.RNN]) -> Rule:
    def rule(module: Any, shape: Shape) -> Op | None:
        if len(shape) not in (2, 3) or getattr(module, "nonlinearity", "tanh") != "tanh":
            return None
        return kind(
            module.hidden_size,
            module.num_layers,
            module.bias,
            module.batch_first,
            module.bidirectional,
            module.proj_size,
        )

    return rule


def _plain(op: Op) -> Rule:
    return lambda module, shape: op


def _inplace(kind: Callable[..., Op], *fields: str) -> Rule:
    """An activation with settings of the same names, that may be done in place."""
    return lambda module, shape: kind(**{field: getattr(module, field) for field in ("inplace", *fields)})


LEAVES: dict[type[nn.Module], Rule] = {
    nn.Conv1d: _convolution(ops.Conv1d),  # type: ignore[arg-type]
    nn.Conv2d: _convolution(ops.Conv2d),
    nn.Conv3d: _convolution(ops.Conv3d),  # type: ignore[arg-type]
    nn.ConvTranspose1d: _transposed(ops.ConvTranspose1d),  # type: ignore[arg-type]
    nn.ConvTranspose2d: _transposed(ops.ConvTranspose2d),
    nn.ConvTranspose3d: _transposed(ops.ConvTranspose3d),  # type: ignore[arg-type]
    nn.Linear: _linear,
    nn.MaxPool1d: _max_pool(ops.MaxPool1d),  # type: ignore[arg-type]
    nn.MaxPool2d: _max_pool(ops.MaxPool2d),
    nn.MaxPool3d: _max_pool(ops.MaxPool3d),  # type: ignore[arg-type]
    nn.AvgPool1d: _avg_pool(ops.AvgPool1d),  # type: ignore[arg-type]
    nn.AvgPool2d: _avg_pool(ops.AvgPool2d),
    nn.AvgPool3d: _avg_pool(ops.AvgPool3d),  # type: ignore[arg-type]
    nn.AdaptiveAvgPool1d: _adaptive(ops.AdaptiveAvgPool1d),  # type: ignore[arg-type]
    nn.AdaptiveAvgPool2d: _adaptive(ops.AdaptiveAvgPool2d),
    nn.AdaptiveAvgPool3d: _adaptive(ops.AdaptiveAvgPool3d),  # type: ignore[arg-type]
    nn.AdaptiveMaxPool1d: _adaptive(ops.AdaptiveMaxPool1d),  # type: ignore[arg-type]
    nn.AdaptiveMaxPool2d: _adaptive(ops.AdaptiveMaxPool2d),
    nn.AdaptiveMaxPool3d: _adaptive(ops.AdaptiveMaxPool3d),  # type: ignore[arg-type]
    nn.BatchNorm1d: _batch_norm(ops.BatchNorm1d),  # type: ignore[arg-type]
    nn.BatchNorm2d: _batch_norm(ops.BatchNorm2d),
    nn.BatchNorm3d: _batch_norm(ops.BatchNorm3d),  # type: ignore[arg-type]
    nn.LayerNorm: _layer_norm,
    nn.RMSNorm: _rms_norm,
    nn.GroupNorm: _group_norm,
    nn.InstanceNorm1d: _instance_norm,
    nn.InstanceNorm2d: _instance_norm,
    nn.InstanceNorm3d: _instance_norm,
    nn.LocalResponseNorm: _local_response_norm,
    nn.Embedding: _embedding,
    nn.RNN: _recurrent(ops.RNN),
    nn.LSTM: _recurrent(ops.LSTM),  # type: ignore[arg-type]
    nn.GRU: _recurrent(ops.GRU),  # type: ignore[arg-type]
    nn.ReLU: _inplace(ops.ReLU),
    nn.ReLU6: _inplace(ops.Hardtanh, "min_val", "max_val"),
    nn.Hardtanh: _inplace(ops.Hardtanh, "min_val", "max_val"),
    nn.LeakyReLU: _inplace(ops.LeakyReLU, "negative_slope"),
    nn.ELU: _inplace(ops.ELU, "alpha"),
    nn.GELU: _plain(ops.GELU()),
    nn.SiLU: _inplace(ops.SiLU),
    nn.Mish: _inplace(ops.Mish),
    nn.Sigmoid: _plain(ops.Sigmoid()),
    nn.Tanh: _plain(ops.Tanh()),
    nn.Hardswish: _inplace(ops.Hardswish),
    nn.Hardsigmoid: _inplace(ops.Hardsigmoid),
    nn.Softplus: _plain(ops.Softplus()),
    nn.PReLU: lambda module, shape: ops.PReLU(slopes=module.num_parameters),
    nn.Softmax: _softmax(ops.Softmax),
    nn.LogSoftmax: _softmax(ops.LogSoftmax),
    nn.Dropout: _dropout,
    nn.Dropout1d: _dropout,
    nn.Dropout2d: _dropout,
    nn.Dropout3d: _dropout,
    nn.Flatten: _flatten,
    BorderedAvgPool: _bordered,
}
"""The modules that are answered without being run; a subclass of one may do anything, and is run."""
