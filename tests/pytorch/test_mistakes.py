"""Mistakes in what is given as a PyTorch model or input, and the sentence that each gets."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from torch import Tensor, nn

import inception_lens as il
from inception_lens.errors import ConfigError, TraceError, UnknownModelError
from inception_lens.pytorch.trace.forward_pass import trace


class Two(nn.Module):
    """Two layers, the first for a batch of images only."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(self.norm(x))
        return found


def test_the_class_instead_of_an_instance() -> None:
    model: Any = Two
    message = r"^you passed the class `Two`; write `Two\(\)`$"
    with pytest.raises(UnknownModelError, match=message):
        il.analyze(model, (1, 3, 8, 8))
    with pytest.raises(ConfigError, match=message):
        trace(model, (1, 3, 8, 8))


def test_a_state_dict_or_another_large_object_is_described_in_one_line() -> None:
    weights: Any = Two().state_dict()
    with pytest.raises(UnknownModelError, match=r"^a dictionary of 7 entries is not a model: a state_dict") as caught:
        il.analyze(weights)
    assert len(str(caught.value)) < 200
    numbers: Any = [*range(100_000)]
    with pytest.raises(UnknownModelError, match="is not a model: give a name") as caught:
        il.analyze(numbers)
    assert len(str(caught.value)) < 200


def test_a_missing_batch_axis() -> None:
    with pytest.raises(TraceError, match=r"; the batch axis is missing: the model takes 1x3x8x8$"):
        il.analyze(Two(), (3, 8, 8))
    with pytest.raises(TraceError) as caught:  # here a batch axis would not help
        il.analyze(Two(), (1, 5, 8, 8))
    assert "batch axis" not in str(caught.value)


class Threads(nn.Module):
    """Adds one to its input in another thread."""

    def forward(self, x: Tensor) -> Tensor:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: x + 1).result()


def test_a_tensor_in_another_thread() -> None:
    with pytest.raises(TraceError, match="was called in another thread than the forward pass"):
        trace(Threads(), (2, 8))


class Aligned(nn.Module):
    """Asserts that its input has an address."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        assert x.data_ptr() != 0
        found: Tensor = self.layer(x)
        return found


def test_the_address_of_a_tensor_is_that_of_its_value() -> None:
    assert il.analyze(Aligned(), (2, 8)).totals.macs == 2 * 64
    with pytest.raises(TraceError, match="the model reads the address of a tensor, which is unknown: give the model"):
        il.analyze(Aligned().to("meta"), (2, 8))
