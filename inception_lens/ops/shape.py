"""Operations that rearrange their input, resize it or select a part of it."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Category, Op, Role, Saved, Shape, TensorType, Window, check_rank, format_shape


class _View(Op, frozen=True):
    """Base of views: the output uses the memory of the input."""

    category: ClassVar[Category] = "shape"
    role: ClassVar[Role] = "layout"

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def reuses_input(self, training: bool) -> bool:
        return True


class Flatten(_View, frozen=True):
    """The axes from `start_dim` to `end_dim` merged into one: a view."""

    start_dim: int = 1
    """The first axis that is merged, counted from the front."""
    end_dim: int = -1
    """The last axis that is merged, counted from the end where it is negative."""

    @property
    def label(self) -> str:
        return "flatten"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        end = self._end(shape)
        if not 0 <= self.start_dim < len(shape):
            raise ShapeError(f"Flatten from axis {self.start_dim} of an input with {len(shape)} axes")
        if not self.start_dim <= end < len(shape):
            raise ShapeError(f"Flatten of axes {self.start_dim} to {end} of an input with {len(shape)} axes")
        return (*shape[: self.start_dim], prod(shape[self.start_dim : end + 1]), *shape[end + 1 :])

    def _end(self, shape: Shape) -> int:
        return self.end_dim + len(shape) if self.end_dim < 0 else self.end_dim

    def keeps_positions(self, shape: Shape) -> bool:
        return (self.start_dim <= 1 and self._end(shape) == len(shape) - 1) or len(shape) == 2

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window | None:
        # An element of the vector has one position; a layer that reads the vector reads all of them.
        axes = len(shape) - 2
        return Window(shape[2:], (1,) * axes, (0,) * axes, (1,) * axes) if axes > 0 else None


class Reshape(_View, frozen=True):
    """The same elements, in the same order, in another shape: a view."""

    shape: tuple[int, ...]
    """Sizes of the output's axes; one may be -1, which is inferred."""

    @property
    def label(self) -> str:
        return "reshape"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        elements, known = prod(shape), prod(size for size in self.shape if size != -1)
        if self.shape.count(-1) > 1 or (-1 in self.shape and (not known or elements % known)):
            raise ShapeError(f"{format_shape(shape)} cannot be reshaped to {format_shape(self.shape)}")
        output = tuple(elements // known if size == -1 else size for size in self.shape)
        if prod(output) != elements:
            raise ShapeError(
                f"{format_shape(shape)} has {elements} elements, {format_shape(self.shape)} has {prod(output)}"
            )
        return output


class Permute(_View, frozen=True):
    """The axes in another order: a view."""

    dims: tuple[int, ...]
    """For each axis of the output, the axis of the input."""

    @property
    def label(self) -> str:
        return "permute"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if sorted(self.dims) != list(range(len(shape))):
            raise ShapeError(f"Permute to {self.dims} of an input with {len(shape)} axes")
        return tuple([shape[axis] for axis in self.dims])


class Expand(_View, frozen=True):
    """Axes of size 1 repeated, and new leading axes: a view that allocates nothing."""

    shape: tuple[int, ...]
    """Sizes of the output's axes."""

    @property
    def label(self) -> str:
        return "expand"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        last = self.shape[len(self.shape) - len(shape) :]
        if len(shape) > len(self.shape) or any(n not in (1, m) for n, m in zip(shape, last, strict=True)):
            raise ShapeError(f"{format_shape(shape)} cannot be expanded to {format_shape(self.shape)}")
        return self.shape


class Slice(_View, frozen=True):
    """The elements `start`, `start + step`, ... before `stop` of one axis: a view; a split is one per part."""

    dim: int
    """The axis, counted from the front."""
    start: int
    """First element; not negative."""
    stop: int
    """Bound of the last element, at most the size of the axis."""
    step: int = 1
    """Distance between elements; positive."""

    @property
    def label(self) -> str:
        return "slice"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not 0 <= self.dim < len(shape) or self.step < 1 or not 0 <= self.start <= self.stop <= shape[self.dim]:
            raise ShapeError(f"Slice {self.start}:{self.stop}:{self.step} of axis {self.dim} of {format_shape(shape)}")
        taken = len(range(self.start, self.stop, self.step))
        return (*shape[: self.dim], taken, *shape[self.dim + 1 :])

    def keeps_positions(self, shape: Shape) -> bool:
        return self.dim < 2


class Select(_View, frozen=True):
    """One element of an axis, which is removed from the output: a view."""

    dim: int
    """The axis, counted from the front."""
    index: int
    """The element, counted from the end where it is negative."""

    @property
    def label(self) -> str:
        return "select"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not 0 <= self.dim < len(shape) or not -shape[self.dim] <= self.index < shape[self.dim]:
            raise ShapeError(f"Select {self.index} of axis {self.dim} of {format_shape(shape)}")
        return (*shape[: self.dim], *shape[self.dim + 1 :])


class Pad(Op, frozen=True):
    """New elements before and after those of each axis; a negative number removes elements. It copies."""

    padding: tuple[tuple[int, int], ...]
    """One pair (before, after) per axis, the batch included."""
    mode: str = "constant"
    """PyTorch's name: `constant`, `reflect`, `replicate` or `circular`."""
    value: float = 0.0
    """Value of the new elements in the mode `constant`."""

    category: ClassVar[Category] = "shape"
    role: ClassVar[Role] = "layout"

    @property
    def label(self) -> str:
        return "pad"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(self.padding) != len(shape):
            raise ShapeError(f"Pad of {len(self.padding)} axes for an input with {len(shape)} axes")
        sizes = tuple(before + n + after for n, (before, after) in zip(shape, self.padding, strict=True))
        if min(sizes, default=0) < 0:
            raise ShapeError(f"Pad by {self.padding} removes more elements than {format_shape(shape)} has")
        return sizes

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window | None:
        axes = len(shape) - 2
        if axes < 1:
            return None
        return Window((1,) * axes, (1,) * axes, tuple(before for before, _ in self.padding[2:]), (1,) * axes)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=self.mode != "constant")


