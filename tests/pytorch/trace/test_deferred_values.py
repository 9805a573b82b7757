"""Values that are computed when a model asks for them: equal to those of a real run, and no more than it needs."""

import random
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from inception_lens.pytorch.trace.deferred_values import DeferredCall
from inception_lens.pytorch.trace.forward_pass import trace


def _replace(number: random.Random, tensors: list[Tensor]) -> None:
    a, b = number.choice(tensors), number.choice(tensors)
    tensors[number.randrange(len(tensors))] = number.choice([a + b, a * b, a.clone(), torch.zeros_like(a), a.relu()])


def _write(number: random.Random, tensors: list[Tensor]) -> None:
    a, b = number.choice(tensors), number.choice(tensors).clone()  # PyTorch refuses to read what it writes to
    choice = number.randrange(6)
    if choice == 0:
        a.add_(b)
    elif choice == 1:
        a[number.randrange(3)] = b[number.randrange(3)]
    elif choice == 2:
        a[:, :2].mul_(0.5)
    elif choice == 3:
        a.copy_(b)
    elif choice == 4:
        a.t().select(0, 1).fill_(2.0)
    else:
        torch.add(b, 1, out=a)


def _view(number: random.Random, tensors: list[Tensor]) -> None:
    a = number.choice(tensors)
    tensors[number.randrange(len(tensors))] = number.choice(
        [a.t(), a[1:2].expand(3, 3).clone(), a.flip(0), a.detach(), a[:]]
    )


class RandomProgram(nn.Module):
    """Runs random statements on a buffer, a constant and an input, and reads values in between."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.kept = nn.Buffer(torch.arange(9.0).reshape(3, 3))

    def forward(self, x: Tensor) -> Tensor:
        number = random.Random(self.seed)  # noqa: S311
        tensors = [self.kept, torch.ones(3, 3), x * 1]
        read: list[float] = []
        for _ in range(number.randrange(3, 25)):
            number.choice([_replace, _write, _write, _view])(number, tensors)
            if number.random() < 0.2:
                read.append(number.choice(tensors).sum().item())
        read += [each.sum().item() for each in tensors]
        READ.append(read)
        return tensors[2] * 2


READ: list[list[float]] = []
"""What each run of a random program has read."""


@pytest.mark.parametrize("seed", range(150))
def test_values_are_those_of_a_real_run(seed: int) -> None:
    model, x = RandomProgram(seed).eval(), torch.rand(3, 3, generator=torch.Generator().manual_seed(seed))
    kept = model.kept.clone()
    READ.clear()
    trace(model, (x,))
    assert torch.equal(model.kept, kept)  # the trace works on a copy
    with torch.no_grad():
        model(x.clone())
    assert READ[-1] == pytest.approx(READ[-2])


class Gate(nn.Module):
    """Reads one number, which depends on `self.gate` alone, next to a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.gate = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.layer(x).clone()
        return hidden if self.gate(x).sum() > 100 else hidden.relu()


def test_only_what_a_decision_needs_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    run, original = list[str](), DeferredCall.run

    def noted(call: DeferredCall) -> None:
        run.append(getattr(call.function, "__name__", ""))
        original(call)

    monkeypatch.setattr(DeferredCall, "run", noted)
    graph = trace(Gate().eval(), (torch.rand(2, 4),))
    assert [node.op.kind for node in graph.nodes] == ["Linear", "clone", "Linear", "sum", "gt", "ReLU"]
    assert not any("relu" in name or "clone" in name for name in run)
    assert sum("linear" in name for name in run) == 1


def test_a_write_of_an_unknown_value_makes_the_views_of_the_memory_unknown() -> None:
    def forward(x: Tensor) -> Tensor:
        made = torch.zeros(2, 3)
        view = made[:, 0]
        made[0] = x
        return made if view.sum() > 0 else made * 2  # decided by `x`

    graph = trace(Function(forward).eval(), (torch.ones(3),))
    assert not any(node.op.label == "mul" for node in graph.nodes)  # the input was read: ones
    graph = trace(Function(forward).eval(), (-torch.ones(3),))
    assert any(node.op.label == "mul" for node in graph.nodes)


class Function(nn.Module):
    """A module that computes a function of its input."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def test_a_chain_of_calls_may_be_longer_than_the_stack() -> None:
    def forward(x: Tensor) -> Tensor:
        counted = torch.zeros(())
        for _ in range(5000):
            counted = counted + 1
        return x * 2 if counted.item() == 5000 else x

    assert len(trace(Function(forward).eval(), (torch.ones(3),)).nodes) > 5000
