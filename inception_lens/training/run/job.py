"""What a run is asked to do, and whether it can be done."""

import os
from typing import NamedTuple

import torch

from inception_lens.errors import TrainingError
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.networks import Networks
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.processes import Processes


class Job(NamedTuple):
    """What is trained, on what, and how."""

    recipe: Recipe
    networks: Networks
    dataset: Dataset


def steps_per_epoch(job: Job, processes: Processes) -> int:
    """Whole batches in an epoch; what is left of the images waits for the next epoch's order.

    Raises:
        TrainingError: the batch is not cut into equal parts, or there are fewer images than it takes; or the network
            has fewer classes than the data, or takes images of another size.
    """
    recipe, networks, dataset = job
    shares = processes.world * recipe.engine.accumulate
    if recipe.batch % shares:
        raise TrainingError(
            f"a batch of {recipe.batch} is not cut into {shares} equal parts: {processes.world} processes, "
            f"{recipe.engine.accumulate} parts in each"
        )
    if recipe.batch > len(dataset.train):
        raise TrainingError(f"a batch of {recipe.batch} is more than the {len(dataset.train)} images to train on")
    if networks.classes < len(dataset.classes):
        raise TrainingError(
            f"`{networks.inference.name}` tells {networks.classes} classes apart, {dataset.source} has "
            f"{len(dataset.classes)}: --set classes={len(dataset.classes)}"
        )
    return len(dataset.train) // recipe.batch


def set_arithmetic(recipe: Recipe, device: torch.device) -> None:
    """Set what PyTorch keeps for the whole process: on CUDA fast kernels, or the same bits on every run."""
    if device.type != "cuda":
        return
    deterministic = recipe.engine.deterministic
    if deterministic:  # cuBLAS reads it when it starts (PyTorch's notes on reproducibility)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.deterministic = deterministic
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.set_float32_matmul_precision("highest" if deterministic else "high")
