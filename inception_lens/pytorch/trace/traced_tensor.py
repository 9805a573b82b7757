"""The tensors that a model is traced with: a name in the graph, a type, and a value if one is known.

A `TracedTensor` has no storage. For PyTorch it is an ordinary tensor on the device where the model runs, so that checks
of shape, dtype and device pass; every operator called on it reaches the tracer, which returns another one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from inception_lens.errors import GraphError
from inception_lens.ops import BYTES_PER_ELEMENT, Shape, TensorType, format_shape
from inception_lens.pytorch.trace.deferred_values import DeferredValue, evaluated
from inception_lens.pytorch.trace.retries import CannotBeTraced, NeedsOrdinaryTensors, NeedsValue

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

DTYPES: dict[str, torch.dtype] = {
    name: dtype for name in BYTES_PER_ELEMENT if isinstance(dtype := getattr(torch, name, None), torch.dtype)
}
"""PyTorch's dtypes by their names in a graph."""

DTYPE_NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}

QUANTIZED = frozenset({torch.quint8, torch.qint8, torch.qint32})
"""Dtypes of quantized tensors, which PyTorch's meta device has hardly any operator for."""

MAX_ELEMENTS = 2**63
"""PyTorch counts the elements of a tensor in a signed integer of 64 bits, which must be less than this."""

ELEMENT_LIMIT = "PyTorch's tensors have fewer than 2^63 elements, and less than 2^63 bytes"

TRACED_THREADS: set[int] = set()
"""Identifiers of the threads in which a model is being traced."""


class Layout:
    """Shape, strides and dtype of a tensor. Equal ones are one object, so that they are compared by identity."""

    __slots__ = ("dtype", "is_owned", "is_sparse", "shape", "strides", "type")

    shape: Shape
    strides: tuple[int, ...] | None
    """None: contiguous."""
    dtype: torch.dtype
    is_owned: bool
    """Whether the tensor is a parameter or a buffer of the model."""
    is_sparse: bool
    type: TensorType
    """Shape and dtype as a graph holds them."""


LAYOUTS: dict[tuple[object, ...], Layout] = {}
"""All layouts by their fields."""


def layout_of(
    shape: Shape,
    dtype: torch.dtype,
    strides: tuple[int, ...] | None = None,
    *,
    is_owned: bool = False,
    is_sparse: bool = False,
) -> Layout:
    """The layout with these fields.

    Raises:
        GraphError: the size of the dtype's elements is unknown.
    """
    key = (shape, dtype, strides, is_owned, is_sparse)
    found = LAYOUTS.get(key)
    if found is None:
        if strides is not None and strides == _contiguous_strides(shape):
            found = layout_of(shape, dtype, is_owned=is_owned)
        else:
            found = Layout()
            found.shape, found.dtype, found.strides = shape, dtype, strides
            found.is_owned, found.is_sparse = is_owned, is_sparse
            found.type = TensorType(shape, dtype_name(dtype))
        LAYOUTS[key] = found
    return found


def _contiguous_strides(shape: Shape) -> tuple[int, ...]:
    strides, elements = [], 1
    for size in reversed(shape):
        strides.append(elements)
        elements *= max(size, 1)
    return tuple(reversed(strides))


def layout_of_tensor(tensor: Tensor, *, is_owned: bool = False) -> Layout:
    """The layout of any tensor."""
    if tensor.layout is not torch.strided:
        is_sparse = tensor.layout is not torch._mkldnn  # type: ignore[attr-defined]
        return layout_of(tuple(tensor.shape), tensor.dtype, is_owned=is_owned, is_sparse=is_sparse)
    return layout_of(tuple(tensor.shape), tensor.dtype, tensor.stride(), is_owned=is_owned)


