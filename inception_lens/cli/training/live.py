"""What a person sees of a run: a live line in a terminal, a plain line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from inception_lens.renderers.escape import printable
from inception_lens.renderers.units import size
from inception_lens.training.run.observer import Moment, Observer
from inception_lens.training.run.records import Epoch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PLAIN_EVERY = 30
"""Seconds between plain lines about work that takes long."""


class Live(Observer):
    """Tells about one run on standard output, and about the decoding of its data before."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.terminal = bool(sys.stdout and sys.stdout.isatty())
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        self.told = time.monotonic()

    def __enter__(self) -> Self:
        if self.terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[about]}"),
                TimeRemainingColumn(),
                transient=True,
            )
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.progress:
            self.progress.stop()

    def decoded(self, done: int, of: int) -> None:
        """So many images of a source are decoded."""
        self._show("decoding images", done, of, f"{done:,} of {of:,}")
        if done == of:
            self._line(f"{of:,} images decoded")

    def step(self, moment: Moment) -> None:
        done, of = moment.epoch * moment.steps + moment.step, moment.epochs * moment.steps
        about = f"{moment.images_per_second:,.0f} images/s"
        if moment.loss is not None and moment.accuracy is not None:
            about = f"loss {moment.loss:.3f}  right {100 * moment.accuracy:.1f} %  {about}  {size(moment.memory_bytes)}"
        elif self.progress:
            about = ""
        self._show(f"epoch {moment.epoch + 1}/{moment.epochs}", done, of, about)

    def epoch(self, record: Epoch) -> None:
        self.told = time.monotonic()
        skipped = f"  {record.skipped_steps} steps skipped" if record.skipped_steps else ""
        self._line(
            f"epoch {record.epoch:>3}  loss {record.train_loss:7.4f}  "
            f"train {100 * record.train_accuracy:6.2f} %  test {100 * record.test_accuracy:6.2f} %  "
            f"rate {record.learning_rate:.2e}  {record.images_per_second:,.0f} images/s  "
            f"{record.seconds:.1f} s{skipped}"
        )

    def note(self, text: str) -> None:
        self._line(printable(text))

    def _show(self, what: str, done: int, of: int, about: str) -> None:
        if self.progress is None:
            if time.monotonic() - self.told > PLAIN_EVERY and about:
                self.told = time.monotonic()
                self._line(f"{what}: {100 * done / of:.0f} %  {about}")
            return
        if self.task is None:
            self.task = self.progress.add_task(what, total=of, about=about)
        self.progress.update(self.task, description=what, total=of, completed=done)
        if about:
            self.progress.update(self.task, about=about)

    def _line(self, text: str) -> None:
        text = f"{self.name}: {text}" if self.name else text
        if self.progress:
            self.progress.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text)
            sys.stdout.flush()
