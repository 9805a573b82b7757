"""Every category of operation has its own colour, on a page and in a terminal."""

import re
from typing import get_args

from inception_lens.ops import OPS, Category
from inception_lens.renderers.theme import (
    COLORS,
    DARK,
    KIND_NAMES,
    LIGHT,
    REDUCTION,
    TERMINAL,
    VERDICTS,
    heat_color,
    ink_on,
    mix,
)


def test_every_category_has_a_colour() -> None:
    assert set(COLORS) == set(TERMINAL) == set(get_args(Category))


def test_every_operation_has_a_colour() -> None:
    assert {op.category for op in OPS} <= set(COLORS)


def test_every_kind_of_box_has_a_name_in_legends() -> None:
    assert set(KIND_NAMES) == {*COLORS, "reduction", "module"}


def test_no_two_categories_share_a_colour_on_a_page() -> None:
    assert len({REDUCTION, *COLORS.values()}) == len(COLORS) + 1
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in COLORS.values())


def test_terminal_colours_are_the_16_basic_colours() -> None:
    colors = {*range(30, 38), *range(90, 98)}
    for style in (*TERMINAL.values(), *VERDICTS.values()):
        *weight, color = map(int, style.split(";"))
        assert set(weight) <= {1}
        assert color in colors | {2}  # dim, in the colour of the text


def luminance(color: str) -> float:
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_heat_ramp_is_monotonic_in_lightness() -> None:
    for palette, sign in ((LIGHT, -1), (DARK, 1)):
        ramp = [sign * luminance(heat_color(k / 20, palette)) for k in range(21)]
        assert ramp == sorted(ramp)
        assert heat_color(-1, palette) == heat_color(0, palette) == palette.heat[0]
        assert heat_color(2, palette) == palette.heat[-1]


def test_text_has_contrast_on_any_fill() -> None:
    for palette in (LIGHT, DARK):
        for k in range(21):
            fill = heat_color(k / 20, palette)
            assert abs(luminance(ink_on(fill)) - luminance(fill)) > 80


def test_colours_mix() -> None:
    assert mix("#ffffff", "#000000", 0.5) == "#808080"
    assert mix("#123456", "#000000", 1) == "#123456"
