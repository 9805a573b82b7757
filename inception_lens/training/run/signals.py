"""SIGTERM and Ctrl-C stop a run after a step, with a checkpoint."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

SignalHandler = Callable[[int, FrameType | None], object] | int | None


class StopSignals:
    """A context manager that records signals; a second Ctrl-C interrupts as usual.

    Further SIGTERMs are ignored: torchrun sends several, and a process that exited at once would leave the others
    waiting.
    """

    WATCHED = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.received = 0
        """Number of the first signal; 0 if none."""
        self._previous: dict[int, SignalHandler] = {}

    def __enter__(self) -> Self:
        for each in self.WATCHED:
            try:
                self._previous[each] = signal.signal(each, self._record)
            except ValueError:  # not in the main thread
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, handler in self._previous.items():
            signal.signal(each, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
