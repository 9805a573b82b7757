"""Second opinions: the same network counted by independent means, each disagreement explained or not."""

from __future__ import annotations

import copy
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.second_opinions import Opinion, Opinions
from inception_lens.errors import require
from inception_lens.graph import Graph
from inception_lens.pytorch.trace.global_state import in_mode
from inception_lens.pytorch.trace.traced_tensor import DTYPES

LARGEST = 2 * 10**9
"""Bytes of weights up to which a counter is asked that needs them for real."""

BLIND = {
    "FlopCounterMode": ("ScaledDotProductAttention", "LSTM", "GRU", "RNN", "addmv", "addbmm", "bilinear"),
    "fvcore": ("ScaledDotProductAttention", "LSTM", "GRU", "RNN", "addmv", "addbmm", "baddbmm", "bilinear"),
}
"""Operations that each counter is known to leave out, in part or on some devices."""

MULTIPLYING = ("conv", "linear", "addmm", "matmul", "bmm", "mm", "einsum", "baddbmm", "_convolution", "mv")
"""Of fvcore's operators, those whose count is of multiply-accumulates; it adds the others' work to them."""


def second_opinions(module: nn.Module, analysis: Analysis, inputs: Any = None) -> Opinions:
    """Ask PyTorch's own shapes, FlopCounterMode, hooks on convolutions and linear layers, and fvcore.

    Args:
        module: what computes the network; it is asked on the meta device, and by fvcore with real weights.
        analysis: of the graph that `module` computes, in the same mode.
        inputs: arguments of the forward pass, by position or name; without them tensors of the graph's types.
    """
    graph = analysis.graph
    args, kwargs = _arguments(graph, inputs, "meta")
    with in_mode(module.modules(), graph.mode):
        meta = _on_meta(module)
        shapes, compared = _shapes(meta, analysis, args, kwargs)
        asked = [shapes, _by_flop_counter(meta, analysis, args, kwargs), _by_hooks(meta, analysis, args, kwargs)]
        asked.append(_by_fvcore(module, analysis, inputs))
    totals = analysis.totals
    return Opinions(graph.name, totals.macs, totals.params, compared, tuple(asked))


