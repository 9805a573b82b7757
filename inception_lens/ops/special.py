"""Tensors that the model brings along, and operations whose outputs are what their source declares."""

from typing import ClassVar, Literal

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Parameter, Role, Saved, Shape, TensorType

TensorKind = Literal["parameter", "buffer", "constant"]
"""parameter: learned. buffer: kept with the model, not learned. constant: computed anew or written in the source."""


class Stored(Op, frozen=True):
    """A tensor that is there before the network is called, read as an input by others: it costs nothing.

    A parameter is learned, a buffer kept with the model, a constant made anew or written in the source.
    """

    shape: Shape
    dtype: str = "float32"
    tensor_kind: TensorKind = "parameter"

    category: ClassVar[Category] = "weights"
    role: ClassVar[Role] = "source"
    has_weights: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        return self.tensor_kind.capitalize()

    @property
    def label(self) -> str:
        return self.tensor_kind

    def takes(self, inputs: int) -> bool:
        return inputs == 0

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return (TensorType(self.shape, self.dtype),)

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", self.shape),) if self.tensor_kind == "parameter" else ()

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return (Parameter("buffer", self.shape),) if self.tensor_kind == "buffer" else ()

    def reuses_input(self, training: bool) -> bool:
        return True  # it lies where the model lies


class _Declaring(Op, frozen=True):
    """What operations share whose outputs cannot be told from their inputs' shapes, only from their source."""

    source_kind: str
    """What the source calls the operation."""
    declared: tuple[TensorType, ...]
    """Types of the outputs, as far as the source tells them."""

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


class Declared(_Declaring, frozen=True):
    """An operation whose cost is known and whose outputs are what its source declares: indexing, sorting, sampling.

    MACs and FLOPs are those that the reader found by the operation's own rule; nearly always none.
    """

    multiply_accumulates: int = 0
    flops_beside: int = 0
    """FLOPs beside the two per multiply-accumulate."""
    view: bool = False

    category: ClassVar[Category] = "shape"
    role: ClassVar[Role] = "layout"

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if min(self.multiply_accumulates, self.flops_beside) < 0:
            raise ShapeError(f"{self.kind} declares {self.multiply_accumulates} MACs and {self.flops_beside} FLOPs")
        return super().output_types(inputs)

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return self.multiply_accumulates

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return self.flops_beside

    def reuses_input(self, training: bool) -> bool:
        return self.view

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=bool(self.multiply_accumulates))


class Unknown(_Declaring, frozen=True):
    """An operation without a rule: its outputs are what its source declared, and its cost is None, never zero."""

    category: ClassVar[Category] = "unknown"

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> None:
        return None

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> None:
        return None
