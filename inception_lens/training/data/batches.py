"""Batches in the order of the seed: gathered from memory, from the device, or from a mapped file one step ahead."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from inception_lens.training.data.dataset import Dataset
from inception_lens.training.randomness import generator

Batch = tuple[Tensor, Tensor]
"""Bytes `(N, H, W, C)` and labels `(N,)`, on the device."""

AHEAD = 3
"""Batches that are gathered while one is trained on."""
LARGEST_SHARE = 0.6
"""Of the device's free memory, for data that stays there."""


class Batches:
    """Gathers images by their numbers; where it is resident and fits, the whole dataset stays on the device."""

    def __init__(self, dataset: Dataset, device: torch.device, *, resident: bool = True) -> None:
        self.device, self.images, self.labels = device, dataset.images, dataset.labels
        self.resident = resident and (device.type == "cpu" or _fits(self.images, device))
        if self.resident:
            self.images, self.labels = self.images.to(device), self.labels.to(device)

    def gather(self, numbers: Tensor) -> Batch:
        """The images of these numbers, `(N,)` on the CPU."""
        if self.resident:
            numbers = numbers.to(self.device, non_blocking=True)
        found = (self.images[numbers], self.labels[numbers])
        if self.resident or self.device.type == "cpu":
            return found
        images, labels = (each.pin_memory().to(self.device, non_blocking=True) for each in found)
        return images, labels

    def stream(self, requests: Sequence[Tensor]) -> Iterator[Batch]:
        """Gather one batch after the other; those to come are gathered meanwhile, unless all are at hand."""
        if self.resident:
            yield from map(self.gather, requests)
            return
        with ThreadPoolExecutor(1) as pool:
            pending: list[Future[Batch]] = []
            for numbers in requests:
                pending.append(pool.submit(self.gather, numbers))
                if len(pending) > AHEAD:
                    yield pending.pop(0).result()
            for each in pending:
                yield each.result()


def order(train: Tensor, seed: int, epoch: int) -> Tensor:
    """The numbers of the training images in the order of one epoch."""
    return train[torch.randperm(len(train), generator=generator(seed, "order", epoch))]


def _fits(images: Tensor, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return images.numel() < LARGEST_SHARE * free
