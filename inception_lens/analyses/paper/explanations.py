"""Explanations of printed figures that no convention reproduces, by a search over what the authors may have counted."""

from collections.abc import Iterator
from fractions import Fraction
from math import prod
from typing import Literal

import msgspec

from inception_lens.analyses.paper.table1 import PrintedRow, fits, parsed

MAX_MULTIPLIED = 32
"""Largest depth multiplier of a separable convolution in the search."""
MAX_WIDTH = 1024
"""Largest width in the search."""
STEP = 8
"""Widths in the search are multiples of this."""

BRANCHES = ("1x1", "3x3 reduce", "3x3", "5x5 reduce", "5x5", "pool proj")


class RowLayout(msgspec.Struct, frozen=True):
    """The convolutions of one row."""

    channels: int
    """Channels that the row reads."""
    positions: int
    """Positions of its output map."""
    widths: tuple[int, ...]
    """Output channels of each convolution."""
    kernels: tuple[tuple[int, ...], ...]
    """Kernel of each convolution."""
    reads: tuple[int, ...]
    """Input channels of each convolution."""


def explanation(layout: RowLayout, figure: Literal["params", "ops"], row: PrintedRow, count: int) -> str:
    """Explain a figure that is not reproduced, in one clause."""
    for multiplier in _separable(layout, row):
        weights = _separable_weights(layout, multiplier)
        kernel = "x".join(map(str, layout.kernels[0]))
        cost = f"{weights:,} weights" if figure == "params" else f"{weights * layout.positions:,} MACs"
        return f"a separable {kernel} with depth multiplier {multiplier} costs {cost}"
    off = _off(row.params if figure == "params" else row.ops, count)
    if _agree(row, layout) and not any(way.rounding == "rounded" for way in fits(row.ops, _macs(layout))):
        other = list(_other_width(layout, row))
        widths = f"a {' or a '.join(other)} gives both" if other else "no single one gives both"
        return f"{off}; the two figures of the row agree with each other, as if counted for other widths ({widths})"
    return off


def _off(printed: str, count: int) -> str:
    number, letter, _ = parsed(printed)
    unit = 1024 if letter == "K" else 10**6
    difference = float(number - Fraction(count, unit))
    return f"printed {abs(difference):.1f} {letter} {'more' if difference > 0 else 'less'} than its layers have"


def _macs(layout: RowLayout) -> int:
    return layout.positions * sum(
        prod(kernel) * read * width
        for kernel, read, width in zip(layout.kernels, layout.reads, layout.widths, strict=True)
    )


def _separable(layout: RowLayout, row: PrintedRow) -> Iterator[int]:
    """Depth multipliers for which a separable convolution has both printed figures."""
    if len(layout.kernels) != 1:
        return
    for multiplier in range(1, MAX_MULTIPLIED + 1):
        weights = _separable_weights(layout, multiplier)
        if any(fits(row.params, weights)) and any(fits(row.ops, weights * layout.positions)):
            yield multiplier


def _separable_weights(layout: RowLayout, multiplier: int) -> int:
    inner = layout.channels * multiplier
    return prod(layout.kernels[0]) * inner + inner * layout.widths[0]


def _agree(row: PrintedRow, layout: RowLayout) -> bool:
    """Whether the printed weights, each used once per position, give the printed multiply-adds."""
    number, _, _ = parsed(row.params)
    return len(layout.kernels) > 1 and any(fits(row.ops, number * 1024 * layout.positions))


def _other_width(layout: RowLayout, row: PrintedRow) -> Iterator[str]:
    """Changes of a single width to another multiple of `STEP` that would give both printed figures."""
    if len(layout.widths) != len(BRANCHES):
        return
    for i, name in enumerate(BRANCHES):
        for width in range(STEP, MAX_WIDTH + 1, STEP):
            widths = list(layout.widths)
            widths[i] = width
            weights = _module_weights(layout.channels, widths)
            rounded = [way for way in fits(row.ops, weights * layout.positions) if way.unit == 10**6]
            if rounded and any(fits(row.params, weights)):
                yield f"{name} of {width}"


def _module_weights(channels: int, widths: list[int]) -> int:
    one, reduce_3, three, reduce_5, five, pool = widths
    return channels * (one + reduce_3 + reduce_5 + pool) + 9 * reduce_3 * three + 25 * reduce_5 * five
