"""Rules of operators on maps and axes: pools, upsampling, padding, and joins of tensors."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from inception_lens import ops
from inception_lens.ops import Declared, Op, TensorType
from inception_lens.pytorch.trace.rules.checks import declared
from inception_lens.pytorch.trace.rules.rule import (
    OperatorArguments,
    OperatorCall,
    OperatorRule,
    RuleTable,
    per_axis,
    rule_for,
)
from inception_lens.pytorch.trace.traced_tensor import type_of

RULES: RuleTable = {}

MAX_POOLS = (ops.MaxPool1d, ops.MaxPool2d, ops.MaxPool3d)
AVG_POOLS = (ops.AvgPool1d, ops.AvgPool2d, ops.AvgPool3d)
ADAPTIVE_POOLS = (ops.AdaptiveAvgPool1d, ops.AdaptiveAvgPool2d, ops.AdaptiveAvgPool3d)


def _pool(kind: Callable[..., Op], dimensions: int, *, maximum: bool, indices: bool = False) -> OperatorRule:
    def pool(a: OperatorArguments) -> OperatorCall | None:
        x, kernel = a.get(0, "self"), per_axis(a.get(1, "kernel_size"), dimensions)
        stride = per_axis(a.get(2, "stride") or kernel, dimensions)
        padding = per_axis(a.get(3, "padding", 0), dimensions)
        if maximum:
            dilation = per_axis(a.get(4, "dilation", 1), dimensions)
            rounding = "ceil" if a.get(5, "ceil_mode", False) else "floor"
            op = kind(kernel, stride, padding, rounding, dilation if max(dilation) > 1 else (), indices)
            return _on_maps(op, x, dimensions)
        if a.get(6, "divisor_override") is not None:
            return None
        rounding = "ceil" if a.get(4, "ceil_mode", False) else "floor"
        return _on_maps(kind(kernel, stride, padding, rounding, a.get(5, "count_include_pad", True)), x, dimensions)

    return pool


def _adaptive_pool(kind: Callable[..., Op], dimensions: int) -> OperatorRule:
    def pool(a: OperatorArguments) -> OperatorCall | None:
        return _on_maps(kind(per_axis(a.get(1, "output_size"), dimensions)), a.get(0, "self"), dimensions)

    return pool


def _on_maps(op: Op, x: Tensor, dimensions: int) -> OperatorCall | None:
    """The call of a pool; a `Declared` call of the same cost on maps without a batch axis."""
    if x.dim() != dimensions + 1:
        return OperatorCall(op, (x,)) if x.dim() == dimensions + 2 else None
    batch = TensorType((1, *x.shape), type_of(x).dtype)
    types = op.output_types((batch,))
    flops = op.extra_flops((batch.shape,), types[0].shape) or 0
    kept = op.saved((batch,), types[0])
    types = tuple([TensorType(each.shape[1:], each.dtype) for each in types])
    return OperatorCall(Declared(op.kind, types, declared_flops=flops, kept=kept), (x,))


for _n in (1, 2, 3):
    RULES[f"max_pool{_n}d"] = _pool(MAX_POOLS[_n - 1], _n, maximum=True)
    RULES[f"avg_pool{_n}d"] = _pool(AVG_POOLS[_n - 1], _n, maximum=False)
    RULES[f"adaptive_avg_pool{_n}d"] = _adaptive_pool(ADAPTIVE_POOLS[_n - 1], _n)
for _n in (2, 3):
    RULES[f"max_pool{_n}d_with_indices"] = _pool(MAX_POOLS[_n - 1], _n, maximum=True, indices=True)


def _upsample(mode: str, dimensions: int, *, has_align_corners: bool) -> OperatorRule:
    def upsample(a: OperatorArguments) -> OperatorCall | None:
        x, size, exact = a.positional[0], a.positional[1], True
        if x.dim() != dimensions + 2:
            return None
        if size is None:
            factors = a.get(3 if has_align_corners else 2, "scale_factors")
            sizes = [n * factor for n, factor in zip(x.shape[2:], factors, strict=True)]
            size = [*map(int, sizes)]
            exact = size == sizes
        aligned = has_align_corners and bool(a.positional[2])
        op = ops.Upsample(tuple(size), mode, aligned)
        if exact or aligned:
            return OperatorCall(op, (x,))
        return OperatorCall(declared(op, (type_of(x),)), (x,))  # PyTorch computes the places from the factors

    return upsample


for _n in (1, 2, 3):
    RULES[f"upsample_nearest{_n}d"] = _upsample("nearest", _n, has_align_corners=False)
    RULES[f"_upsample_nearest_exact{_n}d"] = _upsample("nearest-exact", _n, has_align_corners=False)
for _name, _n in (("linear", 1), ("bilinear", 2), ("trilinear", 3), ("bicubic", 2)):
    RULES[f"upsample_{_name}{_n}d"] = _upsample(_name, _n, has_align_corners=True)


@rule_for(RULES, "pixel_shuffle")
def _pixel_shuffle(a: OperatorArguments) -> OperatorCall | None:
    x = a.get(0, "self")
    return OperatorCall(ops.PixelShuffle(a.get(1, "upscale_factor")), (x,)) if x.dim() == 4 else None


@rule_for(RULES, "pixel_unshuffle")
def _pixel_unshuffle(a: OperatorArguments) -> OperatorCall | None:
    x = a.get(0, "self")
    return OperatorCall(ops.PixelUnshuffle(a.get(1, "downscale_factor")), (x,)) if x.dim() == 4 else None


@rule_for(RULES, "cat", "concat", "concatenate")
def _cat(a: OperatorArguments) -> OperatorCall | None:
    tensors, dim = a.get(0, "tensors"), a.get(1, "dim", 0)
    # For compatibility PyTorch accepts an empty vector next to tensors of any shape.
    tensors = tuple([tensor for tensor in tensors if tuple(tensor.shape) != (0,)])
    if not tensors or isinstance(dim, str) or len({tensor.dtype for tensor in tensors}) > 1:
        return None
    return OperatorCall(ops.Concat(dim % tensors[0].dim()), tensors)


@rule_for(RULES, "stack")
def _stack(a: OperatorArguments) -> OperatorCall | None:
    tensors, dim = a.get(0, "tensors"), a.get(1, "dim", 0)
    if len({tensor.dtype for tensor in tensors}) > 1:
        return None
    return OperatorCall(ops.Stack(dim % (tensors[0].dim() + 1)), tuple(tensors))


@rule_for(RULES, "pad", "constant_pad_nd")
def _pad(a: OperatorArguments) -> OperatorCall | None:
    x, pad, mode, value = a.get(0, "self"), list(a.get(1, "pad")), a.get(2, "mode", "constant"), a.get(3, "value")
    if not isinstance(mode, str):  # constant_pad_nd has no mode: its third argument is the value
        mode, value = "constant", mode
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    every_axis = [*[(0, 0)] * (x.dim() - len(pairs)), *pairs[::-1]]
    return OperatorCall(ops.Pad(tuple(every_axis), mode, float(value or 0)), (x,))
