"""Pooling, against windows walked element by element."""

from itertools import product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.errors import ShapeError
from inception_lens.ops import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool2d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    Op,
    Saved,
    Shape,
    TensorType,
    Window,
)

SHAPE = (2, 3, 9, 7)

pools = st.builds(
    lambda kernel, stride: (kernel, stride),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)


@given(pool=pools)
@settings(max_examples=60, deadline=None)
def test_flops_are_what_one_pass_over_every_window_does(pool: tuple[tuple[int, int], tuple[int, int]]) -> None:
    kernel, stride = pool
    comparisons = additions = divisions = 0
    rows, columns = (
        [start for start in range(0, n, s) if start + k <= n] for n, k, s in zip(SHAPE[2:], kernel, stride, strict=True)
    )
    for _ in product(range(SHAPE[0]), range(SHAPE[1]), rows, columns):
        _, *rest = product(range(kernel[0]), range(kernel[1]))
        for _ in rest:
            comparisons += 1
            additions += 1
        divisions += 1
    output = (*SHAPE[:2], len(rows), len(columns))
    for op, flops in (
        (MaxPool2d(kernel, stride), comparisons),
        (AvgPool2d(kernel, stride), additions + divisions),
    ):
        assert op.output_shape(SHAPE) == output
        assert op.extra_flops((SHAPE,), output) == flops
        assert op.macs((SHAPE,), output) == 0


@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_windows_at_the_border_count_as_full(kind: type[MaxPool2d | AvgPool2d]) -> None:
    cut, full = kind((3, 3), (2, 2), (0, 0), "ceil"), kind((3, 3), (2, 2))
    assert cut.output_shape((1, 1, 6, 6)) == full.output_shape((1, 1, 7, 7)) == (1, 1, 3, 3)
    cut_flops = cut.extra_flops(((1, 1, 6, 6),), (1, 1, 3, 3))
    assert cut_flops == full.extra_flops(((1, 1, 7, 7),), (1, 1, 3, 3))


@pytest.mark.parametrize("kind", [MaxPool2d, AvgPool2d])
def test_a_sliding_pool_keeps_batch_and_channels(kind: type[MaxPool2d | AvgPool2d]) -> None:
    assert kind((3, 3), (2, 2), "same").output_shape((5, 7, 9, 8)) == (5, 7, 5, 4)
    assert kind((3, 3), (1, 1), (1, 1)).output_shape((5, 7, 9, 8)) == (5, 7, 9, 8)


def test_max_pool_keeps_an_int64_index_per_output_for_the_backward_pass() -> None:
    output = TensorType((1, 2, 4, 4), "float16")
    saved = MaxPool2d((2, 2), (2, 2)).saved((TensorType((1, 2, 8, 8), "float16"),), output)
    assert saved == Saved(inputs=True, extra_bytes=32 * 8)
    assert AvgPool2d((2, 2), (2, 2)).saved((TensorType((1, 2, 8, 8)),), output) == Saved(inputs=True)


def elements_of(n: int, parts: int) -> list[list[int]]:
    """The elements of each window: those that overlap the i-th of `parts` equal parts of the axis."""
    return [[x for x in range(n) if (x + 1) * parts > i * n and x * parts < (i + 1) * n] for i in range(parts)]


@given(
    sides=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    parts=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    batch=st.integers(1, 2),
)
@settings(max_examples=100, deadline=None)
def test_adaptive_flops_are_one_per_element_of_every_window(
    sides: tuple[int, int], parts: tuple[int, int], batch: int
) -> None:
    op, shape = AdaptiveAvgPool2d(parts), (batch, 3, *sides)
    rows, columns = map(elements_of, sides, parts)
    assert op.output_shape(shape) == (batch, 3, *parts)
    per_map = sum(len(row) * len(column) for row, column in product(rows, columns))
    assert op.extra_flops((shape,), (batch, 3, *parts)) == batch * 3 * per_map


