"""How often a network is right: top-1, top-5, and which class it takes for which."""

import math

import msgspec
import torch
from torch import Tensor, nn

from inception_lens.training.data.augmentation import Preparation
from inception_lens.training.data.batches import Batches
from inception_lens.training.networks import Networks, ends_as, log_probabilities
from inception_lens.training.run.processes import Processes

BATCH = 256
"""Images at once; always the same, so that a figure can be repeated to the last digit."""


class Evaluation(msgspec.Struct, frozen=True):
    """What an evaluation found."""

    images: int
    top1: float
    """Share of the images whose class got the highest score, 0 to 1."""
    top5: float
    """Share whose class is among the five highest scores, or among all where there are fewer."""
    loss: float | None
    """Mean cross-entropy of the main output, in nats; None where it is not finite."""
    confusion: list[list[int]]
    """Rows are the true classes, columns the answers."""

    @property
    def per_class(self) -> list[float | None]:
        """Accuracy of each class; None for one without an image."""
        return [row[i] / sum(row) if sum(row) else None for i, row in enumerate(self.confusion)]


class Evaluator:
    """Evaluates networks on one set of images; several processes share them out."""

    def __init__(
        self,
        networks: Networks,
        batches: Batches,
        numbers: Tensor,
        preparation: Preparation,
        processes: Processes,
        autocast: bool,
    ) -> None:
        self.classes, self.kind = networks.classes, ends_as(networks.inference)
        self.batches, self.preparation, self.processes, self.autocast = batches, preparation, processes, autocast
        self.parts = torch.split(numbers[processes.rank :: processes.world], BATCH)

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> Evaluation:
        """Evaluate; the network is left in the mode that it came in."""
        device, was_training = self.batches.device, network.training
        sums = torch.zeros(4, dtype=torch.float64, device=device)
        confusion = torch.zeros(self.classes, self.classes, dtype=torch.int64, device=device)
        network.eval()
        for images, labels in self.batches.stream(self.parts):
            scores = self.scores(network, images)
            ranked = scores.topk(min(5, self.classes)).indices
            right = ranked == labels[:, None]
            lost = nn.functional.nll_loss(scores, labels, reduction="sum")
            sums += torch.stack([right[:, 0].sum(), right.sum(), lost, torch.tensor(len(labels), device=device)])
            pairs = labels * self.classes + ranked[:, 0]
            confusion += pairs.bincount(minlength=self.classes**2).view_as(confusion)
        network.train(was_training)
        self.processes.sum(sums)
        self.processes.sum(confusion)
        top1, top5, loss_sum, count = sums.tolist()
        loss = loss_sum / count if math.isfinite(loss_sum) else None
        return Evaluation(int(count), top1 / count, top5 / count, loss, confusion.tolist())

    @torch.no_grad()
    def scores(self, network: nn.Module, images: Tensor) -> Tensor:
        """Logarithms of the classes' probabilities, `(N, classes)`, of bytes `(N, H, W, C)`; of ten crops the mean."""
        crops = self.preparation.augmentation.test_crops
        x = self.preparation.evaluation(images, crops)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.autocast):
            output = network(x)
        scores = log_probabilities(output, self.kind)
        if crops == 1:
            return scores
        return scores.exp().view(len(images), crops, -1).mean(1).clamp_min(torch.finfo(torch.float32).tiny).log()
