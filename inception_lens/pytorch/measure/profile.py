"""Time and memory of a network as it runs, layer by layer, and the ceilings of the device that it runs on."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.gradients import gradients
from inception_lens.analyses.machines import Machine
from inception_lens.analyses.profile import LayerProfile, Profile, Spread
from inception_lens.analyses.roofline import Roofline, roofline
from inception_lens.errors import ConfigError, GraphError
from inception_lens.graph import Graph
from inception_lens.ops import TensorType
from inception_lens.pytorch.build.network import BuiltNetwork, build
from inception_lens.pytorch.measure.live_memory import LiveMemory, saved_bytes
from inception_lens.writers.pytorch.module_paths import module_paths

MATRIX = {"cpu": 1024, "cuda": 8192}
"""Rows of the square matrices whose product is the ceiling of the arithmetic."""
COPIED = {"cpu": 2**26, "cuda": 2**30}
"""Bytes of the tensor whose copy is the ceiling of the memory."""


def profile(graph: Graph, device: str = "cpu", *, warmup: int = 3, repeats: int = 10) -> Profile:
    """Build a network, run it and measure it.

    The whole passes are measured with nothing in between; the layers one by one in passes of their own, the backward
    of each layer by itself on what it read. A network of mode `training` runs forward and backward with its heads.

    Args:
        graph: what runs, its batch and dtype with it.
        device: `cpu` or `cuda`, or one of several such as `cuda:1`.
        warmup: passes before the first that counts.
        repeats: passes that count.

    Raises:
        ConfigError: there is no such device.
        GraphError: the network cannot be built, or does not run.
    """
    where = _device(device)
    training = graph.mode == "training"
    analysis = analyze(graph)
    with where:
        network = build(graph).train(training)
        inputs = tuple(_example(given.type) for given in graph.inputs)
    clock = _CudaClock() if where.type == "cuda" else _Clock()
    with torch.set_grad_enabled(training):
        _first_run(network, inputs)
        ceiling = ceilings(where, graph.dtype)
        _repeat(lambda: network(*inputs), warmup)
        forward, backward = _whole(network, inputs, clock, training, repeats)
        layers = _Layers(network, analysis, clock)
        layers.time(inputs, repeats)
        peak, alive = layers.memory(inputs, where)
    backwards = layers.backward(inputs, warmup, repeats) if training else {}
    least = roofline(analysis.graph, analysis.costs, ceiling)
    return Profile(
        name=graph.name,
        description=graph.metadata.description,
        inputs=tuple((given.name, given.type.shape, given.type.dtype) for given in graph.inputs),
        mode=graph.mode,
        device=ceiling.name,
        machine=ceiling,
        versions={"torch": str(torch.__version__), "python": platform.python_version()},
        warmup=warmup,
        repeats=repeats,
        layers=_rows(analysis, least, layers.seconds, backwards, alive),
        forward=forward,
        backward=backward,
        least_seconds=sum(seconds for seconds in least.seconds if seconds is not None),
        live_bytes=max(alive.values()),
        peak_bytes=peak,
        predicted_live_bytes=analysis.totals.peak_activation_bytes,
        saved_bytes=saved_bytes(network, inputs) if training else None,
        predicted_saved_bytes=int(analysis.totals.saved_activation_bytes or 0) if training else None,
    )


def _first_run(network: BuiltNetwork, inputs: Sequence[Tensor]) -> None:
    """Run the network once, for what no shape tells: too little memory, or a batch of 1 where a batch norm learns."""
    try:
        network(*inputs)
    except (RuntimeError, ValueError, MemoryError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GraphError(f"`{network.graph.name}` does not run here: {reason}") from None


def _rows(
    analysis: Analysis,
    least: Roofline,
    forwards: Mapping[str, Sequence[float]],
    backwards: Mapping[str, Spread],
    alive: Mapping[str, int],
) -> tuple[LayerProfile, ...]:
    return tuple(
        LayerProfile(
            name=layer.name,
            op=layer.op,
            category=layer.category,
            role=layer.role,
            output_shape=layer.output_shape,
            forward=Spread.of(forwards[layer.name]),
            backward=backwards.get(layer.name),
            least_seconds=least.seconds[i],
            flops=layer.flops,
            moved_bytes=least.bytes[i],
            live_bytes=alive.get(layer.name, 0),
            predicted_live_bytes=layer.live_bytes,
        )
        for i, layer in enumerate(analysis.layers)
    )


def ceilings(device: torch.device, dtype: str) -> Machine:
    """What the device can: FLOPs per second of a dense matrix product, bytes per second of a copy; the best of ten."""
    clock = _CudaClock() if device.type == "cuda" else _Clock()
    kind = "cuda" if device.type == "cuda" else "cpu"
    rows = MATRIX[kind]
    left, right = (torch.ones(rows, rows, dtype=getattr(torch, dtype), device=device) for _ in range(2))
    copied = torch.ones(COPIED[kind], dtype=torch.uint8, device=device)
    target = torch.empty_like(copied)
    compute = min(_timed(clock, lambda: left @ right, 10))
    memory = min(_timed(clock, lambda: target.copy_(copied), 10))
    name = torch.cuda.get_device_name(device) if kind == "cuda" else "this CPU"
    threads = "" if kind == "cuda" else f"{torch.get_num_threads()} threads, "
    source = f"measured: {threads}{rows} x {rows} matrices, a copy of {COPIED[kind]} bytes"
    return Machine(name, dtype, 2 * rows**3 / compute, 2 * COPIED[kind] / memory, source)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"`{name}` is no device: it is cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"`{name}`: what can be measured is cpu and cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"`{name}`: this PyTorch, {torch.__version__}, sees no CUDA device")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"`{name}`: there are {torch.cuda.device_count()} CUDA devices, counted from 0")
    return device


def _example(given: TensorType) -> Tensor:
    dtype = getattr(torch, given.dtype)
    return torch.rand(given.shape).to(dtype) if dtype.is_floating_point else torch.zeros(given.shape, dtype=dtype)


class _Clock:
    """The time of the host, which is that of a CPU."""

    def mark(self) -> Any:
        """Note the time; what it is can be told after `settle`."""
        return time.perf_counter()

    def settle(self) -> None:
        """Wait until everything has run that was asked for."""

    def between(self, start: Any, end: Any) -> float:
        """Seconds between two marks."""
        return float(end - start)


class _CudaClock(_Clock):
    """The time of a GPU, noted in its own queue, so that the host need not wait for it."""

    def mark(self) -> Any:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def settle(self) -> None:
        torch.cuda.synchronize()

    def between(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end)) / 1000


def _repeat(function: Callable[[], object], times: int) -> None:
    for _ in range(times):
        function()


def _timed(clock: _Clock, function: Callable[[], object], repeats: int) -> list[float]:
    function()
    clock.settle()
    marks = []
    for _ in range(repeats):
        start = clock.mark()
        function()
        marks.append((start, clock.mark()))
        clock.settle()
    return [clock.between(*pair) for pair in marks]


def _whole(
    network: nn.Module, inputs: Sequence[Tensor], clock: _Clock, training: bool, repeats: int
) -> tuple[Spread, Spread | None]:
    """Forward and, in training, backward passes as they are."""
    forward, backward = [], []
    for _ in range(repeats):
        network.zero_grad(set_to_none=True)
        clock.settle()
        start = clock.mark()
        outputs = network(*inputs)
        middle = clock.mark()
        if training:
            torch.autograd.backward([each.sum() for each in _tuple(outputs)])
        end = clock.mark()
        clock.settle()
        forward.append(clock.between(start, middle))
        backward.append(clock.between(middle, end))
        del outputs
    network.zero_grad(set_to_none=True)
    return Spread.of(forward), Spread.of(backward) if training else None


class _Layers:
    """Measures every call of a network by hooks that it takes away again."""

    def __init__(self, network: BuiltNetwork, analysis: Analysis, clock: _Clock) -> None:
        self.network, self.analysis, self.clock = network, analysis, clock
        paths = module_paths([node.name for node in analysis.graph.nodes])
        self.modules = {name: network.get_submodule(".".join(path)) for name, path in paths.items()}
        self.seconds: dict[str, list[float]] = {name: [] for name in self.modules}

    @contextmanager
    def hooked(self, before: Callable[..., Any], after: Callable[..., Any]) -> Iterator[None]:
        """Call `before(name, inputs)` and `after(name, output)` around every call."""
        handles = []
        for name, module in self.modules.items():
            handles.append(module.register_forward_pre_hook(lambda _, given, name=name: before(name, given)))
            handles.append(module.register_forward_hook(lambda _, given, made, name=name: after(name, made)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def time(self, inputs: Sequence[Tensor], repeats: int) -> None:
        """Forward passes with a mark before and behind each call."""
        marks: list[tuple[str, Any, Any]] = []
        started: list[Any] = []

        def before(name: str, given: object) -> None:
            started.append(self.clock.mark())

        def after(name: str, made: object) -> None:
            marks.append((name, started.pop(), self.clock.mark()))

        with self.hooked(before, after):
            for _ in range(repeats):
                self.network(*inputs)
                self.clock.settle()
        for name, start, end in marks:
            self.seconds[name].append(self.clock.between(start, end))

    def memory(self, inputs: Sequence[Tensor], device: torch.device) -> tuple[int, dict[str, int]]:
        """The most memory alive during a forward pass without gradients, and what is alive when each call is done."""
        graph = self.analysis.graph
        last = {read: node.name for node in graph.nodes for read in node.inputs}
        frees: dict[str, list[Tensor]] = {}
        for given, tensor in zip(graph.inputs, inputs, strict=True):
            frees.setdefault(last.get(given.name, ""), []).append(tensor)
        live = LiveMemory(self.network, inputs, device, frees)
        hooks = self.hooked(lambda name, given: live.enter(name), lambda name, made: live.leave(name))
        with hooks, live, torch.no_grad():
            outputs = self.network(*inputs)
        del outputs
        return live.peak, live.by_name

    def backward(self, inputs: Sequence[Tensor], warmup: int, repeats: int) -> dict[str, Spread]:
        """The backward of each call by itself: gradients by what of its inputs and weights needs one."""
        needs = {n.name: g for n, g in zip(self.analysis.graph.nodes, gradients(self.analysis.graph), strict=True)}
        found: dict[str, Spread] = {}
        kept: list[tuple[Tensor, ...]] = []

        def before(name: str, given: tuple[Tensor, ...]) -> None:
            kept.append(tuple(each.detach().clone() for each in given))  # the call may write over them

        def after(name: str, made: object) -> None:
            given, need = kept.pop(), needs[name]
            if need.output:
                found[name] = self._backward_of(self.modules[name], given, need.inputs, warmup, repeats)

        with self.hooked(before, after), torch.no_grad():
            self.network(*inputs)
        return found

    def _backward_of(
        self, module: nn.Module, given: tuple[Tensor, ...], need: tuple[bool, ...], warmup: int, repeats: int
    ) -> Spread:
        # `module.forward`, so that the hooks see nothing of it; a clone, since no leaf can be written over.
        with torch.enable_grad():
            leaves = [each.requires_grad_(needs) for each, needs in zip(given, need, strict=True)]
            made = _tuple(module.forward(*[each.clone() if each.requires_grad else each for each in leaves]))
            wanted = [each for each in (*leaves, *module.parameters(recurse=False)) if each.requires_grad]
            outputs = [each for each in made if each.requires_grad]
            seeds = [torch.ones_like(each) for each in outputs]

        def run() -> object:
            return torch.autograd.grad(outputs, wanted, seeds, retain_graph=True, allow_unused=True)

        _repeat(run, warmup)
        return Spread.of(_timed(self.clock, run, repeats))


def _tuple(outputs: Any) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)
