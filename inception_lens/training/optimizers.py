"""Optimizers and learning rates. The rate is a function of the step, so that a checkpoint holds no scheduler."""

from math import cos, pi

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from inception_lens.training import recipe as recipes

WARMUP_START, ONE_CYCLE_END = 1 / 25, 1e-4
"""Shares of the highest rate at which a warm-up starts and one-cycle ends (L. Smith, arXiv 1708.07120)."""


def make_optimizer(network: nn.Module, options: recipes.Optimizer) -> Optimizer:
    """The optimizer of a recipe, fused where PyTorch offers it.

    The momentum buffers of SGD exist from the start: if the first step of a fused SGD is skipped, PyTorch 2.13 leaves
    them uninitialised.
    """
    groups = _parameter_groups(network, options)
    rate = options.learning_rate
    if options.name == "sgd":
        optimizer = SGD(groups, rate, options.momentum, nesterov=options.nesterov and options.momentum > 0, fused=True)
        if options.momentum:
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        return optimizer
    if options.name == "adamw":
        return AdamW(groups, rate, (options.momentum, 0.999), fused=True)
    # A decay of 0.9 and an epsilon of 1, as TF-slim trains Inception.
    return RMSprop(groups, rate, alpha=0.9, eps=1.0, momentum=options.momentum)


def _parameter_groups(network: nn.Module, options: recipes.Optimizer) -> list[dict[str, object]]:
    """All trainable parameters, or, if only weights are decayed, weights apart from biases and norms."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if options.decay == "all":
        return [{"params": trainable, "weight_decay": options.weight_decay}]
    weights = [parameter for parameter in trainable if parameter.dim() > 1]
    others = [parameter for parameter in trainable if parameter.dim() <= 1]
    groups: list[dict[str, object]] = [{"params": weights, "weight_decay": options.weight_decay}]
    return [*groups, {"params": others, "weight_decay": 0.0}] if others else groups


def learning_rate(recipe: recipes.Recipe, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a step, which counts from 0."""
    schedule, highest = recipe.schedule, recipe.optimizer.learning_rate
    total = recipe.epochs * steps_per_epoch
    if schedule.name == "constant":
        return highest
    if schedule.name == "step":
        samples = schedule.every_samples
        drops = step * recipe.batch // samples if samples else step // steps_per_epoch // schedule.every_epochs
        return float(highest * schedule.gamma**drops)
    if schedule.name == "poly":
        return float(highest * (1 - step / total) ** schedule.power)
    warmup = schedule.warmup * total
    if step < warmup:
        return highest * (WARMUP_START + (1 - WARMUP_START) * step / warmup)
    end = ONE_CYCLE_END if schedule.name == "one-cycle" else 0.0
    return highest * (end + (1 - end) * (1 + cos(pi * (step - warmup) / max(total - warmup, 1))) / 2)


def set_learning_rate(optimizer: Optimizer, value: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = value


def gradients(optimizer: Optimizer) -> list[Tensor]:
    """The gradients of all parameters that have one."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
