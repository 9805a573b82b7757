"""The counters that people use now, each called as its own documentation does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from inception_lens.errors import require


class Counter(NamedTuple):
    """A tool that counts a module's work."""

    asked: Callable[[Any, dict[str, Any]], int | None]
    """From a module and its inputs to multiply-accumulates; None where it draws and counts none."""
    module: str
    """What has to be installed."""
    on_meta: bool = True
    """Whether it can count a module without weights."""


def _lens(module: Any, inputs: dict[str, Any]) -> int:
    from inception_lens.analyses.analysis import analyze
    from inception_lens.pytorch.trace.forward_pass import trace

    totals = analyze(trace(module, inputs if "input_ids" in inputs else tuple(inputs.values()))).totals
    return totals.macs


def _torchinfo(module: Any, inputs: dict[str, Any]) -> int:
    values = list(inputs.values())
    torchinfo = require("torchinfo", extra="bench")
    found = torchinfo.summary(module, input_data=values, verbose=0, device=values[0].device)
    return int(found.total_mult_adds)


def _flop_counter(module: Any, inputs: dict[str, Any]) -> int:
    torch = require("torch", extra="torch")
    counter = require("torch.utils.flop_counter", extra="torch").FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(*inputs.values())
    return int(counter.get_total_flops()) // 2


def _fvcore(module: Any, inputs: dict[str, Any]) -> int:
    found = require("fvcore.nn", extra="torch").FlopCountAnalysis(module, tuple(inputs.values()))
    return int(found.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def _ptflops(backend: str) -> Callable[[Any, dict[str, Any]], int]:
    def count(module: Any, inputs: dict[str, Any]) -> int:
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


def _calflops(module: Any, inputs: dict[str, Any]) -> int:
    _, macs, _ = require("calflops", extra="bench").calculate_flops(
        module, args=list(inputs.values()), output_as_string=False, print_results=False, print_detailed=False
    )
    return int(macs)


def _thop(module: Any, inputs: dict[str, Any]) -> int:
    macs, _ = require("thop", extra="bench").profile(module, inputs=tuple(inputs.values()), verbose=False)
    return int(macs)


def _torchview(module: Any, inputs: dict[str, Any]) -> None:
    values = list(inputs.values())
    require("torchview", extra="bench").draw_graph(module, input_data=values, device=values[0].device.type)


def _torchlens(module: Any, inputs: dict[str, Any]) -> None:
    require("torchlens", extra="bench").trace(module, list(inputs.values()))


COUNTERS: dict[str, Counter] = {
    "Inception Lens": Counter(_lens, "torch"),
    "FlopCounterMode": Counter(_flop_counter, "torch"),
    "torchinfo": Counter(_torchinfo, "torchinfo"),
    "ptflops aten": Counter(_ptflops("aten"), "ptflops"),
    "ptflops pytorch": Counter(_ptflops("pytorch"), "ptflops"),
    "calflops": Counter(_calflops, "calflops"),
    "thop": Counter(_thop, "thop"),
    "fvcore": Counter(_fvcore, "fvcore", on_meta=False),
    "torchview": Counter(_torchview, "torchview"),
    "torchlens": Counter(_torchlens, "torchlens", on_meta=False),
}
"""This project first; then what it is measured against."""
