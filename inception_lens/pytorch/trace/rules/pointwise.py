"""Rules of functions of each element, and of sums over axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from inception_lens import ops
from inception_lens.ops import Elementwise, Op, Reduce
from inception_lens.pytorch.trace.operators import Arguments, Call, Rule, Rules, adds, weighted

Tensor = torch.Tensor

RULES: Rules = {}


def _activation(kind: Callable[..., Op], *settings: tuple[str, Any]) -> Rule:
    def activation(a: Arguments) -> Call:
        fields = {name: a.get(i, name, default) for i, (name, default) in enumerate(settings, 1)}
        return Call(kind(**fields), (a.given[0],))

    return activation


RULES |= {
    "relu": _activation(ops.ReLU),
    "relu6": _activation(lambda: ops.Hardtanh(False, 0.0, 6.0)),
    "hardtanh": _activation(ops.Hardtanh, ("min_val", -1.0), ("max_val", 1.0)),
    "leaky_relu": _activation(ops.LeakyReLU, ("negative_slope", 0.01)),
    "gelu": _activation(ops.GELU),
    "silu": _activation(ops.SiLU),
    "mish": _activation(ops.Mish),
    "sigmoid": _activation(ops.Sigmoid),
    "tanh": _activation(ops.Tanh),
    "hardswish": _activation(ops.Hardswish),
    "hardsigmoid": _activation(ops.Hardsigmoid),
    "softplus": _activation(ops.Softplus),
    "elu": _activation(ops.ELU, ("alpha", 1.0)),
}


@adds(RULES, "prelu")
def _prelu(a: Arguments) -> Call:
    x, weight = a.given[:2]
    return weighted(a, ops.PReLU(slopes=weight.numel()), (x,), (weight,))


def _normalizing(kind: type[ops.Softmax]) -> Rule:
    def normalizing(a: Arguments) -> Call | None:
        x, dim, dtype = a.get(0, "self"), a.get(1, "dim"), a.get(2, "dtype")
        if dtype not in (None, False, x.dtype) or not x.is_floating_point():
            return None
        return Call(kind(dim), (x,)) if x.dim() else None

    return normalizing


for _name in ("softmax", "_softmax"):
    RULES[f"{_name}"] = _normalizing(ops.Softmax)
    RULES[f"{_name.replace('softmax', 'log_softmax')}"] = _normalizing(ops.LogSoftmax)


@adds(RULES, "dropout", "feature_dropout", "alpha_dropout")
def _dropout(a: Arguments) -> Call:
    return Call(ops.Dropout(a.given[1]), (a.given[0],))


def _elementwise(name: str) -> Rule:
    """A function of one tensor, or of two or of a tensor and a number, where no dtype has to be promoted."""

    def elementwise(a: Arguments) -> Call | None:
        tensors = [each for each in a.given if isinstance(each, Tensor)]
        dtypes = {each.dtype for each in tensors}
        numbers = [each for each in a.given if not isinstance(each, Tensor)]
        if len(dtypes) != 1 or not tensors[0].is_floating_point() or a.named.keys() - {"alpha"}:
            return None
        if any(type(each) not in (int, float, bool) for each in numbers):
            return None
        if name != "add" or len(tensors) != 2 or tensors[0].shape != tensors[1].shape:
            return Call(Elementwise(name), tuple(tensors))
        return Call(ops.Add(float(a.named.get("alpha", 1))), tuple(tensors))

    return elementwise


for _name in (
    "add", "sub", "mul", "div", "maximum", "minimum", "pow", "neg", "abs", "exp", "log", "sqrt", "rsqrt", "square",
    "sin", "cos", "erf", "reciprocal",
):  # fmt: skip
    RULES[f"{_name}"] = _elementwise(_name)


def _reduction(name: str) -> Rule:
    def reduction(a: Arguments) -> Call | None:
        x, dims = a.given[0], a.get(1, "dim")
        if not x.is_floating_point() or not x.dim() or a.named.get("dtype") not in (None, x.dtype):
            return None
        dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
        return Call(Reduce(name, tuple(sorted([axis % x.dim() for axis in dims])), a.get(2, "keepdim", False)), (x,))

    return reduction


for _name in ("mean", "sum", "amax", "amin"):
    RULES[f"{_name}"] = _reduction(_name)