def _on_meta(module: nn.Module) -> nn.Module:
    """A copy of the module without weights, its tied ones still tied."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    memo |= {id(buffer): torch.empty_like(buffer, device="meta") for buffer in module.buffers()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of PyTorch's own parts of an exported program
        return copy.deepcopy(module, memo)


def _arguments(graph: Graph, inputs: Any, device: str) -> tuple[list[Any], dict[str, Any]]:
    if inputs is None:
        return [_tensor(each.type.shape, each.type.dtype, device) for each in graph.inputs], {}

    def real(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return value.to(device)
        if hasattr(value, "shape"):
            return _tensor(value.shape, value.dtype or graph.dtype, device)
        if isinstance(value, list | tuple) and value and all(type(size) is int for size in value):
            return _tensor(tuple(value), graph.dtype, device)
        if isinstance(value, list | tuple):
            return type(value)(map(real, value))
        return {key: real(each) for key, each in value.items()} if isinstance(value, dict) else value

    if isinstance(inputs, dict):
        return [], real(inputs)
    alone = isinstance(inputs, torch.Tensor) or hasattr(inputs, "shape") or type(inputs[0]) is int
    return [real(each) for each in ((inputs,) if alone else inputs)], {}


def _tensor(shape: tuple[int, ...], dtype: Any, device: str) -> torch.Tensor:
    return torch.zeros(shape, dtype=DTYPES.get(str(dtype).removeprefix("torch.")), device=device)


def _shapes(meta: nn.Module, analysis: Analysis, args: Any, kwargs: Any) -> tuple[Opinion, int]:
    """Output shapes and parameters of the modules themselves, when they run."""
    seen: dict[str, list[tuple[int, ...]]] = {}

    def noted(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            if isinstance(first, torch.Tensor):
                seen.setdefault(name, []).append(tuple(first.shape))

        return hook

    _run(meta, args, kwargs, {name: noted(name.replace(".", "/")) for name, _ in meta.named_modules() if name})
    compared, wrong = 0, []
    for layer in analysis.layers:
        made = seen.get(layer.name)
        if made:
            compared += 1
            if layer.output_shape not in made:
                wrong.append(f"`{layer.name}` makes {made[0]} and not {layer.output_shape}")
    params = sum(parameter.numel() for parameter in meta.parameters())
    told = (f"{compared} output shapes agree",) if not wrong else tuple(wrong[:3])
    return Opinion("PyTorch's modules", None, params, told, not wrong and params == analysis.totals.params), compared


def _run(module: nn.Module, args: Any, kwargs: Any, hooks: dict[str, Callable[..., None]]) -> None:
    handles = [module.get_submodule(name).register_forward_hook(hook) for name, hook in hooks.items()]
    try:
        with torch.no_grad():
            module(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()


def _by_flop_counter(meta: nn.Module, analysis: Analysis, args: Any, kwargs: Any) -> Opinion:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        meta(*args, **kwargs)
    name = f"FlopCounterMode (torch {torch.__version__})"
    return _judged(name, counter.get_total_flops() // 2, analysis, _unseen(analysis, "FlopCounterMode"))


def _by_hooks(meta: nn.Module, analysis: Analysis, args: Any, kwargs: Any) -> Opinion:
    """Weights times positions, of every module that is a convolution or a linear layer, as many counters do it."""
    counted: Counter[str] = Counter()

    def hook(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        positions = inputs[0].numel() if getattr(module, "transposed", False) else output.numel()
        counted["macs"] += positions * module.weight[0].numel()

    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    places = meta.named_modules(remove_duplicate=False)
    paths = {name.replace(".", "/") for name, each in places if isinstance(each, kinds)}
    _run(meta, args, kwargs, {name: hook for name, each in meta.named_modules() if name and isinstance(each, kinds)})
    unseen: Counter[str] = Counter()
    for layer in analysis.layers:
        if layer.macs and re.sub(r"_\d+$", "", layer.name) not in paths and layer.name not in paths:
            unseen[layer.op] += layer.macs
    return _judged("hooks on convolution and linear modules", counted["macs"], analysis, unseen)


def _by_fvcore(module: nn.Module, analysis: Analysis, inputs: Any) -> Opinion:
    if analysis.totals.weight_bytes > LARGEST:
        return Opinion("fvcore", explained=("not asked: it would need the weights for real",))
    args, kwargs = _arguments(analysis.graph, inputs, "cpu")
    if kwargs:
        return Opinion("fvcore", explained=("not asked: it takes no keyword arguments",))
    try:
        by_operator = _counted_by_fvcore(module, tuple(args))
    except Exception as error:
        told = str(error).strip().split("\n")[0]
        return Opinion("fvcore", explained=(f"not to be had: {type(error).__name__}: {told}",))
    multiplied = sum([flops for name, flops in by_operator.items() if name in MULTIPLYING])
    others = {name: flops for name, flops in by_operator.items() if name not in MULTIPLYING and flops}
    judged = _judged("fvcore", multiplied, analysis, _unseen(analysis, "fvcore"))
    told_too = tuple([f"{name} counted too, {flops:,}" for name, flops in others.items()])
    macs = multiplied + sum(others.values())
    return msgspec.structs.replace(judged, macs=macs, explained=(*judged.explained, *told_too))


def _counted_by_fvcore(module: nn.Module, args: tuple[Any, ...]) -> dict[str, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports and its tracing both warn of what PyTorch deprecates
        fvcore = require("fvcore.nn", extra="torch")
        if any(parameter.device.type == "meta" for parameter in module.parameters()):
            module = _on_meta(module).to_empty(device="cpu")
        count = fvcore.FlopCountAnalysis(module, args).unsupported_ops_warnings(False)
        count.uncalled_modules_warnings(False).tracer_warnings("none")
        return {name: int(flops) for name, flops in count.by_operator().items()}


def _unseen(analysis: Analysis, counter: str) -> Counter[str]:
    unseen: Counter[str] = Counter()
    for layer in analysis.layers:
        if layer.op in BLIND[counter] and layer.macs:
            unseen[layer.op] += layer.macs
    return unseen


def _judged(counter: str, macs: int, analysis: Analysis, unseen: Mapping[str, int]) -> Opinion:
    """Whether a count is this lens's, less what the counter is known to leave out."""
    missing = analysis.totals.macs - macs
    found = _adding_to(missing, sorted(unseen.items()))
    if found is None:
        return Opinion(counter, macs, None, (f"{-missing:+,} MACs that nothing known explains",), agrees=False)
    return Opinion(counter, macs, None, tuple([f"{name} left out, {amount:,}" for name, amount in found]))


def _adding_to(total: int, parts: Sequence[tuple[str, int]]) -> list[tuple[str, int]] | None:
    """The parts that add up to `total` exactly; None where none do."""
    if total == 0:
        return []
    if total < 0 or not parts:
        return None
    first, *rest = parts
    found = _adding_to(total - first[1], rest)
    return [first, *found] if found is not None else _adding_to(total, rest)
