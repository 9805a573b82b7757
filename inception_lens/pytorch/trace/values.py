"""The tensors that a traced model is run on: a name in the graph, a type, and a value where one is known.

A `Traced` has no storage. PyTorch sees an ordinary tensor on the device where the model thinks that it runs; every
operation on it reaches the tracer, which answers with the operation's shape rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch

from inception_lens.errors import GraphError
from inception_lens.ops import BYTES_PER_ELEMENT, Shape, TensorType

DTYPES: dict[str, torch.dtype] = {
    name: dtype for name in BYTES_PER_ELEMENT if isinstance(dtype := getattr(torch, name, None), torch.dtype)
}
"""PyTorch's dtypes by the names that a graph gives them."""

NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}


class Traced(torch.Tensor):
    """One tensor of a traced forward pass."""

    path: str
    """What the graph calls it: a node, an input, or `node:1`."""
    value: torch.Tensor | None
    """What it holds, where that is known without the inputs or the model is run for real."""
    base: Traced | None
    """What it is a view of."""

    def __repr__(self) -> str:  # type: ignore[override]
        return f"tensor(..., size={tuple(self.shape)}, dtype={self.dtype})"

    __torch_function__: ClassVar[Any] = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, *rest: Any) -> Any:  # type: ignore[override]
        raise RuntimeError(f"{func} was called on a tensor of a model that is no longer being traced")


def traced(
    path: str,
    shape: Shape,
    dtype: torch.dtype,
    device: torch.device,
    *,
    strides: tuple[int, ...] | None = None,
    value: torch.Tensor | None = None,
    base: Traced | None = None,
) -> Traced:
    """Make a tensor of a traced forward pass."""
    tensor: Traced = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
        Traced, shape, strides=strides, dtype=dtype, device=device
    )
    tensor.path, tensor.value, tensor.base = path, value, base
    return tensor


def type_of(tensor: torch.Tensor) -> TensorType:
    """Shape and dtype as a graph writes them."""
    try:
        return TensorType(tuple(tensor.shape), NAMES[tensor.dtype])
    except KeyError:
        raise GraphError(f"a tensor of {tensor.dtype}: it is not known how many bytes its elements take") from None


def tensors_in(values: Iterable[Any]) -> list[torch.Tensor]:
    """All tensors among values, those in lists, tuples and dictionaries among them."""
    found: list[torch.Tensor] = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors_in(value)
        elif isinstance(value, dict):
            found += tensors_in(value.values())
    return found


def mapped(value: Any, change: Callable[[torch.Tensor], Any]) -> Any:
    """The same value with every tensor in it changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[mapped(each, change) for each in value])
    if isinstance(value, list | tuple):
        return type(value)([mapped(each, change) for each in value])
    if isinstance(value, dict):
        return {key: mapped(each, change) for key, each in value.items()}
    return value


def on_meta(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor of the same layout without storage, of which PyTorch can be asked what an operator makes of it."""
    return torch.empty_strided(tuple(tensor.shape), tuple(tensor.stride()), dtype=tensor.dtype, device="meta")
