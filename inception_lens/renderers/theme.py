"""The colours and fonts of all output: one colour and one name for each category of operation, in every picture.

The hues are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which are distinct for every common colour
vision; the categories beyond their eight have other hues.
"""

from typing import Literal

import msgspec

from inception_lens.ops import Category

BoxKind = Category | Literal["reduction", "module", "end"]
"""The kind of a box in a diagram: a category of operation; a 1x1 convolution that reduces channels; a module of several
operations; or an input or output of the diagram."""

BLUE, SKY, GREEN = "#0072b2", "#56b4e9", "#009e73"
VERMILLION, ORANGE, PINK = "#d55e00", "#e69f00", "#cc79a7"
"""Hues of Okabe and Ito. Their yellow is `REDUCTION`, darker so that it is visible on white."""
GREY = "#7f7f7f"

COLORS: dict[Category, str] = {
    "conv": BLUE,
    "pool": VERMILLION,
    "linear": GREEN,
    "attention": "#7b3294",
    "recurrent": "#6b8e23",
    "embedding": "#008b8b",
    "norm": PINK,
    "activation": ORANGE,
    "arithmetic": "#b8860b",
    "merge": SKY,
    "shape": GREY,
    "dropout": "#a6761d",
    "weights": "#4d4d4d",
    "unknown": "#c00000",
}
"""Hexadecimal colours of the categories, in pictures and pages."""

REDUCTION = "#d0bc00"
"""The colour of 1x1 reductions: a convolution, but the subject of every diagram of an Inception module."""

KIND_NAMES: dict[BoxKind, str] = {
    "reduction": "1x1 reduction",
    "conv": "convolution",
    "pool": "pooling",
    "linear": "linear",
    "attention": "attention",
    "recurrent": "recurrent",
    "embedding": "embedding",
    "norm": "normalisation",
    "activation": "activation",
    "arithmetic": "arithmetic",
    "merge": "concat or add",
    "shape": "view",
    "dropout": "dropout",
    "weights": "weights",
    "unknown": "unknown",
    "module": "module",
}
"""The names of box kinds in legends, in the order of a legend; inputs and outputs have no entry."""

SERIES = (BLUE, VERMILLION, GREEN, PINK, ORANGE, SKY, "#7b3294", "#6b8e23", "#a6761d")
"""Colours of lines and bars that do not represent a category of operation, in the order of use."""
NEUTRAL = GREY
"""The colour of everything in a plot that needs no colour of its own."""

TERMINAL: dict[Category, str] = {
    "conv": "94",
    "pool": "31",
    "linear": "32",
    "attention": "95",
    "recurrent": "92",
    "embedding": "96",
    "norm": "35",
    "activation": "33",
    "arithmetic": "93",
    "merge": "36",
    "shape": "90",
    "weights": "90",
    "dropout": "90",
    "unknown": "1;91",
}
"""Parameters of SGR escape sequences (ECMA-48, section 8.3.117), in the 16 colours of the terminal's own scheme."""

VERDICTS: dict[str, str] = {
    "reproduced": "32", "holds": "32", "agrees": "32", "equal": "32", "known": "33", "corrected": "33",
    "differs": "1;91", "DIFFERS": "1;91", "unchecked": "2",
}  # fmt: skip
"""The same for the first word of a verdict."""


class Palette(msgspec.Struct, frozen=True):
    """The colours of a light or a dark picture, apart from those of its boxes; hexadecimal."""

    background: str
    ink: str
    """Text."""
    muted: str
    """Secondary text: shapes on arrows, axis labels."""
    line: str
    """Arrows, and the borders of boxes without a category."""
    panel: str
    """The background of a module that contains layers."""
    edge: str
    """The border of a panel."""
    tint: float
    """The share of a category's colour in the fill of its boxes; the rest is the background."""
    heat: tuple[str, ...]
    """The colours of a heat map, from 0 to the maximum."""


_HEAT = ("#fff7bc", "#fee391", "#fec44f", "#fe9929", "#ec7014", "#cc4c02", "#993404", "#662506")
"""C. Brewer's YlOrBr (colorbrewer2.org): lightness decreases monotonically, for any colour vision and for print."""

LIGHT = Palette("#ffffff", "#1f2328", "#59636e", "#59636e", "#f6f8fa", "#d1d9e0", 0.20, _HEAT)
DARK = Palette("#0d1117", "#e6edf3", "#9198a1", "#8b949e", "#161b22", "#3d444d", 0.38, ("#3b2314", *_HEAT[::-1][1:]))


def palette_of(dark: bool) -> Palette:
    """The palette for a dark or a light background."""
    return DARK if dark else LIGHT


PAPER: dict[BoxKind, str] = {
    "conv": "#a4c2f4",
    "reduction": "#ffe599",
    "linear": "#a4c2f4",
    "pool": "#ea9999",
    "norm": "#b6d7a8",
    "merge": "#b6d7a8",
    "activation": "#ffe599",
}
"""The fills of the boxes in GoogLeNet's Figures 2 and 3 (arXiv 1409.4842); other boxes are white there."""

FONTS = "DejaVu Sans,Verdana,sans-serif"
"""The first is part of matplotlib; the second, for readers without it, has almost the same widths."""


def kind_color(kind: BoxKind, palette: Palette) -> str:
    """The colour of a kind of box: of its border, and of its fill where it is mixed with the background."""
    if kind == "module" or kind == "end":
        return palette.line
    return REDUCTION if kind == "reduction" else COLORS[kind]


def kind_fill(kind: BoxKind, palette: Palette) -> str:
    """The fill of a kind of box."""
    return mix(kind_color(kind, palette), palette.background, palette.tint)


def mix(color: str, background: str, part: float) -> str:
    """Mix `part` of `color`, between 0 and 1, with the rest of `background`."""
    pairs = zip(_channels(color), _channels(background), strict=True)
    return "#" + "".join([f"{round(part * a + (1 - part) * b):02x}" for a, b in pairs])


def heat_color(part: float, palette: Palette) -> str:
    """The heat-map colour of a value that is `part` of the maximum; values outside 0 to 1 are clipped."""
    steps = palette.heat
    position = min(max(part, 0.0), 1.0) * (len(steps) - 1)
    low = min(int(position), len(steps) - 2)
    return mix(steps[low + 1], steps[low], position - low)


def ink_on(fill: str) -> str:
    """Black or white, whichever has more contrast with `fill` (relative luminance as in WCAG 2.2)."""
    red, green, blue = [
        part / 12.92 if (part := channel / 255) <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for channel in _channels(fill)
    ]
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
