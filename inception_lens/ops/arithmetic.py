"""Element-wise functions of one tensor or of several that are broadcast, and reductions over axes."""

from collections.abc import Iterable
from math import prod
from typing import ClassVar, TypeVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Role, Saved, Shape, TensorType, Window, broadcast

T = TypeVar("T")

ELEMENTWISE: dict[str, int] = {
    # One machine operation, or an elementary function counted as one.
    "add": 1, "sub": 1, "rsub": 1, "mul": 1, "div": 1, "floor_divide": 1, "remainder": 1, "fmod": 1, "pow": 1,
    "neg": 1, "abs": 1, "sign": 1, "reciprocal": 1, "sqrt": 1, "rsqrt": 1, "square": 1, "exp": 1, "exp2": 1, "expm1": 1,
    "log": 1, "log2": 1, "log10": 1, "log1p": 1, "sin": 1, "cos": 1, "tan": 1, "asin": 1, "acos": 1, "atan": 1,
    "atan2": 1, "sinh": 1, "cosh": 1, "asinh": 1, "acosh": 1, "atanh": 1, "tanh": 1, "erf": 1, "erfc": 1, "erfinv": 1,
    "lgamma": 1, "digamma": 1, "floor": 1, "ceil": 1, "round": 1, "trunc": 1, "frac": 1, "relu": 1, "maximum": 1,
    "minimum": 1, "fmax": 1, "fmin": 1, "hypot": 1, "sinc": 1,
    # Several operations.
    "clamp": 2, "lerp": 3, "addcmul": 3, "addcdiv": 3, "softplus": 3, "sigmoid": 4, "log_sigmoid": 4, "softsign": 3,
    "silu": 5, "gelu": 5, "mish": 5, "elu": 4, "selu": 5, "celu": 5, "leaky_relu": 2, "threshold": 1, "hardtanh": 2,
    "hardsigmoid": 4, "hardswish": 5, "glu": 5, "prelu": 2, "logit": 3, "nan_to_num": 3, "hardshrink": 2,
    "softshrink": 3, "tanhshrink": 2, "logaddexp": 4, "xlogy": 2,
    # A scale and a zero point; names of ONNX.
    "quantize_linear": 2, "dequantize_linear": 2,
    # Comparison and logic are not floating-point arithmetic.
    "eq": 0, "ne": 0, "lt": 0, "le": 0, "gt": 0, "ge": 0, "where": 0, "masked_fill": 0, "logical_and": 0,
    "logical_or": 0, "logical_not": 0, "logical_xor": 0, "bitwise_and": 0, "bitwise_or": 0, "bitwise_not": 0,
    "bitwise_xor": 0, "bitwise_left_shift": 0, "bitwise_right_shift": 0, "isnan": 0, "isinf": 0, "isfinite": 0,
    "cast": 0, "clone": 0, "copy": 0, "signbit": 0,
}  # fmt: skip
"""FLOPs per output element of each element-wise function, by its name in PyTorch or, where noted, in ONNX."""

KEEPS_OUTPUT = frozenset({"exp", "exp2", "expm1", "sqrt", "rsqrt", "sigmoid", "tan", "tanh", "relu", "reciprocal"})
"""Functions whose gradient follows from their output."""

KEEPS_OUTPUT_IN_PLACE = frozenset({"elu", "selu", "celu", "leaky_relu"})
"""Functions whose gradient follows from their output as well as from their input, which is kept if it is there."""

MASKS = {"where": 0, "masked_fill": 1}
"""Functions whose gradient needs a mask alone, and which of their inputs it is."""

KEEPS_NOTHING = frozenset({name for name, flops in ELEMENTWISE.items() if flops == 0}) - MASKS.keys() | {
    "add", "sub", "rsub", "neg", "sign", "floor", "ceil", "round", "trunc", "frac", "floor_divide",
    "quantize_linear", "dequantize_linear",
}  # fmt: skip
"""Functions whose gradient is a constant, or that have none."""

KEEPS_FOR: dict[str, tuple[tuple[int, ...], tuple[tuple[int, int], ...]]] = {
    "mul": ((), ((0, 1), (1, 0))),
    "div": ((1,), ((0, 1),)),
    "fmod": ((), ((0, 1), (1, 1))),
    "remainder": ((), ((0, 1), (1, 1))),
    "hypot": ((), ((0, 0), (1, 1))),
    "addcmul": ((), ((1, 2), (2, 1))),
    "addcdiv": ((2,), ((1, 2),)),
    "lerp": ((2,), ((0, 2), (1, 2))),
}
"""Functions of several tensors of which not all are always kept: the positions of those that are, and pairs (i, j):
tensor i is kept if tensor j requires a gradient."""

_UNARY = """
    abs acos acosh asin asinh atan atanh bitwise_not ceil clone cos cosh digamma erf erfc erfinv exp exp2 expm1 floor
    frac isfinite isinf isnan lgamma log log10 log1p log2 logical_not neg reciprocal relu round rsqrt selu sigmoid sign
    signbit sin sinc sinh sqrt square tan tanh trunc
"""
_BINARY = """
    add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor div eq floor_divide fmax fmin
    fmod ge gt hypot le logaddexp logical_and logical_or logical_xor lt maximum minimum mul ne pow remainder rsub sub
    xlogy
"""
_TERNARY = "addcdiv addcmul clamp lerp masked_fill where"

ARITY: dict[str, int] = {
    name: count for count, names in enumerate((_UNARY, _BINARY, _TERNARY), 1) for name in names.split()
}
"""How many tensors and numbers an element-wise function takes. A call of another function, or of one of these on fewer
tensors and numbers, is not fully defined."""

