"""Which tensor of the graph an ordinary tensor is: found by its memory, which detached and copied tensors share."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor
from torch.multiprocessing.reductions import StorageWeakRef

Key = tuple[Hashable, ...]
"""Address of a storage, and how a tensor lies in it."""

Found = TypeVar("Found")


class TensorMemory(Generic[Found]):
    """What is noted for tensors, by their memory.

    PyTorch creates a new object for the same tensor again and again: in `detach`, where autograd keeps it, for each
    view. A weak reference to each storage keeps its address from being used again, not its memory.
    """

    def __init__(self) -> None:
        self._found: dict[Key, Found] = {}
        self._first: dict[Hashable, Found] = {}
        """What was noted first for each storage."""
        self._kept: dict[Hashable, StorageWeakRef | Tensor] = {}
        """A weak reference to each storage, or a tensor that has none."""

    def find(self, tensor: Tensor) -> Found | None:
        """What is noted for a tensor of the same memory and layout; None if nothing is."""
        key = _key(tensor)
        return None if key is None else self._found.get(key)

    def first_in_storage(self, tensor: Tensor) -> Found | None:
        """What was noted first for a tensor in the same storage; None if nothing was."""
        key = _key(tensor)
        return None if key is None else self._first.get(key[0])

    def note(self, tensor: Tensor, found: Found) -> None:
        """Note something for a tensor."""
        key = _key(tensor)
        if key is None:
            return
        self._found[key] = found
        if key[0] not in self._kept:
            self._first[key[0]] = found
            storage = _storage(tensor)
            self._kept[key[0]] = tensor if storage is None else StorageWeakRef(storage)  # type: ignore[no-untyped-call]


def share_memory(tensor: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same memory in the same layout."""
    return _key(tensor) == _key(other)


def _key(tensor: Tensor) -> Key | None:
    """The memory and layout of a tensor; None for one of `torch.func`, which has no memory of its own."""
    if is_functorch_wrapped_tensor(tensor):
        return None
    storage = _storage(tensor)
    if storage is None:
        return (tensor._cdata,)
    layout: Key = (tensor.layout,)
    if tensor.layout is torch.strided:
        layout = (tensor.storage_offset(), tensor.stride(), tensor.is_conj(), tensor.is_neg())
    return (storage._cdata, tensor.shape, tensor.dtype, *layout)


def _storage(tensor: Tensor) -> torch.UntypedStorage | None:
    """The memory of a tensor, of a sparse one that of its values; None if PyTorch does not show it."""
    try:
        if tensor.layout is torch.strided:
            return tensor.untyped_storage()
        with torch._C._DisableTorchDispatch():
            values = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
            return values.untyped_storage()
    except (RuntimeError, NotImplementedError):
        return None
