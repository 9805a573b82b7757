"""Values of tensors that are computed when the model asks for them.

A model that reads one value needs few of its operators to be run for real: a mask is computed, the network is not.
Every call of an operator on known values is kept with what it reads. Asking for a value runs the calls that it depends
on. Operators also write to memory that several tensors share, so that order matters: a call reads a memory as all
earlier writes left it, and a write first waits for all earlier reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count

import torch
from torch import Tensor

from inception_lens.pytorch.trace.containers import found_in, map_found, tensors_in

NUMBERS = count()
"""Numbers of the calls, in the order in which the model makes them."""


class Memory:
    """What several tensors share, with the calls on it that have not been run, in the order of the model."""

    __slots__ = ("is_known", "reads", "writes")

    def __init__(self) -> None:
        self.is_known = True
        """False after a write of an unknown value."""
        self.reads: dict[DeferredCall, None] = {}
        self.writes: dict[DeferredCall, None] = {}

    def needed(self, number: float) -> list[DeferredCall]:
        """The calls that must have been run before the call of this number reads the memory."""
        writes = [call for call in self.writes if call.number < number]
        if not writes:
            return []
        last = writes[-1].number
        return [*[call for call in self.reads if call.number < last], *writes]


class DeferredValue:
    """One result of a call."""

    __slots__ = ("call", "index", "memory")

    def __init__(self, call: DeferredCall, index: int, memory: Memory) -> None:
        self.call, self.index, self.memory = call, index, memory


class DeferredCall:
    """A call of a function on known values; it is run at most once."""

    __slots__ = ("args", "function", "kwargs", "number", "results", "written")

    def __init__(
        self,
        function: Callable[..., object],
        args: Sequence[object] = (),
        kwargs: Mapping[str, object] | None = None,
        written: Sequence[DeferredValue] = (),
    ) -> None:
        """In `args` and `kwargs` a DeferredValue is in the place of each tensor; those in `written` are written to."""
        self.function, self.args, self.kwargs, self.written = function, args, kwargs or {}, written
        self.number = next(NUMBERS)
        self.results: list[Tensor] | None = None
        """All tensors that it returned; None before it is run."""
        for value in written:
            value.memory.writes[self] = None
        for value in self.read():
            if value not in written:
                value.memory.reads[self] = None

    def read(self) -> list[DeferredValue]:
        """The values among its arguments."""
        return found_in((self.args, self.kwargs), DeferredValue)

    def needed(self) -> list[DeferredCall]:
        """The calls that must be run before it."""
        found: list[DeferredCall] = []
        for value in self.read():
            if value.call.results is None:
                found.append(value.call)
            found += value.memory.needed(self.number)
        for value in self.written:
            found += [call for call in value.memory.reads if call.number < self.number and call is not self]
        return [call for call in found if call.results is None]

    def run(self) -> None:
        """Run the function, after all that is needed."""
        args, kwargs = map_found((self.args, self.kwargs), DeferredValue, _tensor)
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            self.results = tensors_in((self.function(*args, **kwargs),))
        for value in (*self.read(), *self.written):
            value.memory.reads.pop(self, None)
            value.memory.writes.pop(self, None)
        self.args, self.kwargs, self.written = (), {}, ()


def _tensor(value: DeferredValue) -> Tensor:
    assert value.call.results is not None
    return value.call.results[value.index]


def known_value(tensor: Tensor, memory: Memory | None = None) -> DeferredValue:
    """The value of a tensor that is at hand, in this memory or one of its own."""
    call = DeferredCall(lambda: tensor)
    call.results = [tensor]
    return DeferredValue(call, 0, memory or Memory())


def computed_value(function: Callable[[], Tensor]) -> DeferredValue:
    """The value that a function returns."""
    return DeferredValue(DeferredCall(function), 0, Memory())


def evaluated(value: DeferredValue) -> Tensor | None:
    """The tensor as the model would see it now; None if it is unknown."""
    if not value.memory.is_known:
        return None
    run_all([value.call, *value.memory.needed(float("inf"))])
    return _tensor(value)


def run_all(calls: Sequence[DeferredCall]) -> None:
    """Run calls and everything that they need. A chain of calls may be longer than Python's stack is deep."""
    stack = list(calls)
    while stack:
        call = stack[-1]
        needed = [] if call.results is not None else call.needed()
        if needed:
            stack += needed
            continue
        stack.pop()
        if call.results is None:
            call.run()
