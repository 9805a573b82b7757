"""Gradients that a model stops: the backward pass counts what PyTorch runs, and the forward pass is as before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import inception_lens as il


class Layers(nn.Module):
    """Calls a function with itself, which has three linear layers of 64 MACs a row, and the input."""

    def __init__(self, function: Callable[[Layers, Tensor], object]) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Linear(8, 8) for _ in range(3))
        self.function = function

    def forward(self, x: Tensor) -> object:
        return self.function(self, x)


def detached(m: Layers, x: Tensor) -> object:
    return m.third(m.second(m.first(x)).detach())


def data(m: Layers, x: Tensor) -> object:
    return m.second(m.first(x).data)


def region(m: Layers, x: Tensor) -> object:
    with torch.no_grad():
        y = m.second(m.first(x))
    return m.third(y)


def set_region(m: Layers, x: Tensor) -> object:
    with torch.set_grad_enabled(False):
        y = m.second(m.first(x))
    return m.third(y)


def set_without_region(m: Layers, x: Tensor) -> object:
    torch.set_grad_enabled(False)
    y = m.second(m.first(x))
    torch.set_grad_enabled(True)
    return m.third(y)


def inference_region(m: Layers, x: Tensor) -> object:
    with torch.inference_mode():
        y = m.second(m.first(x))
    return m.third(y.clone())


def region_in_region(m: Layers, x: Tensor) -> object:
    with torch.no_grad():
        y = m.first(x)
        with torch.enable_grad():
            z = m.second(y)
        y = m.third(z)
    return z + y


@torch.no_grad()
def teacher(m: Layers, x: Tensor) -> object:
    return m.first(x)


def decorated(m: Layers, x: Tensor) -> object:
    return m.second(teacher(m, x)) + m.third(x)


def straight_through(m: Layers, x: Tensor) -> object:
    z = m.first(x)
    return m.third(z + (m.second(z) - z).detach())


def stopped_target(m: Layers, x: Tensor) -> object:
    z = m.first(x)
    return (m.second(z) * z.detach()).sum()


def detached_weight(m: Layers, x: Tensor) -> object:
    return functional.linear(m.first(x), m.second.weight.detach())


def changed_in_region(m: Layers, x: Tensor) -> object:
    y = m.first(x)
    with torch.no_grad():
        y.mul_(2)
    return m.second(y)


def several_outputs(m: Layers, x: Tensor) -> object:
    with torch.no_grad():
        largest, _ = m.first(x).max(-1)
    return m.second(x) * largest[:, None]


def unused_branch(m: Layers, x: Tensor) -> object:
    m.first(x)
    return m.second(m.third(x))


def nothing_stopped(m: Layers, x: Tensor) -> object:
    return m.third(m.second(m.first(x)))


@pytest.mark.parametrize(
    "function",
    [
        detached,
        data,
        region,
        set_region,
        set_without_region,
        inference_region,
        region_in_region,
        decorated,
        straight_through,
        stopped_target,
        detached_weight,
        changed_in_region,
        several_outputs,
        unused_branch,
        nothing_stopped,
    ],
)
def test_products_of_the_backward_pass(function: Callable[[Layers, Tensor], object]) -> None:
    model, x = Layers(function), torch.rand(2, 8)
    with FlopCounterMode(display=False) as forward:
        y = function(model, x)
    assert isinstance(y, Tensor)
    with FlopCounterMode(display=False) as backward:
        y.sum().backward()  # type: ignore[no-untyped-call]
    totals = il.analyze(model, (2, 8), mode="training").totals
    expected = (forward.get_total_flops() // 2, backward.get_total_flops() // 2)
    assert (totals.macs, totals.backward_macs) == expected
    assert totals.macs == il.analyze(model, (2, 8), mode="inference").totals.macs
    assert torch.is_grad_enabled()
