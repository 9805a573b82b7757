"""Second opinions: the same network counted by independent means, and every difference explained or reported."""

from __future__ import annotations

import copy
import re
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.second_opinions import Opinion, Opinions
from inception_lens.errors import require
from inception_lens.graph import Graph, Inputs
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_arguments import ForwardArguments, example
from inception_lens.pytorch.trace.global_state import in_mode
from inception_lens.pytorch.trace.model_index import ModelIndex
from inception_lens.pytorch.trace.traced_tensor import DTYPES

MAX_WEIGHT_BYTES = 2 * 10**9
"""Bytes of weights up to which fvcore is run, which needs them in memory."""

OMITTED = {
    "FlopCounterMode": ("ScaledDotProductAttention", "LSTM", "GRU", "RNN", "addmv", "addbmm", "bilinear"),
    "fvcore": ("ScaledDotProductAttention", "LSTM", "GRU", "RNN", "addmv", "addbmm", "baddbmm", "bilinear"),
}
"""Operations whose MACs a counter is known to omit, partly or on some devices."""

MAC_OPERATORS = ("conv", "linear", "addmm", "matmul", "bmm", "mm", "einsum", "baddbmm", "_convolution", "mv")
"""Operators for which fvcore counts multiply-accumulates; it adds other arithmetic of other operators to them."""

Arguments = Callable[[str], tuple[list[object], dict[str, object]]]
"""From a device to the positional and keyword arguments of the forward pass there."""
Hook = Callable[[nn.Module, tuple[Tensor, ...], object], None]


class _Run(NamedTuple):
    """A forward pass that counters observe."""

    module: nn.Module
    """The network in the mode of the analysis: on the meta device, or with values if it reads them."""
    analysis: Analysis
    args: Sequence[object]
    kwargs: Mapping[str, object]

    def __call__(self, hooks: Mapping[str, Hook] | None = None) -> None:
        """Run it with forward hooks, by the names of submodules."""
        handles = [self.module.get_submodule(name).register_forward_hook(hook) for name, hook in (hooks or {}).items()]
        try:
            with torch.no_grad():
                self.module(*self.args, **self.kwargs)
        finally:
            for handle in handles:
                handle.remove()


def second_opinions(
    module: nn.Module, analysis: Analysis, inputs: Inputs | None = None, batch: int | None = None
) -> Opinions:
    """Count by PyTorch's modules, FlopCounterMode, hooks on convolutions and linear layers, and fvcore.

    Args:
        module: the network; it runs on the meta device, and for fvcore on the CPU with its weights.
        analysis: of the graph that `module` computes, in the same mode.
        inputs: arguments of the forward pass, by position or name; by default tensors of the graph's types.
        batch: number of samples, the first axis of every tensor among the inputs; None leaves it.
    """
    graph = analysis.graph
    arguments = partial(forward_arguments, module, graph, inputs, batch)
    with in_mode([*module.modules()], graph.mode):
        run = _run(module, analysis, arguments)
        shapes, compared = _by_modules(run)
        opinions = (shapes, _by_flop_counter(run), _by_hooks(run), _by_fvcore(module, analysis, arguments))
    totals = analysis.totals
    return Opinions(graph.name, totals.macs, totals.params, compared, opinions)


def _run(module: nn.Module, analysis: Analysis, arguments: Arguments) -> _Run:
    """The forward pass on the meta device, or of the module itself if it reads values and has them."""
    run = _Run(_on_meta(module), analysis, *arguments("meta"))
    index = ModelIndex(module)
    if any(tensor.is_meta for tensor in (*index.parameters.values(), *index.buffers.values())):
        return run
    try:
        run()
    except Exception:  # each kind of value that is read on the meta device raises its own error
        return _Run(module, analysis, *arguments(str(index.device)))
    return run


