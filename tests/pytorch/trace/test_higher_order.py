"""Compiled code and higher-order operators inside a model: what runs is counted, and nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as map_operator
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

import inception_lens as il
from inception_lens.errors import TraceError
from tests.pytorch.trace.calls import Calls

ROWS = torch.arange(16.0).reshape(2, 8)

COMPILED = torch.compile(torch.relu, backend="eager")


def loop(linear: nn.Module, x: Tensor) -> object:
    return while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, linear(y)), (torch.tensor(0), x))[1]  # type: ignore[no-untyped-call]


def nested_branches(linear: nn.Module, x: Tensor) -> object:
    def outer(y: Tensor) -> object:
        return torch.cond(y.mean() > -1, lambda z: linear(linear(z)), torch.clone, (y,))

    return torch.cond(x.sum() > 0, outer, torch.clone, (x,))


@pytest.mark.parametrize(
    ("function", "inputs", "macs"),
    [
        (lambda linear, x: torch.cond(x.sum() > 0, linear, torch.clone, (x,)), ROWS, 128),
        (lambda linear, x: torch.cond(x.sum() < 0, linear, torch.clone, (x,)), ROWS, 0),
        (lambda linear, x: torch.cond(x.shape[0] > 1, linear, torch.clone, (x,)), ROWS, 128),
        (nested_branches, ROWS, 256),
        (loop, ROWS, 3 * 128),
        (lambda linear, x: scan(lambda c, y: (linear(c + y), c * 1), x[0], x)[1], ROWS.expand(5, 2, 8), 5 * 128),
        (lambda linear, x: associative_scan(torch.mul, linear(x), 0, combine_mode="generic"), ROWS, 128),
        (lambda linear, x: map_operator(linear, x), ROWS.expand(4, 2, 8), 4 * 128),
        (lambda linear, x: torch.compile(lambda y: linear(y).relu())(x), ROWS, 128),
        (lambda linear, x: torch.compile(fullgraph=True)(lambda y: linear(y).relu())(x), ROWS, 128),
        (lambda linear, x: COMPILED(linear(x)), ROWS, 128),
    ],
)
def test_functions_that_run_are_counted(function: Callable[..., object], inputs: Tensor, macs: int) -> None:
    totals = il.analyze(Calls(function), inputs).totals
    assert (totals.macs, totals.macs_exact) == (macs, True)


def block_mask(length: int) -> BlockMask:
    return create_block_mask(lambda b, h, i, j: i >= j, None, None, length, length, device="cpu")


def distance(score: Tensor, batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    return score + query - key


@pytest.mark.parametrize(
    ("function", "query", "key"),
    [
        (lambda _, q, k: flex_attention(q, k, k), (2, 4, 16, 8), (2, 4, 16, 8)),
        (lambda _, q, k: flex_attention(q, k, k, enable_gqa=True), (2, 4, 16, 8), (2, 2, 32, 8)),
        (lambda _, q, k: flex_attention(q, k, k, score_mod=distance), (2, 4, 16, 8), (2, 4, 16, 8)),
        (lambda _, q, k: flex_attention(q, k, k, block_mask=block_mask(128)), (1, 2, 128, 8), (1, 2, 128, 8)),
        (lambda _, q, k: torch.compile(flex_attention)(q, k, k), (2, 4, 16, 8), (2, 4, 16, 8)),
    ],
)  # fmt: skip
def test_flex_attention_counts_as_dense_attention(
    function: Callable[..., object], query: tuple[int, ...], key: tuple[int, ...]
) -> None:
    totals = il.analyze(Calls(function), (query, key)).totals
    batch, heads, length, width = query
    assert (totals.macs, totals.macs_exact) == (2 * batch * heads * length * key[2] * width, True)
    assert not totals.exact  # what a function of the scores computes is not counted


class LearnedBias(nn.Module):
    """Flex attention whose scores are changed by a learned number for each head."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, query: Tensor) -> object:
        bias = self.bias
        return flex_attention(query, query, query, score_mod=lambda score, b, h, i, j: score + bias[h])


def test_the_values_of_flex_attention_are_read() -> None:
    def function(linear: nn.Module, x: Tensor) -> object:
        result = flex_attention(x, x, x)
        return linear(result) if bool(result.isfinite().all()) else result

    totals = il.analyze(Calls(function), torch.rand(1, 2, 4, 8)).totals
    assert totals.macs == 2 * 2 * 4 * 4 * 8 + 2 * 4 * 64


def test_parameters_that_flex_attention_captures_are_read() -> None:
    assert il.analyze(LearnedBias(), (2, 4, 16, 8)).totals.params_used == 4


def compiled_in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    return model


@pytest.mark.parametrize(
    "model",
    [
        compiled_in_place(nn.Sequential(nn.Linear(8, 8, bias=False), nn.ReLU())),
        nn.Sequential(compiled_in_place(nn.Linear(8, 8, bias=False)), nn.ReLU()),
        nn.Sequential(cast(nn.Module, torch.compile(nn.Linear(8, 8, bias=False), backend="eager")), nn.ReLU()),
    ],
)
def test_compiled_modules_are_traced_as_they_were(model: nn.Module) -> None:
    calls = [each._compiled_call_impl for each in model.modules()]
    analysis = il.analyze(model, ROWS)
    assert [row.op for row in analysis.layers] == ["Linear", "ReLU"]
    assert [each._compiled_call_impl for each in model.modules()] == calls


def test_torch_compile_is_restored_after_an_error() -> None:
    original = torch.compile
    with pytest.raises(TraceError):
        il.analyze(Calls(lambda linear, x: torch.compile(linear)(x[:, :3])), ROWS)
    assert torch.compile is original
