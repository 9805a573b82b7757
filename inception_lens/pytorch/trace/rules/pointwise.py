"""Rules of functions of each element, and of sums over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from inception_lens import ops
from inception_lens.ops import Declared, Elementwise, Op, Reduce, Saved
from inception_lens.pytorch.trace.rules.rule import (
    OperatorArguments,
    OperatorCall,
    OperatorRule,
    RuleTable,
    rule_for,
    weighted,
)
from inception_lens.pytorch.trace.traced_tensor import type_of

RULES: RuleTable = {}


def _activation(kind: Callable[..., Op], **settings: object) -> OperatorRule:
    """The rule of a function whose further arguments are fields of the operation, with these defaults."""

    def activation(a: OperatorArguments) -> OperatorCall | None:
        if kind is not ops.ReLU and not a.positional[0].is_floating_point():
            return None  # of a whole number some functions are floating-point
        fields = {name: a.get(i, name, default) for i, (name, default) in enumerate(settings.items(), 1)}
        return OperatorCall(kind(**fields), (a.positional[0],))

    return activation


RULES |= {
    "relu": _activation(ops.ReLU),
    "relu6": _activation(lambda: ops.Hardtanh(False, 0.0, 6.0)),
    "hardtanh": _activation(ops.Hardtanh, min_val=-1.0, max_val=1.0),
    "leaky_relu": _activation(ops.LeakyReLU, negative_slope=0.01),
    "gelu": _activation(ops.GELU, approximate="none"),
    "silu": _activation(ops.SiLU),
    "mish": _activation(ops.Mish),
    "sigmoid": _activation(ops.Sigmoid),
    "tanh": _activation(ops.Tanh),
    "hardswish": _activation(ops.Hardswish),
    "hardsigmoid": _activation(ops.Hardsigmoid),
}


@rule_for(RULES, "elu")
def _elu(a: OperatorArguments) -> OperatorCall | None:
    if (a.get(2, "scale", 1), a.get(3, "input_scale", 1)) != (1, 1):
        return None
    return OperatorCall(ops.ELU(alpha=a.get(1, "alpha", 1.0)), (a.positional[0],))


@rule_for(RULES, "softplus")
def _softplus(a: OperatorArguments) -> OperatorCall | None:
    x = a.positional[0]
    if not x.is_floating_point() or (a.get(1, "beta", 1), a.get(2, "threshold", 20)) != (1, 20):
        return None
    return OperatorCall(ops.Softplus(), (x,))


@rule_for(RULES, "prelu")
def _prelu(a: OperatorArguments) -> OperatorCall | None:
    x, weight = a.positional[:2]
    if weight.dtype is not x.dtype or weight.dim() != 1 or weight.numel() not in (1, x.shape[1] if x.dim() > 1 else 1):
        return None
    return weighted(ops.PReLU(slopes=weight.numel()), x, weight)


def _softmax(kind: Callable[[int], Op]) -> OperatorRule:
    def softmax(a: OperatorArguments) -> OperatorCall | None:
        x, dim, dtype = a.get(0, "self"), a.get(1, "dim"), a.get(2, "dtype")
        if dtype not in (None, False, x.dtype) or not x.is_floating_point():
            return None
        return OperatorCall(kind(dim), (x,)) if x.dim() else None

    return softmax


RULES |= dict.fromkeys(("softmax", "_softmax"), _softmax(ops.Softmax))
RULES |= dict.fromkeys(("log_softmax", "_log_softmax"), _softmax(ops.LogSoftmax))


def _dropout(*, by_channel: bool, needs_training: bool) -> OperatorRule:
    """The rule of a dropout; `needs_training` if the operation describes only that nothing is dropped out."""

    def dropout(a: OperatorArguments) -> OperatorCall | None:
        x, probability, train = a.positional[:3]
        if train and (needs_training or not a.training):  # the operation drops nothing out at inference
            return None
        return OperatorCall(ops.Dropout(probability if train or not a.training else 0.0, by_channel=by_channel), (x,))

    return dropout


RULES |= {
    "dropout": _dropout(by_channel=False, needs_training=False),
    "feature_dropout": _dropout(by_channel=True, needs_training=False),
    "alpha_dropout": _dropout(by_channel=False, needs_training=True),
}


def numbers_of(arguments: Sequence[Tensor | float], alpha: float = 1) -> tuple[float | None, ...]:
    """`Elementwise.numbers` of a call with these arguments; a factor `alpha` of the last one is a further argument."""
    factors = () if alpha == 1 else (alpha,)
    numbers = tuple([None if isinstance(each, Tensor) else float(each) for each in (*arguments, *factors)])
    return numbers if any(each is not None for each in numbers) else ()


def _elementwise(name: str) -> OperatorRule:
    """The rule of a function of one tensor, of two, or of a tensor and a number, if no dtype has to be promoted."""

    def elementwise(a: OperatorArguments) -> OperatorCall | None:
        tensors = [each for each in a.positional if isinstance(each, Tensor)]
        dtypes = {each.dtype for each in tensors}
        numbers = [each for each in a.positional if not isinstance(each, Tensor)]
        if len(dtypes) != 1 or not tensors[0].is_floating_point() or a.keywords.keys() - {"alpha"}:
            return None
        if any(type(each) not in (int, float, bool) for each in numbers):
            return None
        if name == "pow" and not isinstance(a.positional[0], Tensor):  # a number to the power of a tensor
            x, kept = tensors[0], Saved(inputs=True, output=True)
            return OperatorCall(Declared(name, (type_of(x),), declared_flops=x.numel(), kept=kept), (x,))
        alpha = float(a.keywords.get("alpha", 1))
        if name == "add" and len(tensors) == 2 and tensors[0].shape == tensors[1].shape:
            return OperatorCall(ops.Add(alpha), tuple(tensors))
        return OperatorCall(Elementwise(name, numbers=numbers_of(a.positional, alpha)), tuple(tensors))

    return elementwise


ELEMENTWISE_RULES = (
    "add", "sub", "mul", "div", "maximum", "minimum", "pow", "neg", "abs", "exp", "log", "sqrt", "rsqrt", "square",
    "sin", "cos", "erf", "reciprocal", "selu", "log_sigmoid",
)  # fmt: skip
"""The most frequent functions, for which a rule is faster than a call on the meta device; and functions that PyTorch
implements by another operator."""
RULES |= {name: _elementwise(name) for name in ELEMENTWISE_RULES}


def _reduction(name: str) -> OperatorRule:
    def reduction(a: OperatorArguments) -> OperatorCall | None:
        x, dims = a.positional[0], a.get(1, "dim")
        if not x.is_floating_point() or not x.dim() or a.keywords.get("dtype") not in (None, x.dtype):
            return None
        dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
        axes = tuple(sorted([axis % x.dim() for axis in dims]))
        return OperatorCall(Reduce(name, axes, a.get(2, "keepdim", False)), (x,))

    return reduction


RULES |= {name: _reduction(name) for name in ("mean", "sum", "amax", "amin")}
