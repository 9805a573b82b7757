"""Arithmetic of the sliding windows of convolutions and pools, one axis at a time.

Output sizes follow V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning" (arXiv 1603.07285),
section 2, with the rounding rules of the frameworks.
"""

from functools import lru_cache
from typing import Literal

from inception_lens.errors import ShapeError
from inception_lens.ops.base import Window, format_shape

Sizes = tuple[int, ...]
"""One number per spatial axis."""

Padding = Literal["same"] | tuple[int | tuple[int, int], ...]
"""For each axis a size for both sides or a pair (before, after); or TensorFlow's SAME, for ceil(n / stride) outputs."""

Rounding = Literal["floor", "trunc", "ceil", "ceil_unclipped"]
"""Rule for a last window that is not full.

floor: it is dropped. trunc: it is dropped, but division rounds towards zero, so that a single window larger than the
map is kept (PaddlePaddle). ceil: it is kept unless it would start in the padding after the map (Caffe, PyTorch).
ceil_unclipped: it is kept even then (PaddlePaddle v2).
"""


def spans(kernel: Sizes, dilation: Sizes) -> Sizes:
    """Extent of a dilated kernel per axis, in input elements."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))


def same_padding(size: int, span: int, stride: int) -> tuple[int, int]:
    """The padding (before, after) of an axis for `same`; an odd element is after."""
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def explicit_padding(
    map_size: Sizes, kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes
) -> tuple[tuple[int, int], ...]:
    """Padding (before, after) per axis, with `same` computed for this map."""
    if isinstance(padding, str):
        return tuple(map(same_padding, map_size, spans(kernel, dilation), stride))
    return padding_pairs(padding)


def padding_pairs(padding: tuple[int | tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Explicit padding as (before, after) per axis."""
    return tuple([pad if isinstance(pad, tuple) else (pad, pad) for pad in padding])


@lru_cache(4096)  # a network has few different windows
def output_size(
    map_size: Sizes, kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes, rounding: Rounding
) -> Sizes:
    """Number of windows per axis.

    Raises:
        ShapeError: no window fits; or as `check`.
    """
    check(map_size, kernel, stride, padding, dilation)
    if padding == "same":
        return tuple([-(-n // s) for n, s in zip(map_size, stride, strict=True)])
    sizes = []
    for n, k, s, pad, d in zip(map_size, kernel, stride, padding, dilation, strict=True):
        before, after = pad if isinstance(pad, tuple) else (pad, pad)
        last_start = n + before + after - (k - 1) * d - 1  # of a full window, in the padded map
        if rounding == "floor":
            windows = last_start // s + 1
        elif rounding == "trunc":
            windows = (last_start // s if last_start >= 0 else -(-last_start // s)) + 1
        else:
            windows = -(-last_start // s) + 1
            if rounding == "ceil" and (windows - 1) * s >= n + before:
                windows -= 1
        if windows < 1:
            raise ShapeError(_does_not_fit(map_size, kernel, stride, padding, dilation, rounding))
        sizes.append(windows)
    return tuple(sizes)


def _does_not_fit(
    map_size: Sizes, kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes, rounding: Rounding
) -> str:
    span, pads = spans(kernel, dilation), explicit_padding(map_size, kernel, stride, padding, dilation)
    missing = (0,) * len(stride) if rounding == "floor" else tuple(s - 1 for s in stride)  # in a window that is kept
    needed = tuple(max(k - sum(pad) - less, 1) for k, pad, less in zip(span, pads, missing, strict=True))
    padded = tuple(n + sum(pad) for n, pad in zip(map_size, pads, strict=True))
    with_padding = "" if padded == map_size else f", {format_shape(padded)} with its padding"
    return (
        f"a {format_shape(span)} kernel does not fit the {format_shape(map_size)} map{with_padding}: "
        f"it needs at least {format_shape(needed)}"
    )


def check(map_size: Sizes, kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes) -> None:
    """Check that a window has an entry per axis of the map, and that its sizes are in range.

    Raises:
        ShapeError: an axis is missing; a kernel, stride or dilation is less than 1; or a padding is negative.
    """
    axes = len(map_size)
    pads: Sizes = () if padding == "same" else tuple(min(pad) if isinstance(pad, tuple) else pad for pad in padding)
    if not len(kernel) == len(stride) == len(dilation) == axes or (padding != "same" and len(pads) != axes):
        sizes = f"kernel {kernel}, stride {stride}, dilation {dilation}, padding {padding}"
        raise ShapeError(f"{sizes}: expected one entry for each of the {axes} axes of the map")
    if min(*kernel, *stride, *dilation) < 1 or min(pads, default=0) < 0:
        raise ShapeError(
            f"kernel {format_shape(kernel)}, stride {format_shape(stride)}, dilation "
            f"{format_shape(dilation)} must be at least 1, and padding {padding} at least 0"
        )


@lru_cache(4096)
def window(map_size: Sizes, kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes) -> Window:
    """The `Window` of a kernel on this map."""
    if padding == "same":
        padding = explicit_padding(map_size, kernel, stride, padding, dilation)
    return Window(kernel, stride, tuple([pad[0] if isinstance(pad, tuple) else pad for pad in padding]), dilation)


def label(kernel: Sizes, stride: Sizes) -> str:
    """Write a kernel and its stride as in the paper's Table 1: `3x3/2`, or `3x3` for a stride of 1."""
    step = str(stride[0]) if len(set(stride)) == 1 else format_shape(stride)
    return format_shape(kernel) if set(stride) == {1} else f"{format_shape(kernel)}/{step}"
