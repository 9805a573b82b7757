"""Layers for operations that PyTorch has no module for; those with the name of an operation compute it."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from inception_lens.ops.window import Sizes


class Concat(nn.Module):
    """Concatenation along `dim`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Add(nn.Module):
    """Sum of tensors of one shape, the last times `scale`; of two also in place."""

    def __init__(self, scale: float, inplace: bool = False) -> None:
        super().__init__()
        self.scale, self.inplace = scale, inplace

    def forward(self, *inputs: Tensor) -> Tensor:
        *others, last = inputs
        if not others:
            return last * self.scale
        if self.inplace and len(others) == 1:
            return others[0].add_(last, alpha=self.scale)
        return torch.add(reduce(torch.add, others), last, alpha=self.scale)

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


class Function(nn.Module):
    """A function of `torch`, called with the inputs and further arguments."""

    def __init__(self, function: str, **arguments: object) -> None:
        super().__init__()
        self.function, self.arguments = function, arguments

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = getattr(torch, self.function)(*inputs, **self.arguments)
        return result

    def extra_repr(self) -> str:
        arguments = [f"{name}={value}" for name, value in self.arguments.items()]
        return ", ".join([self.function, *arguments])


class Elementwise(nn.Module):
    """A function of `torch` of numbers, and of the inputs in the places where `numbers` has None."""

    def __init__(self, function: str, numbers: Sequence[float | None]) -> None:
        super().__init__()
        self.function, self.numbers = function, numbers

    def forward(self, *inputs: Tensor) -> Tensor:
        first, *others = _arguments(self.numbers, inputs)
        # Most functions of `torch` take no number as their first argument.
        result: Tensor = getattr(torch, self.function)(torch.as_tensor(first), *others)
        return result

    def extra_repr(self) -> str:
        return f"{self.function}, {self.numbers}"


class InPlace(nn.Module):
    """An element-wise function in its in-place form, which writes to its first input."""

    def __init__(self, function: str, numbers: Sequence[float | None] = ()) -> None:
        super().__init__()
        self.function, self.numbers = function, numbers

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        arguments = _arguments(self.numbers[1:], others)
        result: Tensor = getattr(x, f"{self.function}_")(*arguments)
        return result


def _arguments(
    numbers: Sequence[float | None],
    inputs: Sequence[Tensor],
) -> list[Tensor | float]:
    tensors = iter(inputs)
    found = [next(tensors) if each is None else each for each in numbers]
    return [*found, *tensors]


class Stack(nn.Module):
    """Tensors of one shape, joined along a new axis."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.stack(inputs, self.dim)


class Slice(nn.Module):
    """The elements `start`, `start + step`, ... before `stop` of one axis."""

    def __init__(self, dim: int, start: int, stop: int, step: int) -> None:
        super().__init__()
        self.dim, self.part = dim, slice(start, stop, step)

    def forward(self, x: Tensor) -> Tensor:
        return x[(slice(None),) * self.dim + (self.part,)]


class Pad(nn.Module):
    """Elements added before and after each axis."""

    def __init__(
        self,
        padding: Sequence[tuple[int, int]],
        mode: str,
        value: float,
    ) -> None:
        super().__init__()
        pairs = list(padding)
        # Modes other than `constant` take the spatial axes, and only these.
        while len(pairs) > max(len(padding) - 2, 1) and pairs[0] == (0, 0):
            del pairs[0]
        self.padding = [side for pair in reversed(pairs) for side in pair]
        self.mode, self.value = mode, value

    def forward(self, x: Tensor) -> Tensor:
        value = self.value if self.mode == "constant" else None
        return functional.pad(x, self.padding, self.mode, value)


class Attention(nn.Module):
    """Scaled dot-product attention; a fourth input is the mask."""

    def __init__(
        self,
        causal: bool,
        grouped: bool,
        scale: float | None,
    ) -> None:
        super().__init__()
        self.causal, self.grouped, self.scale = causal, grouped, scale

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
    ) -> Tensor:
        return functional.scaled_dot_product_attention(
            query,
            key,
            value,
            mask,
            is_causal=self.causal,
            scale=self.scale,
            enable_gqa=self.grouped,
        )


class Reduce(nn.Module):
    """Axes of a tensor reduced by a function of `torch`; no axes are all of them."""

    def __init__(self, function: str, dims: Sizes, keepdim: bool) -> None:
        super().__init__()
        self.function, self.dims, self.keepdim = function, dims, keepdim

    def forward(self, x: Tensor) -> Tensor:
        dims = self.dims or tuple(range(x.dim()))
        which = dims if len(dims) != 1 else dims[0]
        keep = {"keepdim": True} if self.keepdim else {}
        result: Tensor = getattr(torch, self.function)(x, which, **keep)
        return result


class Stored(nn.Module):
    """A parameter or a buffer that is an input of other layers."""

    def __init__(self, role: str, shape: Sizes, dtype: str) -> None:
        super().__init__()
        tensor = torch.zeros(shape, dtype=getattr(torch, dtype))
        if role == "parameter":
            self.weight = nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
        else:
            self.register_buffer("buffer", tensor)
        self.role = "weight" if role == "parameter" else "buffer"

    def forward(self) -> Tensor:
        stored: Tensor = getattr(self, self.role)
        return stored


class _Flat:
    """A recurrent layer whose states are further inputs and outputs, not nested in tuples."""

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        given = states if len(states) > 1 else states[0] if states else None
        output, final = super().forward(x, given)  # type: ignore[misc]
        return (output, *final) if isinstance(final, tuple) else (output, final)


class FlatRNN(_Flat, nn.RNN):  # type: ignore[misc]
    """An Elman network."""


class FlatLSTM(_Flat, nn.LSTM):  # type: ignore[misc]
    """A long short-term memory."""


class FlatGRU(_Flat, nn.GRU):  # type: ignore[misc]
    """A gated recurrent unit."""


class _PartlyAffine:
    """Batch normalisation that learns a scale or a shift, but not both, as in TF-slim's Inception networks."""

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        scale: bool,
        track: bool,
    ) -> None:
        super().__init__(num_features, eps, momentum, True, track)  # type: ignore[call-arg]
        self.register_parameter("bias" if scale else "weight", None)  # type: ignore[attr-defined]

    def reset_parameters(self) -> None:
        """Set the scale to 1, or the shift to 0."""
        self.reset_running_stats()  # type: ignore[attr-defined]
        for tensor, value in ((self.weight, 1.0), (self.bias, 0.0)):  # type: ignore[attr-defined]
            if tensor is not None:
                nn.init.constant_(tensor, value)


class PartlyAffineBatchNorm1d(_PartlyAffine, nn.BatchNorm1d):
    """Of `(N, C)` and `(N, C, L)`."""


class PartlyAffineBatchNorm2d(_PartlyAffine, nn.BatchNorm2d):
    """Of `(N, C, H, W)`."""


class PartlyAffineBatchNorm3d(_PartlyAffine, nn.BatchNorm3d):
    """Of `(N, C, D, H, W)`."""
