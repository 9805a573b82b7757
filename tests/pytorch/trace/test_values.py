"""Models that read the values of tensors outside PyTorch, and what is traced if they catch the refusal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.errors import TraceError
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.calls import Calls


def logged(linear: nn.Module, x: Tensor) -> object:
    assert f"{x.mean():.2f}" == f"{x.numpy().mean():.2f}"
    return linear(x)


def through_numpy(linear: nn.Module, x: Tensor) -> object:
    return linear(torch.from_numpy(np.tanh(linear(x).numpy())))


def caught(linear: nn.Module, x: Tensor) -> object:
    try:
        positive = float(x.abs().sum()) > 0
    except Exception:
        return x
    return linear(x) if positive else x


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (logged, 128),
        (through_numpy, 256),
        (lambda linear, x: linear(x) if np.asarray(x).shape == (2, 8) else x, 128),
        (lambda linear, x: linear(x) if np.sum(x.abs().numpy()) > 0 else x, 128),
        (lambda linear, x: linear(torch.tensor(x.tolist())), 128),
        (lambda linear, x: linear(x) if format(x.abs().sum(), ".1f") != "0.0" else x, 128),
        (caught, 128),
    ],
)  # fmt: skip
def test_values_are_read(function: Callable[..., object], macs: int) -> None:
    model = Calls(function)
    assert il.analyze(model, torch.rand(2, 8)).totals.macs == macs
    with pytest.raises(TraceError, match="which is unknown: give the model its weights"):
        trace(model.to("meta"), (2, 8))


def test_text_of_a_tensor_with_axes_needs_no_value() -> None:
    model = Calls(lambda linear, x: linear(x) if "tensor" in f"{x}" else x).to("meta")
    assert il.analyze(model, (2, 8)).totals.macs == 128
