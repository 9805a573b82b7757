"""What the commands of the trainer share: from a recipe to a run, and from a run's folder to its network."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import NamedTuple

import click
import torch

from inception_lens.cli.training import networks
from inception_lens.cli.training.live import Live
from inception_lens.cli.training.page import PAGE, write_page
from inception_lens.errors import TrainingError
from inception_lens.training.data.augmentation import source_side
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.data.sources import open_dataset
from inception_lens.training.loop import Loop
from inception_lens.training.recipe import Recipe
from inception_lens.training.run import processes as process
from inception_lens.training.run.checkpoints import State
from inception_lens.training.run.folder import RunFolder
from inception_lens.training.run.job import Job
from inception_lens.training.run.observer import Observer
from inception_lens.training.run.records import Summary
from inception_lens.training.run.trained import Trained


class Run(NamedTuple):
    """One run as the command line asks for it."""

    recipe: Recipe
    path: Path
    resume: bool = False
    cache: Path | None = None
    tensorboard: bool = False
    name: str = ""

    def run(self) -> int:
        """Run it, and return the exit code: 0, or as shells count a signal that ended it."""
        recipe, folder = networks.self_contained(self.recipe), RunFolder(self.path)
        mine = process.started()
        device = process.device_of(recipe.engine.device, mine)
        networks.image_side(recipe)  # a network that is none is told before a folder is made
        if mine.first and folder.start(recipe, resume=self.resume or mine.restarts > 0):
            summary = folder.summary()
            if summary is not None and mine.world == 1:
                if not (self.path / PAGE).exists():  # the end came between the summary and the page
                    write_page(folder, networks.networks_of(recipe, len(folder.data().classes)), device)
                click.echo(f"{self.path} is done: {told(summary)}")
                return 0
        process.join(mine, device)
        try:
            return self._train(recipe, folder, mine, device)
        finally:
            mine.leave()

    def _train(self, recipe: Recipe, folder: RunFolder, mine: process.Processes, device: torch.device) -> int:
        with Live(self.name) if mine.first else _Silent() as live:
            if not mine.first:
                mine.wait()  # the first decodes, the others find it in the cache
            dataset = dataset_of(recipe, self.cache, live if isinstance(live, Live) else None)
            if mine.first:
                folder.check_data(dataset)
                mine.wait()
            job = Job(recipe, networks.networks_of(recipe, len(dataset.classes)), dataset)
            observer = _with_tensorboard(live, self.path) if self.tensorboard and mine.first else live
            _tell_job(job, device, mine, live)
            outcome = Loop(job, folder, mine, device, observer).run()
        if not mine.first:
            return 0 if outcome.summary else 128 + outcome.signal
        if outcome.summary is None:
            click.echo(
                f"stopped by {signal.Signals(outcome.signal).name}, saved: the same command with --resume goes on"
            )
            return 128 + outcome.signal
        write_page(folder, job.networks, device)
        click.echo(told(outcome.summary))
        click.echo(f"{self.path / PAGE} shows the run; evaluate {self.path}, predict {self.path} IMAGE")
        return 128 + outcome.signal if outcome.signal else 0  # one that came in the last epoch ends what would follow


def dataset_of(recipe: Recipe, cache: Path | None, live: Live | None = None) -> Dataset:
    """Open a recipe's data at the size that its network and its crops need."""
    side, classes = networks.image_side(recipe)
    return open_dataset(
        recipe.data,
        source_side(recipe.augmentation, side),
        split=recipe.split,
        cache=cache,
        classes=classes,
        broken_limit=recipe.broken_limit,
        progress=live.decoded if live else None,
    )


def told(summary: Summary) -> str:
    """A finished run in one line."""
    rate = summary.images_per_second
    return (
        f"accuracy {100 * summary.accuracy:.2f} % (top-5 {100 * summary.top5:.2f} %) of "
        f"{summary.test_images:,} images, {summary.params:,} parameters, {summary.macs:,} MACs, "
        f"{f'{rate:,.0f}' if rate else '?'} images/s, {summary.seconds:.1f} s"
    )


class _Silent(Observer):
    """The observer of every process but the first."""

    def __enter__(self) -> _Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _tell_job(job: Job, device: torch.device, mine: process.Processes, live: Observer) -> None:
    recipe, found, dataset = job
    for name, reason in dataset.broken[:5]:
        live.note(f"left out: {name}: {reason}")
    if dataset.broken:
        live.note(f"{len(dataset.broken)} broken images left out; data.json lists them")
    several = f", {mine.world} processes" if mine.world > 1 else ""
    live.note(
        f"{found.inference.name}: {found.params:,} parameters, {found.macs:,} MACs; {dataset.source}: "
        f"{len(dataset.train):,} images to train on, {len(dataset.test):,} to evaluate; {device}{several}, "
        f"batch {recipe.batch}, seed {recipe.seed}"
    )


def _with_tensorboard(live: Observer, path: Path) -> Observer:
    from inception_lens.training.run.tensorboard import WithTensorBoard

    return WithTensorBoard(live, path)


def trained(path: Path, best: bool, wanted: str | None) -> tuple[Trained, int]:
    """The network of a run, or of the state that `path` names, on the device `wanted` or the run's; and its step.

    Raises:
        TrainingError: there is no such run, or it has no state that is whole.
    """
    folder, state = _run_and_state(path, best)
    recipe, about = folder.recipe(), folder.data()
    device = process.device_of(wanted or recipe.engine.device, process.Processes())
    found = networks.networks_of(recipe, len(about.classes))
    return Trained(recipe, found, state.tensors, about, device), state.position.step


def _run_and_state(path: Path, best: bool) -> tuple[RunFolder, State]:
    from inception_lens.training.run.checkpoints import read

    if path.is_file():
        return RunFolder(path.parent.parent), read(path)
    folder = RunFolder(path)
    checkpoints = folder.checkpoints(folder.recipe().checkpoints.keep)
    state = checkpoints.best() if best else checkpoints.newest()
    for reason in checkpoints.damaged:
        click.echo(f"passed over: {reason}", err=True)
    if state is None:
        raise TrainingError(f"{path} has no state that is whole")
    return folder, state
