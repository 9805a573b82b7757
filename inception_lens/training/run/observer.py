"""The interface for following the progress of a run."""

from typing import NamedTuple

from inception_lens.training.run.records import Epoch


class StepProgress(NamedTuple):
    """Progress within an epoch."""

    epoch: int
    """Number of the epoch, from 0."""
    epochs: int
    step: int
    """Completed steps of this epoch."""
    steps: int
    """Steps of an epoch."""
    loss: float | None
    """Mean of the epoch so far; None if this step was not checked."""
    accuracy: float | None
    """Top-1 of the epoch so far, 0 to 1; None if this step was not checked."""
    images_per_second: float
    memory_bytes: int
    """Peak memory; 0 if unknown or if this step was not checked."""


class Observer:
    """Follows a run; this base class ignores everything."""

    def step(self, progress: StepProgress) -> None:
        """A step is complete."""

    def epoch(self, record: Epoch) -> None:
        """An epoch is complete."""

    def note(self, text: str) -> None:
        """A message for the user."""
