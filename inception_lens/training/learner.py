"""One step of learning: forward, loss, backward, and an update that only finite gradients make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from inception_lens.training import optimizers
from inception_lens.training.cuda_graphs import GraphedPart
from inception_lens.training.networks import Networks, channels_last, ends_as, log_probabilities, loss_weights
from inception_lens.training.randomness import seed_of
from inception_lens.training.recipe import Recipe
from inception_lens.training.run.checkpoints import restore
from inception_lens.training.run.processes import Processes

if TYPE_CHECKING:
    from inception_lens.pytorch.build.network import BuiltNetwork

LOSS, CORRECT, SEEN, SKIPPED, IN_A_ROW = range(5)
"""What `Learner.totals` counts: the sum of losses, right answers, images, and steps without a finite gradient."""


class Learner:
    """A network, its optimizer and its average on one device."""

    def __init__(self, networks: Networks, recipe: Recipe, processes: Processes, device: torch.device) -> None:
        self.recipe, self.processes, self.device = recipe, processes, device
        engine = recipe.engine
        self.network: BuiltNetwork = networks.build(recipe.seed).to(device)
        if engine.channels_last:
            channels_last(self.network)
        self.average: AveragedModel | None = None
        if engine.ema:
            decay = get_ema_multi_avg_fn(engine.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=decay, use_buffers=True)
        self.optimizer = optimizers.make(self.network, recipe.optimizer)
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.weights = loss_weights(networks.training, recipe.loss.auxiliary)
        self.kind = ends_as(networks.training)
        self.autocast = autocast_on(engine.precision, device)
        self.parallel: DistributedDataParallel | None = None
        self.trained = self._wrapped()
        self.graphed: GraphedPart | None = None
        self.totals = torch.zeros(5, dtype=torch.float64, device=device)
        self.rate_scale = 1.0
        """Halved each time that the run rolls back."""

    @property
    def answering(self) -> nn.Module:
        """The network that is evaluated: the average where there is one."""
        return self.network if self.average is None else self.average.module

    def step(self, step: int, steps_per_epoch: int, parts: Sequence[tuple[Tensor, Tensor]]) -> None:
        """Learn from one process's share of a global batch, cut into equal parts; nothing here waits for a GPU."""
        optimizers.set_rate(self.optimizer, self.rate_scale * optimizers.rate(self.recipe, step, steps_per_epoch))
        first_shard = self.processes.rank * len(parts)
        if self.graphed is None:
            self.optimizer.zero_grad(set_to_none=True)
        for k, (x, labels) in enumerate(parts):
            torch.manual_seed(seed_of(self.recipe.seed, "dropout", step, first_shard + k))
            alone = self.parallel is not None and k + 1 < len(parts)
            with self.parallel.no_sync() if self.parallel and alone else nullcontext():
                loss, correct = self._part(x, labels, len(parts))
            self.totals[LOSS] += loss.nan_to_num(0.0, 0.0, 0.0) * len(labels)
            self.totals[CORRECT] += correct
            self.totals[SEEN] += len(labels)
        self._update()

    def forward_backward(self, x: Tensor, labels: Tensor, parts: int = 1) -> tuple[Tensor, Tensor]:
        """Add the gradient of one part to that of the others; return its loss and its right answers."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast, cache_enabled=False):
            outputs = self.trained(x)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        smoothing = self.recipe.loss.label_smoothing
        total = torch.zeros((), device=self.device)
        for i, (output, weight) in enumerate(zip(outputs, self.weights, strict=True)):
            scores = log_probabilities(output, self.kind if i == 0 else "logits")
            total = total + weight * nn.functional.cross_entropy(scores, labels, label_smoothing=smoothing)
        (total / parts).backward()  # type: ignore[no-untyped-call]
        return total.detach(), (outputs[0].detach().argmax(1) == labels).sum()

    def _part(self, x: Tensor, labels: Tensor, parts: int) -> tuple[Tensor, Tensor]:
        if self.recipe.engine.graphs and self.device.type == "cuda" and self.processes.world == 1:
            if self.graphed is None:
                self.graphed = GraphedPart(self.forward_backward, self.network, x, labels)
            return self.graphed(x, labels)
        return self.forward_backward(x, labels, parts)

    def _update(self) -> None:
        norm = nn.utils.get_total_norm(optimizers.gradients(self.optimizer))
        if self.recipe.optimizer.clip:
            nn.utils.clip_grads_with_norm_(self.parameters, self.recipe.optimizer.clip, norm)
        lost = (~norm.isfinite()).float()
        if self.recipe.optimizer.name == "rmsprop":  # not fused: the answer has to come to the host
            if not lost.item():
                self.optimizer.step()
        else:  # the kernel itself leaves everything as it is where this is 1
            self.optimizer.found_inf, self.optimizer.grad_scale = lost, None  # type: ignore[attr-defined]
            self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.totals[SKIPPED] += lost
        self.totals[IN_A_ROW] = (self.totals[IN_A_ROW] + lost) * lost

    def _wrapped(self) -> nn.Module:
        network: nn.Module = self.network
        if self.processes.world > 1:
            ids = [self.device.index] if self.device.type == "cuda" else None
            network = self.parallel = DistributedDataParallel(network, device_ids=ids, gradient_as_bucket_view=True)
        return torch.compile(network) if self.recipe.engine.compile else network  # type: ignore[return-value]

    def diverged(self) -> Tensor:
        """1 where the run cannot go on from here: too many steps lost in a row, or a weight or statistic not finite."""
        tensors = [tensor.detach() for tensor in named_tensors(self.network).values() if tensor.is_floating_point()]
        broken = ~nn.utils.get_total_norm(tensors).isfinite()
        return ((self.totals[IN_A_ROW] >= self.recipe.engine.skip_limit) | broken).double()

    def share_buffers(self) -> None:
        """Take over the first process's running statistics, as every forward pass of several processes begins."""
        for buffer in self.answering.buffers():
            self.processes.copy_of_first(buffer)

    def state(self) -> dict[str, Tensor]:
        """Every tensor that a run goes on from, on the CPU."""
        return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in self._tensors().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state.

        Raises:
            CheckpointError: it is of another network or optimizer.
        """
        restore(self._tensors(), state)

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"network.{name}": tensor for name, tensor in named_tensors(self.network).items()}
        if self.average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in named_tensors(self.average).items()}
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                for key, value in _made(self.optimizer, parameter).items():
                    tensors[f"optimizer.{names[id(parameter)]}.{key}"] = value
        return {**tensors, "totals": self.totals}


def named_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, shared ones once."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def _made(optimizer: Any, parameter: Tensor) -> dict[str, Tensor]:
    """The buffers that an optimizer keeps for a parameter, made where its first step has not made them yet."""
    state: dict[str, Tensor] = optimizer.state[parameter]
    if not state and isinstance(optimizer, torch.optim.AdamW):
        state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
    if not state and isinstance(optimizer, torch.optim.RMSprop):
        state["step"] = torch.zeros((), dtype=torch.float32)
        state["square_avg"] = torch.zeros_like(parameter)
        if optimizer.defaults["momentum"] > 0:
            state["momentum_buffer"] = torch.zeros_like(parameter)
    return state


def autocast_on(precision: str, device: torch.device) -> bool:
    """Whether a precision means bfloat16 on a device."""
    return precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
