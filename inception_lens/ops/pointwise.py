"""Element-wise activations, softmax and dropout.

The docstring of each activation lists its operations per element; an elementary function, such as exp, counts as one.
"""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Parameter, Role, Saved, Shape, TensorType


class _TypePreserving(Op, frozen=True):
    """Base of operations whose output has the type of their only input."""

    role: ClassVar[Role] = "finish"

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return inputs


class _Activation(_TypePreserving, frozen=True):
    """Base of element-wise non-linear functions."""

    inplace: bool = False
    """Whether the output replaces the input."""

    category: ClassVar[Category] = "activation"
    flops_per_element: ClassVar[int] = 1

    @property
    def label(self) -> str:
        return self.kind

    def reuses_input(self, training: bool) -> bool:
        return self.inplace

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return self.flops_per_element * prod(output)


class _KeepsOutput(_Activation, frozen=True):
    """Base of activations whose gradient follows from their output."""

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(output=True)


class _KeepsInput(_Activation, frozen=True):
    """Base of activations whose gradient needs their input; in place, PyTorch copies it first."""

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(extra_bytes=output.bytes) if self.inplace else Saved(inputs=True)


class _KeepsEither(_Activation, frozen=True):
    """Base of activations whose gradient needs their input or, in place, their output."""

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=not self.inplace, output=self.inplace)


class ReLU(_KeepsOutput, frozen=True):
    """max(x, 0): a comparison."""


class LeakyReLU(_KeepsEither, frozen=True):
    """x, or slope x below zero: a comparison and a multiplication."""

    negative_slope: float = 0.01
    """Factor of negative elements."""
    flops_per_element: ClassVar[int] = 2


class ELU(_KeepsEither, frozen=True):
    """x, or alpha (exp x - 1) below zero: a comparison, an exp, a subtraction and a multiplication."""

    alpha: float = 1.0
    """Minus the limit at minus infinity."""
    flops_per_element: ClassVar[int] = 4


class Sigmoid(_KeepsOutput, frozen=True):
    """1 / (1 + exp -x): a negation, an exp, an addition and a division."""

    flops_per_element: ClassVar[int] = 4


class Tanh(_KeepsOutput, frozen=True):
    """tanh x."""


class SiLU(_KeepsInput, frozen=True):
    """x sigmoid x: a sigmoid and a multiplication."""

    flops_per_element: ClassVar[int] = 5


class GELU(_KeepsInput, frozen=True):
    """x (1 + erf(x / sqrt 2)) / 2: an erf, two multiplications, an addition and a halving.

    Its approximation by a tanh counts the same.
    """

    approximate: str = "none"
    """PyTorch's name: `none`, or `tanh` for x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    flops_per_element: ClassVar[int] = 5


class Mish(_KeepsInput, frozen=True):
    """x tanh(log(1 + exp x)): an exp, an addition, a log, a tanh and a multiplication."""

    flops_per_element: ClassVar[int] = 5


class Hardswish(_KeepsInput, frozen=True):
    """x min(max(x + 3, 0), 6) / 6: an addition, two comparisons, a multiplication and a division."""

    flops_per_element: ClassVar[int] = 5


class Hardsigmoid(_KeepsInput, frozen=True):
    """min(max(x + 3, 0), 6) / 6: an addition, two comparisons and a division."""

    flops_per_element: ClassVar[int] = 4


class Hardtanh(_KeepsInput, frozen=True):
    """x clamped to `min_val` and `max_val`, which are 0 and 6 in ReLU6: two comparisons."""

    min_val: float = -1.0
    """Lower bound."""
    max_val: float = 1.0
    """Upper bound."""
    flops_per_element: ClassVar[int] = 2


class Softplus(_KeepsInput, frozen=True):
    """log(1 + exp x): an exp, an addition and a log."""

    flops_per_element: ClassVar[int] = 3


class PReLU(_KeepsInput, frozen=True):
    """x, or a learned slope times x below zero (K. He et al., arXiv 1502.01852): a comparison and a multiplication."""

    slopes: int = 1
    """Number of learned slopes: one per channel, or one for all."""
    flops_per_element: ClassVar[int] = 2
    has_weights: ClassVar[bool] = True

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if self.slopes < 1:
            raise ShapeError(f"a PReLU with {self.slopes} slopes: it needs at least 1")
        return inputs

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", (self.slopes,)),)


class Softmax(Op, frozen=True):
    """exp x / sum exp x along `dim`, the maximum subtracted first.

    FLOPs per row of n: n - 1 comparisons, n subtractions, n exps, n - 1 additions and n divisions: 5 n - 2.
    """

    dim: int = -1
    """The axis that the sum is over, counted from the end where it is negative."""

    category: ClassVar[Category] = "activation"

    @property
    def label(self) -> str:
        return "softmax"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not -len(shape) <= self.dim < len(shape):
            raise ShapeError(f"Softmax over axis {self.dim} of an input with {len(shape)} axes")
        return shape

    def keeps_positions(self, shape: Shape) -> bool:
        return self.dim % len(shape) < 2

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        elements = prod(output)
        return 5 * elements - 2 * (elements // output[self.dim]) if elements else 0

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(output=True)


class LogSoftmax(Softmax, frozen=True):
    """x - log sum exp x along `dim`, the maximum subtracted first.

    FLOPs per row of n: n - 1 comparisons, n subtractions, n exps, n - 1 additions, a log and n subtractions: 5 n - 1.
    """

    @property
    def label(self) -> str:
        return "log softmax"

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        elements = prod(output)
        return 5 * elements - elements // output[self.dim] if elements else 0


class Dropout(_TypePreserving, frozen=True):
    """Elements set to zero with probability `p` in training; at inference it returns its input, without cost."""

    p: float = 0.5
    """Probability."""
    inplace: bool = False
    """Whether the output replaces the input."""
    by_channel: bool = False
    """Whether the channels of each sample are set to zero, each with all its elements, as by `Dropout2d`."""

    category: ClassVar[Category] = "dropout"

    @property
    def label(self) -> str:
        return f"dropout {100 * self.p:g} %"

    def reuses_input(self, training: bool) -> bool:
        return self.inplace or not training or self.p == 0

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        if not self.p:
            return Saved()
        if self.by_channel:  # a factor per channel, which is multiplied with the input
            return Saved(extra_bytes=output.bytes // (prod(output.shape[2:]) or 1))
        return Saved(extra_bytes=output.elements)  # a byte of mask per element
