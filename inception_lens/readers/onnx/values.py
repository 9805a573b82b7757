"""What an ONNX model's tensors are while it is read, and the arithmetic on shapes that is done then and there."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import Shape, TensorType, broadcast
from inception_lens.readers.onnx.dtypes import ONNX_DTYPES, SUBSTITUTES

if TYPE_CHECKING:
    import numpy as np

MAX_KNOWN = 100_000
"""Elements of a tensor whose numbers are worked out while reading; shapes and indices have fewer."""

INPLACE_KEY = "inception_lens.inplace"
"""What a node's metadata say of an operation done in place, which ONNX knows nothing of."""


class OnnxValue(msgspec.Struct, frozen=True, eq=False):
    """A tensor: of a node, of the model's weights, known by its numbers, or of several of these."""

    type: TensorType | None
    """None where nobody can tell the shape."""
    node: str = ""
    weight: str = ""
    """The initialiser's name; its numbers are not needed."""
    constant: bool = False
    """Whether a weight is a constant of the graph, and not one of the model's initialisers."""
    numbers: np.ndarray[Any, Any] | None = None
    pending: PendingCall | None = None
    """A call that is written when it is read, unless its reader makes one call of both."""

    @property
    def shape(self) -> Shape:
        """Its shape; a value of unknown type is never asked."""
        assert self.type is not None
        return self.type.shape

    @property
    def dtype(self) -> str:
        """Its dtype."""
        return self.type.dtype if self.type else "float32"

    @property
    def is_weight(self) -> bool:
        """Whether it is there before the model runs, as a weight whose numbers do not matter."""
        return bool(self.weight)

    @property
    def is_learned(self) -> bool:
        """Whether it is an initialiser that may be learned, so that its numbers are nothing to work with."""
        several = self.type is None or self.type.elements > 1
        return self.is_weight and not self.constant and several and "float" in self.dtype

    @property
    def scalar(self) -> float | None:
        """The one number that it is; None where it is not one, or not known."""
        return float(self.numbers.reshape(-1)[0]) if self.numbers is not None and self.numbers.size == 1 else None


class PendingCall(NamedTuple):
    """A call not yet written."""

    kind: str
    write: Callable[[], str]
    base: str
    """The node that it reads."""
    detail: Any


class OnnxCall(NamedTuple):
    """A node of the model, its inputs resolved."""

    op: str
    name: str
    inputs: tuple[OnnxValue | None, ...]
    attributes: dict[str, Any]
    outputs: tuple[str, ...]
    declared: tuple[TensorType | None, ...]
    """Types of the outputs as far as the file tells them."""
    opset: int
    used: tuple[int, ...]
    """How often each output is read."""
    inplace: bool = False
    """Whether this project's own export says that it is done in place."""

    def given(self, i: int) -> OnnxValue:
        """Input number `i`.

        Raises:
            FormatError: it is not there.
        """
        value = self.inputs[i] if i < len(self.inputs) else None
        if value is None:
            raise FormatError(f"it has no input {i}")
        return value

    def has(self, i: int) -> bool:
        """Whether input number `i` is there."""
        return i < len(self.inputs) and self.inputs[i] is not None

    def ints(self, name: str, i: int, default: Sequence[int] | None = None) -> list[int] | None:
        """Whole numbers of an attribute, or in later versions of input number `i`; None where nobody knows them."""
        if name in self.attributes:
            found = self.attributes[name]
            return [int(each) for each in found] if isinstance(found, list) else [int(found)]
        if i >= 0 and self.has(i):
            numbers = self.given(i).numbers
            return None if numbers is None else [int(each) for each in numbers.reshape(-1)]
        return None if default is None else list(default)


def known_value(numbers: Any) -> OnnxValue:
    """A value whose numbers are known."""
    return OnnxValue(TensorType(tuple(numbers.shape), dtype_of(numbers)), numbers=numbers)


def dtype_of(numbers: Any) -> str:
    """PyTorch's name of an array's dtype."""
    name = str(numbers.dtype)
    return SUBSTITUTES.get(name, name)


def _axis(value: Any, rank: int) -> int:
    axis = int(value)
    return axis + rank if axis < 0 else axis


def _gather(call: OnnxCall, np: Any, data: Any, indices: Any) -> Any:
    axis = _axis(call.attributes.get("axis", 0), data.ndim)
    return np.take(data, indices.astype("int64"), axis=axis, mode="raise")


def _concat(call: OnnxCall, np: Any, *parts: Any) -> Any:
    return np.concatenate(parts, axis=call.attributes.get("axis", 0))


def _slice(call: OnnxCall, np: Any, data: Any, *_more: Any) -> Any:
    starts, ends = call.ints("starts", 1) or [], call.ints("ends", 2) or []
    axes = call.ints("axes", 3, range(len(starts))) or []
    steps = call.ints("steps", 4, [1] * len(starts)) or []
    cut = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[_axis(axis, data.ndim)] = slice(start, None if step < 0 and end < -data.shape[axis] else end, step)
    return data[tuple(cut)]


def _unsqueeze(call: OnnxCall, np: Any, data: Any, *_more: Any) -> Any:
    axes = call.ints("axes", 1) or []
    return np.expand_dims(data, tuple(_axis(axis, data.ndim + len(axes)) for axis in axes))


def _squeeze(call: OnnxCall, np: Any, data: Any, *_more: Any) -> Any:
    axes = call.ints("axes", 1)
    return np.squeeze(data, tuple(axes) if axes else None)


