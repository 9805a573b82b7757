"""Shared by the commands of the trainer: from a recipe to a run, and from a run folder to its network."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import NamedTuple

import click
import torch

from inception_lens.cli.training import networks
from inception_lens.cli.training.live import ProgressDisplay
from inception_lens.cli.training.page import PAGE, write_page
from inception_lens.errors import TrainingError
from inception_lens.training.data.augmentation import source_side
from inception_lens.training.data.dataset import Dataset, ProgressCallback
from inception_lens.training.data.sources import open_dataset
from inception_lens.training.loop import Loop
from inception_lens.training.recipe import Recipe
from inception_lens.training.run import processes as process
from inception_lens.training.run.checkpoints import Checkpoint, read_checkpoint
from inception_lens.training.run.folder import RunFolder
from inception_lens.training.run.job import Job
from inception_lens.training.run.observer import Observer
from inception_lens.training.run.records import Summary
from inception_lens.training.trained import TrainedNetwork

MAX_BROKEN_SHOWN = 5


class TrainingRun(NamedTuple):
    """A run with the options of the command line."""

    recipe: Recipe
    path: Path
    """The run folder."""
    resume: bool = False
    """Whether to continue a run that exists."""
    cache: Path | None = None
    """Folder of decoded images; None: that of the user."""
    tensorboard: bool = False
    """Whether to write TensorBoard event files."""
    name: str = ""
    """Prefix of every line that is printed."""

    def run(self) -> int:
        """Train, and return the exit code: 0, or 128 plus the signal that ended the run."""
        recipe, folder = networks.self_contained(self.recipe), RunFolder(self.path)
        own = process.from_environment()
        device = process.select_device(recipe.engine.device, own)
        networks.image_side(recipe)  # reports an invalid network before the folder is created
        if own.first and folder.start(recipe, resume=self.resume or own.restarts > 0):
            summary = folder.summary_if_finished()
            if summary is not None and own.world == 1:
                if not (self.path / PAGE).exists():  # the run was killed between summary and page
                    write_page(folder, networks.networks_of(recipe, len(folder.data().classes)), device)
                click.echo(f"{self.path} is done: {summary_line(summary)}")
                return 0
        process.join(own, device)
        try:
            return self._train(recipe, folder, own, device)
        finally:
            own.close()

    def _train(self, recipe: Recipe, folder: RunFolder, own: process.Processes, device: torch.device) -> int:
        if not own.first:
            own.wait()  # until the first process has decoded the images into the cache
            job = _job(recipe, self.cache)
            outcome = Loop(job, folder, own, device, Observer()).run()
            return 0 if outcome.summary else 128 + outcome.signal
        with ProgressDisplay(self.name) as display:
            job = _job(recipe, self.cache, display.decoded)
            folder.check_data(job.dataset)
            own.wait()
            _report_job(job, device, own, display)
            observer = _with_tensorboard(display, self.path) if self.tensorboard else display
            outcome = Loop(job, folder, own, device, observer).run()
        if outcome.summary is None:
            name = signal.Signals(outcome.signal).name
            click.echo(f"stopped by {name}; the state is saved: add --resume to the command to continue")
            return 128 + outcome.signal
        write_page(folder, job.networks, device)
        click.echo(summary_line(outcome.summary))
        click.echo(f"{self.path / PAGE} shows the run; evaluate {self.path}, predict {self.path} IMAGE")
        return 128 + outcome.signal if outcome.signal else 0  # a signal in the last epoch ends a series of runs


def dataset_of(recipe: Recipe, cache: Path | None, progress: ProgressCallback | None = None) -> Dataset:
    """Open the dataset of a recipe at the size that its network and its crops need."""
    side, classes = networks.image_side(recipe)
    return open_dataset(
        recipe.data,
        source_side(recipe.augmentation, side),
        split=recipe.split,
        cache=cache,
        classes=classes,
        broken_limit=recipe.broken_limit,
        progress=progress,
    )


def summary_line(summary: Summary) -> str:
    """The results of a run in one line."""
    rate = summary.images_per_second
    return (
        f"accuracy {100 * summary.accuracy:.2f} % (top-5 {100 * summary.top5:.2f} %) of "
        f"{summary.test_images:,} images, {summary.params:,} parameters, {summary.macs:,} MACs, "
        f"{f'{rate:,.0f}' if rate else '?'} images/s, {summary.seconds:.1f} s"
    )


def open_trained(path: Path, best: bool, device: str | None) -> tuple[TrainedNetwork, int]:
    """The network of a run or of one of its checkpoints, and its number of training steps.

    Args:
        path: a run folder or a checkpoint in it.
        best: whether to use the best checkpoint of a run folder, not the newest.
        device: as in `--device`; None: that of the run.

    Raises:
        TrainingError: the run does not exist, or has no intact checkpoint.
    """
    folder, checkpoint = _folder_and_checkpoint(path, best)
    recipe, data = folder.recipe(), folder.data()
    selected = process.select_device(device or recipe.engine.device, process.Processes())
    found = networks.networks_of(recipe, len(data.classes))
    return TrainedNetwork(recipe, found, checkpoint.tensors, data, selected), checkpoint.position.step


def _job(recipe: Recipe, cache: Path | None, progress: ProgressCallback | None = None) -> Job:
    dataset = dataset_of(recipe, cache, progress)
    return Job(recipe, networks.networks_of(recipe, len(dataset.classes)), dataset)


def _report_job(job: Job, device: torch.device, own: process.Processes, display: Observer) -> None:
    recipe, found, dataset = job
    for name, reason in dataset.broken[:MAX_BROKEN_SHOWN]:
        display.note(f"left out: {name}: {reason}")
    if dataset.broken:
        display.note(f"{len(dataset.broken)} broken images left out; data.json lists them")
    processes = f", {own.world} processes" if own.world > 1 else ""
    display.note(
        f"{found.inference.name}: {found.params:,} parameters, {found.macs:,} MACs; {dataset.source}: "
        f"{len(dataset.train):,} training images, {len(dataset.test):,} test images; {device}{processes}, "
        f"batch {recipe.batch}, seed {recipe.seed}"
    )


def _with_tensorboard(display: Observer, path: Path) -> Observer:
    from inception_lens.training.run.tensorboard import TensorBoardObserver

    return TensorBoardObserver(display, path)


def _folder_and_checkpoint(path: Path, best: bool) -> tuple[RunFolder, Checkpoint]:
    if path.is_file():
        return RunFolder(path.parent.parent), read_checkpoint(path)
    folder = RunFolder(path)
    checkpoints = folder.checkpoints(folder.recipe().checkpoints.keep)
    checkpoint = checkpoints.best() if best else checkpoints.newest()
    for reason in checkpoints.damaged:
        click.echo(f"skipped: {reason}", err=True)
    if checkpoint is None:
        raise TrainingError(f"{path} has no intact checkpoint")
    return folder, checkpoint
