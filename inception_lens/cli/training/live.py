"""Progress of a run: a progress bar in a terminal, and one line per epoch."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from inception_lens.renderers.escape import printable
from inception_lens.tables.units import size
from inception_lens.training.run.observer import Observer, StepProgress
from inception_lens.training.run.records import Epoch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

SECONDS_BETWEEN_LINES = 30
"""Between lines of progress within an epoch, if there is no terminal."""


class ProgressDisplay(Observer):
    """Shows the progress of a run, and of the decoding of its data, on standard output."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.terminal = bool(sys.stdout and sys.stdout.isatty())
        self.bar: Progress | None = None
        self.task: TaskID | None = None
        self.line_time = time.monotonic()

    def __enter__(self) -> Self:
        if self.terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[text]}"),
                TimeRemainingColumn(),
                transient=True,
            )
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def decoded(self, done: int, total: int) -> None:
        """Show how many images are decoded."""
        self._show("decoding images", done, total, f"{done:,} of {total:,}")
        if done == total:
            self._line(f"{total:,} images decoded")

    def step(self, progress: StepProgress) -> None:
        done, total = progress.epoch * progress.steps + progress.step, progress.epochs * progress.steps
        text = f"{progress.images_per_second:,.0f} images/s"
        if progress.loss is not None and progress.accuracy is not None:
            accuracy = 100 * progress.accuracy
            text = f"loss {progress.loss:.3f}  accuracy {accuracy:.1f} %  {text}  {size(progress.memory_bytes)}"
        elif self.bar:
            text = ""
        self._show(f"epoch {progress.epoch + 1}/{progress.epochs}", done, total, text)

    def epoch(self, record: Epoch) -> None:
        self.line_time = time.monotonic()
        skipped = f"  {record.skipped_steps} steps skipped" if record.skipped_steps else ""
        self._line(
            f"epoch {record.epoch:>3}  loss {record.train_loss:7.4f}  "
            f"train {100 * record.train_accuracy:6.2f} %  test {100 * record.test_accuracy:6.2f} %  "
            f"rate {record.learning_rate:.2e}  {record.images_per_second:,.0f} images/s  "
            f"{record.seconds:.1f} s{skipped}"
        )

    def note(self, text: str) -> None:
        self._line(printable(text))

    def _show(self, what: str, done: int, total: int, text: str) -> None:
        if self.bar is None:
            if time.monotonic() - self.line_time > SECONDS_BETWEEN_LINES and text:
                self.line_time = time.monotonic()
                self._line(f"{what}: {100 * done / total:.0f} %  {text}")
            return
        if self.task is None:
            self.task = self.bar.add_task(what, total=total, text=text)
        self.bar.update(self.task, description=what, total=total, completed=done)
        if text:
            self.bar.update(self.task, text=text)

    def _line(self, text: str) -> None:
        text = f"{self.name}: {text}" if self.name else text
        if self.bar:
            self.bar.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text)
