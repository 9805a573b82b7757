"""Operations that nobody here knows."""

from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Shape, TensorType


class Unknown(Op, frozen=True):
    """An operation without a rule: its outputs are what its source declared, and its cost is None, never zero."""

    source_kind: str
    """What the source calls the operation."""
    declared: tuple[TensorType, ...]
    """Types of the outputs, as far as the source tells them."""

    category: ClassVar[Category] = "unknown"

    @property
    def kind(self) -> str:
        return self.source_kind

    def takes(self, inputs: int) -> bool:
        return True

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if not self.declared:
            raise ShapeError(f"{self.kind} declares no output")
        return self.declared

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> None:
        return None

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> None:
        return None
