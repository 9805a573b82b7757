"""Time and memory of a network as it runs, layer by layer, and the ceilings of the device that it runs on."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.machines import Machine
from inception_lens.analyses.profile import LayerProfile, Profile, Spread
from inception_lens.analyses.roofline import Roofline, roofline
from inception_lens.errors import ConfigError, GraphError
from inception_lens.graph import Graph
from inception_lens.ops import TensorType
from inception_lens.pytorch.build.network import build
from inception_lens.pytorch.measure.clock import Clock, repeat, timed
from inception_lens.pytorch.measure.layer_measurements import LayerMeasurements, output_tuple
from inception_lens.pytorch.measure.live_memory import saved_bytes

MATRIX_ROWS = {"cpu": 1024, "cuda": 8192}
"""Rows of the square matrices whose product measures the ceiling of the arithmetic."""
COPIED_BYTES = {"cpu": 2**26, "cuda": 2**30}
"""Bytes of the tensor whose copy measures the ceiling of the memory."""


def profile(graph: Graph, device: str = "cpu", *, warmup: int = 3, repeats: int = 10) -> Profile:
    """Build a network, run it and measure it. A network of mode `training` runs forward and backward with its heads.

    Layers and the whole network are measured in different passes, so the rows of the table do not sum to the time of a
    whole pass, `Profile.forward`:

    - The passes of the layers note the time before and after each call. A row includes the time that this takes, and on
      a GPU the time in which the GPU waits for the host to launch the kernels of the call.
    - The whole passes have nothing in between. They include what is outside of all calls: the loop over the calls.
    - The backward of a layer runs on its own, on what the layer read. Its rows leave out what autograd does between
      layers, such as adding up the gradients of a tensor that several layers read.

    The total row of the table is the sum of its rows, to which their shares refer; a note states the whole pass.

    Args:
        graph: the network, with its batch and dtype.
        device: `cpu` or `cuda`, or one of several such as `cuda:1`.
        warmup: passes before the first that is measured.
        repeats: passes that are measured.

    Raises:
        ConfigError: there is no such device.
        GraphError: the network cannot be built, or does not run.
    """
    where = _device(device)
    training = graph.mode == "training"
    analysis = analyze(graph)
    with where, _failures(graph):
        network = build(graph).train(training)
        inputs = tuple(_example(given.type) for given in graph.inputs)
    clock = Clock.of(where)
    layers = LayerMeasurements(network, analysis, inputs, clock)
    with torch.set_grad_enabled(training):
        with _failures(graph):
            network(*inputs)
        ceiling = ceilings(where, graph.dtype)
        repeat(lambda: network(*inputs), warmup)
        forward, backward = _whole_passes(network, inputs, clock, training, repeats)
        seconds = layers.forward_seconds(repeats)
        peak, alive = layers.memory(where)
    backwards = layers.backward(warmup, repeats) if training else {}
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
        layers=_rows(analysis, least, seconds, backwards, alive),
        forward=forward,
        backward=backward,
        least_seconds=sum(seconds for seconds in least.seconds if seconds is not None),
        live_bytes=max(alive.values()),
        peak_bytes=peak,
        predicted_live_bytes=analysis.totals.peak_activation_bytes,
        saved_bytes=saved_bytes(network, inputs) if training else None,
        predicted_saved_bytes=(
            int(analysis.totals.saved_activation_bytes or 0) if analysis.totals.saved_exact is True else None
        ),
    )


@contextmanager
def _failures(graph: Graph) -> Iterator[None]:
    """Report what shapes do not show, such as too little memory or a batch of 1 for a batch norm."""
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise GraphError(f"`{graph.name}` does not run on this device: {reason}") from None


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
            output_shape=analysis.graph.types[layer.name][0].shape,
            has_batch=layer.has_batch,
            forward=Spread.of(forwards[layer.name]),
            backward=backwards.get(layer.name),
            least_seconds=least.seconds[i],
            flops=layer.flops,
            moved_bytes=least.bytes[i],
            live_bytes=alive.get(layer.name, 0),
            predicted_live_bytes=layer.live_bytes or 0,
        )
        for i, layer in enumerate(analysis.layers)
    )


def ceilings(device: torch.device, dtype: str) -> Machine:
    """FLOPs per second of a dense matrix product and bytes per second of a copy on a device, each the best of ten."""
    clock, kind = Clock.of(device), device.type
    rows = MATRIX_ROWS[kind]
    left, right = (torch.ones(rows, rows, dtype=getattr(torch, dtype), device=device) for _ in range(2))
    copied = torch.ones(COPIED_BYTES[kind], dtype=torch.uint8, device=device)
    target = torch.empty_like(copied)
    compute = min(timed(clock, lambda: left @ right, 10))
    memory = min(timed(clock, lambda: target.copy_(copied), 10))
    name = torch.cuda.get_device_name(device) if kind == "cuda" else "this CPU"
    threads = "" if kind == "cuda" else f"{torch.get_num_threads()} threads, "
    source = f"measured: {threads}{rows} x {rows} matrices, a copy of {COPIED_BYTES[kind]} bytes"
    return Machine(name, dtype, 2 * rows**3 / compute, 2 * COPIED_BYTES[kind] / memory, source)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"`{name}` is not a device: give cpu or cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"`{name}` cannot be measured: give cpu or cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"`{name}`: PyTorch {torch.__version__} finds no CUDA device")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"`{name}`: there are {torch.cuda.device_count()} CUDA devices, numbered from 0")
    return device


def _example(given: TensorType) -> Tensor:
    dtype = getattr(torch, given.dtype)
    return torch.rand(given.shape).to(dtype) if dtype.is_floating_point else torch.zeros(given.shape, dtype=dtype)


def _whole_passes(
    network: nn.Module, inputs: Sequence[Tensor], clock: Clock, training: bool, repeats: int
) -> tuple[Spread, Spread | None]:
    """Times of forward passes and, in training, of backward passes, with nothing measured in between."""
    forward, backward = [], []
    for _ in range(repeats):
        network.zero_grad(set_to_none=True)
        clock.settle()
        start = clock.mark()
        outputs = network(*inputs)
        middle = clock.mark()
        if training:
            torch.autograd.backward([each.sum() for each in output_tuple(outputs)])
        end = clock.mark()
        clock.settle()
        forward.append(clock.between(start, middle))
        backward.append(clock.between(middle, end))
        del outputs
    network.zero_grad(set_to_none=True)
    return Spread.of(forward), Spread.of(backward) if training else None
