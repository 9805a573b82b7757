"""Operations that only look at their input in another shape."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Shape, Window


class Flatten(Op, frozen=True):
    """All axes from `start_dim` as one; a view."""

    start_dim: int = 1

    category: ClassVar[Category] = "shape"

    @property
    def label(self) -> str:
        return "flatten"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not 0 <= self.start_dim < len(shape):
            raise ShapeError(f"Flatten from axis {self.start_dim} of an input with {len(shape)} axes")
        return (*shape[: self.start_dim], prod(shape[self.start_dim :]))

    def keeps_positions(self, shape: Shape) -> bool:
        return self.start_dim <= 1 or len(shape) == 2

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window | None:
        # Whoever reads the vector reads every position of the map.
        axes = len(shape) - 2
        return Window(shape[2:], (1,) * axes, (0,) * axes, (1,) * axes) if axes > 0 else None

    def reuses_input(self, training: bool) -> bool:
        return True
