"""Learning rates at the boundaries of every schedule, and the options of the optimizers."""

from math import cos, pi

import pytest
import torch
from torch import nn

from inception_lens.training.optimizers import learning_rate, make_optimizer
from inception_lens.training.recipe import Optimizer, Recipe, Schedule


def rates(name: str, steps: list[int], *, batch: int = 128, **options: object) -> list[float]:
    """Learning rates of a run of 10 epochs of 10 steps; the highest is 1."""
    schedule = Schedule(name=name, **options)  # type: ignore[arg-type]
    recipe = Recipe(epochs=10, batch=batch, schedule=schedule, optimizer=Optimizer(learning_rate=1.0))
    return [learning_rate(recipe, step, 10) for step in steps]


def test_constant() -> None:
    assert rates("constant", [0, 99]) == [1, 1]


def test_step_drops_after_epochs() -> None:
    assert rates("step", [0, 29, 30, 59, 60], gamma=0.5, every_epochs=3) == [1, 1, 0.5, 0.5, 0.25]


def test_step_drops_after_samples_instead_of_epochs() -> None:
    steps = [0, 15, 16, 31, 32]
    assert rates("step", steps, batch=8, gamma=0.5, every_samples=128, every_epochs=1) == [1, 1, 0.5, 0.5, 0.25]
    assert rates("step", [0, 14, 15], batch=9, gamma=0.5, every_samples=128) == [1, 1, 0.5]  # 9 * 14 < 128 < 9 * 15


def test_poly() -> None:
    assert rates("poly", [0, 75], power=0.5) == [1, 0.5]
    assert rates("poly", [50, 90], power=2) == pytest.approx([0.25, 0.01])


@pytest.mark.parametrize(("name", "end"), [("one-cycle", 1e-4), ("cosine", 0.0)])
def test_warm_up_and_cosine(name: str, end: float) -> None:
    found = rates(name, [0, 5, 10, 19, 20, 60, 99], warmup=0.2)
    rising = [1 / 25 + (1 - 1 / 25) * step / 20 for step in (0, 5, 10, 19)]
    falling = [end + (1 - end) * (1 + cos(pi * part)) / 2 for part in (0, 0.5, 79 / 80)]
    assert found == pytest.approx([*rising, *falling])
    assert found[4] == 1
    assert rates(name, [100], warmup=0.2) == pytest.approx([end])


@pytest.mark.parametrize("name", ["one-cycle", "cosine"])
def test_without_warm_up_the_rate_starts_at_its_highest(name: str) -> None:
    assert rates(name, [0, 1], warmup=0)[0] == 1
    assert rates(name, [99], warmup=1)[0] == pytest.approx(1 / 25 + (1 - 1 / 25) * 0.99)


def test_options_of_every_optimizer() -> None:
    network = nn.Linear(2, 3)
    sgd = make_optimizer(network, Optimizer(learning_rate=0.1, momentum=0.8, nesterov=True, weight_decay=0.01))
    assert {key: sgd.defaults[key] for key in ("lr", "momentum", "nesterov")} == {
        "lr": 0.1, "momentum": 0.8, "nesterov": True,
    }  # fmt: skip
    assert torch.equal(sgd.state[network.weight]["momentum_buffer"], torch.zeros(3, 2))
    plain = make_optimizer(network, Optimizer(momentum=0.0, nesterov=True))
    assert not plain.defaults["nesterov"]
    assert not plain.state
    adamw = make_optimizer(network, Optimizer(name="adamw", learning_rate=0.1, momentum=0.8))
    assert adamw.defaults["betas"] == (0.8, 0.999)
    rmsprop = make_optimizer(network, Optimizer(name="rmsprop", learning_rate=0.1, momentum=0.8))
    assert [rmsprop.defaults[key] for key in ("alpha", "eps", "momentum")] == [0.9, 1.0, 0.8]
