"""The accuracy of a network: top-1, top-5, by class, and the confusion matrix."""

import math

import torch
from torch import Tensor, nn

from inception_lens.training.data.augmentation import Preparation
from inception_lens.training.data.batches import Batches
from inception_lens.training.networks import Networks, log_probabilities, output_kind
from inception_lens.training.run.processes import Processes
from inception_lens.training.run.records import Evaluation

BATCH = 256
"""Images per batch. Constant, so that an evaluation repeats to the last digit."""


class Evaluator:
    """Evaluates networks on one set of images, which the processes of a run share."""

    def __init__(
        self,
        networks: Networks,
        batches: Batches,
        numbers: Tensor,
        preparation: Preparation,
        processes: Processes,
        autocast: bool,
    ) -> None:
        self.classes, self.output_kind = networks.classes, output_kind(networks.inference)
        self.batches, self.preparation, self.processes, self.autocast = batches, preparation, processes, autocast
        self.parts = torch.split(numbers[processes.rank :: processes.world], BATCH)
        """Numbers of the images of this process, by batch."""

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> Evaluation:
        """Evaluate a network; it keeps its training mode."""
        device, was_training = self.batches.device, network.training
        sums = torch.zeros(4, dtype=torch.float64, device=device)
        confusion = torch.zeros(self.classes, self.classes, dtype=torch.int64, device=device)
        network.eval()
        for images, labels in self.batches.stream(self.parts):
            scores = self.scores(network, images)
            ranked = scores.topk(min(5, self.classes)).indices
            hits = ranked == labels[:, None]
            loss_sum = nn.functional.nll_loss(scores, labels, reduction="sum")
            sums += torch.stack([hits[:, 0].sum(), hits.sum(), loss_sum, torch.tensor(len(labels), device=device)])
            pairs = labels * self.classes + ranked[:, 0]
            confusion += pairs.bincount(minlength=self.classes**2).view_as(confusion)
        network.train(was_training)
        self.processes.sum(sums)
        self.processes.sum(confusion)
        top1, top5, total_loss, count = sums.tolist()
        loss = total_loss / count if math.isfinite(total_loss) else None
        return Evaluation(int(count), top1 / count, top5 / count, loss, confusion.tolist())

    @torch.no_grad()
    def scores(self, network: nn.Module, images: Tensor) -> Tensor:
        """Log-probabilities `(N, classes)` of images, bytes `(N, H, W, C)`; of ten crops, of their mean probability."""
        crops = self.preparation.augmentation.test_crops
        x = self.preparation.evaluation(images, crops)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.autocast):
            output = network(x)
        scores = log_probabilities(output, self.output_kind)
        if crops == 1:
            return scores
        return scores.exp().view(len(images), crops, -1).mean(1).clamp_min(torch.finfo(torch.float32).tiny).log()
