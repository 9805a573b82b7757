"""A trained network that answers: from a saved state, without the data that it was trained on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inception_lens.errors import DataError
from inception_lens.training.data.augmentation import Preparation, source_side
from inception_lens.training.data.batches import Batches
from inception_lens.training.data.cache import fitted
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.data.image_folders import opened
from inception_lens.training.evaluation import Evaluation, Evaluator
from inception_lens.training.learner import autocast_on, named_tensors
from inception_lens.training.networks import Networks, channels_last
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.checkpoints import restore
from inception_lens.training.run.folder import DataAbout
from inception_lens.training.run.processes import Processes


class Answer(NamedTuple):
    """A class that a network sees in an image."""

    label: str
    probability: float


class Trained:
    """The network of a run's state on one device, in evaluation mode."""

    def __init__(
        self, recipe: Recipe, networks: Networks, state: Mapping[str, Tensor], about: DataAbout, device: torch.device
    ) -> None:
        self.recipe, self.networks, self.about, self.device = recipe, networks, about, device
        self.network: nn.Module = networks.build(recipe.seed)
        prefix = "average.module." if recipe.engine.ema else "network."
        own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        restore(named_tensors(self.network), own)
        self.network.to(device).eval()
        if recipe.engine.channels_last:
            channels_last(self.network)
        self.autocast = autocast_on(recipe.engine.precision, device)

    def evaluate(self, dataset: Dataset, *, everything: bool = False, crops: int | None = None) -> Evaluation:
        """Evaluate on the images of a dataset that are kept for it, or on all of them.

        The classes of another dataset than the run's are matched by their names.

        Raises:
            DataError: it has a class that the network does not know.
        """
        evaluator = self._evaluator(matched(dataset, self.about.classes), everything, crops)
        return evaluator(self.network)

    def predict(self, paths: Sequence[str | Path], top: int = 5) -> list[list[Answer]]:
        """The likeliest classes of image files, the likeliest first.

        Raises:
            DataError: a file cannot be read as an image.
        """
        side = source_side(self.recipe.augmentation, max(self.networks.shape[1:]))
        channels = len(self.about.mean)
        rows = []
        for path in paths:
            try:
                rows.append(torch.from_numpy(fitted(opened(path, side), side, channels).copy()))
            except (OSError, ValueError, SyntaxError) as error:
                raise DataError(f"{path}: no image: {getattr(error, 'strerror', None) or error}") from None
        images = torch.stack(rows)
        dataset = self._dataset(images)
        scores = self._evaluator(dataset, True, None).scores(self.network, images.to(self.device)).exp().cpu()
        names = [*self.about.classes, *(str(i) for i in range(len(self.about.classes), scores.shape[1]))]
        return [
            [Answer(names[i], float(row[i])) for i in row.argsort(descending=True)[:top].tolist()] for row in scores
        ]

    def _evaluator(self, dataset: Dataset, everything: bool, crops: int | None) -> Evaluator:
        augmentation = self.recipe.augmentation
        if crops is not None:
            augmentation = augmentation.replace(test_crops=crops)
        preparation = Preparation(augmentation, self.networks.shape, self.about.mean, self.about.std, self.device)
        numbers = torch.arange(len(dataset.images)) if everything else dataset.test
        batches = Batches(dataset, self.device, resident=self.recipe.engine.resident)
        return Evaluator(self.networks, batches, numbers, preparation, Processes(), self.autocast)

    def _dataset(self, images: Tensor) -> Dataset:
        about, nothing = self.about, torch.zeros(len(images), dtype=torch.int64)
        return Dataset("files", "", about.classes, images, nothing, nothing, nothing, about.mean, about.std)


def matched(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The dataset with its labels numbered as in `classes`.

    Raises:
        DataError: it has a class that is not among them.
    """
    if dataset.classes == tuple(classes):
        return dataset
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise DataError(f"{dataset.source}: the network was not trained on the class `{unknown[0]}`")
    numbers = torch.tensor([classes.index(name) for name in dataset.classes])
    return dataset._replace(labels=numbers[dataset.labels], classes=tuple(classes))
