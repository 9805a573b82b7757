"""Tensors of the model that are inputs of nodes, and operations whose outputs are declared by their source."""

from typing import ClassVar, Literal

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Parameter, Role, Saved, Shape, TensorType

TensorKind = Literal["parameter", "buffer", "constant"]
"""parameter: learned. buffer: kept with the model, but not learned. constant: computed or written by its source."""


class Stored(Op, frozen=True):
    """A tensor of the model that nodes read as an input; it costs nothing."""

    shape: Shape
    """Shape of the output."""
    dtype: str = "float32"
    """Dtype of the output."""
    tensor_kind: TensorKind = "parameter"
    """Whether it is learned, and whether it is kept with the model."""

    category: ClassVar[Category] = "weights"
    role: ClassVar[Role] = "source"
    has_weights: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        return self.tensor_kind.capitalize()

    @property
    def label(self) -> str:
        return self.tensor_kind

    def accepts(self, inputs: int) -> bool:
        return inputs == 0

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return (TensorType(self.shape, self.dtype),)

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return (Parameter("weight", self.shape),) if self.tensor_kind == "parameter" else ()

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return (Parameter("buffer", self.shape),) if self.tensor_kind == "buffer" else ()

    def reuses_input(self, training: bool) -> bool:
        return True  # it is in the memory of the model


class _Declaring(Op, frozen=True):
    """Base of operations whose output types are declared by the source and do not follow from the inputs."""

    source_kind: str
    """Name of the operation in the source."""
    declared: tuple[TensorType, ...]
    """Types of the outputs; at least one."""

    @property
    def kind(self) -> str:
        return self.source_kind

    def accepts(self, inputs: int) -> bool:
        return True

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if not self.declared:
            raise ShapeError(f"{self.kind} declares no output; expected at least 1")
        return self.declared


class Declared(_Declaring, frozen=True):
    """An operation of known cost whose outputs are declared by its source: indexing, sorting, sampling.

    The reader computes MACs and FLOPs by the operation's own rule; most have none.
    """

    declared_macs: int = 0
    """Multiply-accumulates of one call."""
    declared_flops: int | None = 0
    """FLOPs of one call in addition to two per multiply-accumulate; None if unknown."""
    view: bool = False
    """Whether the output uses the memory of the first input."""
    kept: Saved | None = None
    """What autograd keeps of the call; None if unknown. Of a view it keeps nothing."""

    category: ClassVar[Category] = "shape"
    role: ClassVar[Role] = "layout"

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        if min(self.declared_macs, self.declared_flops or 0) < 0:
            cost = f"{self.declared_macs} MACs and {self.declared_flops} FLOPs"
            raise ShapeError(f"{self.kind} declares {cost}: expected numbers of at least 0")
        return super().output_types(inputs)

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return self.declared_macs

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int | None:
        return self.declared_flops

    def reuses_input(self, training: bool) -> bool:
        return self.view

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved | None:
        return Saved() if self.view else self.kept


class Unknown(_Declaring, frozen=True):
    """An operation without a rule: its outputs are declared by its source, and its cost is None, never zero."""

    params_known: bool = True
    """Whether its learned tensors are among its inputs or in `learned`; where its source does not list them, they are
    unknown."""
    learned: tuple[Parameter, ...] = ()
    """Learned tensors that its source declares for it."""
    kept: tuple[Parameter, ...] = ()
    """Buffers that its source declares for it."""
    is_run: bool = True
    """False for a module of a model that was not run, whose declared output has no elements and is not shown."""

    category: ClassVar[Category] = "unknown"
    has_weights: ClassVar[bool] = True

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return self.learned

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return self.kept

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> None:
        return None

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> None:
        return None

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> None:
        return None
