"""The tensors that a model is traced with: a name in the graph, a type, and a value if one is known.

A `TracedTensor` has no storage. For PyTorch it is an ordinary tensor on the device where the model runs, so that checks
of shape, dtype and device pass; every operator called on it reaches the tracer, which returns another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import torch
from torch import Tensor

from inception_lens.errors import GraphError
from inception_lens.ops import BYTES_PER_ELEMENT, Shape, TensorType, format_shape
from inception_lens.pytorch.trace.retries import NeedsValue

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

DTYPES: dict[str, torch.dtype] = {
    name: dtype for name in BYTES_PER_ELEMENT if isinstance(dtype := getattr(torch, name, None), torch.dtype)
}
"""PyTorch's dtypes by their names in a graph."""

DTYPE_NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}

MAX_ELEMENTS = 2**63
"""PyTorch counts the elements of a tensor in a signed integer of 64 bits, which must be less than this."""

ELEMENT_LIMIT = "PyTorch's tensors have fewer than 2^63 elements"

Value = TypeVar("Value")

TRACED_THREADS: set[int] = set()
"""Identifiers of the threads in which a model is being traced."""


class TracedTensor(Tensor):
    """One tensor of a traced forward pass."""

    path: str
    """Its name in the graph: that of a node or an input, or `node:1` for a node's second output."""
    value: Tensor | None
    """What it holds, if that does not depend on the inputs, or if the model is run with values."""
    base: TracedTensor | None
    """The tensor that it is a view of, which is not itself a view."""

    def __repr__(self) -> str:  # type: ignore[override]
        return f"tensor(..., size={tuple(self.shape)}, dtype={self.dtype})"

    # Subclasses of Tensor are passed to `__torch_function__` first; operators are to reach the dispatch mode instead.
    __torch_function__: ClassVar[Callable[..., object]] = torch._C._disabled_torch_function_impl

    # What reads memory gets that of the value: PyTorch refuses it for a tensor without storage.

    def data_ptr(self) -> int:
        """The address of the tensor's value, which a model may check."""
        return self._known("reads the address of a tensor").data_ptr()

    def numpy(self, *, force: bool = False) -> NDArray[Any]:
        """The value as an array in the same memory."""
        return self._known("converts a tensor to an array").numpy(force=force)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """The value as an array, which NumPy's functions take."""
        found = self.numpy(force=True)
        return found if dtype is None else found.astype(dtype)

    def tolist(self) -> Any:
        """The value as a number or nested lists."""
        return self._known("reads the values of a tensor").tolist()

    def __format__(self, spec: str) -> str:
        """Text of a number; of a tensor with axes the same as of any other object."""
        return format(self.item(), spec) if self.dim() == 0 else object.__format__(self, spec)

    def _known(self, what: str) -> Tensor:
        if self.value is None:
            raise NeedsValue(f"the model {what}")
        return self.value

    @classmethod
    def __torch_dispatch__(cls, func: object, *rest: object) -> object:  # type: ignore[override]
        if TRACED_THREADS and threading.get_ident() not in TRACED_THREADS:
            raise RuntimeError(f"{func} was called in another thread than the forward pass, where it is not recorded")
        raise RuntimeError(f"{func} was called on a tensor of a model that is no longer being traced")


def traced_tensor(
    path: str,
    shape: Shape,
    dtype: torch.dtype,
    device: torch.device,
    *,
    strides: tuple[int, ...] | None = None,
    value: Tensor | None = None,
    base: TracedTensor | None = None,
) -> TracedTensor:
    """Create a tensor of a traced forward pass; its fields are those of `TracedTensor`.

    Raises:
        GraphError: PyTorch cannot have a tensor of this size.
    """
    try:
        tensor: TracedTensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            TracedTensor, shape, strides=strides, dtype=dtype, device=device
        )
    except RuntimeError:
        if prod(shape) < MAX_ELEMENTS:
            raise
        raise GraphError(f"a tensor of {format_shape(shape)}: {ELEMENT_LIMIT}") from None
    tensor.path, tensor.value, tensor.base = path, value, base
    return tensor


def type_of(tensor: Tensor) -> TensorType:
    """Shape and dtype as a graph holds them.

    Raises:
        GraphError: the size of the dtype's elements is unknown.
    """
    return TensorType(tuple(tensor.shape), DTYPE_NAMES.get(tensor.dtype) or dtype_name(tensor.dtype))


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a dtype as a graph holds it.

    Raises:
        GraphError: the size of its elements is unknown.
    """
    if dtype not in DTYPE_NAMES:
        raise GraphError(f"the size of an element of {dtype} is unknown")
    return DTYPE_NAMES[dtype]


def tensors_in(values: Iterable[object]) -> list[Tensor]:
    """All tensors among values, including those in nested lists, tuples and dictionaries."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += tensors_in(value)
        elif isinstance(value, dict):
            found += tensors_in(value.values())
    return found


def map_tensors(value: Value, change: Callable[[Tensor], object]) -> Value:
    """A copy of nested lists, tuples and dictionaries in which every tensor is replaced."""
    return cast(Value, _mapped(value, change))


def _mapped(value: object, change: Callable[[Tensor], object]) -> object:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple) and (make := getattr(value, "_make", None)):  # a NamedTuple
        return make([_mapped(each, change) for each in value])
    if isinstance(value, list | tuple):
        return type(value)([_mapped(each, change) for each in value])
    if isinstance(value, dict):
        return {key: _mapped(each, change) for key, each in value.items()}
    return value


def meta_tensor(tensor: Tensor) -> Tensor:
    """A tensor of the same strides without storage, on which PyTorch computes an operator's output type.

    For a sparse tensor it is dense: the meta device has no products of sparse ones.
    """
    if tensor.layout is not torch.strided:
        return torch.empty(tuple(tensor.shape), dtype=tensor.dtype, device="meta")
    return torch.empty_strided(tuple(tensor.shape), tuple(tensor.stride()), dtype=tensor.dtype, device="meta")
