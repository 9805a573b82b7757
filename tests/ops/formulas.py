"""The element-wise functions and reductions as formulas on single numbers, in the names of PyTorch."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import reduce
from statistics import NormalDist
from typing import NamedTuple

from tests.ops.counted import Counted, elementary


class Formula(NamedTuple):
    """A function of single numbers."""

    compute: Callable[..., Counted]
    points: tuple[tuple[float, ...], ...]
    """Arguments that together take every way through the formula."""
    settings: tuple[float, ...] = ()
    """Numbers that PyTorch's function takes after the tensors, as they are in the formula."""


def _one(function: Callable[..., float], *point: float) -> Formula:
    """One operation of the machine, or an elementary function."""
    return Formula(lambda *arguments: elementary(function, *arguments), (point,))


def _exp(x: Counted) -> Counted:
    return elementary(math.exp, x)


def _log(x: Counted) -> Counted:
    return elementary(math.log, x)


def _sigmoid(x: Counted) -> Counted:
    return 1 / (_exp(-x) + 1)


def _clamp(x: Counted, low: float, high: float) -> Counted:
    if x < low:
        return Counted(low)
    return Counted(high) if x > high else x


def _hardsigmoid(x: Counted) -> Counted:
    return _clamp(x + 3, 0, 6) / 6


def _elu(x: Counted) -> Counted:
    return x if x > 0 else (_exp(x) - 1) * 1.0


def _selu(x: Counted) -> Counted:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return (x if x > 0 else (_exp(x) - 1) * alpha) * scale


def _celu(x: Counted) -> Counted:
    return x if x > 0 else (_exp(x / 1.0) - 1) * 1.0


def _hardshrink(x: Counted) -> Counted:
    return x if x > 0.5 or x < -0.5 else Counted(0)


def _softshrink(x: Counted) -> Counted:
    if x > 0.5:
        return x - 0.5
    return x + 0.5 if x < -0.5 else Counted(0)


def _nan_to_num(x: Counted) -> Counted:
    if x > 3.4028234663852886e38:
        return Counted(3.4028234663852886e38)
    if x < -3.4028234663852886e38:
        return Counted(-3.4028234663852886e38)
    return Counted(0) if not elementary(operator.eq, x, x).value else x


SIDES = ((-4.0,), (-0.25,), (0.75,), (4.0,))
"""Points on every side of the bounds of the functions below."""

