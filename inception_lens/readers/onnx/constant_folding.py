"""Arithmetic on arrays that are known while an ONNX model is read: shapes, axes, indices.

Exporters write `Shape`, `Gather`, `Mul` and `Concat` before a `Reshape`. Where all inputs of such calls are known, so
is the output, as long as it has at most MAX_ELEMENTS elements. NumPy is passed to the functions, because it is imported
only when a model needs it.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from math import prod
from types import ModuleType
from typing import TypeAlias

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import broadcast
from inception_lens.readers.onnx.dtypes import ONNX_DTYPES
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, known_value
from inception_lens.readers.tensors import Array

MAX_ELEMENTS = 100_000

RESHAPES = {"Cast", "Reshape", "Squeeze", "Transpose", "Unsqueeze"}
"""Operators whose output has all elements of the first input: of a weight, it is the same weight."""
LAYOUT = RESHAPES | {"Concat", "Slice"}
"""Operators whose output has elements of their inputs."""

Fold: TypeAlias = Callable[..., object]
"""Computes a call's output from the call, NumPy, and the arrays of its inputs."""


def fold(call: OnnxCall) -> OnnxValue | None:
    """The output of a call; None where its inputs are not all known, or are too large.

    A Constant in another layout can still be in the place of a weight.

    Raises:
        FormatError: the inputs or attributes of the call do not fit together.
    """
    inputs = call.present_inputs()
    arrays = [value.array for value in inputs if value.array is not None]
    if call.op not in FOLDS or not inputs or len(arrays) < len(inputs):
        return None
    import numpy as np

    try:
        _check_size(sum(array.size for array in arrays))
        if call.op in ("Add", "Sub", "Mul", "Div", "Where"):
            _check_size(prod(broadcast(*[array.shape for array in arrays])))
        with np.errstate(all="ignore"):
            output = np.asarray(FOLDS[call.op](call, np, *arrays))
    except OverflowError:
        return None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise FormatError(f"its inputs or attributes are invalid: {str(error)[:100]}") from None
    if output.size > MAX_ELEMENTS:
        return None
    known = known_value(output)
    if call.op in LAYOUT and inputs[0].constant and "float" in known.dtype:
        return msgspec.structs.replace(known, weight=call.tensor, constant=True)
    return known


def _check_size(elements: int) -> None:
    if elements > MAX_ELEMENTS:
        raise OverflowError