def _cast(call: OnnxCall, np: Any, data: Any) -> Any:
    kind = ONNX_DTYPES.get(call.attributes.get("to", 1), "float32")
    return data.astype({"bfloat16": "float32"}.get(kind, kind))


def _reshape(call: OnnxCall, np: Any, data: Any, *_more: Any) -> Any:
    shape = call.ints("shape", 1) or []
    return data.reshape([data.shape[i] if size == 0 and i < data.ndim else size for i, size in enumerate(shape)])


def _expand(call: OnnxCall, np: Any, data: Any, shape: Any) -> Any:
    sizes = broadcast(data.shape, tuple(int(size) for size in shape.reshape(-1)))
    _small(prod(sizes))
    return np.broadcast_to(data, sizes)


def _range(call: OnnxCall, np: Any, start: Any, limit: Any, delta: Any) -> Any:
    first, last, step = (each.reshape(-1)[0] for each in (start, limit, delta))
    _small(int(max((last - first) / step, 0)))
    return np.arange(first, last, step, dtype=start.dtype)


def _constant_of_shape(call: OnnxCall, np: Any, shape: Any) -> Any:
    sizes = tuple(int(size) for size in shape.reshape(-1))
    _small(prod(sizes) if min(sizes, default=0) >= 0 else MAX_KNOWN + 1)
    value = call.attributes.get("value")
    numbers = value.numbers if isinstance(value, OnnxValue) else None
    return np.full(sizes, numbers.reshape(-1)[0] if numbers is not None else np.float32(0))


def _reduce(function: str) -> Callable[..., Any]:
    def fold(call: OnnxCall, np: Any, data: Any, *_more: Any) -> Any:
        axes = call.ints("axes", 1)
        return getattr(np, function)(
            data, axis=tuple(axes) if axes else None, keepdims=bool(call.attributes.get("keepdims", 1))
        )

    return fold


def _divide(call: OnnxCall, np: Any, a: Any, b: Any) -> Any:
    if a.dtype.kind in "iu":
        return np.trunc(a / np.where(b == 0, 1, b)).astype(a.dtype)
    return a / b


def _of(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda call, np, *inputs: function(*inputs)


def _numpy(name: str) -> Callable[..., Any]:
    return lambda call, np, *inputs: getattr(np, name)(*inputs)


def _power(call: OnnxCall, np: Any, a: Any, b: Any) -> Any:
    return np.power(a.astype("float64"), b).astype(a.dtype)


def _transpose(call: OnnxCall, np: Any, data: Any) -> Any:
    return np.transpose(data, call.attributes.get("perm"))


def _tile(call: OnnxCall, np: Any, data: Any, repeats: Any) -> Any:
    _small(data.size * prod(int(each) for each in repeats.reshape(-1)))
    return np.tile(data, repeats)


FOLDS: dict[str, Callable[..., Any]] = {
    "Add": _of(operator.add), "Sub": _of(operator.sub), "Mul": _of(operator.mul), "Div": _divide, "Pow": _power,
    "Neg": _of(operator.neg), "Mod": _numpy("mod"), "Min": _numpy("minimum"), "Max": _numpy("maximum"),
    "Abs": _numpy("abs"), "Floor": _numpy("floor"), "Ceil": _numpy("ceil"), "Sqrt": _numpy("sqrt"),
    "Round": _numpy("round"), "Exp": _numpy("exp"), "Log": _numpy("log"), "Reciprocal": _numpy("reciprocal"),
    "Equal": _numpy("equal"), "Less": _numpy("less"), "Greater": _numpy("greater"),
    "LessOrEqual": _numpy("less_equal"), "GreaterOrEqual": _numpy("greater_equal"), "Not": _numpy("logical_not"),
    "And": _numpy("logical_and"), "Or": _numpy("logical_or"), "Where": _numpy("where"), "Gather": _gather,
    "Concat": _concat, "Slice": _slice, "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Cast": _cast,
    "Reshape": _reshape, "Expand": _expand, "Range": _range, "ConstantOfShape": _constant_of_shape,
    "ReduceProd": _reduce("prod"), "ReduceSum": _reduce("sum"), "ReduceMax": _reduce("max"),
    "ReduceMin": _reduce("min"), "Transpose": _transpose, "Tile": _tile,
}  # fmt: skip
"""Operations whose result is worked out where all their inputs are known."""


def _small(elements: int) -> None:
    if elements > MAX_KNOWN:
        raise OverflowError


def fold(call: OnnxCall) -> OnnxValue | None:
    """The numbers that a call makes of known ones; None where they are not all known, or are learned, or too many."""
    inputs = [value for value in call.inputs if value is not None]
    if call.op not in FOLDS or not inputs or any(value.numbers is None or value.is_learned for value in inputs):
        return None
    import numpy as np

    arrays = [value.numbers for value in inputs if value.numbers is not None]
    try:
        _small(sum(array.size for array in arrays))
        if call.op in ("Add", "Sub", "Mul", "Div", "Where"):
            _small(prod(broadcast(*[array.shape for array in arrays])))
        with np.errstate(all="ignore"):
            made = np.asarray(FOLDS[call.op](call, np, *arrays))
    except OverflowError:
        return None
    except (ValueError, TypeError, IndexError, KeyError, AttributeError, ZeroDivisionError) as error:
        raise FormatError(f"it cannot be worked out: {str(error)[:100]}") from None
    return known_value(made) if made.size <= MAX_KNOWN else None
