"""Speed of the trainer compared with a plain PyTorch loop of the same network, in one run.

Both train on noise that is already on the device, without augmentation. They alternate, so that other load on the
machine affects both. The plain loop is forward, loss, backward and step.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from inception_lens.training.learner import Learner, autocast_on
from inception_lens.training.networks import Networks, loss_weights, to_channels_last
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.processes import Processes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ROUNDS = 7
"""Rounds of measurement; the first one warms up and is not counted."""
MIN_RATIO = 0.95
"""The lowest speed of the eager trainer relative to the plain loop."""


class Speed(msgspec.Struct, frozen=True):
    """The speed of one engine at one batch size."""

    engine: str
    """`plain loop`, `eager`, `compiled` or `graphs`."""
    batch: int
    images_per_second: float
    """Median of the rounds."""
    ratio: float
    """Median ratio to the plain loop in the same round."""


def measure(
    networks: Networks, recipe: Recipe, device: torch.device, batches: list[int], engines: list[str], seconds: float
) -> list[Speed]:
    """Measure the plain loop and each engine (`eager`, `compiled`, `graphs`) at each batch size.

    `seconds` is the training time of each in each round.
    """
    speeds = []
    for batch in batches:
        sized = recipe.replace(batch=batch)
        plain = plain_step(networks, sized, device)
        steps = {"plain loop": plain} | {engine: trainer_step(networks, sized, device, engine) for engine in engines}
        rates = _rates(steps, batch, device, seconds)
        for name, measured in rates.items():
            ratios = [rate / base for rate, base in zip(measured, rates["plain loop"], strict=True)]
            speeds.append(Speed(name, batch, statistics.median(measured), statistics.median(ratios)))
    return speeds


def trainer_step(networks: Networks, recipe: Recipe, device: torch.device, engine: str) -> Callable[[], object]:
    """One step of the trainer on a fixed batch."""
    options = recipe.engine.replace(compile=engine == "compiled", graphs=engine == "graphs")
    learner = Learner(networks, recipe.replace(engine=options), Processes(), device)
    x, labels = _batch(networks, recipe, device)
    learner.network.train()
    return lambda: learner.step(0, 1_000_000, [(x, labels)])


def plain_step(networks: Networks, recipe: Recipe, device: torch.device) -> Callable[[], object]:
    """One step of a plain loop in the same precision and memory format."""
    import torch
    from torch.nn.functional import cross_entropy

    network = networks.build(recipe.seed).to(device)
    if recipe.engine.channels_last:
        to_channels_last(network)
    network.train()
    sgd = recipe.optimizer
    optimizer = torch.optim.SGD(
        network.parameters(), sgd.learning_rate, sgd.momentum, 0, sgd.weight_decay, nesterov=sgd.nesterov
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
    """Images per second of each step function in each round after the first; each runs for about `seconds`."""
    for step in steps.values():  # compilation, capture and choice of kernels
        for _ in range(3):
            step()
    one = min(_seconds(next(iter(steps.values())), 1, device) for _ in range(2))
    repeats = max(round(seconds / one), 1)
    rates: dict[str, list[float]] = {name: [] for name in steps}
    for i in range(ROUNDS):
        names = list(steps) if i % 2 else list(reversed(steps))
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
