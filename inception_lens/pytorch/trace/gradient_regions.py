"""Where a model that is traced in training mode disables and enables gradients.

PyTorch's own flag is off during a trace, so that the regions themselves are followed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

Method = Callable[..., object]


@contextmanager
def gradient_regions(changed: Callable[[bool], None]) -> Iterator[None]:
    """Call `changed` with whether gradients are enabled, where a model enters and leaves a region of PyTorch's."""
    regions, originals = [True], list[tuple[Any, str, Method]]()

    def enter(region: Any, original: Method) -> object:
        outer = regions[-1]
        result = original(region)  # which may call `set_grad_enabled`
        regions[-1:] = [outer, isinstance(region, torch.enable_grad) or not getattr(region, "mode", True)]
        return result

    def leave(region: Any, original: Method, *error: object) -> object:
        regions.pop()
        outer = regions[-1]
        result = original(region, *error)
        regions[-1] = outer
        return result

    def start(region: Any, original: Method, mode: bool) -> object:
        region.outer, regions[-1] = regions[-1], mode
        return original(region, mode)

    def restart(region: Any, original: Method) -> object:
        regions[-1] = region.mode
        return original(region)

    def end(region: Any, original: Method, *arguments: object) -> object:
        regions[-1] = region.outer
        return original(region, *arguments)

    def replace(kind: type, name: str, function: Method) -> None:
        original, thread = getattr(kind, name), threading.get_ident()
        originals.append((kind, name, original))

        def call(region: object, *arguments: object) -> object:
            if threading.get_ident() != thread:
                return original(region, *arguments)
            result = function(region, original, *arguments)
            changed(regions[-1])
            return result

        setattr(kind, name, call)

    for kind in (torch.no_grad, torch.enable_grad, torch.inference_mode):
        replace(kind, "__enter__", enter)
        replace(kind, "__exit__", leave)
    methods: dict[str, Method] = {"__init__": start, "__enter__": restart, "__exit__": end, "__call__": end}
    for name, function in methods.items():
        replace(torch.set_grad_enabled, name, function)
    try:
        yield
    finally:
        for kind, name, original in originals:
            setattr(kind, name, original)
