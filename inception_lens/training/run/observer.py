"""Who is told how a run goes."""

from typing import NamedTuple

from inception_lens.training.run.records import Epoch


class Moment(NamedTuple):
    """Where a run is within an epoch."""

    epoch: int
    """From 0."""
    epochs: int
    step: int
    """Steps of this epoch that are done."""
    steps: int
    loss: float | None
    """Mean of the epoch so far; None before the first look at it."""
    accuracy: float | None
    images_per_second: float
    memory_bytes: int


class Observer:
    """Told about a run; this one tells nobody."""

    def step(self, moment: Moment) -> None:
        """A step is done."""

    def epoch(self, record: Epoch) -> None:
        """An epoch is done."""

    def note(self, text: str) -> None:
        """Something that a person should know."""
