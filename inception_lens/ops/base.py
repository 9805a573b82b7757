"""The base class of operations, the values that its methods return, and checks of shapes."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import ClassVar, Literal

import msgspec

from inception_lens.errors import ShapeError

Shape = tuple[int, ...]
"""Sizes of a tensor's axes, batch first: `(N, C, H, W)` for an image."""

UNKNOWN_SIZE = -1
"""The size of an axis whose size is unknown, such as the number of boxes that a network finds in an image."""

Category = Literal[
    "conv", "pool", "linear", "attention", "recurrent", "embedding", "norm", "activation", "arithmetic", "merge",
    "shape", "dropout", "weights", "unknown",
]  # fmt: skip
"""Kind of work that an operation does; diagrams and tables are coloured by it.

conv, pool, linear, attention, recurrent, embedding, norm, activation, merge, dropout: layers of that kind; a matrix
product is linear, a concatenation and a sum are merges. arithmetic: element-wise functions and reductions without a
module in PyTorch. shape: rearranges, selects or copies elements. weights: a tensor of the model. unknown: no rule.
"""

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
"""Bytes per element, by PyTorch's name of the dtype."""

ELEMENTS_PER_BYTE = {
    "quint4x2": 2, "quint2x4": 4, "uint4": 2, "int4": 2, "uint2": 4, "int2": 4, "float4_e2m1fn": 2, "float8_e8m0fnu": 1,
}  # fmt: skip
"""Dtypes of weights that are stored in whole bytes; no tensor that is computed has them."""


