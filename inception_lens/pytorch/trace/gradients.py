"""Gradients that a model computes in its forward pass: refused where they cannot be recorded, and left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import ParamSpec

import torch
from torch import Tensor
from torch._functorch import eager_transforms
from torch.autograd import forward_ad, functional

from inception_lens.pytorch.trace.retries import NeedsGradients

Parameters = ParamSpec("Parameters")


@contextmanager
def refused_gradients() -> Iterator[None]:
    """Raise `NeedsGradients` where a model computes a gradient while autograd is excluded from the dispatch.

    PyTorch itself would report an error in some of the places, and return zeros in the others.
    """
    places: list[tuple[object, str, bool]] = [
        (torch.autograd, "_engine_run_backward", False),
        (functional, "_autograd_grad", False),
        (forward_ad, "enter_dual_level", False),
        (eager_transforms, "_grad_increment_nesting", True),
        (eager_transforms, "enter_jvp_nesting", True),
    ]
    originals = [getattr(place, name) for place, name, _ in places]
    for (place, name, is_entered), original in zip(places, originals, strict=True):
        setattr(place, name, _refusing(original, is_entered=is_entered))
    try:
        yield
    finally:
        for (place, name, _), original in zip(places, originals, strict=True):
            setattr(place, name, original)


def _refusing(original: Callable[Parameters, object], *, is_entered: bool) -> Callable[Parameters, object]:
    def refuse(*args: Parameters.args, **kwargs: Parameters.kwargs) -> object:
        if is_entered:  # PyTorch leaves this level after the error, so that it has to be there
            original(*args, **kwargs)
        raise NeedsGradients("the model computes a gradient")

    return refuse


@contextmanager
def kept_gradients(parameters: Iterable[Tensor]) -> Iterator[None]:
    """Restore the gradients of parameters, to which `backward` in a forward pass adds."""
    before = [(each, each.grad) for each in parameters if each.requires_grad]
    for each, _ in before:
        each.grad = None
    try:
        yield
    finally:
        for each, gradient in before:
            each.grad = gradient
