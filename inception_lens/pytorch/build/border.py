"""Layers with padding that PyTorch's own do not have: SAME, unequal sides, and windows that extend beyond the map."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from inception_lens.ops.window import Padding, Rounding, Sizes, same_padding

MAX_POOLS = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
AVG_POOLS = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)


class Border:
    """The padding of one layer, which may depend on the size of the map."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes,
        dilation: Sizes,
        padding: Padding,
        rounding: Rounding,
    ) -> None:
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.padding, self.rounding = padding, rounding

    def padding_on(self, map_size: Sizes) -> list[int]:
        """Padding before and after each axis, the last axis first, in the order of `functional.pad`."""
        axes = reversed(tuple(enumerate(map_size)))
        return [side for axis, size in axes for side in self._padding(axis, size)]

    def beyond(self, map_size: Sizes) -> list[int]:
        """In the same order, how far the last window extends beyond the map and its padding."""
        axes = reversed(tuple(enumerate(map_size)))
        return [side for axis, size in axes for side in (0, self._beyond(axis, size))]

    def _span(self, axis: int) -> int:
        return (self.kernel_size[axis] - 1) * self.dilation[axis] + 1

    def _padding(self, axis: int, size: int) -> tuple[int, int]:
        if isinstance(self.padding, str):
            return same_padding(size, self._span(axis), self.stride[axis])
        pad = self.padding[axis]
        return pad if isinstance(pad, tuple) else (pad, pad)

    def _beyond(self, axis: int, size: int) -> int:
        if self.rounding == "floor" or isinstance(self.padding, str):
            return 0
        before, after = self._padding(axis, size)
        free, stride = size + before + after - self._span(axis), self.stride[axis]
        keeps_last_window = {
            "trunc": free < 0,
            "ceil": -(-free // stride) * stride < size + before,
            "ceil_unclipped": True,
        }
        return -free % stride if keeps_last_window[self.rounding] else 0

    def __repr__(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, rounding={self.rounding}"


def padded(x: Tensor, border: Border, value: float = 0.0) -> Tensor:
    """The map with its border around it, or the map itself if the border is empty."""
    map_size = tuple(x.shape[-len(border.kernel_size) :])
    sides = zip(border.padding_on(map_size), border.beyond(map_size), strict=True)
    sizes = [padding + beyond for padding, beyond in sides]
    return functional.pad(x, sizes, value=value) if any(sizes) else x


class _BorderedConv:
    """A convolution with its border in place of the padding of PyTorch's."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Padding,
        dilation: Sizes,
        groups: int,
        bias: bool,
    ) -> None:
        shape = (in_channels, out_channels, kernel_size)
        super().__init__(*shape, stride, 0, dilation, groups, bias)  # type: ignore
        self.border = Border(kernel_size, stride, dilation, padding, "floor")

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = super().forward(padded(x, self.border))  # type: ignore
        return result


class BorderedConv1d(_BorderedConv, nn.Conv1d):  # type: ignore[misc]
    """Convolution of `(N, C, L)` with a border of zeros."""


class BorderedConv2d(_BorderedConv, nn.Conv2d):  # type: ignore[misc]
    """Convolution of `(N, C, H, W)` with a border of zeros."""


class BorderedConv3d(_BorderedConv, nn.Conv3d):  # type: ignore[misc]
    """Convolution of `(N, C, D, H, W)` with a border of zeros."""


class BorderedMaxPool(nn.Module):
    """Max pool with a border of minus infinity."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Padding,
        dilation: Sizes,
        rounding: Rounding,
    ) -> None:
        super().__init__()
        self.border = Border(kernel_size, stride, dilation, padding, rounding)

    def forward(self, x: Tensor) -> Tensor:
        border, pool = self.border, MAX_POOLS[len(self.border.kernel_size) - 1]
        lowest = -torch.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
        x = padded(x, border, lowest)
        pooled: Tensor = pool(x, border.kernel_size, border.stride, 0, border.dilation)
        return pooled

    def extra_repr(self) -> str:
        return repr(self.border)


class BorderedAvgPool(nn.Module):
    """Average pool; zeros of the padding count in the mean or not, elements beyond the padding never do."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Padding,
        rounding: Rounding,
        count_include_pad: bool,
    ) -> None:
        super().__init__()
        dilation = (1,) * len(kernel_size)
        self.border = Border(kernel_size, stride, dilation, padding, rounding)
        self.count_include_pad = count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        border = self.border
        kernel_size, stride = border.kernel_size, border.stride
        pool = AVG_POOLS[len(kernel_size) - 1]
        map_size = tuple(x.shape[-len(kernel_size) :])
        inside, padding = torch.ones_like(x[:1, :1]), border.padding_on(map_size)
        counted = functional.pad(inside, padding, value=float(self.count_include_pad))
        counted = functional.pad(counted, border.beyond(map_size))
        share = pool(counted, kernel_size, stride)
        means: Tensor = pool(padded(x, border), kernel_size, stride) / share
        return means

    def extra_repr(self) -> str:
        return f"{self.border}, count_include_pad={self.count_include_pad}"
