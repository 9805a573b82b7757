"""Operators that users define: run for real where they have no fake implementation, and of unknown cost."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import TraceError
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls

LIBRARY = "custom_operators_of_a_test"


def write(x: Tensor) -> None:
    x.add_(1)


@pytest.fixture(autouse=True)
def operators() -> Iterator[None]:
    """A library of operators, which ends with the test."""
    with torch.library._scoped_library(LIBRARY, "FRAGMENT") as library:
        library.define("plain(Tensor x) -> Tensor")
        library.impl("plain", torch.sin, "CPU")
        library.define("described(Tensor x) -> Tensor")
        library.impl("described", torch.sin, "CPU")
        library.impl("described", torch.empty_like, "Meta")
        library.define("several(Tensor x) -> Tensor[]")
        library.impl("several", lambda x: [x.sin(), x.sum(0)], "CPU")
        library.define("number(Tensor x) -> int")
        library.impl("number", lambda x: 3, "CPU")
        library.define("write(Tensor(a!) x) -> ()")
        library.impl("write", write, "CPU")
        library.define("write_and_sum(Tensor(a!) x) -> Tensor")
        library.impl("write_and_sum", lambda x: x.add_(1).sum(0), "CPU")
        yield


def call(name: str, x: Tensor) -> Any:
    return getattr(getattr(torch.ops, LIBRARY), name)(x)


def written(x: Tensor) -> Tensor:
    y = x * 1
    call("write", y)
    return y


def written_and_summed(x: Tensor) -> tuple[Tensor, Tensor]:
    y = x * 1
    total: Tensor = call("write_and_sum", y)
    return y * 2, total


CASES: dict[str, tuple[Callable[[Tensor], Any], list[tuple[int, ...]]]] = {
    "plain": (lambda x: call("plain", x), [(3, 4)]),
    "described": (lambda x: call("described", x), [(3, 4)]),
    "several": (lambda x: call("several", x), [(3, 4), (4,)]),
    "written": (written, [(3, 4)]),
    "written and summed": (written_and_summed, [(3, 4), (4,)]),
}


def module(function: Callable[[Tensor], Any]) -> nn.Module:
    return Calls(lambda s, x: function(s.layer(x)), layer=nn.Linear(4, 4, bias=False))


@pytest.mark.parametrize("inputs", [torch.rand(3, 4), (3, 4)])
@pytest.mark.parametrize("name", CASES)
def test_a_custom_operator_makes_macs_a_lower_bound(name: str, inputs: Any) -> None:
    function, shapes = CASES[name]
    graph = trace(module(function), inputs)
    assert [graph.types[each.node][0].shape for each in graph.outputs] == shapes
    totals = analyze(graph).totals
    assert (totals.macs, totals.macs_exact, totals.params) == (48, False, 16)


def test_a_custom_operator_that_returns_a_number() -> None:
    totals = analyze(trace(module(lambda x: x * call("number", x)), torch.rand(3, 4))).totals
    assert (totals.macs, totals.macs_exact) == (48, True)


def test_a_custom_operator_on_weights_that_are_unknown() -> None:
    with pytest.raises(TraceError, match="plain` returns depends on the values of its input, which is unknown"):
        trace(module(lambda x: call("plain", x)).to("meta"), (3, 4))
    assert analyze(trace(module(lambda x: call("described", x)).to("meta"), (3, 4))).macs == 48


class Squares(torch.autograd.Function):
    """A function with a backward pass of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x @ x.t()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise AssertionError("the backward pass is not run")


def test_what_an_autograd_function_multiplies_is_counted() -> None:
    totals = analyze(trace(module(Squares.apply), (3, 4))).totals
    assert (totals.macs, totals.exact) == (3 * 4 * 4 + 3 * 3 * 4, True)


@pytest.mark.parametrize("format_", ["text", "json"])
def test_an_empty_batch_costs_nothing(format_: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    analysis = analyze(trace(model, torch.rand(0, 3, 8, 8)))
    assert (analysis.totals.macs, analysis.totals.activation_bytes) == (0, 0)
    assert str(analysis) if format_ == "text" else analysis.to_json()