class Upsample(Op, frozen=True):
    """A map of `(N, C, ...)` resized to `size`: the nearest element copied, or neighbours interpolated.

    FLOPs per output element: none for `nearest`; a linear interpolation between two elements is 3, with one on the
    first axis, two on the second and four on the third; `bicubic` weights 16 elements, 5 x (4 multiplications and 3
    additions).
    """

    size: tuple[int, ...]
    """Size of the output map per spatial axis."""
    mode: str = "nearest"
    """PyTorch's name: `nearest`, `nearest-exact`, `linear`, `bilinear`, `trilinear` or `bicubic`."""
    align_corners: bool = False
    """Whether the corners of both maps are at the same places, and not the corners of their corner elements."""

    category: ClassVar[Category] = "shape"
    role: ClassVar[Role] = "layout"

    @property
    def label(self) -> str:
        return f"upsample {self.mode}"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != len(self.size) + 2:
            raise ShapeError(
                f"Upsample of {format_shape(shape)} to {format_shape(self.size)}: the numbers of spatial axes differ"
            )
        return (*shape[:2], *self.size)

    def keeps_positions(self, shape: Shape) -> bool:
        return False

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        if "nearest" in self.mode:
            return 0
        return (35 if self.mode == "bicubic" else 3 * (2 ** len(self.size) - 1)) * prod(output)

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        return (TensorType(self.output_shape(inputs[0].shape), inputs[0].dtype),)


class PixelShuffle(Op, frozen=True):
    """Channels rearranged to blocks: `(N, C r^2, H, W)` to `(N, C, H r, W r)` (W. Shi et al., arXiv 1609.05158).

    Element (i, j) of a block of channel c is channel c r^2 + i r + j of the input. It copies, without arithmetic.
    """

    upscale_factor: int
    """Side r of a block, in elements."""

    category: ClassVar[Category] = "shape"
    role: ClassVar[Role] = "layout"

    @property
    def label(self) -> str:
        return f"pixel shuffle {self.upscale_factor}"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        check_rank(self.kind, shape, 2)
        side = self.upscale_factor
        if side < 1 or shape[1] % side**2:
            raise ShapeError(f"PixelShuffle by {side} of {shape[1]} channels: they must be a multiple of its square")
        return (shape[0], shape[1] // side**2, shape[2] * side, shape[3] * side)

    def keeps_positions(self, shape: Shape) -> bool:
        return False  # several output positions share an input position: the jump is a fraction


class PixelUnshuffle(Op, frozen=True):
    """Blocks rearranged to channels, the inverse of `PixelShuffle`: `(N, C, H r, W r)` to `(N, C r^2, H, W)`.

    It copies, without arithmetic.
    """

    downscale_factor: int
    """Side r of a block, in elements."""

    category: ClassVar[Category] = "shape"
    role: ClassVar[Role] = "layout"

    @property
    def label(self) -> str:
        return f"pixel unshuffle {self.downscale_factor}"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        check_rank(self.kind, shape, 2)
        side = self.downscale_factor
        if side < 1 or shape[2] % side or shape[3] % side:
            raise ShapeError(f"PixelUnshuffle by {side} of a {format_shape(shape[2:])} map: it must divide both sides")
        return (shape[0], shape[1] * side**2, shape[2] // side, shape[3] // side)

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window:
        return Window((self.downscale_factor,) * 2, (self.downscale_factor,) * 2, (0, 0), (1, 1))