REDUCTIONS: dict[str, tuple[int, int]] = {
    "sum": (1, -1), "mean": (1, 0), "prod": (1, -1), "amax": (1, -1), "amin": (1, -1), "max": (1, -1), "min": (1, -1),
    "argmax": (1, -1), "argmin": (1, -1), "logsumexp": (4, 0), "var": (4, 0), "std": (4, 1), "norm": (2, 0),
    "any": (0, 0), "all": (0, 0), "count_nonzero": (0, 0),
}  # fmt: skip
"""FLOPs of each reduction, per input element and per output element.

A sum of n elements is n - 1 additions, and a mean one division more. A variance is a mean, a subtraction and a square
per element, and another mean; a Euclidean norm is a square per element, a sum and a root; logsumexp is a comparison, a
subtraction, an exp and an addition per element.
"""


class Elementwise(Op, frozen=True):
    """A function of each element of one tensor, or of several that are broadcast to one shape.

    FLOPs: those of `ELEMENTWISE` for the function, per output element.
    """

    function: str
    """Its name; a key of `ELEMENTWISE`."""
    dtype: str = ""
    """Dtype of the output; empty: that of the first input."""
    inplace: bool = False
    """Whether the output replaces the first input."""
    numbers: tuple[float | None, ...] = ()
    """The arguments in their order, with None in the place of each tensor; empty if all are tensors, or if a number is
    unknown. An infinite bound of a `clamp` is none."""

    category: ClassVar[Category] = "arithmetic"
    role: ClassVar[Role] = "finish"

    @property
    def kind(self) -> str:
        return self.function

    @property
    def label(self) -> str:
        return self.function.replace("_", " ")

    def accepts(self, inputs: int) -> bool:
        return inputs >= 1

    def is_complete(self, inputs: int) -> bool:
        """Whether a call on this number of tensors is fully defined: these and the numbers are all its arguments."""
        return ARITY.get(self.function) == (len(self.numbers) or inputs)

    def arguments(self, inputs: Iterable[T]) -> list[T | float]:
        """The inputs and the numbers in the order of the arguments."""
        tensors = iter(inputs)
        return [next(tensors) if each is None else each for each in self.numbers] + [*tensors]

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if self.function not in ELEMENTWISE:
            raise ShapeError(f"`{self.function}` is not an element-wise function of known cost")
        if self.numbers and self.numbers.count(None) != len(inputs):
            raise ShapeError(f"`{self.function}` is called on {len(inputs)} tensors with the arguments {self.numbers}")
        return (TensorType(broadcast(*[tensor.shape for tensor in inputs]), self.dtype or inputs[0].dtype),)

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return ELEMENTWISE[self.function] * prod(output)

    def reuses_input(self, training: bool) -> bool:
        return self.inplace

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        if self.function in KEEPS_OUTPUT or (self.inplace and self.function in KEEPS_OUTPUT_IN_PLACE):
            return Saved(output=True)
        if self.function in MASKS:
            return Saved(inputs=(MASKS[self.function],) if len(inputs) > 1 else ())
        if self.function in KEEPS_NOTHING or (
            len(inputs) < ARITY.get(self.function, 1) and self.function not in ("pow", "clamp")
        ):
            return Saved()
        always, pairs = KEEPS_FOR.get(self.function, (tuple(range(len(inputs))), ()))
        keeps_output = self.function == "hypot" or (self.function == "pow" and len(inputs) == 2)
        return Saved(always, pairs, is_copied=self.inplace, output=keeps_output)


class Reduce(Op, frozen=True):
    """A reduction of some axes of a tensor: a sum, a mean, a maximum.

    FLOPs: those of `REDUCTIONS` for the function, per input element and per output element.
    """

    function: str
    """Its name in PyTorch; a key of `REDUCTIONS`."""
    dims: tuple[int, ...] = ()
    """The axes that are reduced, counted from the front; empty: all."""
    keepdim: bool = False
    """Whether the reduced axes stay, with size 1."""
    dtype: str = ""
    """Dtype of the output; empty: that of the input."""

    category: ClassVar[Category] = "arithmetic"

    @property
    def kind(self) -> str:
        return self.function

    @property
    def label(self) -> str:
        return self.function

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if self.function not in REDUCTIONS:
            raise ShapeError(f"`{self.function}` is not a reduction of known cost")
        return (TensorType(self.output_shape(inputs[0].shape), self.dtype or inputs[0].dtype),)

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if self.dims and not -len(shape) <= min(self.dims) <= max(self.dims) < len(shape):
            raise ShapeError(f"{self.function} over axes {self.dims} of an input with {len(shape)} axes")
        reduced = self._reduced_axes(shape)
        axes = enumerate(shape)
        return tuple([1 if axis in reduced else size for axis, size in axes if self.keepdim or axis not in reduced])

    def _reduced_axes(self, shape: Shape) -> set[int]:
        return {axis % len(shape) for axis in self.dims} if self.dims else set(range(len(shape)))

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        per_input, per_output = REDUCTIONS[self.function]
        return max(per_input * prod(shapes[0]) + per_output * prod(output), 0)

    def keeps_positions(self, shape: Shape) -> bool:
        reduced = self._reduced_axes(shape)
        return reduced == set(range(2, len(shape))) or (self.keepdim and reduced == {1})

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window | None:
        axes, reduced = range(2, len(shape)), self._reduced_axes(shape)
        if not axes or not reduced & set(axes):
            return None
        ones = (1,) * len(axes)
        return Window(tuple([shape[axis] if axis in reduced else 1 for axis in axes]), ones, (0,) * len(axes), ones)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        if self.function in ("sum", "mean", "argmax", "argmin", "any", "all", "count_nonzero"):
            return Saved()
        return Saved(inputs=True, output=self.function != "var")
