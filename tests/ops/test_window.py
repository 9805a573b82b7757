"""Windows that slide, against their start positions written out one by one."""

from itertools import count, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.errors import ShapeError
from inception_lens.ops import Padding, Rounding, Window
from inception_lens.ops import window as sliding

EXPLICIT: tuple[Rounding, ...] = ("floor", "trunc", "ceil", "ceil_unclipped")


def starts(n: int, kernel: int, stride: int, before: int, after: int, dilation: int, rounding: Rounding) -> list[int]:
    """Where the windows start, the first element of the map being 0."""
    span = 1 + dilation * (kernel - 1)
    end = n + after
    kept: list[int] = []
    for start in count(-before, stride):
        full = start + span <= end
        touches_something_new = not kept or kept[-1] + span < end
        partial = {
            "floor": False,
            # Only the first window may lack elements, and fewer than a stride.
            "trunc": not kept and start + span - end < stride,
            "ceil": touches_something_new and start + span - end < stride and start < n,
            "ceil_unclipped": touches_something_new and start + span - end < stride,
        }[rounding]
        if not full and not partial:
            return kept
        kept.append(start)
    raise AssertionError


def size_of(n: int, k: int, s: int, pad: Padding, d: int, rounding: Rounding) -> int:
    (size,) = sliding.output_size((n,), (k,), (s,), pad, (d,), rounding)
    return size


axes = st.tuples(st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(1, 3))


@pytest.mark.parametrize("rounding", EXPLICIT)
@given(axis=axes, share=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)))
@settings(max_examples=100, deadline=None)
def test_as_many_outputs_as_windows_that_the_rounding_keeps(
    rounding: Rounding, axis: tuple[int, int, int, int], share: tuple[float, float]
) -> None:
    n, k, s, d = axis
    span = (k - 1) * d + 1
    before, after = int(span * share[0]), int(span * share[1])
    expected = starts(n, k, s, before, after, d, rounding)
    if expected:
        assert size_of(n, k, s, ((before, after),), d, rounding) == len(expected)
    else:
        with pytest.raises(ShapeError):
            size_of(n, k, s, ((before, after),), d, rounding)


@given(axis=axes)
@settings(max_examples=100, deadline=None)
def test_same_padding_is_the_least_that_starts_a_full_window_at_every_stride(axis: tuple[int, int, int, int]) -> None:
    n, k, s, d = axis
    outputs = len(range(0, n, s))
    assert size_of(n, k, s, "same", d, "floor") == outputs
    least = next(
        total for total in count() if len(starts(n, k, s, total // 2, total - total // 2, d, "floor")) >= outputs
    )
    ((before, after),) = sliding.explicit_padding((n,), (k,), (s,), "same", (d,))
    assert before + after == least
    assert after - before in (0, 1)
    if least:
        assert size_of(n, k, s, ((before, after),), d, "floor") == outputs


@pytest.mark.parametrize(
    ("n", "kernel", "stride", "padding", "dilation", "rounding", "outputs"),
    [
        (224, 7, 2, (3,), 1, "floor", 112),
        (112, 3, 2, (0,), 1, "floor", 55),
        (112, 3, 2, (0,), 1, "ceil", 56),
        (7, 7, 7, (0,), 1, "trunc", 1),
        (4, 7, 7, (0,), 1, "trunc", 1),
        (2, 3, 2, (0,), 1, "ceil", 1),
        (5, 2, 2, (1,), 1, "floor", 3),
        (5, 2, 3, (1,), 1, "ceil", 2),
        (5, 2, 3, (1,), 1, "ceil_unclipped", 3),
        (32, 4, 1, "same", 1, "floor", 32),
        (5, 3, 1, (2,), 2, "floor", 5),
        (5, 3, 1, ((0, 2),), 1, "floor", 5),
    ],
)
def test_known_sizes(
    n: int, kernel: int, stride: int, padding: Padding, dilation: int, rounding: Rounding, outputs: int
) -> None:
    assert size_of(n, kernel, stride, padding, dilation, rounding) == outputs


def test_the_axes_are_independent() -> None:
    both = sliding.output_size((20, 13), (3, 5), (2, 1), (1, (0, 2)), (1, 2), "floor")
    assert both == (size_of(20, 3, 2, (1,), 1, "floor"), size_of(13, 5, 1, ((0, 2),), 2, "floor"))


@pytest.mark.parametrize("rounding", EXPLICIT)
@given(kernel=st.integers(1, 9), stride=st.integers(1, 5), pad=st.integers(0, 2), dilation=st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_the_error_names_the_smallest_map_that_works(
    rounding: Rounding, kernel: int, stride: int, pad: int, dilation: int
) -> None:
    pad = min(pad, kernel // 2)
    fits = [n for n in range(1, 40) if starts(n, kernel, stride, pad, pad, dilation, rounding)]
    for n in range(1, fits[0]):
        with pytest.raises(ShapeError, match=f"the {n} map.* needs at least {fits[0]}$"):
            size_of(n, kernel, stride, (pad,), dilation, rounding)
    windows = starts(fits[0], kernel, stride, pad, pad, dilation, rounding)
    assert size_of(fits[0], kernel, stride, (pad,), dilation, rounding) == len(windows)


def test_the_error_contains_kernel_map_and_padding() -> None:
    with pytest.raises(ShapeError) as error:
        sliding.output_size((4, 6), (7, 9), (1, 1), (1, 0), (1, 1), "floor")
    assert str(error.value) == ("a 7x9 kernel does not fit the 4x6 map, 6x6 with its padding: it needs at least 5x9")


@pytest.mark.parametrize(("kernel", "dilation"), list(product(range(1, 6), range(1, 4))))
def test_a_dilated_kernel_spans_from_its_first_to_its_last_element(kernel: int, dilation: int) -> None:
    taps = [dilation * tap for tap in range(kernel)]
    assert sliding.spans((kernel,), (dilation,)) == (taps[-1] - taps[0] + 1,)


def test_a_window_starts_in_the_padding_before_the_map() -> None:
    assert sliding.window((9, 9), (3, 5), (2, 1), ((1, 0), 2), (1, 1)) == Window((3, 5), (2, 1), (1, 2), (1, 1))
    # 4 windows of step 2 over 8 need 9 elements: the missing one is after the map.
    assert sliding.window((8, 8), (3, 3), (2, 2), "same", (1, 1)).padding == (0, 0)


@pytest.mark.parametrize(
    ("kernel", "stride", "label"),
    [
        ((3, 3), (1, 1), "3x3"),
        ((7, 7), (2, 2), "7x7/2"),
        ((1, 7), (1, 1), "1x7"),
        ((3, 2), (2, 1), "3x2/2x1"),
    ],
)
def test_the_label_leaves_out_a_stride_of_1(kernel: tuple[int, int], stride: tuple[int, int], label: str) -> None:
    assert sliding.label(kernel, stride) == label
