"""Operators that write to tensors: what is an argument that they write to, and what is new."""

import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._ops import OpOverload

from inception_lens.analyses.analysis import analyze
from inception_lens.pytorch.trace.containers import tensors_in
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.trace.operator_facts import facts_of, writing_results, written_tensors
from inception_lens.pytorch.trace.traced_tensor import type_of
from tests.pytorch.trace.test_cases import Calls

r = torch.rand
aten: Any = torch.ops.aten


def registry() -> list[OpOverload]:
    """Every operator that PyTorch has registered."""
    found = []
    for full in sorted(torch._C._dispatch_get_all_op_names()):
        name, _, overload = full.partition(".")
        library, _, short = name.partition("::")
        try:
            found.append(getattr(getattr(getattr(torch.ops, library), short), overload or "default"))
        except AttributeError:  # an operator that only another language calls
            continue
    return found


WRITING = [func for func in registry() if func._schema.is_mutable]


def value_of(type_: object) -> object:
    """Tensors for an argument or a return value of a type."""
    name = str(type_)
    if "Tensor" not in name:
        return None
    return [torch.empty(1), torch.empty(1)] if "List" in name else torch.empty(1)


def test_the_registry_has_operators_that_write() -> None:
    assert len(WRITING) > 1000
    assert aten._fused_moving_avg_obs_fq_helper.default in WRITING


def test_only_what_aliases_an_argument_is_that_argument() -> None:
    for func in WRITING:
        schema = func._schema
        args = tuple([value_of(each.type) for each in schema.arguments])
        values = [value_of(each.type) for each in schema.returns]
        results = values[0] if len(values) == 1 else tuple(values)
        memory_of = {
            name: arg
            for each, arg in zip(schema.arguments, args, strict=True)
            if each.alias_info
            for name in each.alias_info.before_set or [""]
        }
        found = writing_results(func, args, {}, results)
        for returned, value, declared in zip(found.returned, values, schema.returns, strict=True):
            memory = min(declared.alias_info.before_set, default="") if declared.alias_info else None
            assert returned is (value if memory is None else memory_of[memory]), func
        fresh = [value for value, declared in zip(values, schema.returns, strict=True) if not declared.alias_info]
        assert list(map(id, found.new)) == list(map(id, tensors_in(fresh))), func
        written = written_tensors(func, args, {})
        assert [id(target) for target, _ in found.written] == list(map(id, written)), func


def test_a_rule_applies_to_no_form_that_writes_to_another_tensor_than_its_first() -> None:
    for func in WRITING:
        if facts_of(func).rule is not None:
            first, *others = func._schema.arguments
            assert first.alias_info, func
            assert not any(each.alias_info for each in others if each.name != "noise"), func


x, scale = r(4, 3, 5), r(3)
NEW_TENSORS: dict[str, Callable[..., Any]] = {
    "_native_batch_norm_legit": lambda x, *s: aten._native_batch_norm_legit(x, None, None, *s, True, 0.1, 1e-5),
    "_batch_norm_with_update": lambda x, *s: aten._batch_norm_with_update(x, None, None, *s, 0.1, 1e-5),
    "native_batch_norm": lambda x, *s: aten.native_batch_norm(x, None, None, *s, True, 0.1, 1e-5),
    "rrelu_with_noise": lambda x, *s: aten.rrelu_with_noise(x, torch.empty_like(x), 0.1, 0.3, True),
}


@pytest.mark.parametrize("name", NEW_TENSORS)
def test_an_operator_writes_to_a_buffer_and_returns_new_tensors(name: str) -> None:
    class Writes(nn.Module):
        mean: Tensor
        variance: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("variance", torch.ones(3))

        def forward(self, x: Tensor) -> Any:
            result = NEW_TENSORS[name](x, self.mean, self.variance)
            return result, self.mean * 2

    module = Writes()
    expected = tensors_in((NEW_TENSORS[name](x, torch.zeros(3), torch.ones(3)),))
    graph = trace(module, (x,))
    types = [graph.types[each.node][0] for each in graph.outputs]
    assert types == [*map(type_of, expected), type_of(torch.zeros(3))]
    assert torch.equal(module.mean, torch.zeros(3))
    assert analyze(graph).totals.macs_exact


OUT: dict[str, Callable[..., Any]] = {
    "mean": lambda x: torch.mean(x, out=torch.empty(())),
    "mean of an axis": lambda x: torch.mean(x, 1, out=torch.empty(4, 5)),
    "pow": lambda x: torch.pow(x, 2, out=torch.empty(4, 3, 5)),
    "softmax": lambda x: torch.softmax(x, 1, out=torch.empty(4, 3, 5)),
    "aminmax": lambda x: torch.aminmax(x, dim=0, out=(torch.empty(3, 5), torch.empty(3, 5))),
    "sort": lambda x: torch.sort(x, 1, out=(torch.empty(4, 3, 5), torch.empty(4, 3, 5, dtype=torch.int64))),
    "var_mean": lambda x: aten.var_mean.correction_out(x, [1], out0=torch.empty(4, 5), out1=torch.empty(4, 5)),
}


@pytest.mark.parametrize("name", OUT)
def test_a_form_with_out_is_the_tensors_that_it_writes_to(name: str) -> None:
    graph = trace(Calls(lambda s, x: OUT[name](x)), (x,))
    types = [graph.types[each.node][0] for each in graph.outputs]
    assert types == [*map(type_of, tensors_in((OUT[name](x),)))]
    assert graph.outputs[0].node != graph.inputs[0].name


# --- Quantization-aware training

quantization: Any = torch.ao.quantization


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 5),
    )  # fmt: skip


def eager() -> nn.Module:
    model = nn.Sequential(quantization.QuantStub(), *plain(), quantization.DeQuantStub()).train()
    model = quantization.fuse_modules_qat(model, [["1", "2", "3"]])
    model.qconfig = quantization.get_default_qat_qconfig("x86")
    prepared: nn.Module = quantization.prepare_qat(model)
    return prepared


def by_fx() -> nn.Module:
    from torch.ao.quantization.quantize_fx import prepare_qat_fx

    mapping = quantization.get_default_qat_qconfig_mapping("x86")
    prepared: nn.Module = prepare_qat_fx(plain().train(), mapping, (r(1, 3, 8, 8),))
    return prepared


@pytest.mark.filterwarnings("ignore")  # PyTorch's quantization is deprecated
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("prepare", [eager, by_fx])
def test_quantization_aware_training(prepare: Callable[[], nn.Module], training: bool) -> None:
    model = prepare().train(training)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    totals = analyze(trace(model, (2, 3, 8, 8))).totals
    assert (totals.macs, totals.macs_exact) == (2 * 64 * 8 * 27 + 2 * 8 * 5, True)
    assert (totals.params, totals.params_exact) == (8 * 27 + 8 + 2 * 8 + 8 * 5 + 5, True)
    after = model.state_dict()
    assert all(map(operator.eq, before, after))
    assert all(torch.equal(before[name], after[name]) for name in before)