class TracedTensor(Tensor):
    """One tensor of a traced forward pass."""

    path: str
    """Its name in the graph: that of a node or an input, or `node:1` for a node's second output."""
    traced_layout: Layout
    """Its shape, strides and dtype."""
    deferred: DeferredValue | None = None
    """What it holds; None if that is unknown."""
    base: TracedTensor | None = None
    """The tensor that it is a view of, which is not itself a view."""

    @property
    def value(self) -> Tensor | None:
        """What it holds, which may have to be computed first; None if it is unknown, or on the meta device."""
        value = None if self.deferred is None else evaluated(self.deferred)
        return None if value is None or value.is_meta else value

    @property
    def is_quantized(self) -> bool:  # type: ignore[override]
        """Whether its dtype is that of a quantized tensor."""
        return self.traced_layout.dtype in QUANTIZED

    def __repr__(self) -> str:  # type: ignore[override]
        return f"tensor(..., size={tuple(self.shape)}, dtype={self.dtype})"

    # Subclasses of Tensor are passed to `__torch_function__` first; operators are to reach the dispatch mode instead.
    __torch_function__: ClassVar[Callable[..., object]] = torch._C._disabled_torch_function_impl

    # What reads memory gets that of the value: PyTorch refuses it for a tensor without storage.

    def data_ptr(self) -> int:
        """The address of the tensor's value, which a model may check."""
        return self._known("reads the address of a tensor").data_ptr()

    def untyped_storage(self) -> torch.UntypedStorage:
        """The memory itself, which only an ordinary tensor has."""
        raise NeedsOrdinaryTensors("the model reads the memory of a tensor")

    @property
    def data(self) -> Tensor:  # type: ignore[override]
        """The same tensor without its gradient."""
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        raise NeedsOrdinaryTensors("the model gives a tensor other memory")

    @property
    def _is_param(self) -> bool:
        """Whether it is a parameter, which PyTorch asks and sets."""
        return False

    @_is_param.setter
    def _is_param(self, value: bool) -> None:
        raise NeedsOrdinaryTensors("the model creates a parameter")

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
        if (value := self.value) is None:
            raise NeedsValue(f"the model {what}")
        return value

    @classmethod
    def __torch_dispatch__(cls, func: object, *rest: object) -> object:  # type: ignore[override]
        if TRACED_THREADS and threading.get_ident() not in TRACED_THREADS:
            where = "was called in another thread than the forward pass, where it is not recorded"
            raise CannotBeTraced(f"{func} {where}", elsewhere=True)
        raise RuntimeError(f"{func} was called on a tensor of a model that is no longer being traced")


OWN_CASTS: list[Tensor] = []
"""Tensors of which the model's code, and not `torch.autocast`, asks for another dtype at this moment."""


def _noting_own_casts(method: Callable[..., object]) -> Callable[..., object]:
    def cast(tensor: Tensor, *args: object, **kwargs: object) -> object:
        OWN_CASTS.append(tensor)
        try:
            return method(tensor, *args, **kwargs)
        finally:
            OWN_CASTS.pop()

    return cast


for name in ("to", "type", "type_as", "half", "float", "double", "bfloat16"):
    setattr(TracedTensor, name, _noting_own_casts(getattr(Tensor, name)))


def traced_tensor(
    path: str,
    layout: Layout,
    device: torch.device,
    deferred: DeferredValue | None = None,
    base: TracedTensor | None = None,
) -> TracedTensor:
    """Create a tensor of a traced forward pass; its fields are those of `TracedTensor`.

    Raises:
        GraphError: PyTorch cannot have a tensor of this size.
    """
    try:
        # Arguments by position are faster: size, strides, storage offset, memory format, dtype, layout, device.
        tensor: TracedTensor = _make_wrapper(
            TracedTensor, layout.shape, layout.strides, None, None, layout.dtype, torch.strided, device
        )
    except RuntimeError:
        if prod(layout.shape) < MAX_ELEMENTS:
            raise
        raise GraphError(f"a tensor of {format_shape(layout.shape)}: {ELEMENT_LIMIT}") from None
    tensor.path, tensor.traced_layout = path, layout
    if deferred is not None:
        tensor.deferred = deferred
    if base is not None:
        tensor.base = base
    return tensor


_make_wrapper = Tensor._make_wrapper_subclass  # type: ignore[attr-defined]


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a dtype in a graph.

    Raises:
        GraphError: the size of its elements is unknown.
    """
    try:
        return DTYPE_NAMES[dtype]
    except KeyError:
        raise GraphError(f"the size of an element of {dtype} is unknown") from None


def type_of(tensor: Tensor) -> TensorType:
    """Shape and dtype as a graph holds them.

    Raises:
        GraphError: the size of the dtype's elements is unknown.
    """
    if type(tensor) is TracedTensor:
        return tensor.traced_layout.type
    return TensorType(tuple(tensor.shape), dtype_name(tensor.dtype))


def meta_tensor(layout: Layout) -> Tensor:
    """A tensor of this layout without storage, on which PyTorch computes an operator's output type.

    For a sparse tensor it is dense: the meta device has no products of sparse ones.
    """
    if layout.strides is None:
        return torch.empty(layout.shape, dtype=layout.dtype, device="meta")
    return torch.empty_strided(layout.shape, layout.strides, dtype=layout.dtype, device="meta")


def inner_tensors(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Tensors in the place of those that consist of several, such as a jagged one."""
    found: list[Tensor] = []
    for each in tensors:
        if type(each) is not TracedTensor and is_traceable_wrapper_subclass(each):
            found += inner_tensors([getattr(each, name) for name in each.__tensor_flatten__()[0]])
        else:
            found.append(each)
    return found
