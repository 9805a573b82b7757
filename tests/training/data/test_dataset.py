"""Statistics of datasets."""

import pytest
import torch

from inception_lens.training.data import dataset as datasets
from inception_lens.training.data.dataset import statistics
from inception_lens.training.data.sources import open_dataset


def test_mean_and_deviation_are_those_of_the_training_images() -> None:
    images = torch.tensor([[0, 255], [0, 0], [255, 255], [9, 9]], dtype=torch.uint8).view(4, 1, 2, 1)
    mean, std = statistics(images, torch.tensor([0, 2]))
    assert mean == (0.75,)
    assert std == pytest.approx((0.1875**0.5,))


def test_each_channel_has_its_own_statistics() -> None:
    images = torch.zeros(2, 1, 1, 3, dtype=torch.uint8)
    images[1] = torch.tensor([51, 102, 0])
    mean, std = statistics(images, torch.arange(2))
    assert mean == pytest.approx((0.1, 0.2, 0))
    assert std == pytest.approx((0.1, 0.2, 1e-3))  # never 0, which would divide by 0


def test_a_large_training_set_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "STATISTICS_SAMPLE", 4)
    images = torch.zeros(8, 1, 1, 1, dtype=torch.uint8)
    images[::2] = 255
    assert statistics(images, torch.arange(8))[0] == (1.0,)


def test_digits_use_the_full_range_of_a_byte() -> None:
    images = open_dataset("digits", 8).images
    assert (int(images.min()), int(images.max())) == (0, 255)
