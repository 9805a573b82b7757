"""Compiled functions and modules run as the Python code that they were compiled from while a model is traced.

Otherwise the compiler would compile the tracer itself, which takes half a minute and records nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn


@contextmanager
def uncompiled(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Run what `torch.compile` returned as it was before, and let `torch.compile` return its argument.

    Args:
        modules: those of the model, on which `Module.compile` may have been called.
    """
    original = torch.compile
    loaded = "torch._dynamo" in sys.modules  # importing it takes seconds, and nothing is compiled without it
    compiled = [each for each in modules if each._compiled_call_impl is not None] if loaded else []
    calls = [each._compiled_call_impl for each in compiled]
    torch.compile = _returned  # type: ignore[assignment]
    for each in compiled:
        each._compiled_call_impl = None
    try:
        with torch.compiler.set_stance("force_eager") if loaded else nullcontext(), _uncompiled_flex_attention():
            yield
    finally:
        torch.compile = original
        for each, call in zip(compiled, calls, strict=True):
            each._compiled_call_impl = call


def _returned(model: Callable[..., object] | None = None, **options: object) -> object:
    """What `torch.compile` returns during a trace: its argument, or a decorator that returns its argument."""
    return (lambda function: function) if model is None else model


@contextmanager
def _uncompiled_flex_attention() -> Iterator[None]:
    """Call flex attention without the compiler, and without the warning that this is slow."""
    module, flag = sys.modules.get("torch.nn.attention.flex_attention"), "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG"
    before = getattr(module, flag, None)
    if before is None:
        yield
        return
    setattr(module, flag, True)
    try:
        yield
    finally:
        setattr(module, flag, before)
