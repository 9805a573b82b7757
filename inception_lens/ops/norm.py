"""Normalisation."""

from math import prod
from typing import ClassVar

from inception_lens.errors import ShapeError
from inception_lens.ops.base import (
    Category,
    Op,
    Parameter,
    Role,
    Saved,
    Shape,
    TensorType,
    check_rank,
    format_shape,
    wrong_rank,
)


class _AnyBatchNorm(Op, frozen=True):
    """Base of batch norms."""

    eps: float = 1e-5
    """Added to the variance."""
    momentum: float | None = 0.1
    """Weight of a new batch in the running statistics; None: they are the mean over all batches."""
    scale: bool = True
    """Whether gamma is learned; TF-slim's Inception networks learn only beta."""
    shift: bool = True
    """Whether beta is learned."""
    track: bool = True
    """Whether running statistics are kept."""

    category: ClassVar[Category] = "norm"
    role: ClassVar[Role] = "finish"
    has_weights: ClassVar[bool] = True

    @property
    def label(self) -> str:
        return "batch norm"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        self.check(shape)
        return shape

    def check(self, shape: Shape) -> None:
        """Check the number of axes of an input.

        Raises:
            ShapeError: it is not that of the class.
        """
        raise NotImplementedError

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        per_channel = (shapes[0][1],)
        weight = (Parameter("weight", per_channel),) if self.scale else ()
        return (*weight, Parameter("bias", per_channel)) if self.shift else weight

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        if not self.track:
            return ()
        per_channel = (shapes[0][1],)
        return (Parameter("running_mean", per_channel), Parameter("running_var", per_channel))

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return 2 * prod(output)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, extra_bytes=2 * 4 * output.shape[1])  # float32 mean and inverse deviation


class BatchNorm1d(_AnyBatchNorm, frozen=True):
    """Batch normalisation of `(N, C)` or `(N, C, L)`; counted as `BatchNorm2d`."""

    def check(self, shape: Shape) -> None:
        if len(shape) not in (2, 3):
            raise wrong_rank(self.kind, shape, "2 or 3 axes (N, C, L)")


class BatchNorm2d(_AnyBatchNorm, frozen=True):
    """Batch normalisation of `(N, C, H, W)` over all axes but C (S. Ioffe and C. Szegedy, arXiv 1502.03167, section 3).

    The running mean and variance are buffers. FLOPs: one multiplication and one addition per element, as at inference,
    where statistics, scale and shift are two constants per channel.
    """

    def check(self, shape: Shape) -> None:
        check_rank(self.kind, shape, 2)


class BatchNorm3d(_AnyBatchNorm, frozen=True):
    """Batch normalisation of `(N, C, D, H, W)`; counted as `BatchNorm2d`."""

    def check(self, shape: Shape) -> None:
        check_rank(self.kind, shape, 3)


class _Standardizing(Op, frozen=True):
    """Base of norms that compute the mean and variance of groups of elements in each forward pass.

    FLOPs per element: an addition for the mean, a subtraction, a square and an addition for the variance, and a
    multiplication by the inverse deviation: 5, and one each for scale and shift. Per group: two divisions, the addition
    of eps, a root and a division: 5.
    """

    category: ClassVar[Category] = "norm"
    role: ClassVar[Role] = "finish"
    flops_per_element: ClassVar[int] = 5
    flops_per_group: ClassVar[int] = 5

    def groups_of(self, shape: Shape) -> int:
        """Number of groups of elements of an input of `shape` that are normalised separately."""
        raise NotImplementedError

    def roles(self) -> tuple[str, ...]:
        """Roles of the learned tensors: of the scale and the shift, if any."""
        raise NotImplementedError

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        per_element = self.flops_per_element + len(self.roles())
        return per_element * prod(output) + self.flops_per_group * self.groups_of(shapes[0])

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        return Saved(inputs=True, extra_bytes=2 * 4 * self.groups_of(inputs[0].shape))


class _OverLastAxes(_Standardizing, frozen=True):
    """Base of norms over the last axes."""

    normalized_shape: tuple[int, ...]
    """Sizes of the axes that are normalised over."""
    eps: float | None = 1e-5
    """Added to the variance or mean square; None: the smallest number of the dtype, as in PyTorch."""
    scale: bool = True
    """Whether a scale per element is learned."""

    has_weights: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if not self.normalized_shape or shape[-len(self.normalized_shape) :] != self.normalized_shape:
            raise ShapeError(
                f"{self.kind} over {format_shape(self.normalized_shape)} of "
                f"an input of {format_shape(shape)}: the last axes must be equal"
            )
        return shape

    def keeps_positions(self, shape: Shape) -> bool:
        return len(shape) == 2

    def groups_of(self, shape: Shape) -> int:
        return prod(shape[: len(shape) - len(self.normalized_shape)])

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return tuple([Parameter(role, self.normalized_shape) for role in self.roles()])


