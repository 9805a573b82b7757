"""The trainer beside a plain PyTorch loop of the same network, in one run, and beside the machine's roofline.

Both train on noise that is on the device from the start, without augmentation, in turns, so that whatever else the
machine does hits both. The plain loop is what one writes by hand: forward, loss, backward, step.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from inception_lens.training.learner import Learner, autocast_on
from inception_lens.training.networks import Networks, loss_weights, to_channels_last
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.processes import Processes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROUNDS = 7
"""Turns of each; the first warms up and is not counted."""
LIMIT = 0.95
"""Of the plain loop's speed, below which the eager trainer would cost something."""


class Speed(NamedTuple):
    """Images a second of one way of training, and its ratio to the plain eager loop at the same batch."""

    way: str
    batch: int
    images_per_second: float
    ratio: float


def measure(
    networks: Networks, recipe: Recipe, device: torch.device, batches: list[int], ways: list[str], seconds: float
) -> list[Speed]:
    """Measure the plain loop and each way (`eager`, `compiled`, `graphs`) at each batch."""
    found = []
    for batch in batches:
        sized = recipe.replace(batch=batch)
        plain = plain_step(networks, sized, device)
        steps = {"plain loop": plain} | {way: trainer_step(networks, sized, device, way) for way in ways}
        rates = _rates(steps, batch, device, seconds)
        for way in steps:
            paired = [mine / base for mine, base in zip(rates[way], rates["plain loop"], strict=True)]
            found.append(Speed(way, batch, statistics.median(rates[way]), statistics.median(paired)))
    return found


def trainer_step(networks: Networks, recipe: Recipe, device: torch.device, way: str) -> Callable[[], object]:
    """One step of this trainer on a fixed batch."""
    engine = recipe.engine.replace(compile=way == "compiled", graphs=way == "graphs")
    learner = Learner(networks, recipe.replace(engine=engine), Processes(), device)
    x, labels = _batch(networks, recipe, device)
    learner.network.train()
    return lambda: learner.step(0, 1_000_000, [(x, labels)])


def plain_step(networks: Networks, recipe: Recipe, device: torch.device) -> Callable[[], object]:
    """One step of the loop that one writes by hand, in the same precision and layout."""
    import torch
    from torch.nn.functional import cross_entropy

    network = networks.build(recipe.seed).to(device)
    if recipe.engine.channels_last:
        to_channels_last(network)
    network.train()
    wanted = recipe.optimizer
    optimizer = torch.optim.SGD(
        network.parameters(), wanted.learning_rate, wanted.momentum, 0, wanted.weight_decay, nesterov=wanted.nesterov
    )
    weights = loss_weights(networks.training, recipe.loss.auxiliary)
    x, labels = _batch(networks, recipe, device)
    autocast = autocast_on(recipe.engine.precision, device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            outputs = network(x)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        losses = [cross_entropy(output.float(), labels) for output in outputs]
        loss = torch.stack([weight * each for each, weight in zip(losses, weights, strict=True)]).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def _batch(networks: Networks, recipe: Recipe, device: torch.device) -> tuple[Tensor, Tensor]:
    import torch

    x = torch.rand(recipe.batch, *networks.shape, device=device)
    labels = torch.randint(0, networks.classes, (recipe.batch,), device=device)
    return (x.contiguous(memory_format=torch.channels_last) if recipe.engine.channels_last else x), labels


def _rates(
    steps: dict[str, Callable[[], object]], batch: int, device: torch.device, seconds: float
) -> dict[str, list[float]]:
    """Images a second of each in every round; in a round each trains for about so many seconds."""
    for step in steps.values():  # compilation, captures and the choice of kernels
        for _ in range(3):
            step()
    one = min(_seconds(next(iter(steps.values())), 1, device) for _ in range(2))
    repeats = max(round(seconds / one), 1)
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(ROUNDS):
        names = list(steps) if turn % 2 else list(reversed(steps))
        for name in names:
            rates[name].append(repeats * batch / _seconds(steps[name], repeats, device))
    return {name: measured[1:] for name, measured in rates.items()}


def _seconds(step: Callable[[], object], repeats: int, device: torch.device) -> float:
    import torch

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    wait()
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    wait()
    return time.perf_counter() - start
