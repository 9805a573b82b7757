"""Datasets in memory, the listings that they are decoded from, and splits."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from inception_lens.training.randomness import generator

if TYPE_CHECKING:
    from PIL.Image import Image

ProgressCallback = Callable[[int, int], None]
"""Called with the number of decoded images and the number of all images."""


class Listing(NamedTuple):
    """A source before its images are decoded."""

    source: str
    """As in `--data`, with an absolute path: `folder:/data/flowers`."""
    fingerprint: str
    """Changes if the source changes."""
    classes: tuple[str, ...]
    labels: Sequence[int]
    """Number of the class of each image."""
    train: Sequence[int]
    """Numbers of the training images."""
    test: Sequence[int]
    """Numbers of the test images: those of the source, or those that `stratified` draws."""
    names: Sequence[str]
    """The name of each image in error messages."""
    read: "Callable[[int, int], Image]"
    """From the number of an image and a side in pixels to the image, which may be reduced down to that side.

    Raises OSError, ValueError or SyntaxError if the image is broken."""
    channels: int = 3
    """1 for grey images, 3 for colour."""


class BrokenImage(NamedTuple):
    """An image that could not be decoded and was left out."""

    name: str
    """Its name in the listing."""
    reason: str
    """Why it could not be decoded."""


class Dataset(NamedTuple):
    """Decoded images, their labels and their split."""

    source: str
    """As in `--data`, with an absolute path."""
    fingerprint: str
    """Changes if the source changes."""
    classes: tuple[str, ...]
    """Names of the classes, by label."""
    images: Tensor
    """Bytes, `(N, side, side, channels)`; memory-mapped if the dataset is cached."""
    labels: Tensor
    """int64, `(N,)`."""
    train: Tensor
    """Numbers of the training images, int64."""
    test: Tensor
    """Numbers of the test images, int64."""
    mean: tuple[float, ...]
    """Of each channel of the training images, 0 to 1."""
    std: tuple[float, ...]
    """Standard deviation of each channel of the training images, 0 to 1."""
    broken: tuple[BrokenImage, ...] = ()
    """Images of the source that were left out."""


def stratified(labels: Sequence[int], share: float = 0.2) -> tuple[list[int], list[int]]:
    """Split images into a training and a test part, which has the same share of every class; drawn with seed 0.

    Every class with at least two images is in both parts.
    """
    by_class: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        by_class.setdefault(label, []).append(i)
    test: set[int] = set()
    for label, members in sorted(by_class.items()):
        order = torch.randperm(len(members), generator=generator(0, "split", label)).tolist()
        count = max(round(share * len(members)), 1) if len(members) > 1 else 0
        test.update(members[i] for i in order[:count])
    return [i for i in range(len(labels)) if i not in test], sorted(test)


STATISTICS_SAMPLE = 10_000
"""Number of images, evenly spread over the training part, from which mean and deviation are computed."""


def statistics(images: Tensor, train: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel over the training images, 0 to 1."""
    sample = train[:: max(len(train) // STATISTICS_SAMPLE, 1)]
    total = square = torch.zeros(images.shape[-1], dtype=torch.float64)
    count = 0
    for part in torch.split(sample, 256):
        values = images[part].to(torch.float64).flatten(0, 2) / 255
        total, square, count = total + values.sum(0), square + (values**2).sum(0), count + len(values)
    mean = total / count
    deviation = (square / count - mean**2).clamp_min(0).sqrt().clamp_min(1e-3)
    return tuple(mean.tolist()), tuple(deviation.tolist())
