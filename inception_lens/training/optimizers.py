"""Optimizers and learning rates; the rate is a function of the step, so that there is no state to lose."""

from math import cos, pi

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from inception_lens.training import recipe as recipes

START, END = 1 / 25, 1e-4
"""Of the highest rate: where one-cycle and cosine start, and where they end (L. Smith, arXiv 1708.07120)."""


def make(network: nn.Module, wanted: recipes.Optimizer) -> Optimizer:
    """The optimizer of a recipe, fused; its buffers are there from the start, so that a skipped first step is nothing.

    A fused SGD whose first step is skipped would leave its momentum uninitialised (seen in torch 2.13).
    """
    groups = _groups(network, wanted)
    rate = wanted.learning_rate
    if wanted.name == "sgd":
        made = SGD(groups, rate, wanted.momentum, nesterov=wanted.nesterov and wanted.momentum > 0, fused=True)
        if wanted.momentum:
            for group in made.param_groups:
                for parameter in group["params"]:
                    made.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return made
    if wanted.name == "adamw":
        return AdamW(groups, rate, (wanted.momentum, 0.999), fused=True)
    # As TF-slim's Inception: a decay of 0.9 and an epsilon of 1.
    return RMSprop(groups, rate, alpha=0.9, eps=1.0, momentum=wanted.momentum)


def _groups(network: nn.Module, wanted: recipes.Optimizer) -> list[dict[str, object]]:
    """Weights, and, where those are not decayed, biases and norms apart."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if wanted.decay == "all":
        return [{"params": trained, "weight_decay": wanted.weight_decay}]
    weights = [parameter for parameter in trained if parameter.dim() > 1]
    others = [parameter for parameter in trained if parameter.dim() <= 1]
    groups: list[dict[str, object]] = [{"params": weights, "weight_decay": wanted.weight_decay}]
    return [*groups, {"params": others, "weight_decay": 0.0}] if others else groups


def rate(recipe: recipes.Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, counted from 0."""
    schedule, highest = recipe.schedule, recipe.optimizer.learning_rate
    total = recipe.epochs * steps_per_epoch
    if schedule.name == "constant":
        return highest
    if schedule.name == "step":
        every = schedule.every_samples
        falls = step * recipe.batch // every if every else step // steps_per_epoch // schedule.every_epochs
        return float(highest * schedule.gamma**falls)
    if schedule.name == "poly":
        return float(highest * (1 - step / total) ** schedule.power)
    climb = schedule.warmup * total
    if step < climb:
        return highest * (START + (1 - START) * step / climb)
    end = END if schedule.name == "one-cycle" else 0.0
    return highest * (end + (1 - end) * (1 + cos(pi * (step - climb) / max(total - climb, 1))) / 2)


def set_rate(optimizer: Optimizer, value: float) -> None:
    """Make `value` the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = value


def gradients(optimizer: Optimizer) -> list[Tensor]:
    """The gradients of every parameter that has one."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