def bytes_of(elements: int, dtype: str) -> int:
    """Size of a number of elements of a dtype, which is a key of one of the tables above."""
    if dtype in ELEMENTS_PER_BYTE:
        return -(-elements // ELEMENTS_PER_BYTE[dtype])
    return elements * BYTES_PER_ELEMENT[dtype]


class TensorType(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """Shape and dtype of a tensor."""

    shape: Shape
    """Sizes of all axes, batch first; `()` for a scalar."""
    dtype: str = "float32"
    """PyTorch's name of the dtype; a key of `BYTES_PER_ELEMENT`."""
    has_shape: bool = True
    """Whether the number of axes is known; where it is not, `shape` is empty."""

    @property
    def is_known(self) -> bool:
        """Whether the sizes of all axes are known."""
        return self.has_shape and UNKNOWN_SIZE not in self.shape

    @property
    def sizes(self) -> tuple[int | None, ...] | None:
        """The shape with None for each unknown size; None if the number of axes is unknown."""
        return tuple([None if size == UNKNOWN_SIZE else size for size in self.shape]) if self.has_shape else None

    @property
    def elements(self) -> int:
        """Number of elements; 0, the contribution to a lower bound, where it is unknown."""
        return 0 if UNKNOWN_SIZE in self.shape or not self.has_shape else prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in bytes; 0 where it is unknown."""
        return self.elements * BYTES_PER_ELEMENT[self.dtype]


class Parameter(msgspec.Struct, frozen=True, gc=False):
    """A learned tensor, or a buffer, that a call reads."""

    role: str
    """Its name within the layer, such as `weight` or `running_mean`; for `Graph.unused` its whole name."""
    shape: Shape
    """Its shape, as PyTorch's module has it."""

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class Window(msgspec.Struct, frozen=True, gc=False):
    """The window of the input that an output position depends on: one entry per spatial axis, in input elements."""

    kernel: tuple[int, ...]
    """Number of elements that the window reads."""
    stride: tuple[int, ...]
    """Distance between the windows of neighbouring output positions."""
    padding: tuple[int, ...]
    """Padding before the first element; padding after the last element moves no window."""
    dilation: tuple[int, ...]
    """Distance between neighbouring elements of the window."""


class Saved(msgspec.Struct, frozen=True, gc=False):
    """What PyTorch's autograd keeps of one call for the backward pass, if the output requires a gradient."""

    inputs: bool | tuple[int, ...] = False
    """Whether the inputs are kept, or the positions of those that are."""
    inputs_for: tuple[tuple[int, int], ...] = ()
    """Pairs (i, j): input i is kept if input j requires a gradient."""
    inputs_for_weights: bool = False
    """Whether the inputs are kept if the weights require a gradient."""
    is_copied: bool = False
    """Whether the first input is copied before it is kept, because the call writes over it."""
    output: bool = False
    """Whether the first output is kept."""
    extra_bytes: int = 0
    """Bytes of tensors that only the backward pass reads, such as a dropout mask or the indices of a max pool."""


class Op(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One operation: a frozen value with its shape rule, parameters and arithmetic, independent of any framework.

    A subclass has the name of PyTorch's module, and overrides what differs from an element-wise operation without cost.
    Input channels are not a field: they follow from the input's shape.
    """

    category: ClassVar[Category] = "unknown"
    """Kind of work."""
    role: ClassVar[Role] = "work"
    """What the operation is to a layer."""
    has_weights: ClassVar[bool] = False
    """Whether the operation can own parameters or buffers; where it cannot, they are not computed."""

    @property
    def kind(self) -> str:
        """The PyTorch class name, such as `Conv2d`."""
        return type(self).__name__

    @property
    def label(self) -> str:
        """A short description for tables and diagrams, such as `5x5/2`."""
        return self.kind

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        """Infer the types of the output tensors; by default one, with the dtype of the first input.

        Raises:
            ShapeError: the operation cannot take these inputs.
        """
        if len(inputs) == 1:
            (given,) = inputs
            shape = self.output_shape(given.shape)
            return inputs if shape is given.shape else (TensorType(shape, given.dtype),)
        return (TensorType(self.output_shape(*[tensor.shape for tensor in inputs]), inputs[0].dtype),)

    def output_shape(self, *shapes: Shape) -> Shape:
        """Infer the shape of the only output; a subclass with several overrides `output_types` instead.

        Raises:
            ShapeError: the operation cannot take inputs of these shapes.
        """
        return shapes[0]

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        """Learned tensors of one call on inputs of these shapes, which `output_types` has accepted."""
        return ()

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        """Tensors that are kept but not learned, such as the running statistics of a batch norm."""
        return ()

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int | None:
        """Multiply-accumulates of the forward pass, bias not counted; None if unknown."""
        return 0

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int | None:
        """FLOPs of the forward pass in addition to two per multiply-accumulate; None if unknown."""
        return 0

    def backward_macs(self, macs: int, inputs_need: tuple[bool, ...], weights_need: bool) -> int:
        """Multiply-accumulates of the backward pass: those of the forward pass for each gradient that is computed.

        Args:
            macs: multiply-accumulates of the forward pass.
            inputs_need: whether each input requires a gradient.
            weights_need: whether the weights require one.
        """
        return macs * (any(inputs_need) + weights_need)

    def accepts(self, inputs: int) -> bool:
        """Whether the operation can be called on this number of inputs."""
        return inputs == 1

    def keeps_positions(self, shape: Shape) -> bool:
        """Whether the output keeps the spatial positions of an input of `shape`, so that it has a receptive field."""
        return True

    @property
    def has_window(self) -> bool:
        """Whether `window` is needed: an output position may depend on more than the same position of the input."""
        return False

    def window(self, shape: Shape, output: Shape) -> Window | None:
        """The window of one output position on the first input, of `shape`; None if it depends on its own position."""
        return None

    def reuses_input(self, training: bool) -> bool:
        """Whether the output uses the memory of the first input: a view, or an operation in place."""
        return False

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved | None:
        """What PyTorch's autograd keeps of one call for the backward pass; None if unknown."""
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


def format_shape(sizes: Sequence[int | None]) -> str:
    """Write sizes with `x` between them, and `?` for one that is None: `64x112x112`, `?x100`."""
    return "x".join(["?" if size is None else str(size) for size in sizes])


def wrong_rank(kind: str, shape: Shape, needed: str) -> ShapeError:
    """The ShapeError for an input with the wrong number of axes; `needed` describes the right one. It is not raised."""
    return ShapeError(f"{kind} expects an input of {needed}, not {format_shape(shape) or 'a scalar'}")


def check_rank(kind: str, shape: Shape, dimensions: int) -> None:
    """Check that `shape` has a batch axis, a channel axis and this number of spatial axes, 1 to 3.

    Raises:
        ShapeError: it has another number of axes.
    """
    if len(shape) != dimensions + 2:
        axes = ("L", "H, W", "D, H, W")[dimensions - 1]
        raise wrong_rank(kind, shape, f"{dimensions + 2} axes (N, C, {axes})")


def broadcast(*shapes: Shape) -> Shape:
    """The common shape of tensors, as NumPy broadcasts them: missing leading axes are 1, and axes of 1 are stretched.

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
            raise ShapeError(f"{' and '.join(map(format_shape, shapes))} cannot be broadcast to one shape")
        sizes.append(found.pop() if found else 1)
    return tuple(sizes)
