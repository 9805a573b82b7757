"""SIGTERM and Ctrl-C end a run between two steps, with its state saved."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Signals:
    """While it is entered, a signal is noted, and a second Ctrl-C interrupts as usual.

    A second SIGTERM is none of a person's: torchrun sends several, and a process that left at once would leave the
    others waiting.
    """

    WATCHED = (signal.SIGTERM, signal.SIGINT)

    def __init__(self) -> None:
        self.received = 0
        """The signal's number; 0 before one came."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for each in self.WATCHED:
            try:
                self._before[each] = signal.signal(each, self._note)
            except ValueError:  # not the main thread, which alone may
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
