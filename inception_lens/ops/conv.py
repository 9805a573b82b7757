"""Convolution and transposed convolution in one to three spatial dimensions."""

from functools import lru_cache
from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops import window as sliding
from inception_lens.ops.base import Category, Op, Parameter, Saved, Shape, TensorType, Window, check_rank, format_shape


class _AnyConvolution(Op, frozen=True):
    """Base of all convolutions; tuples have one entry per spatial axis."""

    out_channels: int
    kernel_size: tuple[int, ...]
    """Number of elements, without dilation."""
    stride: tuple[int, ...] = ()
    padding: sliding.Padding = ()
    dilation: tuple[int, ...] = ()
    """Distance between neighbouring elements of the kernel."""
    groups: int = 1
    """Groups of channels that are convolved separately."""
    bias: bool = True
    """Whether a bias per output channel is learned."""

    category: ClassVar[Category] = "conv"
    has_weights: ClassVar[bool] = True
    dimensions: ClassVar[int] = 2

    @property
    def label(self) -> str:
        return sliding.label(self.kernel_size, self.stride)

    def _check(self, shape: Shape) -> None:
        if len(shape) != self.dimensions + 2:
            check_rank(self.kind, shape, self.dimensions)
        channels = shape[1]
        if self.groups < 1 or channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"{self.groups} groups must divide the {channels} input and the {self.out_channels} output channels"
            )

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", self._weight(shapes[0][1]))
        return (weight, Parameter("bias", (self.out_channels,))) if self.bias else (weight,)

    def _weight(self, channels: int) -> Shape:
        return (self.out_channels, channels // self.groups, *self.kernel_size)

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) if self.bias else 0

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True)


class _Forward(_AnyConvolution, frozen=True):
    """Base of convolutions: the kernel slides over the input."""

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        self._check(shape)
        return (shape[0], self.out_channels, *_map_size(self, shape[2:]))

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * (shapes[0][1] // self.groups) * prod(self.kernel_size)

    @property
    def has_window(self) -> bool:
        return self.padding == "same" or max(self.kernel_size) > 1 or max(self.stride) > 1 or any(self.padding)

    def window(self, shape: Shape, output: Shape) -> Window:
        return sliding.window(shape[2:], self.kernel_size, self.stride, self.padding, self.dilation)


@lru_cache(4096)  # a convolution knows its hash: this finds a size faster than `output_size` with all its fields
def _map_size(op: _Forward, map_size: tuple[int, ...]) -> tuple[int, ...]:
    return sliding.output_size(map_size, op.kernel_size, op.stride, op.padding, op.dilation, "floor")


class Conv1d(_Forward, frozen=True):
    """One-dimensional convolution of `(N, C, L)`; counted as `Conv2d`."""

    stride: tuple[int, ...] = (1,)
    padding: sliding.Padding = (0,)
    dilation: tuple[int, ...] = (1,)

    dimensions: ClassVar[int] = 1


class Conv2d(_Forward, frozen=True):
    """Two-dimensional convolution of `(N, C, H, W)`.

    MACs: N x C_out x H_out x W_out x (C_in / groups) x K_h x K_w, including positions in the padding. Other
    FLOPs: one addition per output element if there is a bias.
    """

    stride: tuple[int, ...] = (1, 1)
    padding: sliding.Padding = (0, 0)
    dilation: tuple[int, ...] = (1, 1)


class Conv3d(_Forward, frozen=True):
    """Three-dimensional convolution of `(N, C, D, H, W)`; counted as `Conv2d`."""

    stride: tuple[int, ...] = (1, 1, 1)
    padding: sliding.Padding = (0, 0, 0)
    dilation: tuple[int, ...] = (1, 1, 1)

    dimensions: ClassVar[int] = 3


class _Transposed(_AnyConvolution, frozen=True):
    """Base of transposed convolutions, the gradient of a convolution with respect to its input."""

    output_padding: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        return f"transposed {super().label}"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        self._check(shape)
        sliding.check(shape[2:], self.kernel_size, self.stride, self.padding, self.dilation)
        pads = sliding.explicit_padding(shape[2:], self.kernel_size, self.stride, self.padding, self.dilation)
        spans = sliding.spans(self.kernel_size, self.dilation)
        extra = self.output_padding or (0,) * self.dimensions
        if len(extra) != self.dimensions:
            raise ShapeError(f"an output padding of {len(extra)} sizes for a map of {self.dimensions} axes")
        rows = zip(shape[2:], spans, self.stride, pads, extra, strict=True)
        size = tuple([(n - 1) * s + span - sum(pad) + more for n, span, s, pad, more in rows])
        if min(size) < 1:
            raise ShapeError(f"{self.kind} would produce a map of {format_shape(size)}: the padding is too large")
        return (shape[0], self.out_channels, *size)

    def _weight(self, channels: int) -> Shape:
        return (channels, self.out_channels // self.groups, *self.kernel_size)

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(shapes[0]) * (self.out_channels // self.groups) * prod(self.kernel_size)

    def keeps_positions(self, shape: Shape) -> bool:
        return False  # several output positions share an input position: the jump is a fraction


class ConvTranspose1d(_Transposed, frozen=True):
    """One-dimensional transposed convolution of `(N, C, L)`; counted as `ConvTranspose2d`."""

    stride: tuple[int, ...] = (1,)
    padding: sliding.Padding = (0,)
    dilation: tuple[int, ...] = (1,)

    dimensions: ClassVar[int] = 1


class ConvTranspose2d(_Transposed, frozen=True):
    """Two-dimensional transposed convolution of `(N, C, H, W)` (arXiv 1603.07285, section 4).

    MACs: each input element is multiplied by the kernel of each output channel of its group: N x C_in x H_in x W_in x
    (C_out / groups) x K_h x K_w, including cropped positions. Other FLOPs: one addition per output element if there is
    a bias.
    """

    stride: tuple[int, ...] = (1, 1)
    padding: sliding.Padding = (0, 0)
    dilation: tuple[int, ...] = (1, 1)


class ConvTranspose3d(_Transposed, frozen=True):
    """Three-dimensional transposed convolution of `(N, C, D, H, W)`; counted as `ConvTranspose2d`."""

    stride: tuple[int, ...] = (1, 1, 1)
    padding: sliding.Padding = (0, 0, 0)
    dilation: tuple[int, ...] = (1, 1, 1)

    dimensions: ClassVar[int] = 3
