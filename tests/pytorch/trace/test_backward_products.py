"""Operators that compute gradients of matrix products, called as `torch.autograd.grad` calls them.

The gradient of each operand of a product is a product of as many multiply-accumulates. A fused attention kernel keeps
no scores, so that it computes them again.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from inception_lens.analyses.analysis import analyze
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls

r = torch.rand
aten: Any = torch.ops.aten


def totals_of(call: Callable[..., Any], *inputs: Tensor) -> Any:
    return analyze(trace(Calls(lambda s, *given: call(*given)), inputs)).totals


@settings(max_examples=60, deadline=None)
@given(
    st.booleans(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1),
    st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
)  # fmt: skip
def test_the_gradients_of_a_convolution(
    transposed: bool, axes: int, groups: int, kernel: int, stride: int, padding: int, mask: tuple[bool, bool, bool]
) -> None:
    x, weight = r(2, 4, *(7,) * axes), r(4, 6 // groups if transposed else 4 // groups, *(kernel,) * axes)
    options = ([stride] * axes, [padding] * axes, [1] * axes, transposed, [0] * axes, groups)
    with FlopCounterMode(display=False) as forward:
        output = aten.convolution(x, weight, None, *options)
    grad = torch.ones_like(output)

    def backward(grad: Tensor, x: Tensor, weight: Tensor) -> Any:
        return aten.convolution_backward(grad, x, weight, [output.shape[1]], *options, mask)

    totals = totals_of(backward, grad, x, weight)
    macs = forward.get_total_flops() // 2 * (mask[0] + mask[1])
    assert (totals.macs, totals.macs_exact) == (macs, True)
    assert totals.flops == 2 * macs + output.numel() * mask[2]


@pytest.mark.parametrize("mask", [(True, True, True), (True, False, False), (False, True, False), (False, True, True)])
def test_the_gradients_of_a_linear_layer(mask: tuple[bool, bool, bool]) -> None:
    def backward(x: Tensor, grad: Tensor, weight: Tensor) -> Any:
        return aten.linear_backward(x, grad, weight, mask)

    totals = totals_of(backward, r(2, 3, 5), r(2, 3, 7), r(7, 5))
    macs = 2 * 3 * 7 * 5 * (mask[0] + mask[1])
    assert (totals.macs, totals.flops, totals.macs_exact) == (macs, 2 * macs + 42 * mask[2], True)


ATTENTION = "_scaled_dot_product_flash_attention_for_cpu"


@pytest.mark.parametrize("masked", [False, True])
def test_the_gradients_of_fused_attention(masked: bool) -> None:
    query, key, value = r(2, 3, 5, 16), r(2, 3, 7, 16), r(2, 3, 7, 16)
    mask = r(5, 7) if masked else None
    output, sums = getattr(aten, ATTENTION)(query, key, value, attn_mask=mask)

    def backward(grad: Tensor, *tensors: Tensor) -> Any:
        return getattr(aten, f"{ATTENTION}_backward")(grad, *tensors, 0.0, False, attn_mask=mask)

    totals = totals_of(backward, r(2, 3, 5, 16), query, key, value, output, sums)
    assert (totals.macs, totals.macs_exact) == (5 * 2 * 3 * 5 * 7 * 16, True)
