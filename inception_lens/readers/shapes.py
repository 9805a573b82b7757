"""Axes and ranks, as all readers of networks need them."""

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.ops import Shape, TensorType, format_shape

UNKNOWN_TYPE = TensorType((), has_shape=False)
"""The type of a tensor of which nothing is known; operations that read it are Unknown too."""

MAX_WINDOW_SIZE = 2**20
"""Of kernels, strides, dilations and paddings."""

CONVOLUTIONS = (ops.Conv1d, ops.Conv2d, ops.Conv3d)
"""By the number of spatial axes, from 1, as the tuples below."""
TRANSPOSED_CONVOLUTIONS = (ops.ConvTranspose1d, ops.ConvTranspose2d, ops.ConvTranspose3d)
AVERAGE_POOLS = (ops.AvgPool1d, ops.AvgPool2d, ops.AvgPool3d)
MAX_POOLS = (ops.MaxPool1d, ops.MaxPool2d, ops.MaxPool3d)
ADAPTIVE_AVERAGE_POOLS = (ops.AdaptiveAvgPool1d, ops.AdaptiveAvgPool2d, ops.AdaptiveAvgPool3d)
ADAPTIVE_MAX_POOLS = (ops.AdaptiveMaxPool1d, ops.AdaptiveMaxPool2d, ops.AdaptiveMaxPool3d)


def resolve_axis(axis: int, rank: int, *, extra: int = 0) -> int:
    """An axis counted from the front; a negative one counts from the end.

    `extra` axes after the last are allowed: 1 for a position between axes.

    Raises:
        FormatError: there is no such axis.
    """
    resolved = axis + rank if axis < 0 else axis
    if not 0 <= resolved < rank + extra:
        raise FormatError(f"axis {axis} is out of range for a tensor of {rank} axes")
    return resolved


def spatial_axes(shape: Shape) -> int:
    """Number of axes after the batch and the channels.

    Raises:
        FormatError: there are fewer than 1 or more than 3.
    """
    axes = len(shape) - 2
    if not 1 <= axes <= 3:
        raise FormatError(f"a tensor of {format_shape(shape)} must have 1 to 3 axes after the channels")
    return axes


def batch_norm_for(shape: Shape) -> type[ops.BatchNorm1d | ops.BatchNorm2d | ops.BatchNorm3d]:
    """The batch norm for tensors of the shape's rank.

    Raises:
        FormatError: the rank is not from 2 to 5.
    """
    if not 2 <= len(shape) <= 5:
        raise FormatError(f"a batch norm of a tensor of {len(shape)} axes; expected 2 to 5")
    return (ops.BatchNorm1d, ops.BatchNorm1d, ops.BatchNorm2d, ops.BatchNorm3d)[len(shape) - 2]
