"""Pooling by sliding windows, and adaptive pooling, in one to three spatial dimensions."""

from math import gcd, prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops import window as sliding
from inception_lens.ops.base import Category, Op, Saved, Shape, TensorType, Window, check_rank, format_shape


class _Pool(Op, frozen=True):
    """Base of pools with sliding windows; tuples have one entry per spatial axis."""

    kernel_size: tuple[int, ...]
    """Number of elements that a window reads."""
    stride: tuple[int, ...]
    padding: sliding.Padding = ()
    rounding: sliding.Rounding = "floor"
    """Rule for a last window that is not full."""

    category: ClassVar[Category] = "pool"
    dimensions: ClassVar[int] = 2

    @property
    def steps(self) -> tuple[int, ...]:
        """Distance between the elements of a window."""
        return (1,) * self.dimensions

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        check_rank(self.kind, shape, self.dimensions)
        size = sliding.output_size(shape[2:], self.kernel_size, self.stride, self.padding, self.steps, self.rounding)
        return (*shape[:2], *size)

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window:
        return sliding.window(shape[2:], self.kernel_size, self.stride, self.padding, self.steps)


class _MaxPool(_Pool, frozen=True):
    """Base of max pools."""

    dilation: tuple[int, ...] = ()
    """Distance between the elements of a window; empty: 1."""
    indices: bool = False
    """Whether the indices of the maxima are a second output, of dtype int64."""

    @property
    def steps(self) -> tuple[int, ...]:
        return self.dilation or super().steps

    @property
    def label(self) -> str:
        return f"max {sliding.label(self.kernel_size, self.stride)}"

    def output_types(self, inputs: tuple[TensorType, ...]) -> tuple[TensorType, ...]:
        (values,) = super().output_types(inputs)
        return (values, TensorType(values.shape, "int64")) if self.indices else (values,)

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * (prod(self.kernel_size) - 1)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, extra_bytes=8 * output.elements)  # the indices of the maxima are int64


class MaxPool1d(_MaxPool, frozen=True):
    """Maximum over a sliding window of `(N, C, L)`; counted as `MaxPool2d`."""

    padding: sliding.Padding = (0,)

    dimensions: ClassVar[int] = 1


class MaxPool2d(_MaxPool, frozen=True):
    """Maximum over a sliding window of `(N, C, H, W)`.

    FLOPs: K_h x K_w - 1 comparisons per output element, windows at the border counted as full.
    """

    padding: sliding.Padding = (0, 0)


class MaxPool3d(_MaxPool, frozen=True):
    """Maximum over a sliding window of `(N, C, D, H, W)`; counted as `MaxPool2d`."""

    padding: sliding.Padding = (0, 0, 0)

    dimensions: ClassVar[int] = 3


class _AvgPool(_Pool, frozen=True):
    """Base of average pools."""

    count_include_pad: bool = True
    """Whether zeros of the padding count in the mean, as by default in PyTorch but not in TensorFlow."""

    @property
    def label(self) -> str:
        return f"avg {sliding.label(self.kernel_size, self.stride)}"

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * prod(self.kernel_size)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True)


class AvgPool1d(_AvgPool, frozen=True):
    """Mean over a sliding window of `(N, C, L)`; counted as `AvgPool2d`."""

    padding: sliding.Padding = (0,)

    dimensions: ClassVar[int] = 1


class AvgPool2d(_AvgPool, frozen=True):
    """Mean over a sliding window of `(N, C, H, W)`.

    FLOPs: K_h x K_w - 1 additions and one division per output element, windows at the border counted as full.
    """

    padding: sliding.Padding = (0, 0)


class AvgPool3d(_AvgPool, frozen=True):
    """Mean over a sliding window of `(N, C, D, H, W)`; counted as `AvgPool2d`."""

    padding: sliding.Padding = (0, 0, 0)

    dimensions: ClassVar[int] = 3