@given(n=st.integers(1, 40), parts=st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_the_adaptive_window_is_the_largest_of_its_windows(n: int, parts: int) -> None:
    window = AdaptiveAvgPool2d((parts, 1)).window((1, 1, n, n), (1, 1, parts, 1))
    assert window.kernel == (max(map(len, elements_of(n, parts))), n)
    assert window.padding == (0, 0)
    assert window.dilation == (1, 1)


@pytest.mark.parametrize(("n", "parts"), [(n, m) for m in range(2, 8) for n in range(m, 29, m)])
def test_where_the_parts_divide_the_map_adaptive_pooling_is_a_sliding_pool(n: int, parts: int) -> None:
    size = n // parts
    adaptive, sliding = AdaptiveAvgPool2d((parts, parts)), AvgPool2d((size, size), (size, size))
    shape, output = (1, 4, n, n), (1, 4, parts, parts)
    assert sliding.output_shape(shape) == adaptive.output_shape(shape) == output
    assert adaptive.extra_flops((shape,), output) == sliding.extra_flops((shape,), output)
    assert adaptive.window(shape, output) == sliding.window(shape, output)


def test_the_window_of_global_pooling_is_the_map() -> None:
    op = AdaptiveAvgPool2d()
    assert op.window((1, 8, 7, 9), (1, 8, 1, 1)) == Window((7, 9), (1, 1), (0, 0), (1, 1))
    assert op.extra_flops(((1, 8, 7, 9),), (1, 8, 1, 1)) == prod((8, 7, 9))


@pytest.mark.parametrize("op", [MaxPool2d((1, 1), (1, 1)), AvgPool2d((1, 1), (1, 1)), AdaptiveAvgPool2d()])
@pytest.mark.parametrize("shape", [(), (3, 8, 8), (1, 3, 8, 8, 8)])
def test_pools_accept_images_only(op: MaxPool2d | AvgPool2d | AdaptiveAvgPool2d, shape: Shape) -> None:
    with pytest.raises(ShapeError, match=rf"^{op.kind} expects an input of 4 axes \(N, C, H, W\), not "):
        op.output_shape(shape)


def test_an_adaptive_pool_needs_positive_sizes() -> None:
    with pytest.raises(ShapeError, match=r"^an adaptive pool to 0x4: expected 2 sizes of at least 1$"):
        AdaptiveAvgPool2d((0, 4)).output_shape((1, 3, 8, 8))


def test_the_labels_of_pools() -> None:
    assert MaxPool2d((3, 3), (2, 2)).label == "max 3x3/2"
    assert AvgPool2d((7, 7), (1, 1)).label == "avg 7x7"
    assert AdaptiveAvgPool2d().label == "global avg"
    assert AdaptiveAvgPool2d((4, 2)).label == "avg to 4x2"


def test_an_adaptive_max_pool_compares_each_element_after_the_first_of_a_window_and_keeps_indices() -> None:
    op, shape, output = AdaptiveMaxPool2d((2, 2)), (1, 3, 4, 6), (1, 3, 2, 2)
    assert op.extra_flops((shape,), output) == 3 * 4 * (2 * 3 - 1)
    assert op.saved((TensorType(shape),), TensorType(output)) == Saved(inputs=True, extra_bytes=8 * 12)


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        (MaxPool1d((2,), (2,)), (1, 3, 4)),
        (MaxPool2d((2, 2), (2, 2)), (1, 3, 4, 4)),
        (MaxPool3d((2, 2, 2), (2, 2, 2)), (1, 3, 4, 4, 4)),
        (AvgPool1d((2,), (2,)), (1, 3, 4)),
        (AvgPool2d((2, 2), (2, 2)), (1, 3, 4, 4)),
        (AvgPool3d((2, 2, 2), (2, 2, 2)), (1, 3, 4, 4, 4)),
    ],
    ids=str,
)
def test_by_default_a_pool_has_no_padding_and_one_output(op: Op, shape: Shape) -> None:
    assert [output.shape for output in op.output_types((TensorType(shape),))] == [(1, 3, *[2] * (len(shape) - 2))]


@pytest.mark.parametrize("kind", [AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d])
def test_by_default_an_adaptive_pool_is_global(kind: type[Op]) -> None:
    shape = (2, 3, 4, 5, 6)[: 2 + int(kind.__name__[-2])]
    assert kind().output_shape(shape) == (2, 3, *[1] * (len(shape) - 2))
