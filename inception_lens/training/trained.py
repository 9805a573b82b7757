"""A trained network from a checkpoint, without its dataset."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inception_lens.errors import DataError
from inception_lens.training.data.augmentation import Preparation, source_side
from inception_lens.training.data.batches import Batches
from inception_lens.training.data.cache import resize_and_crop
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.data.image_folders import open_image
from inception_lens.training.evaluation import Evaluator
from inception_lens.training.learner import autocast_on, named_tensors
from inception_lens.training.networks import Networks, to_channels_last
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.checkpoints import restore
from inception_lens.training.run.folder import DataRecord
from inception_lens.training.run.processes import Processes
from inception_lens.training.run.records import Evaluation


class Prediction(NamedTuple):
    """A class that a network predicts for an image."""

    label: str
    """Name of the class."""
    probability: float
    """0 to 1."""


class TrainedNetwork:
    """The network of a checkpoint on one device, in evaluation mode."""

    def __init__(
        self, recipe: Recipe, networks: Networks, state: Mapping[str, Tensor], data: DataRecord, device: torch.device
    ) -> None:
        self.recipe, self.networks, self.data, self.device = recipe, networks, data, device
        self.network: nn.Module = networks.build(recipe.seed)
        prefix = "average.module." if recipe.engine.ema else "network."
        tensors = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        restore(named_tensors(self.network), tensors)
        self.network.to(device).eval()
        if recipe.engine.channels_last:
            to_channels_last(self.network)
        self.autocast = autocast_on(recipe.engine.precision, device)

    def evaluate(self, dataset: Dataset, *, everything: bool = False, crops: int | None = None) -> Evaluation:
        """Evaluate on the test images of a dataset, or on all of its images.

        The classes of another dataset than the run's are matched by name.

        Raises:
            DataError: the dataset has a class that the network was not trained on.
        """
        evaluator = self._evaluator(match_classes(dataset, self.data.classes), everything, crops)
        return evaluator(self.network)

    def predict(self, paths: Sequence[str | Path], top: int = 5) -> list[list[Prediction]]:
        """The most probable classes of each image file, the most probable first.

        Raises:
            DataError: a file cannot be read as an image.
        """
        side = source_side(self.recipe.augmentation, max(self.networks.shape[1:]))
        channels = len(self.data.mean)
        rows = []
        for path in paths:
            try:
                rows.append(torch.from_numpy(resize_and_crop(open_image(path, side), side, channels).copy()))
            except (OSError, ValueError, SyntaxError) as error:
                raise DataError(f"{path}: not a readable image: {getattr(error, 'strerror', None) or error}") from None
        images = torch.stack(rows)
        dataset = self._dataset(images)
        scores = self._evaluator(dataset, True, None).scores(self.network, images.to(self.device)).exp().cpu()
        names = [*self.data.classes, *(str(i) for i in range(len(self.data.classes), scores.shape[1]))]
        return [
            [Prediction(names[i], float(row[i])) for i in row.argsort(descending=True)[:top].tolist()] for row in scores
        ]

    def _evaluator(self, dataset: Dataset, everything: bool, crops: int | None) -> Evaluator:
        augmentation = self.recipe.augmentation
        if crops is not None:
            augmentation = augmentation.replace(test_crops=crops)
        preparation = Preparation(augmentation, self.networks.shape, self.data.mean, self.data.std, self.device)
        numbers = torch.arange(len(dataset.images)) if everything else dataset.test
        batches = Batches(dataset, self.device, resident=self.recipe.engine.resident)
        return Evaluator(self.networks, batches, numbers, preparation, Processes(), self.autocast)

    def _dataset(self, images: Tensor) -> Dataset:
        data, zeros = self.data, torch.zeros(len(images), dtype=torch.int64)
        return Dataset("files", "", data.classes, images, zeros, zeros, zeros, data.mean, data.std)


def match_classes(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The dataset with its labels numbered as in `classes`.

    Raises:
        DataError: the dataset has a class that is not in `classes`.
    """
    if dataset.classes == tuple(classes):
        return dataset
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise DataError(f"{dataset.source}: the network was not trained on the class `{unknown[0]}`")
    numbers = torch.tensor([classes.index(name) for name in dataset.classes])
    return dataset._replace(labels=numbers[dataset.labels], classes=tuple(classes))