def _axis(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _gather(call: OnnxCall, np: ModuleType, data: Array, indices: Array) -> object:
    return np.take(data, indices.astype("int64"), axis=_axis(call.integer("axis", 0), data.ndim), mode="raise")


def _concat(call: OnnxCall, np: ModuleType, *parts: Array) -> object:
    return np.concatenate(parts, axis=call.integer("axis", 0))


def _slice(call: OnnxCall, np: ModuleType, data: Array, *_more: Array) -> object:
    starts, ends = call.known_integers("starts", 1) or [], call.known_integers("ends", 2) or []
    axes = call.known_integers("axes", 3, range(len(starts))) or []
    steps = call.known_integers("steps", 4, [1] * len(starts)) or []
    cut = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[_axis(axis, data.ndim)] = slice(start, None if step < 0 and end < -data.shape[axis] else end, step)
    return data[tuple(cut)]


def _unsqueeze(call: OnnxCall, np: ModuleType, data: Array, *_more: Array) -> object:
    axes = call.known_integers("axes", 1) or []
    return np.expand_dims(data, tuple(_axis(axis, data.ndim + len(axes)) for axis in axes))


def _squeeze(call: OnnxCall, np: ModuleType, data: Array, *_more: Array) -> object:
    axes = call.known_integers("axes", 1)
    return np.squeeze(data, tuple(axes) if axes else None)


def _cast(call: OnnxCall, np: ModuleType, data: Array) -> object:
    dtype = ONNX_DTYPES.get(call.data_type("to", 1), "float32")
    return data.astype({"bfloat16": "float32"}.get(dtype, dtype))


def _reshape(call: OnnxCall, np: ModuleType, data: Array, *_more: Array) -> object:
    shape = call.known_integers("shape", 1) or []
    if not call.integer("allowzero", 0):
        shape = [data.shape[i] if size == 0 and i < data.ndim else size for i, size in enumerate(shape)]
    return data.reshape(shape)


def _expand(call: OnnxCall, np: ModuleType, data: Array, shape: Array) -> object:
    sizes = broadcast(data.shape, tuple(int(size) for size in shape.reshape(-1)))
    _check_size(prod(sizes))
    return np.broadcast_to(data, sizes)


def _range(call: OnnxCall, np: ModuleType, start: Array, limit: Array, delta: Array) -> object:
    first, last, step = (each.reshape(-1)[0] for each in (start, limit, delta))
    _check_size(int(max((last - first) / step, 0)))
    return np.arange(first, last, step, dtype=start.dtype)


def _constant_of_shape(call: OnnxCall, np: ModuleType, shape: Array) -> object:
    sizes = tuple(int(size) for size in shape.reshape(-1))
    _check_size(prod(sizes) if min(sizes, default=0) >= 0 else MAX_ELEMENTS + 1)
    value = call.attributes.get("value")
    array = value.array if isinstance(value, OnnxValue) else None
    return np.full(sizes, array.reshape(-1)[0] if array is not None else np.float32(0))


def _transpose(call: OnnxCall, np: ModuleType, data: Array) -> object:
    return np.transpose(data, call.integers("perm"))


def _tile(call: OnnxCall, np: ModuleType, data: Array, *_more: Array) -> object:
    repeats = call.repeats(data.ndim) or []
    _check_size(data.size * prod(repeats))
    return np.tile(data, repeats)


def _divide(call: OnnxCall, np: ModuleType, a: Array, b: Array) -> object:
    """Integers are divided towards zero."""
    return np.trunc(a / np.where(b == 0, 1, b)).astype(a.dtype) if a.dtype.kind in "iu" else a / b


def _power(call: OnnxCall, np: ModuleType, a: Array, b: Array) -> object:
    return np.power(a.astype("float64"), b).astype(a.dtype)


def _modulo(call: OnnxCall, np: ModuleType, a: Array, b: Array) -> object:
    """The sign is that of the divisor or, with `fmod`, of the dividend."""
    return np.fmod(a, b) if call.integer("fmod", 0) else np.mod(a, b)


def _extremum(name: str) -> Fold:
    return lambda call, np, *arrays: functools.reduce(getattr(np, name), arrays)


def _operator(function: Callable[..., object]) -> Fold:
    return lambda call, np, *arrays: function(*arrays)


def _numpy(name: str) -> Fold:
    return lambda call, np, *arrays: getattr(np, name)(*arrays)


def _reduce(name: str) -> Fold:
    def fold_reduction(call: OnnxCall, np: ModuleType, data: Array, *_more: Array) -> object:
        axes = call.known_integers("axes", 1)
        if not axes and call.integer("noop_with_empty_axes", 0):
            return data
        _check_size(0 if data.size else MAX_ELEMENTS + 1)  # of no elements, there is no maximum
        keep = bool(call.integer("keepdims", 1))
        reduced: object = getattr(np, name)(data, axis=tuple(axes) if axes else None, keepdims=keep)
        return reduced

    return fold_reduction


FOLDS: dict[str, Fold] = {
    "Add": _operator(operator.add), "Sub": _operator(operator.sub), "Mul": _operator(operator.mul), "Div": _divide,
    "Pow": _power, "Neg": _operator(operator.neg), "Mod": _modulo, "Min": _extremum("minimum"),
    "Max": _extremum("maximum"), "Abs": _numpy("abs"), "Floor": _numpy("floor"), "Ceil": _numpy("ceil"),
    "Sqrt": _numpy("sqrt"), "Round": _numpy("round"), "Exp": _numpy("exp"), "Log": _numpy("log"),
    "Reciprocal": _numpy("reciprocal"), "Equal": _numpy("equal"), "Less": _numpy("less"),
    "Greater": _numpy("greater"), "LessOrEqual": _numpy("less_equal"), "GreaterOrEqual": _numpy("greater_equal"),
    "Not": _numpy("logical_not"), "And": _numpy("logical_and"), "Or": _numpy("logical_or"), "Where": _numpy("where"),
    "Gather": _gather, "Concat": _concat, "Slice": _slice, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze,
    "Cast": _cast, "Reshape": _reshape, "Expand": _expand, "Range": _range, "ConstantOfShape": _constant_of_shape,
    "ReduceProd": _reduce("prod"), "ReduceSum": _reduce("sum"), "ReduceMax": _reduce("max"),
    "ReduceMin": _reduce("min"), "Transpose": _transpose, "Tile": _tile,
}  # fmt: skip
"""By the operator's name."""
