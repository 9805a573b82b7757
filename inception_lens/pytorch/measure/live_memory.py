"""How much memory the tensors of a running network take, and how much of it autograd keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows every tensor that operators make, from its allocation until nothing holds it.

    Parameters and buffers do not count; an input does until its last reader is done, when whoever called could free it.
    `by_name` holds what is alive when a call is done, its inputs and outputs among it, as liveness counts it; `peak`
    also what a call makes for itself alone. On a CUDA device the allocator's own peak is read for both, which holds the
    kernels' workspaces too.
    """

    def __init__(
        self, network: nn.Module, inputs: Sequence[Tensor], device: torch.device, frees: Mapping[str, Sequence[Tensor]]
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cuda = device if device.type == "cuda" else None
        kept = (*network.parameters(), *network.buffers())
        self.known = {_place(tensor) for tensor in kept}
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0
        self.by_name: dict[str, int] = {}
        self.inputs, self.frees = tuple(inputs), frees
        self._note(inputs)

    def enter(self, name: str) -> None:
        """A call begins."""
        if self.cuda:
            self._reach(self._peak())
            torch.cuda.reset_peak_memory_stats(self.cuda)

    def leave(self, name: str) -> None:
        """A call is done; what it read is still there."""
        self.by_name[name] = self._peak() if self.cuda else self._sum()
        self._reach(self.by_name[name])
        for tensor in self.frees.get(name, ()):
            self.live.pop(_place(tensor), None)
            self.known.add(_place(tensor))

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

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._note(_tensors(result))
        self._reach(self._sum())
        return result

    def _peak(self) -> int:
        torch.cuda.synchronize(self.cuda)
        return torch.cuda.max_memory_allocated(self.cuda) - self.base

    def _note(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            place = _place(tensor)
            if place not in self.known:
                storage = tensor.untyped_storage()
                self.live[place] = (StorageWeakRef(storage), storage.nbytes())  # type: ignore[no-untyped-call]

    def _sum(self) -> int:
        for place in [p for p, (reference, _) in self.live.items() if reference.expired()]:  # type: ignore[no-untyped-call]
            del self.live[place]
        return sum(size for _, size in self.live.values())

    def _reach(self, size: int) -> None:
        self.peak = max(self.peak, size)


def saved_bytes(network: nn.Module, inputs: Sequence[Tensor]) -> int:
    """What autograd keeps of one forward pass, each memory once; parameters and buffers aside."""
    known = {_place(tensor) for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, int] = {}
    held: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        held.append(tensor)  # as long as it lives, its place is its own
        if _place(tensor) not in known:
            kept[_place(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outputs = network(*inputs)
    del outputs
    return sum(kept.values())


def _place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [each for part in result for each in _tensors(part)] if isinstance(result, tuple | list) else []
