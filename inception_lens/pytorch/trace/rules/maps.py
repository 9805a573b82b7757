"""Rules of operators that change maps: pools, upsampling, padding, joins."""

from __future__ import annotations

import msgspec

from inception_lens import ops
from inception_lens.ops import Op
from inception_lens.pytorch.trace.operators import Arguments, Call, Rule, Rules, adds, sizes

RULES: Rules = {}


def _pool(kind: type[Op], dimensions: int, *, maximum: bool) -> Rule:
    def pool(a: Arguments) -> Call | None:
        x, kernel = a.get(0, "self"), sizes(a.get(1, "kernel_size"), dimensions)
        stride = sizes(a.get(2, "stride") or kernel, dimensions)
        padding = sizes(a.get(3, "padding", 0), dimensions)
        if x.dim() != dimensions + 2:
            return None
        if maximum:
            dilation = sizes(a.get(4, "dilation", 1), dimensions)
            rounding = "ceil" if a.get(5, "ceil_mode", False) else "floor"
            return Call(kind(kernel, stride, padding, rounding, dilation if max(dilation) > 1 else ()), (x,))  # type: ignore[call-arg]
        if a.get(6, "divisor_override") is not None:
            return None
        rounding = "ceil" if a.get(4, "ceil_mode", False) else "floor"
        return Call(kind(kernel, stride, padding, rounding, a.get(5, "count_include_pad", True)), (x,))  # type: ignore[call-arg]

    return pool


@adds(RULES, "max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool_with_indices(a: Arguments) -> Call | None:
    kinds: dict[int, type[ops.MaxPool2d]] = {4: ops.MaxPool2d, 5: ops.MaxPool3d}  # type: ignore[dict-item]
    kind = kinds.get(a.given[0].dim())
    call = _pool(kind, a.given[0].dim() - 2, maximum=True)(a) if kind else None
    return call and call._replace(op=msgspec.structs.replace(call.op, indices=True))


def _upsample(mode: str, dimensions: int, *, aligns: bool) -> Rule:
    def upsample(a: Arguments) -> Call | None:
        x, size = a.given[:2]
        if size is None:
            factors = a.get(3 if aligns else 2, "scale_factors")
            size = [int(n * factor) for n, factor in zip(x.shape[2:], factors, strict=True)]
        return Call(ops.Upsample(tuple(size), mode), (x,)) if x.dim() == dimensions + 2 else None

    return upsample


for _n in (1, 2, 3):
    RULES[f"upsample_nearest{_n}d"] = _upsample("nearest", _n, aligns=False)
    RULES[f"_upsample_nearest_exact{_n}d"] = _upsample("nearest-exact", _n, aligns=False)
for _name, _n in (("linear", 1), ("bilinear", 2), ("trilinear", 3), ("bicubic", 2)):
    RULES[f"upsample_{_name}{_n}d"] = _upsample(_name, _n, aligns=True)


def _adaptive(kind: type[Op], dimensions: int) -> Rule:
    def adaptive(a: Arguments) -> Call | None:
        x, size = a.get(0, "self"), sizes(a.get(1, "output_size"), dimensions)
        return Call(kind(size), (x,)) if x.dim() == dimensions + 2 else None  # type: ignore[call-arg]

    return adaptive


for _n in (1, 2, 3):
    RULES[f"max_pool{_n}d"] = _pool(getattr(ops, f"MaxPool{_n}d"), _n, maximum=True)
    RULES[f"avg_pool{_n}d"] = _pool(getattr(ops, f"AvgPool{_n}d"), _n, maximum=False)
    RULES[f"adaptive_avg_pool{_n}d"] = _adaptive(getattr(ops, f"AdaptiveAvgPool{_n}d"), _n)


@adds(RULES, "cat", "concat", "concatenate")
def _cat(a: Arguments) -> Call | None:
    tensors, dim = a.get(0, "tensors"), a.get(1, "dim", 0)
    # PyTorch's legacy: an empty vector joins anything.
    tensors = tuple([tensor for tensor in tensors if tuple(tensor.shape) != (0,)])
    if not tensors or isinstance(dim, str) or len({tensor.dtype for tensor in tensors}) > 1:
        return None
    return Call(ops.Concat(dim % tensors[0].dim()), tensors)


@adds(RULES, "stack")
def _stack(a: Arguments) -> Call | None:
    tensors, dim = a.get(0, "tensors"), a.get(1, "dim", 0)
    if len({tensor.dtype for tensor in tensors}) > 1:
        return None
    return Call(ops.Stack(dim % (tensors[0].dim() + 1)), tuple(tensors))


@adds(RULES, "pad", "constant_pad_nd")
def _pad(a: Arguments) -> Call | None:
    x, pad, mode, value = a.get(0, "self"), list(a.get(1, "pad")), a.get(2, "mode", "constant"), a.get(3, "value")
    if not isinstance(mode, str):  # constant_pad_nd has none
        mode, value = "constant", mode
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    rows = [*[(0, 0)] * (x.dim() - len(pairs)), *pairs[::-1]]
    return Call(ops.Pad(tuple(rows), mode, float(value or 0)), (x,))
