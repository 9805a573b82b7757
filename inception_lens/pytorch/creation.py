"""Modules that are created without the values of their weights, or with those that the model decides by."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from inception_lens.errors import InceptionLensError, TraceError, UnknownModelError
from inception_lens.pytorch.trace.failures import source_line
from inception_lens.pytorch.trace.global_state import random_states
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.tables.units import size

SEED = 0
"""Of the random numbers that a callable draws, so that a model that decides by its weights has the same cost again."""

CONSTANTS = frozenset(
    [
        *(torch.arange, torch.as_tensor, torch.asarray, torch.eye, torch.full, torch.linspace, torch.logspace),
        *(torch.ones, torch.scalar_tensor, torch.tensor, torch.tril_indices, torch.triu_indices, torch.zeros),
    ]
)
"""Functions that create a tensor of values that are not drawn, such as a mask."""
MAX_CONSTANT = 2**24
"""Elements of a constant that is created with its values."""

Create = Callable[[], nn.Module]


class _WithConstants(TorchFunctionMode):
    """Create constants with their values where a default device has none."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        given = dict(kwargs or {})
        if func not in CONSTANTS or given.get("device") is not None or any(isinstance(each, Tensor) for each in args):
            return func(*args, **given)
        found = func(*args, **{**given, "device": "cpu"})
        assert isinstance(found, Tensor)
        return found if found.numel() <= MAX_CONSTANT else found.to("meta")


def created(spec: str, create: Callable[[], object]) -> tuple[nn.Module, tuple[Create, ...]]:
    """The module with as few values as possible, and functions that create it with more.

    Args:
        spec: what error messages call it.
        create: calls the code that creates it.

    Raises:
        TraceError: the code raised an error.
        UnknownModelError: it does not return a module.
    """
    try:
        module = _without_values(spec, create)
    except UnknownModelError:
        raise
    except Exception as error:  # some models read tensors while they are created
        if "meta" in str(error):
            with suppress(Exception):
                module = _with_constants(spec, create)
                return module, (partial(_with_values, spec, create, _bytes(module)),)
        return _with_values(spec, create), ()
    return module, (partial(_with_constants, spec, create), partial(_with_values, spec, create, _bytes(module)))


def _without_values(spec: str, create: Callable[[], object]) -> nn.Module:
    with _seeded(), torch.device("meta"):
        return _checked(spec, create())


def _with_constants(spec: str, create: Callable[[], object]) -> nn.Module:
    with _seeded(), torch.device("meta"), _WithConstants():
        return _checked(spec, create())


def _with_values(spec: str, create: Callable[[], object], needed: int = 0) -> nn.Module:
    """The module with values; `needed` is the bytes of its parameters and buffers, if they are known.

    Raises:
        TraceError: the callable raised an error, or the module does not fit into memory.
    """
    available = available_memory()
    if available is not None and needed > available:
        raise TraceError(
            f"`{spec}` decides by values, which need {size(needed)} of memory for its weights; "
            f"{size(available)} are available"
        )
    try:
        with _seeded():
            return _checked(spec, create())
    except InceptionLensError:
        raise
    except Exception as error:
        raise failed(spec, error) from error


def _checked(spec: str, module: object) -> nn.Module:
    if not isinstance(module, nn.Module):
        raise UnknownModelError(f"`{spec}` returned an object of type {type(module).__name__}, not a torch.nn.Module")
    return module


@contextmanager
def _seeded() -> Iterator[None]:
    """Draw the random numbers of PyTorch, Python and NumPy from a fixed seed, and restore their states afterwards."""
    with random_states():
        torch.manual_seed(SEED)
        random.seed(SEED)
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            numpy.random.seed(SEED)
        yield


def _bytes(module: nn.Module) -> int:
    index = ModelIndex(module)
    return sum([tensor.nbytes for tensor in (*index.parameters.values(), *index.buffers.values())])


def available_memory() -> int | None:
    """Bytes that can be allocated without swapping, or that the machine has; None if the system reports neither."""
    with suppress(OSError), open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    with suppress(AttributeError, ValueError, OSError):  # not every system has these names
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def failed(what: str, error: Exception) -> TraceError:
    """The error of code that was run to load a model, with its own line."""
    line, reason = source_line(error), str(error).strip().split("\n")[0]
    return TraceError(f"`{what}`{f', at {line}' if line else ''}: {type(error).__name__}: {reason}")
