"""The parts of a run, and whether they fit together."""

import os
from typing import NamedTuple

import torch

from inception_lens.errors import TrainingError
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.networks import Networks
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.processes import Processes


class Job(NamedTuple):
    """A recipe, its network and its dataset."""

    recipe: Recipe
    networks: Networks
    dataset: Dataset


def steps_per_epoch(job: Job, processes: Processes) -> int:
    """Full batches in an epoch; each epoch leaves out other images, because it has another order.

    Raises:
        TrainingError: the batch cannot be split into equal parts, or is larger than the training set; or the network
            has fewer classes than the dataset.
    """
    recipe, networks, dataset = job
    shares = processes.world * recipe.engine.accumulate
    if recipe.batch % shares:
        raise TrainingError(
            f"`batch` is {recipe.batch}, which is not divisible by {shares}: {processes.world} processes times "
            f"`engine.accumulate` = {recipe.engine.accumulate}"
        )
    if recipe.batch > len(dataset.train):
        raise TrainingError(f"`batch` is {recipe.batch}, more than the {len(dataset.train)} training images")
    if networks.classes < len(dataset.classes):
        raise TrainingError(
            f"`{networks.inference.name}` has {networks.classes} classes, but {dataset.source} has "
            f"{len(dataset.classes)}: add --set classes={len(dataset.classes)}"
        )
    return len(dataset.train) // recipe.batch


def set_arithmetic(recipe: Recipe, device: torch.device) -> None:
    """Set PyTorch's global options on CUDA: the fastest kernels, or bit-identical runs."""
    if device.type != "cuda":
        return
    deterministic = recipe.engine.deterministic
    if deterministic:  # cuBLAS reads it at its start (PyTorch's notes on reproducibility)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.set_float32_matmul_precision("highest" if deterministic else "high")
