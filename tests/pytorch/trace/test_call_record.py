"""What operators and standard modules add to a graph is kept; a trace is the same whether it was kept or not."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import inception_lens as il
from inception_lens.graph import Graph, Inputs, Mode
from inception_lens.pytorch.trace import call_record, standard_modules
from inception_lens.pytorch.trace.formulas import FORMULAS
from inception_lens.pytorch.trace.forward_pass import trace


class Function(nn.Module):
    """A module that computes a function of its inputs and of one parameter."""

    def __init__(self, function: Callable[[Tensor, nn.Parameter], Tensor]) -> None:
        super().__init__()
        self.function, self.weight = function, nn.Parameter(torch.ones(6, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, self.weight)


def _halves(x: Tensor, w: nn.Parameter) -> Tensor:
    left, right = x.chunk(2)
    left += right
    return left @ right.t()


FUNCTIONS: dict[str, Callable[[Tensor, nn.Parameter], Tensor]] = {
    "a whole number": lambda x, w: x * 2,
    "the same number as a float": lambda x, w: x * 2.0,
    "one": lambda x, w: x.sum(1),
    "a flag": lambda x, w: x.sum(1, True),
    "another axis": lambda x, w: x.sum(0),
    "the axis of a flag": lambda x, w: x.sum(0, True),
    "twice the same tensor": lambda x, w: x + x,
    "two tensors": lambda x, w: x + x.relu(),
    "two views of one": lambda x, w: x + x.view(6, 6),
    "a parameter": lambda x, w: functional.linear(x, w),
    "a computed weight": lambda x, w: functional.linear(x, w * 2),
    "the input as a weight": lambda x, w: functional.linear(x, x),
    "the parameter on both sides": lambda x, w: functional.linear(w, w) + x,
    "other strides": lambda x, w: x.t().reshape(36),
    "no copy": lambda x, w: x.reshape(36),
    "in place": lambda x, w: x.relu_() + 1,
    "a write to a view": lambda x, w: x.t()[0].fill_(1).sum() + x,
    "several results": lambda x, w: x.max(1).values + x.max(0).values,
    "a list": lambda x, w: torch.cat([x, x, w]),
    "another list": lambda x, w: torch.cat([x, w, w]),
    "parts": _halves,
    "dropout": lambda x, w: functional.dropout(x, 0.5, True),
    "a dtype": lambda x, w: x.to(torch.float64).to(torch.float32),
    "a type by the default": lambda x, w: (torch.ones(6) * 2 + torch.arange(6) / 2).to(x.dtype) + x,
    "a new constant": lambda x, w: x + torch.zeros_like(x),
}

NETWORKS = ("googlenet", "googlenet@torchvision", "resnet50", "inception_v3")


def _shown(graph: Graph) -> object:
    facts = [(each.inputs, each.outputs, each.macs, each.flops) for each in graph.facts]
    return graph.nodes, dict(graph.types), graph.inputs, graph.outputs, graph.unused, graph.frozen, graph.kept, facts


@pytest.fixture(scope="module")
def models() -> dict[str, tuple[nn.Module, Inputs]]:
    """Models and their inputs: functions that are nearly the same, and networks of standard modules."""
    found: dict[str, tuple[nn.Module, Inputs]] = {
        name: (Function(function).eval(), (torch.ones(6, 6),)) for name, function in FUNCTIONS.items()
    }
    with torch.device("meta"):
        for name in NETWORKS:
            network = il.build(name)
            found[name] = (network, (2, *network.graph.inputs[0].type.shape[1:]))
    return found


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_trace_is_the_same_with_an_empty_and_a_full_cache(
    models: dict[str, tuple[nn.Module, Inputs]], mode: Mode
) -> None:
    cold = {}
    for name, (model, inputs) in models.items():
        call_record.clear()
        cold[name] = _shown(trace(model, inputs, mode=mode))
    for _ in range(2):
        for name, (model, inputs) in models.items():
            assert _shown(trace(model, inputs, mode=mode)) == cold[name], name


def test_the_default_dtype_is_part_of_a_call() -> None:
    model = Function(lambda x, w: torch.arange(3) / 2)
    trace(model, (torch.ones(6, 6),))
    torch.set_default_dtype(torch.float64)
    try:
        assert trace(model, (torch.ones(6, 6),)).types["div"][0].dtype == "float64"
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.fixture
def _formulas() -> Iterator[None]:
    before = dict(FORMULAS)
    yield
    FORMULAS.clear()
    FORMULAS.update(before)
    call_record.clear()


@pytest.mark.usefixtures("_formulas")
def test_a_new_formula_holds_for_operators_that_were_traced_before() -> None:
    model, x = Function(lambda x, w: torch.special.bessel_j0(x)), (torch.ones(6, 6),)
    assert il.analyze(model, x).totals.macs == 0
    il.register("aten::special_bessel_j0", lambda inputs, outputs: 11)
    assert il.analyze(model, x).totals.macs == 11
    il.register("aten::special_bessel_j0", lambda inputs, outputs: 12)
    assert il.analyze(model, x).totals.macs == 12


def test_the_settings_of_a_module_are_read_at_each_call() -> None:
    layer = nn.Conv2d(4, 8, 3)
    model, x = nn.Sequential(layer).eval(), (1, 4, 16, 16)
    assert il.analyze(model, x).totals.macs == 14 * 14 * 8 * 4 * 9
    layer.stride = (2, 2)
    assert il.analyze(model, x).totals.macs == 7 * 7 * 8 * 4 * 9
    layer.weight = nn.Parameter(torch.ones(5, 4, 3, 3))
    layer.bias = None
    assert il.analyze(model, x).totals.macs == 7 * 7 * 5 * 4 * 9
    assert il.analyze(model, x).totals.params == 5 * 4 * 9
    layer.note = ["a user's attribute"]  # type: ignore[assignment]
    assert il.analyze(model, x).totals.macs == 7 * 7 * 5 * 4 * 9


def test_records_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_record, "MAX_RECORDS", 3)
    model = Function(lambda x, w: x.relu().tanh().sigmoid().exp() + 1)
    shown = [_shown(trace(model, (torch.ones(size, 6),))) for size in (1, 2, 3, 1)]
    assert shown[0] == shown[3]
    assert all(len(each) <= 6 for each in call_record.RECORDS.values())


def test_calls_of_standard_modules_are_forgotten_with_the_records() -> None:
    trace(nn.Sequential(nn.Linear(6, 6)).eval(), (1, 6))
    assert standard_modules.CALLS
    call_record.clear()
    assert not standard_modules.CALLS
