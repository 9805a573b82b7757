"""Forward passes that change the model: what they compute is counted, and afterwards the model is as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.errors import TraceError


class Changing(nn.Module):
    """Changes itself, its linear layer of 72 parameters or its buffer by a function, and returns what that returns."""

    rows: Tensor
    mean: Tensor
    head: nn.Linear

    def __init__(self, change: Callable[[Changing, Tensor], object]) -> None:
        super().__init__()
        self.linear, self.change = nn.Linear(8, 8), change
        self.norm, self.dropout = nn.BatchNorm1d(8, affine=False), nn.Dropout(0.1)
        self.register_buffer("rows", torch.ones(8))

    def forward(self, x: Tensor) -> object:
        return self.change(self, x)


def pruned(m: Changing, x: Tensor) -> object:
    m.linear.weight.data, m.linear.bias.data = m.linear.weight.data[:4], m.linear.bias.data[:4]
    return m.linear(x)


def generated(m: Changing, x: Tensor) -> object:
    m.linear.weight.data = x[:1].T @ x[:1]  # 64 MACs
    return m.linear(x)


def normalized_and_cleared(m: Changing, x: Tensor) -> object:
    before = m.linear.weight.data
    m.linear.weight.data = before / before.norm()
    before.zero_()
    return m.linear(x)


def computed_buffer(m: Changing, x: Tensor) -> object:
    y = m.linear(x)
    m.rows.data = y.mean(0)
    m.rows.copy_(y[0])
    return y + m.rows


def other_dtype(m: Changing, x: Tensor) -> object:
    return m.linear.to(torch.float64)(x.double())


def same_dtype(m: Changing, x: Tensor) -> object:
    return m.linear.to(x.dtype)(x)


def scaled(m: Changing, x: Tensor) -> object:
    m.linear.weight.data.mul_(0.5)
    return m.linear(x)


def with_axis(m: Changing, x: Tensor) -> object:
    m.rows.unsqueeze_(0)
    return m.linear(x) + m.rows


def resized(m: Changing, x: Tensor) -> object:
    m.rows.resize_(2, 8)
    return m.linear(x) + m.rows[:1]


def set_to_input(m: Changing, x: Tensor) -> object:
    m.rows.set_(x[0].clone())  # type: ignore[call-overload]
    return m.linear(x) + m.rows


def new_settings(m: Changing, x: Tensor) -> object:
    m.norm.momentum, m.dropout.p = 0.5, 0.5
    return m.dropout(m.norm(m.linear(x)))


def computed_attribute(m: Changing, x: Tensor) -> object:
    weight = m.linear.weight
    del m.linear.weight
    m.linear.weight = weight * x[0, 0]
    return m.linear(x)


def new_buffers(m: Changing, x: Tensor) -> object:
    m.register_buffer("mean", x.mean(0))
    m.linear.register_buffer("seen", x)
    return m.linear(x) + m.mean


def computed_parameter(m: Changing, x: Tensor) -> object:
    m.linear.weight = nn.Parameter(m.linear.weight * 2)
    return m.linear(x)


def created_layer(m: Changing, x: Tensor) -> object:
    m.head = nn.Linear(8, 4)  # 36 parameters
    return m.head(m.linear(x))


def created_parameter(m: Changing, x: Tensor) -> object:
    return nn.functional.linear(m.linear(x), nn.Parameter(torch.randn(4, 8)))


CASES: dict[Callable[[Changing, Tensor], object], tuple[int, int]] = {
    pruned: (2 * 8 * 4, 72),
    generated: (64 + 128, 72),
    created_layer: (128 + 64, 72 + 36),
    created_parameter: (128 + 64, 72 + 32),
    **dict.fromkeys(
        (
            normalized_and_cleared,
            computed_buffer,
            other_dtype,
            same_dtype,
            scaled,
            with_axis,
            resized,
            set_to_input,
            new_settings,
            computed_attribute,
            new_buffers,
            computed_parameter,
        ),
        (128, 72),
    ),
}
"""MACs on two rows, and parameters."""


def described(model: nn.Module) -> object:
    """What a model consists of: objects by identity, tensors also by memory, layout and values."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    memory = [(each.data_ptr(), each.shape, each.stride(), each.dtype, each.tolist()) for _, each in tensors]
    states = [
        {name: (dict(value) if isinstance(value, dict) else id(value)) for name, value in vars(each).items()}
        for each in model.modules()
    ]
    return [(name, id(each)) for name, each in tensors], memory, [repr(state) for state in states]


@pytest.mark.parametrize("change", CASES)
def test_a_forward_pass_that_changes_the_model(change: Callable[[Changing, Tensor], object]) -> None:
    model = Changing(change)
    before = described(model)
    totals = il.analyze(model, (2, 8)).totals
    assert (totals.macs, totals.params, totals.macs_exact, totals.params_exact) == (*CASES[change], True, True)
    assert described(model) == before
    assert "data" not in vars(Tensor)


@pytest.mark.parametrize("change", [each for each in CASES if each is not set_to_input])
def test_the_same_on_the_meta_device(change: Callable[[Changing, Tensor], object]) -> None:
    with torch.device("meta"):
        model = Changing(change)
    totals = il.analyze(model, (2, 8)).totals
    assert (totals.macs, totals.params) == CASES[change]
    assert all(each.is_meta for each in model.state_dict().values())


def test_exchanged_tensors_are_refused() -> None:
    def exchanged(m: Changing, x: Tensor) -> object:
        torch.utils.swap_tensors(m.rows, torch.zeros(8))  # type: ignore[no-untyped-call]
        return m.linear(x) + m.rows

    model, swap = Changing(exchanged), torch.utils.swap_tensors
    before = described(model)
    with pytest.raises(TraceError, match=r"calls `torch\.utils\.swap_tensors`"):
        il.analyze(model, (2, 8))
    assert described(model) == before
    assert torch.utils.swap_tensors is swap


def test_traces_in_several_threads() -> None:
    replaced = (threading.Thread.start, torch.compile, nn.Module._call_impl, nn.Module.__setattr__)
    shared, found = nn.Sequential(*[nn.Linear(8, 8) for _ in range(20)], nn.Softmax(0)), list[int | None]()

    def analyze(model: nn.Module) -> None:
        found.append(il.analyze(model, (2, 8)).totals.macs)

    models = [shared, Changing(generated)] * 4
    threads = [threading.Thread(target=analyze, args=(model,)) for model in models]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found, key=str) == [192] * 4 + [20 * 128] * 4
    assert replaced == (threading.Thread.start, torch.compile, nn.Module._call_impl, nn.Module.__setattr__)