ELEMENTWISE: dict[str, Formula] = {
    "add": _one(operator.add, 1.5, -2.0),
    "sub": _one(operator.sub, 1.5, -2.0),
    "rsub": _one(lambda a, b: b - a, 1.5, -2.0),
    "mul": _one(operator.mul, 1.5, -2.0),
    "div": _one(operator.truediv, 1.5, -2.0),
    "floor_divide": _one(operator.floordiv, 7.5, 2.0),
    "remainder": _one(operator.mod, -7.5, 2.0),
    "fmod": _one(math.fmod, -7.5, 2.0),
    "pow": _one(operator.pow, 1.5, 3.0),
    "neg": _one(lambda x: -x, 1.5),
    "abs": _one(math.fabs, -1.5),
    "sign": _one(lambda x: (x > 0) - (x < 0), -1.5),
    "reciprocal": _one(lambda x: 1 / x, 4.0),
    "sqrt": _one(math.sqrt, 2.0),
    "rsqrt": _one(lambda x: x**-0.5, 2.0),
    "square": _one(lambda x: x * x, 1.5),
    "exp": _one(math.exp, 1.5),
    "exp2": _one(lambda x: 2**x, 1.5),
    "expm1": _one(math.expm1, 1.5),
    "log": _one(math.log, 1.5),
    "log2": _one(math.log2, 1.5),
    "log10": _one(math.log10, 1.5),
    "log1p": _one(math.log1p, 1.5),
    "sin": _one(math.sin, 0.5),
    "cos": _one(math.cos, 0.5),
    "tan": _one(math.tan, 0.5),
    "asin": _one(math.asin, 0.5),
    "acos": _one(math.acos, 0.5),
    "atan": _one(math.atan, 0.5),
    "atan2": _one(math.atan2, 0.5, -2.0),
    "sinh": _one(math.sinh, 0.5),
    "cosh": _one(math.cosh, 0.5),
    "asinh": _one(math.asinh, 0.5),
    "acosh": _one(math.acosh, 1.5),
    "atanh": _one(math.atanh, 0.5),
    "tanh": _one(math.tanh, 0.5),
    "erf": _one(math.erf, 0.5),
    "erfc": _one(math.erfc, 0.5),
    "erfinv": _one(lambda x: NormalDist().inv_cdf((x + 1) / 2) / math.sqrt(2), 0.5),
    "lgamma": _one(math.lgamma, 3.5),
    "digamma": _one(lambda x: (math.lgamma(x + 1e-5) - math.lgamma(x - 1e-5)) / 2e-5, 3.5),
    "floor": _one(math.floor, -1.5),
    "ceil": _one(math.ceil, -1.5),
    "round": _one(round, 2.5),
    "trunc": _one(int, -1.5),
    "frac": _one(lambda x: math.fmod(x, 1), -1.25),
    "relu": Formula(lambda x: Counted(0) if x < 0 else x, ((-1.0,), (1.0,))),
    "maximum": Formula(lambda a, b: b if a < b else a, ((1.0, 2.0), (2.0, 1.0))),
    "minimum": Formula(lambda a, b: a if a < b else b, ((1.0, 2.0), (2.0, 1.0))),
    "fmax": Formula(lambda a, b: b if a < b else a, ((1.0, 2.0), (2.0, 1.0))),
    "fmin": Formula(lambda a, b: a if a < b else b, ((1.0, 2.0), (2.0, 1.0))),
    "hypot": _one(math.hypot, 3.0, 4.0),
    "sinc": _one(lambda x: math.sin(math.pi * x) / (math.pi * x), 0.25),
    "clamp": Formula(lambda x: _clamp(x, -1, 1), SIDES, (-1, 1)),
    "lerp": Formula(lambda a, b, w: a + w * (b - a), ((1.0, 3.0, 0.25),)),
    "addcmul": Formula(lambda a, b, c: a + 1.0 * b * c, ((1.0, 3.0, 0.25),)),
    "addcdiv": Formula(lambda a, b, c: a + 1.0 * b / c, ((1.0, 3.0, 0.25),)),
    "softplus": Formula(lambda x: _log(_exp(x) + 1), SIDES),
    "sigmoid": Formula(_sigmoid, SIDES),
    "log_sigmoid": Formula(lambda x: x - _log(_exp(x) + 1), SIDES),
    "softsign": Formula(lambda x: x / (elementary(math.fabs, x) + 1), SIDES),
    "silu": Formula(lambda x: x * _sigmoid(x), SIDES),
    "gelu": Formula(lambda x: x * (elementary(math.erf, x * math.sqrt(0.5)) + 1) / 2, SIDES),
    "mish": Formula(lambda x: x * elementary(math.tanh, _log(_exp(x) + 1)), SIDES),
    "elu": Formula(_elu, SIDES),
    "selu": Formula(_selu, SIDES),
    "celu": Formula(_celu, SIDES),
    "leaky_relu": Formula(lambda x: x if x > 0 else x * 0.01, SIDES),
    "prelu": Formula(lambda x, slope: x if x > 0 else x * slope, ((-2.0, 0.25), (2.0, 0.25))),
    "threshold": Formula(lambda x: x if x > 0.5 else Counted(9.0), SIDES, (0.5, 9.0)),
    "hardtanh": Formula(lambda x: _clamp(x, -1, 1), SIDES),
    "hardsigmoid": Formula(_hardsigmoid, SIDES),
    "hardswish": Formula(lambda x: x * _hardsigmoid(x), SIDES),
    "glu": Formula(lambda a, b: a * _sigmoid(b), ((1.5, -2.0),)),
    "logit": Formula(lambda x: _log(x / (1 - x)), ((0.25,),)),
    "nan_to_num": Formula(_nan_to_num, ((1.5,), (math.inf,), (-math.inf,), (math.nan,))),
    "hardshrink": Formula(_hardshrink, SIDES),
    "softshrink": Formula(_softshrink, SIDES),
    "tanhshrink": Formula(lambda x: x - elementary(math.tanh, x), SIDES),
    "logaddexp": Formula(lambda a, b: _log(_exp(a) + _exp(b)), ((1.5, -2.0),)),
    "xlogy": Formula(lambda a, b: a * _log(b), ((1.5, 2.0),)),
    "quantize_linear": Formula(lambda x: x / 0.25 + 3, ((1.5,),), (0.25, 3)),
    "dequantize_linear": Formula(lambda x: (x - 3) * 0.25, ((9.0,),), (0.25, 3)),
}
"""The functions that do arithmetic."""


def _sum(row: list[Counted]) -> Counted:
    return reduce(operator.add, row)


def _mean(row: list[Counted]) -> Counted:
    return _sum(row) / len(row)


def _largest(row: list[Counted]) -> Counted:
    return reduce(lambda a, b: a if a > b else b, row)


def _smallest(row: list[Counted]) -> Counted:
    return reduce(lambda a, b: a if a < b else b, row)


def _logsumexp(row: list[Counted]) -> Counted:
    largest = _largest(row)
    return largest + _log(_sum([_exp(x - largest) for x in row]))


def _variance(row: list[Counted]) -> Counted:
    mean = _mean(row)
    return _sum([elementary(lambda x: x * x, x - mean) for x in row]) / max(len(row) - 1, 1)


def _root(x: Counted) -> Counted:
    return elementary(math.sqrt, x)


REDUCTIONS: dict[str, Callable[[list[Counted]], Counted]] = {
    "sum": _sum,
    "mean": _mean,
    "prod": lambda row: reduce(operator.mul, row),
    "amax": _largest,
    "amin": _smallest,
    "max": _largest,
    "min": _smallest,
    "argmax": lambda row: Counted([x.value for x in row].index(_largest(row).value)),
    "argmin": lambda row: Counted([x.value for x in row].index(_smallest(row).value)),
    "logsumexp": _logsumexp,
    "var": _variance,
    "std": lambda row: _root(_variance(row)),
    "norm": lambda row: _root(_sum([x * x for x in row])),
}
"""The reductions that do arithmetic, of a list of numbers."""
