"""Time and memory of every call of a network, measured by hooks around its modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.gradients import computed_gradients
from inception_lens.analyses.profile import Spread
from inception_lens.pytorch.build.network import BuiltNetwork
from inception_lens.pytorch.measure.clock import Clock, repeat, timed
from inception_lens.pytorch.measure.live_memory import LiveMemory
from inception_lens.writers.pytorch.module_paths import module_paths

Tensors = tuple[Tensor, ...]


class LayerMeasurements:
    """Measures every call of a network in passes of their own; the hooks are removed after each."""

    def __init__(self, network: BuiltNetwork, analysis: Analysis, inputs: Sequence[Tensor], clock: Clock) -> None:
        self.network, self.graph, self.inputs, self.clock = network, analysis.graph, inputs, clock
        paths = module_paths([node.name for node in self.graph.nodes])
        self.modules = {name: network.get_submodule(".".join(path)) for name, path in paths.items()}

    @contextmanager
    def _hooked(self, before: Callable[[str, Tensors], None], after: Callable[[str], None]) -> Iterator[None]:
        """Call `before(name, inputs)` and `after(name)` around every call of a layer."""
        handles = []
        for name, module in self.modules.items():
            handles.append(module.register_forward_pre_hook(lambda _, given, *, name=name: before(name, given)))
            handles.append(module.register_forward_hook(lambda _, given, output, *, name=name: after(name)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def forward_seconds(self, repeats: int) -> dict[str, list[float]]:
        """Seconds of each layer in several forward passes, with a mark before and after each call."""
        marks: list[tuple[str, object, object]] = []
        started: list[object] = []

        def before(name: str, given: Tensors) -> None:
            started.append(self.clock.mark())

        def after(name: str) -> None:
            marks.append((name, started.pop(), self.clock.mark()))

        with self._hooked(before, after):
            for _ in range(repeats):
                self.network(*self.inputs)
                self.clock.settle()
        seconds: dict[str, list[float]] = {name: [] for name in self.modules}
        for name, start, end in marks:
            seconds[name].append(self.clock.between(start, end))
        return seconds

    def memory(self, device: torch.device) -> tuple[int, dict[str, int]]:
        """Bytes alive in a forward pass without gradients: the peak, and those at the end of each call."""
        last_reader = {read: node.name for node in self.graph.nodes for read in node.inputs}
        frees: dict[str, list[Tensor]] = {}
        for given, tensor in zip(self.graph.inputs, self.inputs, strict=True):
            frees.setdefault(last_reader.get(given.name, ""), []).append(tensor)
        live = LiveMemory(self.network, self.inputs, device, frees)
        with self._hooked(lambda name, given: live.enter(name), live.leave), live, torch.no_grad():
            outputs = self.network(*self.inputs)
        del outputs
        return live.peak, live.by_name

    def backward(self, warmup: int, repeats: int) -> dict[str, Spread]:
        """Times of the backward of each layer on its own: the gradients that the backward pass of the network needs."""
        needs = {node.name: each for node, each in zip(self.graph.nodes, computed_gradients(self.graph), strict=True)}
        found: dict[str, Spread] = {}
        kept: list[Tensors] = []

        def before(name: str, given: Tensors) -> None:
            kept.append(tuple(each.detach().clone() for each in given))  # the call may write over them

        def after(name: str) -> None:
            given, need = kept.pop(), needs[name]
            if need.output:
                found[name] = self._backward_of(self.modules[name], given, need.inputs, warmup, repeats)

        with self._hooked(before, after), torch.no_grad():
            self.network(*self.inputs)
        return found

    def _backward_of(
        self, module: nn.Module, given: Tensors, need: tuple[bool, ...], warmup: int, repeats: int
    ) -> Spread:
        # `module.forward` is called to bypass the hooks, and on clones, since PyTorch refuses to write over a leaf.
        with torch.enable_grad():
            leaves = [each.requires_grad_(needs) for each, needs in zip(given, need, strict=True)]
            result = module.forward(*[each.clone() if each.requires_grad else each for each in leaves])
            wanted = [each for each in (*leaves, *module.parameters(recurse=False)) if each.requires_grad]
            outputs = [each for each in output_tuple(result) if each.requires_grad]
            seeds = [torch.ones_like(each) for each in outputs]

        def run() -> object:
            return torch.autograd.grad(outputs, wanted, seeds, retain_graph=True, allow_unused=True)

        repeat(run, warmup)
        return Spread.of(timed(self.clock, run, repeats))


def output_tuple(outputs: Tensor | Tensors) -> Tensors:
    """The outputs of a module that returns one tensor or a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)
