"""Shapes of operations on the axes of a tensor, compared with PyTorch's functions."""

from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from inception_lens.ops import (
    Concat,
    Expand,
    Flatten,
    MatMul,
    Op,
    Pad,
    Permute,
    Reshape,
    ScaledDotProductAttention,
    Select,
    Shape,
    Slice,
    Stack,
    TensorType,
    Upsample,
)

SHAPE = (2, 3, 4, 5)
AXES = range(len(SHAPE))


def flatten(start: int, end: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.flatten(start, end)


def part(dim: int, start: int, stop: int, step: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x[(*[slice(None)] * dim, slice(start, stop, step))]


def select(dim: int, index: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x.select(dim, index)


def permute(dims: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    return lambda x: x.permute(dims)


OF_ONE: list[tuple[Op, Callable[[Tensor], Tensor]]] = [
    *((Flatten(a, b), flatten(a, b)) for a in AXES for b in (*range(a, 4), *range(a - 4, 0))),
    *((Slice(dim, a, b, n), part(dim, a, b, n)) for dim in AXES for a, b, n in ((0, 2, 1), (1, 1, 1), (0, 2, 2))),
    *((Select(dim, i), select(dim, i)) for dim in AXES for i in (0, 1, -1)),
    *((Permute(dims), permute(dims)) for dims in permutations(AXES)),
    (Reshape((6, -1)), lambda x: x.reshape(6, -1)),
    (Reshape((2, 3, 20)), lambda x: x.reshape(2, 3, 20)),
    (Expand((7, 2, 3, 4, 5)), lambda x: x.expand(7, 2, 3, 4, 5)),
    (Pad(((0, 0), (0, 0), (1, 2), (3, -5))), lambda x: functional.pad(x, (3, -5, 1, 2))),
    (Pad(((0, 0), (0, 0), (0, 0), (-2, -3))), lambda x: x[..., :0]),
    (Upsample((8, 3)), lambda x: functional.interpolate(x, (8, 3))),
]


def _label(value: object) -> str:
    """The name of a case; without addresses, which differ between the processes that run the tests."""
    return "" if callable(value) else repr(value)


@pytest.mark.parametrize(("op", "function"), OF_ONE, ids=_label)
def test_the_shape_is_that_of_pytorch(op: Op, function: Callable[[Tensor], Tensor]) -> None:
    assert op.output_shape(SHAPE) == tuple(function(torch.zeros(SHAPE)).shape)


def test_an_axis_of_1_is_expanded() -> None:
    assert Expand((4, 3)).output_shape((1, 3)) == Expand((4, 3)).output_shape((3,)) == (4, 3)


def stack(dim: int) -> Callable[..., Tensor]:
    return lambda *tensors: torch.stack(tensors, dim)


def concat(dim: int) -> Callable[..., Tensor]:
    return lambda *tensors: torch.cat(tensors, dim)


PRODUCTS: list[list[Shape]] = [
    [(3,), (3,)], [(2, 3), (3,)], [(3,), (3, 5)], [(2, 3), (3, 5)], [(4, 2, 3), (3, 5)], [(4, 1, 2, 3), (6, 3, 5)],
]  # fmt: skip
EQUAL: list[Shape] = [(2, 3)] * 4

OF_SEVERAL: list[tuple[Op, list[Shape], Callable[..., Tensor]]] = [
    *((Stack(dim), EQUAL, stack(dim)) for dim in (0, 1, 2)),
    *((Concat(dim), EQUAL, concat(dim)) for dim in (0, 1, -1)),
    *((MatMul(), shapes, torch.matmul) for shapes in PRODUCTS),
    (ScaledDotProductAttention(), [(2, 7, 3), (2, 6, 3), (2, 6, 4)], functional.scaled_dot_product_attention),
]


@pytest.mark.parametrize(("op", "shapes", "function"), OF_SEVERAL, ids=_label)
def test_the_shape_of_several_tensors_is_that_of_pytorch(
    op: Op, shapes: list[Shape], function: Callable[..., Tensor]
) -> None:
    assert op.accepts(len(shapes))
    assert op.output_shape(*shapes) == tuple(function(*map(torch.zeros, shapes)).shape)


def test_attention_multiplies_queries_by_keys_and_scores_by_values() -> None:
    query, key, value = (2, 7, 3), (2, 6, 3), (2, 6, 4)
    op, output = ScaledDotProductAttention(), (2, 7, 4)
    assert op.macs((query, key, value), output) == 2 * 7 * 6 * 3 + 2 * 7 * 6 * 4
    assert op.extra_flops((query, key, value), output) == 14 * (6 + 5 * 6 - 2)
    assert op.extra_flops((query, key, value, (7, 6)), output) == 14 * (6 + 6 + 5 * 6 - 2)
    assert ScaledDotProductAttention(causal=True).macs((query, key, value), output) == op.macs(
        (query, key, value), output
    )


def test_a_product_of_matrices_multiplies_each_row_by_each_column() -> None:
    assert MatMul().macs(((4, 2, 3), (3, 5)), (4, 2, 5)) == 4 * 2 * 3 * 5
    assert MatMul().backward_macs(120, (True, True), False) == 240
    assert MatMul().output_types((TensorType((2, 3), "float16"), TensorType((3, 5), "float16"))) == (
        TensorType((2, 5), "float16"),
    )
