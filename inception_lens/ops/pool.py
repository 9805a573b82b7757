"""Pooling: windows that slide, and windows that divide the map evenly."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops import window as sliding
from inception_lens.ops.base import Category, Op, Saved, Shape, TensorType, Window, by, wrong_rank


class _Pool2d(Op, frozen=True):
    """What max and average pooling share."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: sliding.Padding = (0, 0)
    rounding: sliding.Rounding = "floor"

    category: ClassVar[Category] = "pool"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != 4:
            raise wrong_rank(self.kind, shape, "4 axes (N, C, H, W)")
        size = sliding.output_size(shape[2:], self.kernel_size, self.stride, self.padding, (1, 1), self.rounding)
        return (*shape[:2], *size)

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window:
        return sliding.window(shape[2:], self.kernel_size, self.stride, self.padding, (1, 1))


class MaxPool2d(_Pool2d, frozen=True):
    """Maximum over a sliding window.

    FLOPs: K_h x K_w - 1 comparisons per output element, windows cut by the border counted as full ones.
    """

    @property
    def label(self) -> str:
        return f"max {sliding.label(self.kernel_size, self.stride)}"

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * (prod(self.kernel_size) - 1)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, extra_bytes=8 * output.elements)  # the indices of the maxima are int64


class AvgPool2d(_Pool2d, frozen=True):
    """Mean over a sliding window.

    FLOPs: K_h x K_w - 1 additions and one division per output element, windows cut by the border counted as full ones.
    """

    count_include_pad: bool = True
    """Whether zeros of the padding count in the mean: PyTorch's default; TensorFlow leaves them out."""

    @property
    def label(self) -> str:
        return f"avg {sliding.label(self.kernel_size, self.stride)}"

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * prod(self.kernel_size)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True)


class AdaptiveAvgPool2d(Op, frozen=True):
    """Mean over windows that divide the map into `output_size` parts; 1x1 is global average pooling.

    Window i of an axis runs from floor(i n / m) to ceil((i + 1) n / m), so windows overlap where m does not divide n.
    Where n is no multiple of m, the windows are not evenly apart; the receptive field's jump is then the smallest step.
    FLOPs: one addition per element of a window less one, and a division: as many as the window has elements.
    """

    output_size: tuple[int, int] = (1, 1)

    category: ClassVar[Category] = "pool"

    @property
    def label(self) -> str:
        return "global avg" if self.output_size == (1, 1) else f"avg to {by(self.output_size)}"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != 4:
            raise wrong_rank(self.kind, shape, "4 axes (N, C, H, W)")
        if min(self.output_size) < 1:
            raise ShapeError(f"a pool to {by(self.output_size)}: every size must be at least 1")
        return (*shape[:2], *self.output_size)

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        elements = 1
        for n, m in zip(shapes[0][2:], self.output_size, strict=True):
            elements *= sum(-(-(i + 1) * n // m) - i * n // m for i in range(m))
        return prod(output[:2]) * elements

    @property
    def has_window(self) -> bool:
        return True

    def window(self, shape: Shape, output: Shape) -> Window:
        sizes = tuple(zip(shape[2:], self.output_size, strict=True))
        kernel = tuple(max(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in sizes)
        stride = tuple(max((n - k) // (m - 1), 1) if m > 1 else 1 for (n, m), k in zip(sizes, kernel, strict=True))
        return Window(kernel, stride, (0, 0), (1, 1))

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True)
