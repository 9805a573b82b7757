"""Memory that the tensors of a running network take, and how much of it autograd keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from inception_lens.pytorch.trace.containers import tensors_in


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every tensor that operators return, from its allocation until its storage is freed.

    Parameters and buffers do not count. An input counts until its last reader has run, when the caller could free it.
    On a CUDA device the figures are those of the allocator, and include the workspaces of kernels.
    """

    def __init__(
        self, network: nn.Module, inputs: Sequence[Tensor], device: torch.device, frees: Mapping[str, Sequence[Tensor]]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cuda = device if device.type == "cuda" else None
        self.excluded = {_storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
        """Storages that do not count."""
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}
        """The storages that are alive, and their bytes."""
        self.peak = 0
        """Most bytes alive at any time, with those that a call uses only itself."""
        self.by_name: dict[str, int] = {}
        """Bytes alive at the end of each call, its inputs and outputs included, as in the liveness analysis."""
        self.inputs = tuple(inputs)
        self.frees = frees
        """Inputs by the name of the call that reads them last."""
        self._add(inputs)

    def enter(self, name: str) -> None:
        """Note that a call starts."""
        if self.cuda:
            self._raise_peak(self._allocated())
            torch.cuda.reset_peak_memory_stats(self.cuda)

    def leave(self, name: str) -> None:
        """Note that a call has returned; what it read is still alive."""
        self.by_name[name] = self._allocated() if self.cuda else self._sum()
        self._raise_peak(self.by_name[name])
        for tensor in self.frees.get(name, ()):
            self.live.pop(_storage(tensor), None)
            self.excluded.add(_storage(tensor))

    def __enter__(self) -> LiveMemory:
        if self.cuda:
            torch.cuda.synchronize(self.cuda)
            torch.cuda.reset_peak_memory_stats(self.cuda)
            self.base = torch.cuda.memory_allocated(self.cuda) - sum(t.untyped_storage().nbytes() for t in self.inputs)
            return self
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.cuda:
            super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        self._add(tensors_in((result,)))
        self._raise_peak(self._sum())
        return result

    def _allocated(self) -> int:
        torch.cuda.synchronize(self.cuda)
        return torch.cuda.max_memory_allocated(self.cuda) - self.base

    def _add(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            storage = _storage(tensor)
            if storage not in self.excluded:
                untyped = tensor.untyped_storage()
                self.live[storage] = (StorageWeakRef(untyped), untyped.nbytes())  # type: ignore[no-untyped-call]

    def _sum(self) -> int:
        for storage in [s for s, (reference, _) in self.live.items() if reference.expired()]:  # type: ignore[no-untyped-call]
            del self.live[storage]
        return sum(size for _, size in self.live.values())

    def _raise_peak(self, size: int) -> None:
        self.peak = max(self.peak, size)


def saved_bytes(network: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Bytes that autograd keeps of one forward pass, each storage once, without parameters and buffers."""
    excluded = {_storage(tensor) for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        alive.append(tensor)  # a storage that was freed could have its address taken by another
        if _storage(tensor) not in excluded:
            kept[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = network(*inputs)
    del outputs
    return sum(kept.values())


def _storage(tensor: Tensor) -> int:
    """The identity of a tensor's storage."""
    return int(tensor.untyped_storage()._cdata)
