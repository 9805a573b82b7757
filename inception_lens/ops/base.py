"""What every operation answers, and the small values that it answers with."""

from collections.abc import Iterable
from math import prod
from typing import ClassVar, Literal

import msgspec

from inception_lens.errors import ShapeError

Shape = tuple[int, ...]
"""Sizes of a tensor's axes, the batch first: `(N, C, H, W)` for an image."""

Category = Literal[
    "conv", "pool", "linear", "attention", "recurrent", "embedding", "norm", "activation", "arithmetic", "merge",
    "shape", "dropout", "weights", "unknown",
]  # fmt: skip
"""What kind of work an operation does; pictures and tables take its colour from this."""

Role = Literal["work", "finish", "layout", "merge", "source"]
"""What an operation is to a layer.

work: the layer's own computation: a convolution, a pool, a linear layer, a softmax, a reduction.
finish: completes the result of the layer before it: a norm, an activation, dropout, a bias.
layout: rearranges, selects or copies elements: a view, a transposition, padding.
merge: joins branches.
source: supplies a tensor that no operation produces.
"""

BYTES_PER_ELEMENT: dict[str, int] = {
    "float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint64": 8, "uint32": 4,
    "uint16": 2, "uint8": 1, "bool": 1, "complex32": 4, "complex64": 8, "complex128": 16, "qint8": 1, "quint8": 1,
    "qint32": 4,
}  # fmt: skip
"""Bytes that one element takes, by the name that PyTorch gives the dtype."""


class TensorType(msgspec.Struct, frozen=True, gc=False):
    """Shape and dtype of a tensor."""

    shape: Shape
    dtype: str = "float32"

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """How many bytes those numbers take."""
        return prod(self.shape) * BYTES_PER_ELEMENT[self.dtype]


class Parameter(msgspec.Struct, frozen=True, gc=False):
    """A learned tensor, or a buffer, that a call reads: its role (`weight`, `bias`) and shape."""

    role: str
    shape: Shape

    @property
    def elements(self) -> int:
        """How many numbers the tensor holds."""
        return prod(self.shape)


class Window(msgspec.Struct, frozen=True, gc=False):
    """How an operation's output looks at its input's spatial axes: one entry per axis, all in steps of the input."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    """Padding before the first element; what stands behind the last moves nothing."""
    dilation: tuple[int, ...]


class Saved(msgspec.Struct, frozen=True, gc=False):
    """What PyTorch's autograd keeps of one call for the backward pass, where anything needs a gradient."""

    inputs: bool = False
    inputs_for_weights: bool = False
    """Inputs that only the weights' gradient needs."""
    output: bool = False
    extra_bytes: int = 0
    """Tensors that exist for the backward pass alone: a dropout mask, the indices of a max pool."""


