"""Matrix products with learned weights."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Parameter, Saved, Shape, TensorType


class Linear(Op, frozen=True):
    """Affine map of the last axis, `(..., features)` to `(..., out_features)`.

    MACs: output elements x input features. FLOPs beside them: one addition per output element where there is a bias.
    """

    out_features: int
    bias: bool = True

    category: ClassVar[Category] = "linear"
    has_weights: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return "linear"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not shape:
            raise ShapeError("Linear needs an input with an axis of features, not a scalar")
        return (*shape[:-1], self.out_features)

    def keeps_positions(self, shape: Shape) -> bool:
        return len(shape) == 2

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (self.out_features, shapes[0][-1]))
        return (weight, Parameter("bias", (self.out_features,))) if self.bias else (weight,)

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * shapes[0][-1]

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) if self.bias else 0

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs_for_weights=True)
