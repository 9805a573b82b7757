"""The counters that are compared, each called as its documentation shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from inception_lens.errors import require

if TYPE_CHECKING:
    from torch import Tensor, nn

CounterInputs = dict[str, "Tensor"]
Count = Callable[["nn.Module", CounterInputs], int | None]


class Counter(NamedTuple):
    """A tool that counts the MACs of a module, or draws it."""

    count_macs: Count
    """From a module and its inputs to MACs; None if the tool does not count."""
    package: str
    """The package that has to be installed."""
    on_meta: bool = True
    """Whether it works on the meta device, without weights."""


def _data(inputs: CounterInputs) -> CounterInputs | list[Tensor]:
    """A single input by position; several by name, since they are not the first arguments of the forward pass."""
    return inputs if len(inputs) > 1 else list(inputs.values())


def _lens(module: nn.Module, inputs: CounterInputs) -> int:
    from inception_lens.analyses.analysis import analyze
    from inception_lens.pytorch.trace.forward_pass import trace

    totals = analyze(trace(module, inputs if "input_ids" in inputs else tuple(inputs.values()))).totals
    return totals.macs


def _torchinfo(module: nn.Module, inputs: CounterInputs) -> int:
    torchinfo, first = require("torchinfo", extra="bench"), next(iter(inputs.values()))
    found = torchinfo.summary(module, input_data=_data(inputs), verbose=0, device=first.device)
    return int(found.total_mult_adds)


def _flop_counter(module: nn.Module, inputs: CounterInputs) -> int:
    torch = require("torch", extra="torch")
    counter = require("torch.utils.flop_counter", extra="torch").FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(**inputs) if len(inputs) > 1 else module(*inputs.values())
    return int(counter.get_total_flops()) // 2


def _fvcore(module: nn.Module, inputs: CounterInputs) -> int:
    found = require("fvcore.nn", extra="torch").FlopCountAnalysis(module, tuple(inputs.values()))
    return int(found.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def _ptflops(backend: str) -> Count:
    def count(module: nn.Module, inputs: CounterInputs) -> int:
        first = next(iter(inputs.values()))
        macs, _ = require("ptflops", extra="bench").get_model_complexity_info(
            module,
            tuple(first.shape[1:]),
            as_strings=False,
            print_per_layer_stat=False,
            verbose=False,
            backend=backend,
            input_constructor=lambda _: inputs,
        )
        return int(macs or 0)

    return count


def _calflops(module: nn.Module, inputs: CounterInputs) -> int:
    given = {"kwargs": inputs} if len(inputs) > 1 else {"args": list(inputs.values())}
    _, macs, _ = require("calflops", extra="bench").calculate_flops(
        module, **given, output_as_string=False, print_results=False, print_detailed=False
    )
    return int(macs)


def _thop(module: nn.Module, inputs: CounterInputs) -> int:
    macs, _ = require("thop", extra="bench").profile(module, inputs=tuple(inputs.values()), verbose=False)
    return int(macs)


def _torchview(module: nn.Module, inputs: CounterInputs) -> None:
    first = next(iter(inputs.values()))
    require("torchview", extra="bench").draw_graph(module, input_data=_data(inputs), device=first.device.type)


def _torchlens(module: nn.Module, inputs: CounterInputs) -> None:
    require("torchlens", extra="bench").trace(module, list(inputs.values()))


def _flopth(module: nn.Module, inputs: CounterInputs) -> int:
    macs, _ = require("flopth", extra="bench").flopth(module, inputs=tuple(inputs.values()), bare_number=True)
    return int(macs)


COUNTERS: dict[str, Counter] = {
    "Inception Lens": Counter(_lens, "torch"),
    "FlopCounterMode": Counter(_flop_counter, "torch"),
    "torchinfo": Counter(_torchinfo, "torchinfo"),
    "ptflops aten": Counter(_ptflops("aten"), "ptflops"),
    "ptflops pytorch": Counter(_ptflops("pytorch"), "ptflops"),
    "calflops": Counter(_calflops, "calflops"),
    "thop": Counter(_thop, "thop"),
    "flopth": Counter(_flopth, "flopth"),
    "fvcore": Counter(_fvcore, "fvcore", on_meta=False),
    "torchview": Counter(_torchview, "torchview"),
    "torchlens": Counter(_torchlens, "torchlens", on_meta=False),
}
"""Inception Lens first, then the other tools."""
