"""Batches of a dataset that is on the device, in memory, or in a memory-mapped file that is read ahead."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from inception_lens.training.data.dataset import Dataset
from inception_lens.training.randomness import generator

Batch = tuple[Tensor, Tensor]
"""Bytes `(N, H, W, C)` and labels `(N,)`, on the device."""

PREFETCH = 3
"""Batches that are gathered ahead of the current one."""
MAX_RESIDENT_SHARE = 0.6
"""The largest share of the device's free memory that a resident dataset may take."""


class Batches:
    """Gathers images by number. A `resident` dataset stays on the device if it fits."""

    def __init__(self, dataset: Dataset, device: torch.device, *, resident: bool = True) -> None:
        self.device, self.images, self.labels = device, dataset.images, dataset.labels
        self.resident = resident and (device.type == "cpu" or _fits(self.images, device))
        if self.resident:
            self.images, self.labels = self.images.to(device), self.labels.to(device)

    def gather(self, numbers: Tensor) -> Batch:
        """The images with these numbers, `(N,)` on the CPU."""
        if self.resident:
            numbers = numbers.to(self.device, non_blocking=True)
        found = (self.images[numbers], self.labels[numbers])
        if self.resident or self.device.type == "cpu":
            return found
        images, labels = (each.pin_memory().to(self.device, non_blocking=True) for each in found)
        return images, labels

    def stream(self, requests: Sequence[Tensor]) -> Iterator[Batch]:
        """Gather consecutive batches; in a thread, ahead of the current one, unless the dataset is resident."""
        if self.resident:
            yield from map(self.gather, requests)
            return
        with ThreadPoolExecutor(1) as pool:
            pending: list[Future[Batch]] = []
            for numbers in requests:
                pending.append(pool.submit(self.gather, numbers))
                if len(pending) > PREFETCH:
                    yield pending.pop(0).result()
            for each in pending:
                yield each.result()


def epoch_order(train: Tensor, seed: int, epoch: int) -> Tensor:
    """The numbers of the training images in the random order of one epoch."""
    return train[torch.randperm(len(train), generator=generator(seed, "order", epoch))]


def _fits(images: Tensor, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return images.numel() < MAX_RESIDENT_SHARE * free
