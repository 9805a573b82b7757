"""The order of images depends on the seed only, not on how batches are gathered."""

import pytest
import torch

from inception_lens.training.data.batches import PREFETCH, Batches, epoch_order
from inception_lens.training.data.dataset import Dataset
from inception_lens.training.data.sources import open_dataset

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def noise() -> Dataset:
    return open_dataset("synthetic:40", 4, classes=3)


def test_an_order_is_a_permutation_of_the_training_images(noise: Dataset) -> None:
    first = epoch_order(noise.train, 0, 0)
    assert sorted(first.tolist()) == noise.train.tolist()
    assert torch.equal(first, epoch_order(noise.train, 0, 0))
    assert not torch.equal(first, epoch_order(noise.train, 0, 1))
    assert not torch.equal(first, epoch_order(noise.train, 1, 0))


def test_batches_gathered_ahead_are_the_same(noise: Dataset) -> None:
    requests = list(torch.split(epoch_order(noise.train, 0, 0), 4))
    assert len(requests) > PREFETCH + 1
    direct, ahead = (list(Batches(noise, CPU, resident=resident).stream(requests)) for resident in (True, False))
    assert len(direct) == len(ahead) == len(requests)
    for numbers, one, other in zip(requests, direct, ahead, strict=True):
        assert torch.equal(one[0], noise.images[numbers])
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_a_stream_can_be_closed_early(noise: Dataset) -> None:
    stream = Batches(noise, CPU, resident=False).stream(list(torch.split(noise.train, 4)))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
