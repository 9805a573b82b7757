"""What a source of images becomes: one array of bytes, labels, and which images train and which evaluate."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from inception_lens.training.randomness import generator

if TYPE_CHECKING:
    from PIL.Image import Image

Progress = Callable[[int, int], None]
"""Told how many images of how many are decoded."""


class Listing(NamedTuple):
    """A source before its images are decoded."""

    source: str
    """As it was asked for, with the path made absolute: `folder:/data/flowers`."""
    fingerprint: str
    """Changes when the source does."""
    classes: tuple[str, ...]
    labels: Sequence[int]
    """The class of each image."""
    train: Sequence[int]
    test: Sequence[int]
    """Which images evaluate, of a dataset that says so; else `stratified` has drawn them."""
    names: Sequence[str]
    """What to call each image where it is broken."""
    read: "Callable[[int, int], Image]"
    """Opens image `i`, at least as large as a side; an OSError, ValueError or SyntaxError says that it is broken."""
    channels: int = 3


class Broken(NamedTuple):
    """An image that could not be decoded, and was left out."""

    name: str
    reason: str


class Dataset(NamedTuple):
    """Images ready to be trained on."""

    source: str
    fingerprint: str
    classes: tuple[str, ...]
    images: Tensor
    """Bytes, `(N, side, side, channels)`; mapped from the cache's file where there is one."""
    labels: Tensor
    """Whole numbers, `(N,)`."""
    train: Tensor
    test: Tensor
    """Numbers of the images that train and that evaluate."""
    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of the training images' channels, between 0 and 1."""
    broken: tuple[Broken, ...] = ()


def stratified(labels: Sequence[int], share: float = 0.2) -> tuple[list[int], list[int]]:
    """Split images in two so that each class gives the same share, by seed 0, to the second part.

    Every class with two images or more is in both parts.
    """
    by_class: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        by_class.setdefault(label, []).append(i)
    test: set[int] = set()
    for label, members in sorted(by_class.items()):
        order = torch.randperm(len(members), generator=generator(0, "split", label)).tolist()
        wanted = max(round(share * len(members)), 1) if len(members) > 1 else 0
        test.update(members[i] for i in order[:wanted])
    return [i for i in range(len(labels)) if i not in test], sorted(test)


STATISTICS_SAMPLE = 10_000
"""Images that mean and deviation are taken from, evenly spread over the training part."""


def statistics(images: Tensor, train: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over training images, between 0 and 1."""
    chosen = train[:: max(len(train) // STATISTICS_SAMPLE, 1)]
    total = square = torch.zeros(images.shape[-1], dtype=torch.float64)
    count = 0
    for part in torch.split(chosen, 256):
        values = images[part].to(torch.float64).flatten(0, 2) / 255
        total, square, count = total + values.sum(0), square + (values**2).sum(0), count + len(values)
    mean = total / count
    deviation = (square / count - mean**2).clamp_min(0).sqrt().clamp_min(1e-3)
    return tuple(mean.tolist()), tuple(deviation.tolist())
