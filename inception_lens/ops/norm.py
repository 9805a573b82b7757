"""Normalisation."""

from math import prod
from typing import ClassVar

from inception_lens.ops.base import Category, Op, Parameter, Saved, Shape, TensorType, wrong_rank


class BatchNorm2d(Op, frozen=True):
    """Batch normalisation of `(N, C, H, W)` over all axes but C (S. Ioffe and C. Szegedy, arXiv 1502.03167, section 3).

    The running mean and variance are buffers. FLOPs: one multiplication and one addition per element, as at inference,
    where statistics, scale and shift have become two constants per channel.
    """

    eps: float = 1e-5
    momentum: float = 0.1
    scale: bool = True
    """Whether gamma is learned; TF-slim's Inception nets learn beta alone."""

    category: ClassVar[Category] = "norm"
    has_weights: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return "batch norm"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != 4:
            raise wrong_rank(self.kind, shape, "4 axes (N, C, H, W)")
        return shape

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        per_channel = (shapes[0][1],)
        bias = Parameter("bias", per_channel)
        return (Parameter("weight", per_channel), bias) if self.scale else (bias,)

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        per_channel = (shapes[0][1],)
        return (Parameter("running_mean", per_channel), Parameter("running_var", per_channel))

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 2 * prod(output)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, extra_bytes=2 * 4 * output.shape[1])  # the batch's mean and deviation, in float32


class LocalResponseNorm(Op, frozen=True):
    """Local response normalisation across channels (A. Krizhevsky et al., NIPS 2012, section 3.3).

    y = x / (k + alpha / size x sum of squares over `size` neighbouring channels) ^ beta: alpha is divided by the
    window, as in Caffe and PyTorch. FLOPs per element: a square, size - 1 additions, a multiplication by alpha / size,
    the addition of k, a power and a division: size + 4.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    category: ClassVar[Category] = "norm"

    @property
    def label(self) -> str:
        return "LRN"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) < 3:
            raise wrong_rank(self.kind, shape, "3 axes or more, (N, C, ...)")
        return shape

    def arithmetic(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return (self.size + 4) * prod(output)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        # PyTorch composes it of simpler operations, which keep the squares, the sum and its power.
        return Saved(inputs=True, extra_bytes=3 * output.bytes)