def _on_meta(module: nn.Module) -> nn.Module:
    """A copy of the module without weights, in which tied parameters are still tied."""
    memo: dict[int, object] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    memo |= {id(buffer): torch.empty_like(buffer, device="meta") for buffer in module.buffers()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about PyTorch's own parts of an exported program
        return copy.deepcopy(module, memo)


def forward_arguments(
    module: nn.Module, graph: Graph, inputs: Inputs | None, batch: int | None, device: str
) -> tuple[list[object], dict[str, object]]:
    """The positional and keyword arguments of a forward pass on a device; the parameters are those of the above."""
    if inputs is None:
        return [_example(each.type, device) for each in graph.inputs], {}

    def create(name: str, type_: TensorType, tensor: Tensor | None) -> Tensor:
        return _example(type_, device) if tensor is None else tensor.to(device)

    return ForwardArguments(ModelIndex(module), create, batch=batch).of(inputs)


def _example(type_: TensorType, device: str) -> Tensor:
    """A tensor of a type; with values, those of a traced forward pass."""
    dtype = DTYPES[type_.dtype]
    if device == "meta":
        return torch.empty(type_.shape, dtype=dtype, device=device)
    return example(type_, dtype, torch.device(device))


def _by_modules(run: _Run) -> tuple[Opinion, int]:
    """Output shapes and parameters of the modules, and how many shapes were compared."""
    seen: dict[str, list[tuple[int, ...]]] = {}

    def noted(name: str) -> Hook:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
            first = output[0] if isinstance(output, tuple | list) else output
            if isinstance(first, Tensor):
                seen.setdefault(name, []).append(tuple(first.shape))

        return hook

    run({name: noted(name.replace(".", "/")) for name, _ in run.module.named_modules() if name})
    layers = [layer for layer in run.analysis.layers if layer.name in seen]
    wrong = [
        f"`{layer.name}` returns {seen[layer.name][0]}, not {layer.output_shape}"
        for layer in layers
        if layer.output_shape not in seen[layer.name]
    ]
    params = sum(parameter.numel() for parameter in run.module.parameters())
    findings = tuple(wrong[:3]) or (f"{len(layers)} output shapes agree",)
    agrees = not wrong and params == run.analysis.totals.params
    return Opinion("PyTorch's modules", None, params, findings, agrees), len(layers)


def _by_flop_counter(run: _Run) -> Opinion:
    with FlopCounterMode(display=False) as counter:
        run()
    name = f"FlopCounterMode (torch {torch.__version__})"
    return _judged(name, counter.get_total_flops() // 2, run.analysis, _omitted(run.analysis, "FlopCounterMode"))


def _by_hooks(run: _Run) -> Opinion:
    """Weights times positions of every module that is a convolution or a linear layer, as many counters compute it."""
    counted: Counter[str] = Counter()

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        assert isinstance(module.weight, Tensor)
        assert isinstance(output, Tensor)
        positions = inputs[0].numel() if getattr(module, "transposed", False) else output.numel()
        counted["macs"] += positions * module.weight[0].numel()

    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    places = run.module.named_modules(remove_duplicate=False)
    paths = {name.replace(".", "/") for name, each in places if isinstance(each, kinds)}
    run({name: hook for name, each in run.module.named_modules() if name and isinstance(each, kinds)})
    omitted: Counter[str] = Counter()
    for layer in run.analysis.layers:
        if layer.macs and re.sub(r"_\d+$", "", layer.name) not in paths and layer.name not in paths:
            omitted[layer.op] += layer.macs
    return _judged("hooks on convolution and linear modules", counted["macs"], run.analysis, omitted)


def _by_fvcore(module: nn.Module, analysis: Analysis, arguments: Arguments) -> Opinion:
    if analysis.totals.weight_bytes > MAX_WEIGHT_BYTES:
        return Opinion("fvcore", explained=("not run: it would need the weights in memory",))
    args, kwargs = arguments("cpu")
    if kwargs:
        return Opinion("fvcore", explained=("not run: it takes no keyword arguments",))
    try:
        by_operator = _counted_by_fvcore(module, tuple(args))
    except Exception as error:  # it fails on many models, each in its own way
        reason = str(error).strip().split("\n")[0]
        return Opinion("fvcore", explained=(f"failed: {type(error).__name__}: {reason}",))
    macs = sum([flops for name, flops in by_operator.items() if name in MAC_OPERATORS])
    others = {name: flops for name, flops in by_operator.items() if name not in MAC_OPERATORS and flops}
    judged = _judged("fvcore", macs, analysis, _omitted(analysis, "fvcore"))
    also = tuple([f"{name} counted as well, {flops:,}" for name, flops in others.items()])
    return msgspec.structs.replace(judged, macs=macs + sum(others.values()), explained=(*judged.explained, *also))


def _counted_by_fvcore(module: nn.Module, args: tuple[object, ...]) -> dict[str, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports and its tracing warn of what PyTorch deprecates
        fvcore = require("fvcore.nn", extra="torch")
        if any(parameter.device.type == "meta" for parameter in module.parameters()):
            module = _on_meta(module).to_empty(device="cpu")
        count = fvcore.FlopCountAnalysis(module, args).unsupported_ops_warnings(False)
        count.uncalled_modules_warnings(False).tracer_warnings("none")
        return {name: int(flops) for name, flops in count.by_operator().items()}


def _omitted(analysis: Analysis, counter: str) -> Counter[str]:
    """MACs that a counter is known to omit, by operation; fvcore also omits what no output is computed from."""
    omitted: Counter[str] = Counter()
    used = _used(analysis.graph) if counter == "fvcore" else range(len(analysis.layers))
    for i, layer in enumerate(analysis.layers):
        if layer.macs and i not in used:
            omitted["calls that no output depends on"] += layer.macs
        elif layer.macs and layer.op in OMITTED[counter]:
            omitted[layer.op] += layer.macs
    return omitted


def _used(graph: Graph) -> set[int]:
    """Positions of the nodes that an output is computed from."""
    index = graph.index
    used = {index.position[output.node] for output in graph.outputs}
    for i in reversed(range(len(graph.nodes))):
        if i in used:
            used.update(index.reads(graph.nodes[i]))
    return used


def _judged(counter: str, macs: int, analysis: Analysis, omitted: Mapping[str, int]) -> Opinion:
    """The opinion of a counter: it agrees if the MACs of some known omissions sum to the difference exactly."""
    missing = analysis.totals.macs - macs
    found = _summing_to(missing, sorted(omitted.items()))
    if found is None:
        return Opinion(counter, macs, None, (f"{-missing:+,} MACs without a known reason",), agrees=False)
    return Opinion(counter, macs, None, tuple([f"omits {name}, {amount:,}" for name, amount in found]))


def _summing_to(total: int, parts: Sequence[tuple[str, int]]) -> list[tuple[str, int]] | None:
    """The parts that sum to `total` exactly; None if none do."""
    if total == 0:
        return []
    if total < 0 or not parts:
        return None
    first, *rest = parts
    found = _summing_to(total - first[1], rest)
    return [first, *found] if found is not None else _summing_to(total, rest)
