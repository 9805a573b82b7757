"""Element-wise functions and reductions: their FLOPs are the operations of their formulas, and these are PyTorch's."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from inception_lens.ops import ELEMENTWISE, REDUCTIONS, Elementwise, Reduce
from tests.ops import formulas
from tests.ops.counted import Counted, operations

WITHOUT_ARITHMETIC = {
    "eq", "ne", "lt", "le", "gt", "ge", "where", "masked_fill", "logical_and", "logical_or", "logical_not",
    "logical_xor", "bitwise_and", "bitwise_or", "bitwise_not", "bitwise_xor", "bitwise_left_shift",
    "bitwise_right_shift", "isnan", "isinf", "isfinite", "cast", "clone", "copy", "signbit",
}  # fmt: skip
"""Comparison, logic and copies."""


def pytorchs(name: str) -> Callable[..., Tensor]:
    """PyTorch's function of that name."""
    if name == "log_sigmoid":
        return functional.logsigmoid
    if name == "glu":
        return lambda a, b: functional.glu(torch.stack((a, b)), 0)[0]
    quantized = torch.fake_quantize_per_tensor_affine
    if name == "quantize_linear":
        return lambda x, scale, zero: quantized(x, scale, zero, 0, 255) / scale + zero
    if name == "dequantize_linear":
        return lambda x, scale, zero: quantized((x - zero) * scale, scale, zero, 0, 255)
    found: Callable[..., Tensor] = getattr(torch, name, None) or getattr(functional, name)
    return found


def test_every_function_has_a_formula_or_does_no_arithmetic() -> None:
    assert set(ELEMENTWISE) == set(formulas.ELEMENTWISE) | WITHOUT_ARITHMETIC
    assert {name for name, flops in ELEMENTWISE.items() if not flops} == WITHOUT_ARITHMETIC
    assert {name for name, flops in REDUCTIONS.items() if flops != (0, 0)} == set(formulas.REDUCTIONS)


@pytest.mark.parametrize("name", formulas.ELEMENTWISE)
def test_a_function_counts_the_operations_of_its_formula(name: str) -> None:
    formula = formulas.ELEMENTWISE[name]
    counts = [operations(formula.compute, *map(Counted, point)) for point in formula.points]
    assert Elementwise(name).extra_flops(((2, 3),), (2, 3)) == 6 * max(counts)


@pytest.mark.parametrize("name", formulas.ELEMENTWISE)
def test_a_formula_computes_what_pytorch_does(name: str) -> None:
    formula = formulas.ELEMENTWISE[name]
    for point in formula.points:
        found = formula.compute(*map(Counted, point)).value
        tensors = [torch.tensor(value, dtype=torch.float32) for value in point]
        expected = pytorchs(name)(*tensors, *formula.settings)
        torch.testing.assert_close(torch.tensor(found, dtype=torch.float32), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_counts_the_operations_of_its_formula(name: str, length: int) -> None:
    counted = 0
    row = [0.5 + (3 * i) % 7 for i in range(length)]
    if name in formulas.REDUCTIONS:
        counted = operations(formulas.REDUCTIONS[name], [Counted(x) for x in row])
    op = Reduce(name, (1,))
    assert op.extra_flops(((5, length),), (5,)) == 5 * counted
    assert op.extra_flops(((0, length),), (0,)) == 0


@pytest.mark.parametrize("name", formulas.REDUCTIONS)
def test_a_reductions_formula_computes_what_pytorch_does(name: str) -> None:
    row = [0.5, 3.5, -2.0, 1.25]
    settings = {"logsumexp": (0,)}.get(name, ())
    expected = pytorchs(name)(torch.tensor(row), *settings)
    found = formulas.REDUCTIONS[name]([Counted(x) for x in row]).value
    torch.testing.assert_close(torch.tensor(float(found)), expected.float())


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dims", [(), (0,), (1,), (2,), (-1,), (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_a_reduction_has_the_shape_of_pytorchs(dims: tuple[int, ...], keepdim: bool) -> None:
    expected = torch.zeros(2, 3, 4).sum(dims or (0, 1, 2), keepdim=keepdim).shape
    assert Reduce("sum", dims, keepdim).output_shape((2, 3, 4)) == tuple(expected)
