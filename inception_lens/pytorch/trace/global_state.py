"""PyTorch's and Python's state during a trace, and how it is restored."""

from __future__ import annotations

import gc
import random
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.distributions import Distribution

from inception_lens.graph import Mode


@contextmanager
def in_mode(modules: Sequence[nn.Module], mode: Mode | None) -> Iterator[None]:
    """Set the training flags of a model, the first of its modules, and restore that of every module afterwards.

    Args:
        modules: the model and all modules in it.
        mode: None leaves the flags as they are, and still restores them.
    """
    flags = [getattr(each, "training", None) for each in modules]
    for module, training in zip(modules, flags, strict=True):
        if training is None:  # of frozen TorchScript, which has no flag and runs in inference mode
            module.training = False
    try:
        if mode is not None:
            _set_training(modules, mode == "training")
        yield
    finally:
        for module, training in zip(modules, flags, strict=True):
            if training is None:
                vars(module).pop("training", None)
            elif module.training != training:
                module.training = training


def _set_training(modules: Sequence[nn.Module], training: bool) -> None:
    try:
        modules[0].train(training)
    except (NotImplementedError, RecursionError):  # an exported program has one mode; modules may nest without end
        for each in modules:
            each.training = training


@contextmanager
def undisturbed() -> Iterator[None]:
    """Change what would hinder a trace, and restore it and the state of the random number generators afterwards."""
    depth = sys.getrecursionlimit()
    sys.setrecursionlimit(3 * depth)  # tracing a module call takes more frames than the call itself
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one opaque operator instead of several
    cached = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # it would keep tensors of this forward pass for the next
    collecting = gc.isenabled()
    gc.disable()  # nearly all that a trace creates lives until its end
    try:
        with random_states(), _unchecked_distributions():
            yield
    finally:
        if collecting:
            gc.enable()
        sys.setrecursionlimit(depth)
        torch.backends.mha.set_fastpath_enabled(fast)
        torch.set_autocast_cache_enabled(cached)


@contextmanager
def random_states() -> Iterator[None]:
    """Restore the random number generators of PyTorch on every device, of Python, and of NumPy if it is imported."""
    numpy = sys.modules.get("numpy")
    legacy = None if numpy is None else numpy.random.get_state()
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(torch_state)
        random.setstate(python_state)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        if numpy is not None:
            numpy.random.set_state(legacy)


@contextmanager
def _unchecked_distributions() -> Iterator[None]:
    """Leave out the checks of `torch.distributions`, which branch on the values of their parameters."""
    checked = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(checked)


@contextmanager
def below_autograd() -> Iterator[None]:
    """Exclude autograd from the dispatch of operators, so that they arrive as the model calls them.

    With autograd, an operator such as `linear` is decomposed before a dispatch mode sees it. Inference mode excludes
    autograd as well, and is already in effect here: entering and leaving it in the model does nothing, since its end
    would bring back the keys that are excluded.
    """
    mode = torch.inference_mode
    enter, leave = mode.__enter__, mode.__exit__
    mode.__enter__ = lambda self: None  # type: ignore[method-assign]
    mode.__exit__ = lambda self, *error: None  # type: ignore[method-assign]
    guard = torch._C._AutoDispatchBelowAutograd()
    try:
        yield
    except BaseException as error:
        _clear_frames(error)
        raise
    finally:
        del guard
        mode.__enter__, mode.__exit__ = enter, leave  # type: ignore[method-assign]


@contextmanager
def autocast_regions(device: torch.device) -> Iterator[list[bool]]:
    """Whether `torch.autocast` is enabled on a device, for each region around the running code, innermost last.

    While an operator is dispatched, PyTorch itself reports autocast as disabled.
    """
    region, regions = torch.autocast, [torch.is_autocast_enabled(device.type)]
    enter, leave = region.__enter__, region.__exit__

    def entered(self: torch.autocast) -> object:
        result = enter(self)  # type: ignore[no-untyped-call]
        regions.append(torch.is_autocast_enabled(device.type))
        return result

    def left(self: torch.autocast, *error: Any) -> object:
        regions.pop()
        return leave(self, *error)

    region.__enter__, region.__exit__ = entered, left  # type: ignore[method-assign, assignment]
    try:
        yield regions
    finally:
        region.__enter__, region.__exit__ = enter, leave  # type: ignore[method-assign]


def _clear_frames(error: BaseException | None) -> None:
    """Drop the local variables of an error's frames.

    A guard of PyTorch's among them restores, when it ends, the dispatch keys of the time when it was created. If it
    ended after the guard of `below_autograd`, autograd would stay excluded. A model that raises one error object in
    two runs makes it its own context, so that the chain may have no end.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
