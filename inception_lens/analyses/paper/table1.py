"""Table 1 as printed (C. Szegedy et al., "Going Deeper with Convolutions", arXiv 1409.4842), and its roundings.

Nothing here is recomputed: these are the paper's own figures, which `conventions` compares with those of a network.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor
from typing import Literal

import msgspec

from inception_lens.ops import format_shape

FigureRounding = Literal["rounded", "truncated", "rounded up"]

ROUNDINGS: tuple[FigureRounding, ...] = ("rounded", "truncated", "rounded up")
UNITS = {"K": (1024, 1000), "M": (10**6, 2**20), "": (1,)}
"""Values that the letter after a figure can mean."""


class PrintedRow(msgspec.Struct, frozen=True):
    """One row of the table."""

    type: str
    """The first column, such as `inception (3a)`."""
    patch: str
    """Patch size and stride, such as `7x7/2`; empty where the table has none."""
    output: tuple[int, ...]
    """Height, width and channels."""
    depth: int
    """Layers with weights on the longest path."""
    params: str
    """Weights, such as `159K`; empty where the table has none."""
    ops: str
    """Multiply-adds, such as `128M`; empty where the table has none."""
    module: str
    """Name of the row in the catalogue's `googlenet`: the first part of its calls' names."""

    @property
    def label(self) -> str:
        """Type and patch, which identify the row."""
        return f"{self.type}  {self.patch}".rstrip()


_ROWS = """
    convolution     7x7/2  112x112x64   1    2.7K   34M  conv1
    max pool        3x3/2   56x56x64    0    -      -    pool1
    convolution     3x3/1   56x56x192   2    112K   360M conv2
    max pool        3x3/2   28x28x192   0    -      -    pool2
    inception (3a)  -       28x28x256   2    159K   128M inception_3a
    inception (3b)  -       28x28x480   2    380K   304M inception_3b
    max pool        3x3/2   14x14x480   0    -      -    pool3
    inception (4a)  -       14x14x512   2    364K   73M  inception_4a
    inception (4b)  -       14x14x512   2    437K   88M  inception_4b
    inception (4c)  -       14x14x512   2    463K   100M inception_4c
    inception (4d)  -       14x14x528   2    580K   119M inception_4d
    inception (4e)  -       14x14x832   2    840K   170M inception_4e
    max pool        3x3/2   7x7x832     0    -      -    pool4
    inception (5a)  -       7x7x832     2    1072K  54M  inception_5a
    inception (5b)  -       7x7x1024    2    1388K  71M  inception_5b
    avg pool        7x7/1   1x1x1024    0    -      -    pool5
    dropout (40%)   -       1x1x1024    0    -      -    dropout
    linear          -       1x1x1000    1    1000K  1M   loss3
    softmax         -       1x1x1000    0    -      -    prob
"""


def _parse(line: str) -> PrintedRow:
    *words, patch, output, depth, params, ops, module = line.split()
    patch, params, ops = ("" if cell == "-" else cell for cell in (patch, params, ops))
    return PrintedRow(" ".join(words), patch, tuple(map(int, output.split("x"))), int(depth), params, ops, module)


TABLE_1 = tuple(_parse(line) for line in _ROWS.strip().splitlines())
"""The rows, in the table's order. The widths of its other columns are `architectures.googlenet.TABLE_1`."""


class Convention(msgspec.Struct, frozen=True):
    """A way to write a count as a printed figure."""

    unit: int
    """Value of K or M."""
    rounding: FigureRounding
    """How the last digit is rounded."""
    biases: bool = False
    """Whether biases are counted with the weights."""

    def __str__(self) -> str:
        return f"{unit_words(self.unit)}{', with biases' if self.biases else ''}, {self.rounding}"


def unit_words(unit: int) -> str:
    """The value of a letter in words, such as `K = 1024`."""
    return {1000: "K = 1000", 1024: "K = 1024", 10**6: "M = 10^6", 2**20: "M = 2^20", 1: ""}[unit]


def parsed(printed: str) -> tuple[Fraction, str, int]:
    """Split a printed figure into its number, its letter and its number of decimals."""
    digits, letter = (printed[:-1], printed[-1]) if printed[-1:].isalpha() else (printed, "")
    return Fraction(digits), letter, len(digits.partition(".")[2])


def fits(printed: str, count: Fraction | int, biases: int | None = None) -> Iterator[Convention]:
    """Every convention under which `count` is written as `printed`; with `biases`, also those that count them."""
    number, letter, decimals = parsed(printed)
    scale = 10**decimals
    for unit in UNITS[letter]:
        for more in (0,) if biases is None else (0, biases):
            exact = Fraction(count + more) * scale / unit
            written = {"rounded": floor(exact + Fraction(1, 2)), "truncated": floor(exact), "rounded up": ceil(exact)}
            for rounding in ROUNDINGS:
                if written[rounding] == number * scale and (not more or biases):
                    yield Convention(unit, rounding, bool(more))


def describe(conventions: tuple[Convention, ...]) -> str:
    """Conventions in words; roundings of the same unit are joined."""
    kinds: dict[tuple[int, bool], list[str]] = {}
    for each in conventions:
        kinds.setdefault((each.unit, each.biases), []).append(each.rounding)
    parts = []
    for (unit, biases), roundings in kinds.items():
        ways = "exact" if len(roundings) == len(ROUNDINGS) else " or ".join(roundings)
        parts.append(", ".join(filter(None, (unit_words(unit), "with biases" if biases else "", ways))))
    return "; ".join(parts)


def size_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape as the table writes it: height, width, channels; a vector is a map of one position."""
    if len(shape) < 2:
        return shape
    _, channels, *sides = shape
    return (*(sides or (1, 1)), channels)


def patch_of(kernel: tuple[int, ...], stride: tuple[int, ...]) -> str:
    """A kernel and its stride as the table writes them."""
    return f"{format_shape(kernel)}/{stride[0]}"
