"""Matrix products: with learned weights, and of two tensors."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Parameter, Saved, Shape, TensorType, broadcast, format_shape


class Linear(Op, frozen=True):
    """Affine map of the last axis, `(..., features)` to `(..., out_features)`.

    MACs: output elements x input features. Other FLOPs: one addition per output element if there is a bias.
    """

    out_features: int
    bias: bool = True
    """Whether a bias per output feature is learned."""

    category: ClassVar[Category] = "linear"
    has_weights: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return "linear"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not shape:
            raise ShapeError("Linear expects an input with at least 1 axis, not a scalar")
        return (*shape[:-1], self.out_features)

    def keeps_positions(self, shape: Shape) -> bool:
        return len(shape) == 2

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (self.out_features, shapes[0][-1]))
        return (weight, Parameter("bias", (self.out_features,))) if self.bias else (weight,)

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * shapes[0][-1]

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) if self.bias else 0

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs_for_weights=True)


class MatMul(Op, frozen=True):
    """Matrix product of two tensors with the rules of `torch.matmul`: leading axes broadcast, vectors are allowed.

    MACs: output elements x the length of the axis that is summed over.
    """

    category: ClassVar[Category] = "linear"

    @property
    def label(self) -> str:
        return "matmul"

    def accepts(self, inputs: int) -> bool:
        return inputs == 2

    def output_shape(self, *shapes: Shape) -> Shape:
        left, right = shapes
        if not left or not right or left[-1] != right[max(len(right) - 2, 0)]:
            raise ShapeError(
                f"a matrix product of {format_shape(left)} and {format_shape(right)}: the axes to sum over differ"
            )
        rows, columns = left[-2:-1], right[-1:] if len(right) > 1 else ()
        return (*broadcast(left[:-2], right[:-2]), *rows, *columns)

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * shapes[0][-1]

    def backward_macs(self, macs: int, inputs_need: tuple[bool, ...], weights_need: bool) -> int:
        return macs * (sum(inputs_need) + weights_need)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs_for=((0, 1), (1, 0)))
