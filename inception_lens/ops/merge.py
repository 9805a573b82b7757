"""Operations that join branches."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Role, Shape, format_shape


class Concat(Op, frozen=True):
    """Concatenation along `dim`, by default channels: the paper's DepthConcat. It copies, without arithmetic."""

    dim: int = 1
    """The axis, counted from the end where it is negative."""

    category: ClassVar[Category] = "merge"
    role: ClassVar[Role] = "merge"

    @property
    def label(self) -> str:
        return "concat"

    def accepts(self, inputs: int) -> bool:
        return inputs >= 1

    def keeps_positions(self, shape: Shape) -> bool:
        return self.dim % len(shape) < 2

    def output_shape(self, *shapes: Shape) -> Shape:
        first, dim = shapes[0], self.dim
        if not -len(first) <= dim < len(first):
            raise ShapeError(f"Concat along axis {dim} of inputs with {len(first)} axes")
        dim %= len(first)
        rest = first[:dim] + first[dim + 1 :]
        for shape in shapes[1:]:
            if shape[:dim] + shape[dim + 1 :] != rest or len(shape) != len(first):
                raise ShapeError(
                    f"Concat along axis {dim} of {' and '.join(map(format_shape, shapes))}: "
                    f"every other axis must agree, but {format_shape(shape)} is not {format_shape(first)}"
                )
        return (*first[:dim], sum(shape[dim] for shape in shapes), *first[dim + 1 :])


class Add(Op, frozen=True):
    """Sum of tensors of one shape, the last one multiplied by `scale`: a residual connection.

    FLOPs: one addition per element and input after the first, and one multiplication per element if the scale is not 1.
    """

    scale: float = 1.0
    """Factor of the last input, as in Inception-ResNet."""
    inplace: bool = False
    """Whether the output replaces the first input, as in `x += y`."""

    category: ClassVar[Category] = "merge"
    role: ClassVar[Role] = "merge"

    @property
    def label(self) -> str:
        return "add" if self.scale == 1 else f"add x{self.scale:g}"

    def reuses_input(self, training: bool) -> bool:
        return self.inplace

    def accepts(self, inputs: int) -> bool:
        return inputs >= 1

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1:
            raise ShapeError(f"Add of {' and '.join(map(format_shape, shapes))}: the shapes must be equal")
        return shapes[0]

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return (len(shapes) - 1 + (self.scale != 1)) * prod(output)


class Stack(Op, frozen=True):
    """Tensors of one shape joined along a new axis `dim`. It copies, without arithmetic."""

    dim: int = 0
    """Position of the new axis in the output."""

    category: ClassVar[Category] = "merge"
    role: ClassVar[Role] = "merge"

    @property
    def label(self) -> str:
        return "stack"

    def accepts(self, inputs: int) -> bool:
        return inputs >= 1

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(set(shapes)) > 1 or not 0 <= self.dim <= len(shapes[0]):
            raise ShapeError(f"Stack along axis {self.dim} of {' and '.join(map(format_shape, shapes))}")
        return (*shapes[0][: self.dim], len(shapes), *shapes[0][self.dim :])
