"""The blocks from which architectures are built: a convolution with its norm and activation, an Inception module."""

from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from inception_lens import ops
from inception_lens.graph import Writer
from inception_lens.ops import BatchNorm2d, Concat, Conv2d, MaxPool2d, Op, Padding, ReLU

ActivationName = Annotated[
    Literal["relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "none"],
    Meta(description="relu, leaky_relu, elu, gelu, silu, sigmoid, tanh or none"),
]

ACTIVATIONS: dict[ActivationName, Op] = {
    "relu": ReLU(inplace=True),
    "leaky_relu": ops.LeakyReLU(inplace=True),
    "elu": ops.ELU(inplace=True),
    "gelu": ops.GELU(),
    "silu": ops.SiLU(),
    "sigmoid": ops.Sigmoid(),
    "tanh": ops.Tanh(),
}
"""In place where the gradient needs only the output, as in Caffe and torchvision. `none` has no operation."""

CONCAT = Concat()
"""By channels."""

PoolRounding = Literal["floor", "trunc", "ceil", "ceil_unclipped", "same"]
"""How a pool rounds its output size (see `ops.window.Rounding`); `same` is TensorFlow's SAME padding."""


class ConvStyle(msgspec.Struct, frozen=True):
    """What all convolutions of a network have in common."""

    bias: bool = True
    """Whether convolutions have a bias."""
    norm: BatchNorm2d | None = None
    """The norm after each convolution."""
    activation: Op | None = ReLU(inplace=True)
    """The activation after each convolution and its norm."""
    activation_first: bool = False
    """Whether the activation comes before the norm."""
    same: bool = False
    """Whether convolutions use `same` padding instead of k // 2 on both sides."""

    def padding(self, kernel: int) -> Padding:
        """The padding that keeps a map's size at stride 1."""
        return "same" if self.same else (kernel // 2, kernel // 2)


class InceptionWidths(msgspec.Struct, frozen=True):
    """Output channels of the convolutions in one Inception module; None leaves a 1x1 convolution out."""

    conv_1x1: int
    """The 1x1 branch."""
    reduce_3x3: int | None
    """The 1x1 before the 3x3."""
    conv_3x3: int
    """The 3x3."""
    reduce_5x5: int | None
    """The 1x1 before the 5x5."""
    conv_5x5: int
    """The 5x5."""
    pool_proj: int | None
    """The 1x1 after the max pool."""


def conv(writer: Writer, x: str, name: str, channels: int, kernel: int, style: ConvStyle, stride: int = 1) -> str:
    """Write a square convolution, with its norm and activation as nodes below its name; return the last node's name."""
    x = writer.add(name, square_conv(channels, kernel, stride, style.padding(kernel), style.bias), x)
    if style.activation_first:
        x = norm_and_activation(writer, x, name, None, style.activation)
        return norm_and_activation(writer, x, name, style.norm, None)
    return norm_and_activation(writer, x, name, style.norm, style.activation)


@lru_cache(4096)
def square_conv(channels: int, kernel: int, stride: int, padding: Padding, bias: bool) -> Conv2d:
    """A square convolution; equal ones are one object, which a `Writer` compares and keeps only once."""
    return Conv2d(channels, (kernel, kernel), (stride, stride), padding, bias=bias)


@lru_cache(4096)
def square_max_pool(kernel: int, stride: int, padding: int, rounding: PoolRounding) -> MaxPool2d:
    """A square max pool; equal ones are one object."""
    if rounding == "same":
        return MaxPool2d((kernel, kernel), (stride, stride), "same")
    return MaxPool2d((kernel, kernel), (stride, stride), (padding, padding), rounding)


def norm_and_activation(writer: Writer, x: str, name: str, norm: Op | None, activation: Op | None) -> str:
    """Write the norm and the activation of the layer `name`, either of which may be None."""
    if norm is not None:
        x = writer.add(f"{name}/bn", norm, x)
    if activation is not None:
        x = writer.add(f"{name}/{activation.kind.lower()}", activation, x)
    return x


def max_pool(
    writer: Writer, x: str, name: str, kernel: int, stride: int, rounding: PoolRounding, padding: int = 0
) -> str:
    """Write a square max pool; with the rounding `same`, `padding` has no effect."""
    return writer.add(name, square_max_pool(kernel, stride, padding, rounding), x)


def inception(
    writer: Writer,
    x: str,
    name: str,
    widths: InceptionWidths,
    style: ConvStyle,
    kernel_5x5: int,
    rounding: PoolRounding,
) -> str:
    """Write an Inception module (arXiv 1409.4842, Figure 2b): four branches of one input, concatenated by channels.

    A branch whose reduction is None reads the module's input, as in the naive module of Figure 2a.
    """

    def write() -> str:
        one = conv(writer, x, f"{name}/1x1", widths.conv_1x1, 1, style)

        three = x if widths.reduce_3x3 is None else conv(writer, x, f"{name}/3x3_reduce", widths.reduce_3x3, 1, style)
        three = conv(writer, three, f"{name}/3x3", widths.conv_3x3, 3, style)

        five = x if widths.reduce_5x5 is None else conv(writer, x, f"{name}/5x5_reduce", widths.reduce_5x5, 1, style)
        five_name = "5x5" if kernel_5x5 == 5 else f"5x5_branch_{kernel_5x5}x{kernel_5x5}"
        five = conv(writer, five, f"{name}/{five_name}", widths.conv_5x5, kernel_5x5, style)

        pool = max_pool(writer, x, f"{name}/pool", 3, 1, rounding, padding=1)
        if widths.pool_proj is not None:
            pool = conv(writer, pool, f"{name}/pool_proj", widths.pool_proj, 1, style)

        return writer.add(f"{name}/output", CONCAT, one, three, five, pool)

    return writer.block((widths, style, kernel_5x5, rounding), name, x, write)


def parse_pool(text: str) -> tuple[tuple[int, int], int]:
    """Kernel and stride of a pool written as `7`, `7x7` or `7x7/2`; the stride defaults to 1."""
    kernel, _, stride = text.partition("/")
    height, _, width = kernel.partition("x")
    return (int(height), int(width or height)), int(stride or 1)
