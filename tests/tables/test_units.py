"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inception_lens.tables.units import count, percent, short, size, times

FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}


def value_of(text: str) -> float:
    number, _, prefix = text.partition(" ")
    return float(number) * FACTORS[prefix]


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (1000, "1,000"), (6_998_552, "6,998,552")])
def test_a_count_is_exact(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.000 k"),
        (99_990, "99.99 k"),
        (999_949, "999.9 k"),
        (999_950, "1.000 M"),
        (1_000_000, "1.000 M"),
        (118_013_952, "118.0 M"),
        (1_582_671_872, "1.583 G"),
        (2 * 10**15, "2.000 P"),
        (3 * 10**18, "3.000 E"),
    ],
)
def test_a_large_count_has_four_digits(number: int, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (50_176, "50.2 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (3_211_264, "3.21 MB"),
        (27_994_208, "28.0 MB"),
        (10**12, "1.00 TB"),
    ],
)
def test_a_size_has_three_digits_in_powers_of_ten_and_its_unit(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(75, 1000, "7.5 %"), (0, 5, "0.0 %"), (5, 5, "100.0 %"), (0, 0, "-"), (1, 0, "-")],
)
def test_a_share_has_one_decimal_and_a_share_of_nothing_none(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


@given(st.integers(0, 10**17))
def test_what_is_read_is_near_what_was_meant(number: int) -> None:
    assert value_of(short(number)) == pytest.approx(number, rel=5.001e-4)
    assert value_of(size(number).removesuffix("B").rstrip()) == pytest.approx(number, rel=5.001e-3)


@given(st.integers(0, 10**17), st.integers(0, 10**17))
def test_a_larger_number_never_reads_smaller(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert value_of(short(low)) <= value_of(short(high))


@given(st.integers(1, 10**17))
def test_a_large_count_is_short(number: int) -> None:
    assert len(short(number)) <= len("10.000 M")


def test_ratios_have_three_digits() -> None:
    assert [times(ratio) for ratio in (0.5, 5.5555, 9.996, 21.4, 123.4)] == ["0.50", "5.56", "10.0", "21.4", "123"]
