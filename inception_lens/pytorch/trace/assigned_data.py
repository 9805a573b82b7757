"""Assignments to the data of parameters and buffers, as in `weight.data = x` and in `module.to(dtype)`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from inception_lens.pytorch.trace.retries import CannotBeTraced, NeedsOrdinaryTensors
from inception_lens.pytorch.trace.threads import replaced
from inception_lens.pytorch.trace.traced_tensor import TRACED_THREADS

DATA: Any = torch._C.TensorBase.data
"""PyTorch's own attribute, which no dispatch mode sees."""


@contextmanager
def intercepted_assignments(assign: Callable[[Tensor, Tensor], None]) -> Iterator[None]:
    """Call `assign(tensor, data)` before a model gives a tensor other data, in threads in which it is traced.

    `swap_tensors` is refused: it exchanges the identities by which tensors are known.
    """

    def set_data(tensor: Tensor, data: Tensor) -> None:
        is_traced = threading.get_ident() in TRACED_THREADS
        if is_traced and data is not tensor and not is_lazy(tensor):  # which gets its first data
            assign(tensor, data)
        DATA.__set__(tensor, data)

    def swap(original: Callable[..., object], *tensors: Tensor) -> None:
        raise CannotBeTraced("the model calls `torch.utils.swap_tensors`")

    Tensor.data = property(DATA.__get__, set_data)  # type: ignore[assignment]
    try:
        with replaced([(torch.utils, "swap_tensors")], swap):
            yield
    finally:
        del Tensor.data


def refused_assignments() -> AbstractContextManager[None]:
    """Raise `NeedsOrdinaryTensors` where a model gives a tensor other data: memory shows what it is from then on."""

    def refuse(tensor: Tensor, data: Tensor) -> None:
        raise NeedsOrdinaryTensors("the model gives a tensor other data")

    return intercepted_assignments(refuse)