class LayerNorm(_OverLastAxes, frozen=True):
    """Normalisation over the last axes (J. Ba et al., arXiv 1607.06450, section 3).

    FLOPs: 5 per element, one each for scale and shift, and 5 per group of elements.
    """

    shift: bool = True
    """Whether a shift per element is learned."""

    @property
    def label(self) -> str:
        return "layer norm"

    def roles(self) -> tuple[str, ...]:
        return (*(("weight",) if self.scale else ()), *(("bias",) if self.shift else ()))


class RMSNorm(_OverLastAxes, frozen=True):
    """Division by the root mean square of the last axes (B. Zhang and R. Sennrich, arXiv 1910.07467, section 4).

    FLOPs per element: a square, an addition, a multiplication, and one for the scale; per group: a division, the
    addition of eps, a root and a division.
    """

    flops_per_element: ClassVar[int] = 3
    flops_per_group: ClassVar[int] = 4

    @property
    def label(self) -> str:
        return "RMS norm"

    def roles(self) -> tuple[str, ...]:
        return ("weight",) if self.scale else ()


class _PerChannelScale(_Standardizing, frozen=True):
    """Base of norms with a scale and a shift per channel."""

    has_weights: ClassVar[bool] = True

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) < 2:
            raise wrong_rank(self.kind, shape, "2 axes or more, (N, C, ...)")
        return shape

    def parameters(self, *shapes: Shape) -> tuple[Parameter, ...]:
        return tuple([Parameter(role, (shapes[0][1],)) for role in self.roles()])


class GroupNorm(_PerChannelScale, frozen=True):
    """Normalisation of each sample over groups of channels (Y. Wu and K. He, arXiv 1803.08494, section 3.2).

    FLOPs: 5 per element, one each for scale and shift, and 5 per group.
    """

    groups: int
    """Groups that the channels are divided into."""
    eps: float = 1e-5
    """Added to the variance."""
    affine: bool = True
    """Whether a scale and a shift per channel are learned."""

    @property
    def label(self) -> str:
        return f"group norm {self.groups}"

    def output_shape(self, *shapes: Shape) -> Shape:
        shape = super().output_shape(*shapes)
        if self.groups < 1 or shape[1] % self.groups:
            raise ShapeError(f"{self.groups} groups must divide the {shape[1]} channels")
        return shape

    def roles(self) -> tuple[str, ...]:
        return ("weight", "bias") if self.affine else ()

    def groups_of(self, shape: Shape) -> int:
        return shape[0] * self.groups


class InstanceNorm(_PerChannelScale, frozen=True):
    """Normalisation of each channel of each sample (D. Ulyanov et al., arXiv 1607.08022, section 2).

    FLOPs: 5 per element, one each for scale and shift, and 5 per channel and sample.
    """

    eps: float = 1e-5
    """Added to the variance."""
    affine: bool = False
    """Whether a scale and a shift per channel are learned."""
    track: bool = False
    """Whether running statistics are kept."""

    @property
    def label(self) -> str:
        return "instance norm"

    def roles(self) -> tuple[str, ...]:
        return ("weight", "bias") if self.affine else ()

    def buffers(self, *shapes: Shape) -> tuple[Parameter, ...]:
        if not self.track:
            return ()
        return tuple([Parameter(role, (shapes[0][1],)) for role in ("running_mean", "running_var")])

    def groups_of(self, shape: Shape) -> int:
        return prod(shape[:2])


class LocalResponseNorm(Op, frozen=True):
    """Local response normalisation across channels (A. Krizhevsky et al., NIPS 2012, section 3.3).

    y = x / (k + alpha / size x sum of squares over `size` neighbouring channels) ^ beta; alpha is divided by the size,
    as in Caffe and PyTorch. FLOPs per element: a square, size - 1 additions, a multiplication by alpha / size,
    the addition of k, a power and a division: size + 4.
    """

    size: int = 5
    """Channels of the window."""
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    category: ClassVar[Category] = "norm"
    role: ClassVar[Role] = "finish"

    @property
    def label(self) -> str:
        return "LRN"

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) < 3:
            raise wrong_rank(self.kind, shape, "3 axes or more, (N, C, ...)")
        return shape

    def extra_flops(self, shapes: tuple[Shape, ...], output: Shape) -> int:
        return (self.size + 4) * prod(output)

    def saved(self, inputs: tuple[TensorType, ...], output: TensorType) -> Saved:
        # PyTorch composes it of other operations, which keep the padded squares, their sum and its power.
        padded = output.bytes // output.shape[1] * (output.shape[1] + self.size - 1)
        return Saved(inputs=True, extra_bytes=padded + 2 * output.bytes)
