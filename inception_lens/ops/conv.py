"""Convolution."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops import window as sliding
from inception_lens.ops.base import Category, Op, Parameter, Saved, Shape, TensorType, Window, wrong_rank


class Conv2d(Op, frozen=True):
    """Two-dimensional convolution of `(N, C, H, W)`.

    MACs: N x C_out x H_out x W_out x (C_in / groups) x K_h x K_w, positions in the padding counted. FLOPs beside them:
    one addition per output element where there is a bias.
    """

    out_channels: int
    kernel_size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: sliding.Padding = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True

    category: ClassVar[Category] = "conv"
    has_weights: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return sliding.label(self.kernel_size, self.stride)

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != 4:
            raise wrong_rank(self.kind, shape, "4 axes (N, C, H, W)")
        channels = shape[1]
        if self.groups < 1 or channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"{self.groups} groups must divide the {channels} input and the {self.out_channels} output channels"
            )
        size = sliding.output_size(shape[2:], self.kernel_size, self.stride, self.padding, self.dilation, "floor")
        return (shape[0], self.out_channels, *size)

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        weight = Parameter("weight", (self.out_channels, shapes[0][1] // self.groups, *self.kernel_size))
        return (weight, Parameter("bias", (self.out_channels,))) if self.bias else (weight,)

    def macs(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) * (shapes[0][1] // self.groups) * prod(self.kernel_size)

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return prod(output) if self.bias else 0

    @property
    def has_window(self) -> bool:
        return self.kernel_size != (1, 1) or self.stride != (1, 1) or self.padding != (0, 0)

    def window(self, shape: Shape, output: Shape) -> Window:
        return sliding.window(shape[2:], self.kernel_size, self.stride, self.padding, self.dilation)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs_for_weights=True)
