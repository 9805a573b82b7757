"""Checks of savings in PyTorch: networks counted again, timed, and computed with folded batch norms."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.savings.network import Saving
from inception_lens.analyses.savings.proofs import Folded, Recount, Timing
from inception_lens.graph import Graph
from inception_lens.pytorch.build.network import build
from inception_lens.writers.pytorch.module_paths import module_paths

MAX_SECONDS = 2.0
"""Time after which a network is not run again, once it has run `MIN_RUNS` times."""
MIN_RUNS, MAX_RUNS = 3, 50


def recounted(networks: Mapping[str, Analysis]) -> tuple[Recount, ...]:
    """Build every network on the meta device, sum its parameters and count one forward pass with FlopCounterMode.

    Raises:
        GraphError: no module can compute one of the operations.
    """
    return tuple([_recount(name, analysis) for name, analysis in networks.items()])


def _recount(name: str, analysis: Analysis) -> Recount:
    graph = analysis.graph
    with torch.device("meta"):
        module = build(graph).eval()
        inputs = [torch.empty(i.type.shape, dtype=getattr(torch, i.type.dtype)) for i in graph.inputs]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return Recount(
        network=name,
        params=analysis.totals.params_used,
        params_of_modules=sum([tensor.numel() for tensor in module.parameters()]),
        macs=analysis.totals.macs,
        macs_of_flop_counter=int(counter.get_total_flops()) // 2,
    )


def timed(networks: Mapping[str, Analysis], device: str | None = None) -> tuple[Timing, ...]:
    """Time one forward pass of every network, in turns, so that a slow phase of the machine affects all of them.

    Args:
        networks: the networks by name.
        device: `cpu` or `cuda`; by default CUDA if there is a device. On CUDA weights and inputs are bfloat16, on a CPU
            they have the graph's dtype.

    Raises:
        GraphError: no module can compute one of the operations.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    runs = {name: _run(analysis.graph, device) for name, analysis in networks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # the first run allocates memory and selects kernels
    for i in range(MAX_RUNS):
        for name, run in runs.items():
            if i < MIN_RUNS or sum(seconds[name]) < MAX_SECONDS:
                seconds[name].append(run())
    dtypes = {name: "bfloat16" if device == "cuda" else analysis.graph.dtype for name, analysis in networks.items()}
    return tuple(
        [
            Timing(
                network=name,
                device=torch.cuda.get_device_name() if device == "cuda" else f"cpu, {torch.get_num_threads()} threads",
                dtype=dtypes[name],
                seconds=statistics.median(each),
                fastest=min(each),
                slowest=max(each),
                runs=len(each),
            )
            for name, each in seconds.items()
        ]
    )


def _run(graph: Graph, device: str) -> Callable[[], float]:
    module = build(graph).eval().to(device)
    inputs = [each.to(device) for each in _inputs(graph)]
    if device == "cuda":
        module = module.bfloat16()
        inputs = [each.bfloat16() if each.is_floating_point() else each for each in inputs]

    def run() -> float:
        start = time.perf_counter()
        with torch.inference_mode():
            module(*inputs)
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return run


def folded(saving: Saving) -> Folded:
    """Fold the batch norms of a network with random weights and statistics, and compare its outputs before and after.

    Raises:
        GraphError: no module can compute one of the operations.
    """
    before, after = saving.network.graph, saving.rewritten.graph
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(0)
        network, folded_network = build(before).double().eval(), build(after).double().eval()
        paths = module_paths([node.name for node in before.nodes])
        modules = {name: network.get_submodule(".".join(path)) for name, path in paths.items()}
        for site in saving.sites:
            _randomise(*[modules[name] for name in site.nodes])
        tensors = network.state_dict()
        new = folded_network.state_dict()
        new.update({key: tensor for key, tensor in tensors.items() if key in new})
        new_paths = module_paths([node.name for node in after.nodes])
        for site in saving.sites:
            layer, norm = (modules[name] for name in site.nodes)
            key = ".".join(new_paths[site.nodes[0]])
            new[f"{key}.weight"], new[f"{key}.bias"] = _fold(layer, norm)
        folded_network.load_state_dict(new)
        inputs = [each.double() if each.is_floating_point() else each for each in _inputs(before)]
        one, other = _first(network(*inputs)), _first(folded_network(*inputs))
    return Folded(
        network=before.name,
        norms=len(saving.sites),
        largest_difference=float((one - other).abs().max()),
        largest_output=float(one.abs().max()),
    )


def _fold(layer: nn.Module, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer that does what it and the norm after it do, as `folded_batch_norms` states."""
    weight, mean, variance = (_tensor(each) for each in (layer.weight, norm.running_mean, norm.running_var))
    scale = torch.rsqrt(variance + float(norm.eps))  # type: ignore[arg-type]
    if norm.weight is not None:
        scale = scale * _tensor(norm.weight)
    old = _tensor(layer.bias) if layer.bias is not None else torch.zeros_like(mean)
    bias = (old - mean) * scale + (_tensor(norm.bias) if norm.bias is not None else 0.0)
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):  # its weight is (in, out / groups, ...)
        grouped = weight.view(layer.groups, -1, *weight.shape[1:])
        shape = (layer.groups, 1, -1, *[1] * (weight.dim() - 2))
        return (grouped * scale.view(shape)).flatten(0, 1), bias
    return weight * scale.view(-1, *[1] * (weight.dim() - 1)), bias


def _randomise(layer: nn.Module, norm: nn.Module) -> None:
    """Set weights that preserve the signal's scale, and a norm far from its initial state, so that no term cancels."""
    nn.init.kaiming_normal_(_tensor(layer.weight))
    _tensor(norm.running_mean).normal_(0.0, 0.1)
    _tensor(norm.running_var).uniform_(0.5, 2.0)
    for tensor, low in ((norm.weight, 0.5), (norm.bias, -0.5)):
        if tensor is not None:
            _tensor(tensor).uniform_(low, low + 1.0)


def _tensor(value: object) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def _first(output: object) -> Tensor:
    return _tensor(output[0] if isinstance(output, tuple) else output)


def _inputs(graph: Graph) -> list[Tensor]:
    """Random numbers for floating-point inputs, zeros for others."""
    types = [(each.type.shape, getattr(torch, each.type.dtype)) for each in graph.inputs]
    return [torch.randn(s, dtype=d) if d.is_floating_point else torch.zeros(s, dtype=d) for s, d in types]
