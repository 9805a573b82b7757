"""Clocks: the time of the host, and the time of a GPU in its own queue."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


class Clock:
    """The time of the host, which is that of a CPU."""

    @staticmethod
    def of(device: torch.device) -> Clock:
        """The clock of a device."""
        return CudaClock() if device.type == "cuda" else Clock()

    def mark(self) -> object:
        """Note the time; `between` reads it after `settle`."""
        return time.perf_counter()

    def settle(self) -> None:
        """Wait until the device has run everything that was called."""

    def between(self, start: object, end: object) -> float:
        """Seconds between two marks."""
        assert isinstance(start, float)
        assert isinstance(end, float)
        return end - start


class CudaClock(Clock):
    """The time of a GPU. Marks are events in its queue, so that the host need not wait for it at each of them."""

    def mark(self) -> object:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def settle(self) -> None:
        torch.cuda.synchronize()

    def between(self, start: object, end: object) -> float:
        assert isinstance(start, torch.cuda.Event)
        assert isinstance(end, torch.cuda.Event)
        return float(start.elapsed_time(end)) / 1000


def repeat(function: Callable[[], object], times: int) -> None:
    """Call a function several times."""
    for _ in range(times):
        function()


def timed(clock: Clock, function: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each of several calls, after one that is not counted."""
    function()
    clock.settle()
    seconds = []
    for _ in range(repeats):
        start = clock.mark()
        function()
        end = clock.mark()
        clock.settle()
        seconds.append(clock.between(start, end))
    return seconds
