"""One training step: forward, loss, backward, and an update that is skipped if a gradient is not finite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW, Optimizer, RMSprop
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from inception_lens.training.cuda_graphs import GraphedPart
from inception_lens.training.networks import Networks, log_probabilities, loss_weights, output_kind, to_channels_last
from inception_lens.training.optimizers import gradients, learning_rate, make_optimizer, set_learning_rate
from inception_lens.training.randomness import derive_seed
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.checkpoints import restore
from inception_lens.training.run.processes import Processes

if TYPE_CHECKING:
    from inception_lens.pytorch.build.network import BuiltNetwork

LOSS, CORRECT, SEEN, SKIPPED, CONSECUTIVE = range(5)
"""Places in `Learner.totals`: sum of losses, correct images, images, skipped steps, and skipped steps in a row."""


class Learner:
    """A network, its optimizer and the moving average of its weights, on one device."""

    def __init__(self, networks: Networks, recipe: Recipe, processes: Processes, device: torch.device) -> None:
        self.recipe, self.processes, self.device = recipe, processes, device
        engine = recipe.engine
        self.network: BuiltNetwork = networks.build(recipe.seed).to(device)
        if engine.channels_last:
            to_channels_last(self.network)
        self.average: AveragedModel | None = None
        if engine.ema:
            decay = get_ema_multi_avg_fn(engine.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=decay, use_buffers=True)
        self.optimizer = make_optimizer(self.network, recipe.optimizer)
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.loss_weights = loss_weights(networks.training, recipe.loss.auxiliary)
        self.output_kind = output_kind(networks.training)
        self.autocast = autocast_on(engine.precision, device)
        self.parallel: DistributedDataParallel | None = None
        self.wrapped = self._wrapped()
        """The network as forward passes call it: distributed and compiled as the recipe requests."""
        self.graphed: GraphedPart | None = None
        self.totals = torch.zeros(5, dtype=torch.float64, device=device)
        self.rate_scale = 1.0
        """Factor of the learning rate, halved by each rollback."""

    @property
    def evaluated_network(self) -> nn.Module:
        """The network to evaluate: the moving average if there is one."""
        return self.network if self.average is None else self.average.module

    def step(self, step: int, steps_per_epoch: int, parts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Train on this process's share of a global batch, split into equal parts, without waiting for a GPU."""
        set_learning_rate(self.optimizer, self.rate_scale * learning_rate(self.recipe, step, steps_per_epoch))
        first_shard = self.processes.rank * len(parts)
        if self.graphed is None:
            self.optimizer.zero_grad(set_to_none=True)
        for k, (x, labels) in enumerate(parts):
            torch.manual_seed(derive_seed(self.recipe.seed, "dropout", step, first_shard + k))
            local = self.parallel is not None and k + 1 < len(parts)  # gradients are exchanged with the last part
            with self.parallel.no_sync() if self.parallel and local else nullcontext():
                loss, correct = self._train_part(x, labels, len(parts))
            self.totals[LOSS] += loss.nan_to_num(0.0, 0.0, 0.0) * len(labels)
            self.totals[CORRECT] += correct
            self.totals[SEEN] += len(labels)
        self._update()

    def forward_backward(self, x: Tensor, labels: Tensor, parts: int = 1) -> tuple[Tensor, Tensor]:
        """Add the gradient of one of `parts` parts; returns the part's mean loss and its number of correct images."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            outputs = self.wrapped(x)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        smoothing = self.recipe.loss.label_smoothing
        total = torch.zeros((), device=self.device)
        for i, (output, weight) in enumerate(zip(outputs, self.loss_weights, strict=True)):
            scores = log_probabilities(output, self.output_kind if i == 0 else "logits")
            total = total + weight * nn.functional.cross_entropy(scores, labels, label_smoothing=smoothing)
        (total / parts).backward()  # type: ignore[no-untyped-call]
        return total.detach(), (outputs[0].detach().argmax(1) == labels).sum()

    def _train_part(self, x: Tensor, labels: Tensor, parts: int) -> tuple[Tensor, Tensor]:
        if self.recipe.engine.graphs and self.device.type == "cuda" and self.processes.world == 1:
            if self.graphed is None:
                self.graphed = GraphedPart(self.forward_backward, self.network, x, labels)
            return self.graphed(x, labels)
        return self.forward_backward(x, labels, parts)

    def _update(self) -> None:
        norm = nn.utils.get_total_norm(gradients(self.optimizer))
        if self.recipe.optimizer.clip:
            nn.utils.clip_grads_with_norm_(self.parameters, self.recipe.optimizer.clip, norm)
        skipped = (~norm.isfinite()).float()
        if self.recipe.optimizer.name == "rmsprop":  # it has no fused kernel, so the host has to decide
            if not skipped.item():
                self.optimizer.step()
        else:  # a fused kernel changes nothing if `found_inf` is 1
            self.optimizer.found_inf, self.optimizer.grad_scale = skipped, None  # type: ignore[attr-defined]
            self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.totals[SKIPPED] += skipped
        self.totals[CONSECUTIVE] = (self.totals[CONSECUTIVE] + skipped) * skipped

    def _wrapped(self) -> nn.Module:
        network: nn.Module = self.network
        if self.processes.world > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            network = self.parallel = DistributedDataParallel(network, device_ids=ids, gradient_as_bucket_view=True)
        return torch.compile(network) if self.recipe.engine.compile else network  # type: ignore[return-value]

    def diverged(self) -> Tensor:
        """1 if the run cannot continue: too many consecutive skipped steps, or a weight or statistic is not finite."""
        tensors = [tensor.detach() for tensor in named_tensors(self.network).values() if tensor.is_floating_point()]
        broken = ~nn.utils.get_total_norm(tensors).isfinite()
        return ((self.totals[CONSECUTIVE] >= self.recipe.engine.skip_limit) | broken).double()

    def share_buffers(self) -> None:
        """Copy the first process's running statistics, as each forward pass of distributed training does."""
        for buffer in self.evaluated_network.buffers():
            self.processes.broadcast(buffer)

    def state(self) -> dict[str, Tensor]:
        """Copies on the CPU of all tensors that a run resumes from."""
        return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in self._tensors().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the tensors that `state()` returned.

        Raises:
            CheckpointError: they are of another network or optimizer.
        """
        restore(self._tensors(), state)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"network.{name}": tensor for name, tensor in named_tensors(self.network).items()}
        if self.average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in named_tensors(self.average).items()}
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                for key, value in _optimizer_state(self.optimizer, parameter).items():
                    tensors[f"optimizer.{names[id(parameter)]}.{key}"] = value
        return {**tensors, "totals": self.totals}


def named_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name; a shared one once."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _optimizer_state(optimizer: Optimizer, parameter: Tensor) -> dict[str, Tensor]:
    """The buffers that an optimizer keeps for a parameter; created here if its first step has not created them yet."""
    state: dict[str, Tensor] = optimizer.state[parameter]
    if not state and isinstance(optimizer, AdamW):
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
    if not state and isinstance(optimizer, RMSprop):
        state["step"] = torch.zeros((), dtype=torch.float32)
        state["square_avg"] = torch.zeros_like(parameter)
        if optimizer.defaults["momentum"] > 0:
            state["momentum_buffer"] = torch.zeros_like(parameter)
    return state


def autocast_on(precision: str, device: torch.device) -> bool:
    """Whether a precision of the recipe means bfloat16 on a device."""
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
