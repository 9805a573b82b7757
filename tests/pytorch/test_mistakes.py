"""Mistakes in what is given as a PyTorch model or input, and the sentence that each gets."""

import threading
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import inception_lens as il
from inception_lens.errors import ConfigError, FormatError, TraceError, UnknownModelError
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


class Worker(nn.Module):
    """Adds one to its input in a thread that is older than the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks, self.results = Queue[Tensor](), Queue[Tensor | Exception]()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        while True:
            x = self.tasks.get()
            try:
                self.results.put(x + 1)
            except Exception as error:
                self.results.put(error)

    def forward(self, x: Tensor) -> Tensor:
        self.tasks.put(x)
        result = self.results.get()
        if isinstance(result, Exception):
            raise result
        return result


def test_a_tensor_in_another_thread() -> None:
    with pytest.raises(TraceError, match="was called in another thread than the forward pass"):
        trace(Worker(), (2, 8))


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


class Pair(nn.Module):
    """Takes two tensors."""

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return ids + mask


@pytest.mark.parametrize(
    ("model", "inputs", "message"),
    [
        (Two(), [torch.rand(2, 3, 8, 8), torch.zeros(2)], r"\(x\), and each element of the inputs is one argument$"),
        (Two(), [torch.rand(3, 8, 8), torch.rand(3, 8, 8)], r"\(x\), and each element of the inputs is one argument$"),
        (Two(), {"image": (2, 3, 8, 8)}, r"unexpected keyword argument 'image'; its forward pass takes \(x\)$"),
        (
            Pair(),
            (2, 8),
            r"'mask'; its forward pass takes \(ids, mask\), and each element of the inputs is one argument$",
        ),
        (Pair(), {"ids": (2, 8)}, r"'mask'; its forward pass takes \(ids, mask\)$"),
    ],
)
def test_inputs_that_do_not_fit_the_forward_pass(model: nn.Module, inputs: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message) as caught:
        il.analyze(model, inputs)
    assert len(str(caught.value)) < 200


def test_a_loader_a_data_set_or_an_iterator_as_input() -> None:
    data = TensorDataset(torch.rand(4, 3, 8, 8), torch.zeros(4))
    loader: DataLoader[Any] = DataLoader(data, batch_size=2)
    for given in (data, loader, iter(loader), (each for each in loader)):
        wrong: Any = given
        with pytest.raises(ConfigError, match=r"is not an input: give what the model takes of one batch, such as its"):
            il.analyze(Two(), wrong)
    assert il.analyze(Two(), next(iter(loader))[0]).totals.macs == 2 * 36 * 4 * 27


def test_arrays_and_sizes_of_numpy_are_inputs() -> None:
    sizes = np.zeros((2, 3, 8, 8), np.float32)
    found = [
        il.analyze(Two(), given).totals.macs for given in (sizes, (sizes,), {"x": sizes}, tuple(np.array(sizes.shape)))
    ]
    assert found == [2 * 36 * 4 * 27] * 4
    with pytest.raises(
        TraceError, match=r"expected tensors of the same dtype, but got float64 and float32|should be the"
    ):
        il.analyze(Two(), np.zeros((2, 3, 8, 8)))


def test_a_method_and_other_objects_are_described_in_one_line() -> None:
    model = Two()
    for given in (model.forward, [model], torch.optim.SGD(model.parameters()), model.conv.weight, lambda x: x):
        wrong: Any = given
        with pytest.raises(UnknownModelError, match=r"give the module itself|is not a model: give a name") as caught:
            il.analyze(wrong, (2, 3, 8, 8))
        assert len(str(caught.value)) < 200
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["pt", "pth", "safetensors", "bin"])
def test_a_file_of_weights_as_model(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w.{suffix}"
    path.write_bytes(b"content")
    with pytest.raises(
        UnknownModelError, match=r"such files hold weights: give what creates the module, as in net.py:Net"
    ):
        il.analyze(str(path))
    with pytest.raises(FormatError, match="No such file"):
        il.analyze(f"absent.{suffix}")
