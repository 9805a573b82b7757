"""The blocks that the tables are built of: a convolution with what follows it, an Inception module, a pool."""

from typing import Literal

import msgspec

from inception_lens.graph import Writer
from inception_lens.ops import (
    ELU,
    GELU,
    BatchNorm2d,
    Concat,
    Conv2d,
    LeakyReLU,
    MaxPool2d,
    Op,
    Padding,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)

ActivationName = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "none"]

ACTIVATIONS: dict[ActivationName, Op] = {
    "relu": ReLU(inplace=True),
    "leaky_relu": LeakyReLU(inplace=True),
    "elu": ELU(inplace=True),
    "gelu": GELU(),
    "silu": SiLU(),
    "sigmoid": Sigmoid(),
    "tanh": Tanh(),
}
"""In place where the gradient needs the output alone, as Caffe and torchvision have it."""

PoolRounding = Literal["floor", "trunc", "ceil", "ceil_unclipped", "same"]


class ConvStyle(msgspec.Struct, frozen=True):
    """How a network writes its convolutions: what a reader of the paper is told once."""

    bias: bool = True
    norm: BatchNorm2d | None = None
    activation: Op | None = ReLU(inplace=True)
    activation_first: bool = False
    """Whether the activation stands before the norm."""
    same: bool = False
    """Whether `same` padding stands for the explicit k // 2."""

    def padding(self, kernel: int) -> Padding:
        """The padding that keeps a map's size at stride 1."""
        return "same" if self.same else (kernel // 2, kernel // 2)


class Inception(msgspec.Struct, frozen=True):
    """One Inception module as built: channels of its convolutions, None where a 1x1 convolution is left out."""

    conv_1x1: int
    reduce_3x3: int | None
    conv_3x3: int
    reduce_5x5: int | None
    conv_5x5: int
    pool_proj: int | None


def conv(writer: Writer, x: str, name: str, channels: int, kernel: int, style: ConvStyle, stride: int = 1) -> str:
    """A convolution and, as nodes below its name, the norm and the activation that follow it."""
    op = Conv2d(channels, (kernel, kernel), (stride, stride), style.padding(kernel), bias=style.bias)
    x = writer.add(name, op, x)
    if style.activation_first:
        return following(writer, following(writer, x, name, None, style.activation), name, style.norm, None)
    return following(writer, x, name, style.norm, style.activation)


def following(writer: Writer, x: str, name: str, norm: Op | None, activation: Op | None) -> str:
    """The norm and the activation behind the layer `name`, where it has them."""
    if norm is not None:
        x = writer.add(f"{name}/bn", norm, x)
    if activation is not None:
        x = writer.add(f"{name}/{activation.kind.lower()}", activation, x)
    return x


def max_pool(
    writer: Writer, x: str, name: str, kernel: int, stride: int, rounding: PoolRounding, padding: int = 0
) -> str:
    """A square max pool; rounding `same` means SAME padding."""
    if rounding == "same":
        return writer.add(name, MaxPool2d((kernel, kernel), (stride, stride), "same"), x)
    return writer.add(name, MaxPool2d((kernel, kernel), (stride, stride), (padding, padding), rounding), x)


def inception(
    writer: Writer, x: str, name: str, module: Inception, style: ConvStyle, kernel_5x5: int, rounding: PoolRounding
) -> str:
    """An Inception module (arXiv 1409.4842, Figure 2b): four branches over one map, joined along depth.

    A branch whose reduction is None reads the map itself, as in the naive module of Figure 2a.
    """
    one = conv(writer, x, f"{name}/1x1", module.conv_1x1, 1, style)

    three = x if module.reduce_3x3 is None else conv(writer, x, f"{name}/3x3_reduce", module.reduce_3x3, 1, style)
    three = conv(writer, three, f"{name}/3x3", module.conv_3x3, 3, style)

    five = x if module.reduce_5x5 is None else conv(writer, x, f"{name}/5x5_reduce", module.reduce_5x5, 1, style)
    five_name = "5x5" if kernel_5x5 == 5 else f"5x5_branch_{kernel_5x5}x{kernel_5x5}"
    five = conv(writer, five, f"{name}/{five_name}", module.conv_5x5, kernel_5x5, style)

    pool = max_pool(writer, x, f"{name}/pool", 3, 1, rounding, padding=1)
    if module.pool_proj is not None:
        pool = conv(writer, pool, f"{name}/pool_proj", module.pool_proj, 1, style)

    return writer.add(f"{name}/output", Concat(), one, three, five, pool)


def parse_pool(text: str) -> tuple[tuple[int, int], int]:
    """Kernel and stride of a pool written as `7`, `7x7` or `7x7/2`; the stride is 1 where it is not given."""
    kernel, _, stride = text.partition("/")
    height, _, width = kernel.partition("x")
    return (int(height), int(width or height)), int(stride or 1)