class Op(msgspec.Struct, frozen=True, gc=False):
    """One operation: a frozen value that knows its shapes, parameters and arithmetic, and nothing of any framework.

    A subclass is named as PyTorch names the module, and overrides what differs from a free element-wise operation.
    Input channels are never a field: they come with the input's shape.
    """

    category: ClassVar[Category] = "unknown"
    role: ClassVar[Role] = "work"
    has_weights: ClassVar[bool] = False
    """Whether the operation can own parameters or buffers; a fold over many nodes asks only where it can."""

    @property
    def kind(self) -> str:
        """The PyTorch class name, such as `Conv2d`."""
        return type(self).__name__

    @property
    def label(self) -> str:
        """A short description for tables and drawings, such as `5x5/2`."""
        return self.kind

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """Types of the output tensors, nearly always one; the dtype is the first input's.

        Raises:
            ShapeError: the operation cannot take these inputs.
        """
        if len(inputs) == 1:
            return (TensorType(self.output_shape(inputs[0].shape), inputs[0].dtype),)
        return (TensorType(self.output_shape(*[tensor.shape for tensor in inputs]), inputs[0].dtype),)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Shape of the one output; a subclass with several overrides `output_types` instead."""
        return shapes[0]

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        """Learned tensors of one call on inputs of these shapes."""
        return ()

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        """Tensors kept with the model but not learned, such as the statistics of a batch norm."""
        return ()

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int | None:
        """Multiply-accumulates of the forward pass, bias not counted; None where nobody knows."""
        return 0

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int | None:
        """FLOPs of the forward pass beside the two per multiply-accumulate; None where nobody knows."""
        return 0

    def backward_macs(self, macs: int, inputs_need: tuple[bool, ...], weights_need: bool) -> int:
        """Multiply-accumulates of the backward pass: the forward's once for each operand that needs a gradient."""
        return macs * (any(inputs_need) + weights_need)

    def takes(self, inputs: int) -> bool:
        """Whether the operation can be called on so many inputs."""
        return inputs == 1

    def keeps_positions(self, shape: Shape) -> bool:
        """Whether places in an input of `shape` are still apart in the output, so that it has a receptive field."""
        return True

    @property
    def has_window(self) -> bool:
        """Whether an output position sees more of the input than its own position, so that `window` has to be asked."""
        return False

    def window(self, shape: Shape, output: Shape) -> Window | None:
        """How one output position looks at the first input of `shape`; None where there is no such window."""
        return None

    def reuses_input(self, training: bool) -> bool:
        """Whether the output lies in the first input's memory: a view, or an operation done in place."""
        return False

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        """What one call keeps for the backward pass, as PyTorch's autograd does."""
        return Saved()


def is_minor(role: Role, kind: str) -> bool:
    """Whether a call of this role is described with the layer before it and not by itself.

    Local response normalisation finishes a layer, but is a layer of its own in GoogLeNet's Figure 3 and Table 1.
    """
    return role in ("finish", "layout") and kind != "LocalResponseNorm"


def main_category(calls: Iterable[tuple[Role, Category]]) -> Category | None:
    """The kind of work that several calls do together; None where they do work of several kinds.

    What finishes a layer counts only where nothing works or merges, and what rearranges only where nothing finishes.
    Among the calls that count, an activation adds nothing: a linear layer with a softmax is linear.
    """
    by_role: dict[Role, set[Category]] = {}
    for role, category in calls:
        by_role.setdefault("work" if role == "merge" else role, set()).add(category)
    ranked: tuple[Role, ...] = ("work", "finish", "layout", "source")
    found = next((by_role[role] for role in ranked if role in by_role), set())
    found = found - {"activation"} or found
    return next(iter(found)) if len(found) == 1 else None


def format_shape(sizes: tuple[int, ...]) -> str:
    """Write sizes as people do: `64x112x112`."""
    return "x".join(map(str, sizes))


def wrong_rank(kind: str, shape: Shape, needed: str) -> ShapeError:
    """The error for an input whose number of axes is not the one that is `needed`."""
    return ShapeError(f"{kind} needs an input of {needed}, not {format_shape(shape) or 'a scalar'}")


def check_rank(kind: str, shape: Shape, dimensions: int) -> None:
    """Raise a ShapeError unless `shape` is that of maps with so many spatial dimensions, behind batch and channels."""
    if len(shape) != dimensions + 2:
        axes = ("L", "H, W", "D, H, W")[dimensions - 1]
        raise wrong_rank(kind, shape, f"{dimensions + 2} axes (N, C, {axes})")


def broadcast(*shapes: Shape) -> Shape:
    """The shape that tensors of these shapes have together: axes of 1 stretch, missing leading axes are of 1.

    Raises:
        ShapeError: two sizes of an axis differ, and neither is 1.
    """
    if len(set(shapes)) == 1:
        return shapes[0]
    axes = max(map(len, shapes))
    columns = zip(*[(1,) * (axes - len(shape)) + shape for shape in shapes], strict=True)
    sizes = []
    for column in columns:
        found = {size for size in column if size != 1}
        if len(found) > 1:
            raise ShapeError(f"{' and '.join(map(format_shape, shapes))} do not broadcast to one shape")
        sizes.append(found.pop() if found else 1)
    return tuple(sizes)