class _AdaptivePool(Op, frozen=True):
    """Base of adaptive pools, whose windows divide the map.

    Window i of an axis runs from floor(i n / m) to ceil((i + 1) n / m), so they overlap where m does not divide n, and
    their distances differ; the receptive field's jump is then the smallest distance.
    """

    output_size: tuple[int, ...] = ()
    """Size of the output map per spatial axis."""

    category: ClassVar[Category] = "pool"
    dimensions: ClassVar[int] = 2
    verb: ClassVar[str] = "avg"

    @property
    def label(self) -> str:
        return (
            f"global {self.verb}"
            if set(self.output_size) == {1}
            else f"{self.verb} to {format_shape(self.output_size)}"
        )

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        check_rank(self.kind, shape, self.dimensions)
        if len(self.output_size) != self.dimensions or min(self.output_size) < 1:
            size = format_shape(self.output_size)
            raise ShapeError(f"an adaptive pool to {size}: expected {self.dimensions} sizes of at least 1")
        return (*shape[:2], *self.output_size)

    def elements_read(self, shape: Shape) -> int:
        """Sum of the sizes of all windows on an input of `shape`.

        An element is in two windows if a boundary is within it: of the m boundaries, gcd(n, m) are between elements.
        """
        axes = zip(shape[2:], self.output_size, strict=True)
        return prod(shape[:2]) * prod([n + m - gcd(n, m) for n, m in axes])

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window:
        sizes = tuple(zip(shape[2:], self.output_size, strict=True))
        kernel = tuple(_largest_window(n, m) for n, m in sizes)
        stride = tuple(max((n - k) // (m - 1), 1) if m > 1 else 1 for (n, m), k in zip(sizes, kernel, strict=True))
        return Window(kernel, stride, (0,) * self.dimensions, (1,) * self.dimensions)


def _largest_window(n: int, m: int) -> int:
    """The size of the largest of m windows over n elements, which may share its first and its last with others."""
    share, rest = divmod(n // gcd(n, m), m // gcd(n, m))
    return share + min(rest, 2)


class _AdaptiveAvgPool(_AdaptivePool, frozen=True):
    """Base of adaptive average pools."""

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return self.elements_read(shapes[0])

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=set(self.output_size) != {1})  # the gradient of a global mean needs no input


class AdaptiveAvgPool1d(_AdaptiveAvgPool, frozen=True):
    """Mean over windows that divide `(N, C, L)` into `output_size` parts; counted as `AdaptiveAvgPool2d`."""

    output_size: tuple[int, ...] = (1,)

    dimensions: ClassVar[int] = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool, frozen=True):
    """Mean over windows that divide `(N, C, H, W)` into `output_size` parts; 1x1 is global average pooling.

    FLOPs per window: one addition per element after the first, and a division.
    """

    output_size: tuple[int, ...] = (1, 1)


class AdaptiveAvgPool3d(_AdaptiveAvgPool, frozen=True):
    """Mean over windows that divide `(N, C, D, H, W)` into `output_size` parts; counted as `AdaptiveAvgPool2d`."""

    output_size: tuple[int, ...] = (1, 1, 1)

    dimensions: ClassVar[int] = 3


class _AdaptiveMaxPool(_AdaptivePool, frozen=True):
    """Base of adaptive max pools."""

    verb: ClassVar[str] = "max"

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return self.elements_read(shapes[0]) - prod(output)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, extra_bytes=8 * output.elements)


class AdaptiveMaxPool1d(_AdaptiveMaxPool, frozen=True):
    """Maximum over windows that divide `(N, C, L)` into parts; counted as `AdaptiveMaxPool2d`."""

    output_size: tuple[int, ...] = (1,)

    dimensions: ClassVar[int] = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool, frozen=True):
    """Maximum over windows that divide `(N, C, H, W)` into `output_size` parts.

    FLOPs per window: one comparison per element after the first.
    """

    output_size: tuple[int, ...] = (1, 1)


class AdaptiveMaxPool3d(_AdaptiveMaxPool, frozen=True):
    """Maximum over windows that divide `(N, C, D, H, W)` into parts; counted as `AdaptiveMaxPool2d`."""

    output_size: tuple[int, ...] = (1, 1, 1)

    dimensions: ClassVar[int] = 3
