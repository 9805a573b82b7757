"""Threads that a model starts or gives work to: what they call is recorded as well."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from multiprocessing.pool import Pool, ThreadPool
from multiprocessing.process import BaseProcess
from typing import Concatenate, ParamSpec, TypeVar

from inception_lens.pytorch.trace.recorder import Recorder
from inception_lens.pytorch.trace.retries import CannotBeTraced, NeedsOrdinaryTensors
from inception_lens.pytorch.trace.traced_tensor import TRACED_THREADS

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

Place = tuple[object, str]
"""A class or a module, and the name of the method or function that is replaced in it."""

SUBMITTING: list[Place] = [
    (futures.ThreadPoolExecutor, "submit"),
    *[(Pool, name) for name in ("apply_async", "_map_async", "imap", "imap_unordered")],
]
"""The methods that give a function to a thread of a pool, which may be older than the trace."""

POOLS = ("concurrent.futures.thread", "multiprocessing.pool")
"""Modules whose threads wait for functions."""

OTHER_PROCESS = "the model calls operators in another process, where they cannot be recorded"

PATIENCE = 0.2
"""Seconds for which a thread waits for another that it has given a function.

Most functions end by then, so that the operators are recorded in the order of the model's own code. One that waits for
another thread goes on at the same time, which only changes the order.
"""


class ThreadedRecorder(Recorder):
    """A recorder of several threads, in each of which other modules run."""

    @property
    def _scopes(self) -> list[tuple[str, str]]:
        return SCOPES.get()

    @_scopes.setter
    def _scopes(self, scopes: list[tuple[str, str]]) -> None:
        SCOPES.set(scopes)


SCOPES: ContextVar[list[tuple[str, str]]] = ContextVar("SCOPES")
"""The running modules of this thread, as in `Recorder`; a thread starts with those of the thread that it works for."""


@contextmanager
def refused_threads() -> Iterator[None]:
    """Raise `NeedsOrdinaryTensors` where a model gives work to another thread, which has no tracer."""

    def refuse(original: Callable[..., object], *args: object, **kwargs: object) -> object:
        raise NeedsOrdinaryTensors("the model calls operators in another thread")

    with replaced([(threading.Thread, "start"), *SUBMITTING], refuse), _refused_processes():
        yield


@contextmanager
def recorded_threads(record: Callable[[Callable[[], object]], object]) -> Iterator[None]:
    """Let threads that a model gives work to record it.

    Args:
        record: calls a function in another thread while the tracer is enabled there.
    """
    turn = threading.Lock()

    def in_scope(function: Callable[[], object]) -> object:
        SCOPES.set([*SCOPES.get()])
        return record(function)

    def recorded(function: Callable[Arguments, object]) -> Callable[Arguments, object]:
        context = copy_context()

        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> object:
            if threading.get_ident() in TRACED_THREADS:
                return function(*args, **kwargs)
            has_turn = turn.acquire(timeout=PATIENCE)
            try:
                return context.copy().run(in_scope, lambda: function(*args, **kwargs))
            finally:
                if has_turn:
                    turn.release()

        return call

    def submit(
        original: Callable[..., object], pool: object, function: Callable[..., object], *args: object, **kwargs: object
    ) -> object:
        if isinstance(pool, Pool) and not isinstance(pool, ThreadPool):
            raise CannotBeTraced(OTHER_PROCESS)
        found = original(pool, recorded(function), *args, **kwargs)
        if isinstance(found, futures.Future):
            futures.wait([found], PATIENCE)
        return found

    def start(original: Callable[[threading.Thread], object], thread: threading.Thread) -> object:
        if getattr(getattr(thread, "_target", None), "__module__", "") in POOLS:  # its functions are recorded instead
            return original(thread)
        thread.run = recorded(thread.run)  # type: ignore[method-assign, assignment]
        original(thread)
        thread.join(PATIENCE)
        return None

    with replaced([(threading.Thread, "start")], start), replaced(SUBMITTING, submit), _refused_processes():
        yield


@contextmanager
def _refused_processes() -> Iterator[None]:
    """Raise an error where a model gives work to another process."""

    def refuse(original: Callable[..., object], *args: object, **kwargs: object) -> object:
        raise CannotBeTraced(OTHER_PROCESS)

    places: list[Place] = [(BaseProcess, "start")]
    if (processes := sys.modules.get("concurrent.futures.process")) is not None:
        places.append((processes.ProcessPoolExecutor, "submit"))
    with replaced(places, refuse):
        yield


@contextmanager
def replaced(places: list[Place], change: Callable[..., object]) -> Iterator[None]:
    """Replace methods and functions in threads in which a model is traced.

    `change` gets the original before the arguments.
    """
    originals = [getattr(kind, name) for kind, name in places]
    for (kind, name), original in zip(places, originals, strict=True):
        setattr(kind, name, _in_traced_threads(original, change))
    try:
        yield
    finally:
        for (kind, name), original in zip(places, originals, strict=True):
            setattr(kind, name, original)


def _in_traced_threads(
    original: Callable[Arguments, Result], change: Callable[Concatenate[Callable[Arguments, Result], Arguments], Result]
) -> Callable[Arguments, Result]:
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if threading.get_ident() not in TRACED_THREADS:
            return original(*args, **kwargs)
        return change(original, *args, **kwargs)

    return call
