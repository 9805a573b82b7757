"""Every category of operation has its own colour, on a page and in a terminal."""

import re
from typing import get_args

from rich.style import Style

from inception_lens.ops import OPS, Category
from inception_lens.renderers.theme import COLORS, TERMINAL


def test_every_category_has_a_colour() -> None:
    assert set(COLORS) == set(TERMINAL) == set(get_args(Category))


def test_every_operation_has_a_colour() -> None:
    assert {op.category for op in OPS} <= set(COLORS)


def test_no_two_categories_share_a_colour_on_a_page() -> None:
    assert len(set(COLORS.values())) == len(COLORS)
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in COLORS.values())


def test_terminal_colours_are_colours_that_every_terminal_has() -> None:
    for style in TERMINAL.values():
        color = Style.parse(style).color
        assert color is not None
        assert color.number is not None
        assert color.number < 16
