"""Why a forward pass has to run again in another way; it is noted even if the model catches the exception."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Retry(Exception):  # noqa: N818 - not an error: the model runs again in another way
    """The forward pass does what the tensors that it runs with cannot."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        if (found := RETRIES.get()) is not None:
            found.append(self)


RETRIES: ContextVar[list[Retry] | None] = ContextVar("RETRIES", default=None)
"""Those that were raised in the forward pass that this thread runs."""

RUNNING: list[list[Retry]] = []
"""Those of all forward passes that are running."""


class NeedsValue(Retry):
    """The model reads the value of a tensor of which only the type is known."""


class NeedsOrdinaryTensors(Retry):
    """The model does what only an ordinary tensor can, such as to pass its memory to other code."""


class NeedsGradients(NeedsOrdinaryTensors):
    """The model computes gradients in its forward pass."""


class CannotBeTraced(Retry):
    """The model does what can be recorded in no way."""

    def __init__(self, reason: str, *, elsewhere: bool = False) -> None:
        """With `elsewhere` it is raised in a thread that runs no forward pass, so that it concerns all of them."""
        super().__init__(reason)
        for found in RUNNING if elsewhere else ():
            found.append(self)


@contextmanager
def noted_retries() -> Iterator[None]:
    """Raise at the end what the model has caught: it then did not run as it runs with ordinary tensors."""
    found: list[Retry] = []
    token = RETRIES.set(found)
    RUNNING.append(found)
    try:
        yield
        error = None
    except Exception as caught:
        error = caught
    finally:
        RUNNING[:] = [each for each in RUNNING if each is not found]
        RETRIES.reset(token)
    if found:
        raise found[0] from (None if error is found[0] else error)
    if error is not None:
        raise error
