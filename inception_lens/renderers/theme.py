"""One colour per category of operation, for every table and picture.

The hues are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which readers with any common colour vision
tell apart.
"""

import msgspec

from inception_lens.ops import Category

COLORS: dict[Category, str] = {
    "conv": "#0072b2",
    "pool": "#d55e00",
    "linear": "#009e73",
    "attention": "#7b3294",
    "recurrent": "#6b8e23",
    "embedding": "#008b8b",
    "norm": "#cc79a7",
    "activation": "#e69f00",
    "arithmetic": "#b8860b",
    "merge": "#56b4e9",
    "shape": "#7f7f7f",
    "dropout": "#a6761d",
    "weights": "#4d4d4d",
    "unknown": "#c00000",
}
"""Hexadecimal colours, for pictures and pages."""

TERMINAL: dict[Category, str] = {
    "conv": "bright_blue",
    "pool": "red",
    "linear": "green",
    "attention": "bright_magenta",
    "recurrent": "bright_green",
    "embedding": "bright_cyan",
    "norm": "magenta",
    "activation": "yellow",
    "arithmetic": "bright_yellow",
    "merge": "cyan",
    "shape": "bright_black",
    "weights": "bright_black",
    "dropout": "bright_black",
    "unknown": "bold bright_red",
}
"""Colours that every terminal has, in the hues of its own scheme."""


class Palette(msgspec.Struct, frozen=True):
    """What a picture is drawn in, apart from the colours of its contents."""

    background: str
    ink: str
    muted: str
    """Of what stands behind: shapes on arrows, the second line of a title."""
    line: str
    panel: str
    """The ground of a module that holds layers."""
    edge: str
    """The border of a panel."""
    tint: float
    """How much of a category's colour fills a box; the rest is the background."""
    heat: tuple[str, ...]
    """From the least to the most."""


_HEAT = ("#fff7bc", "#fee391", "#fec44f", "#fe9929", "#ec7014", "#cc4c02", "#993404", "#662506")
"""C. Brewer's YlOrBr (colorbrewer2.org): its lightness falls from end to end, for any colour vision and for print."""

LIGHT = Palette("#ffffff", "#1f2328", "#59636e", "#59636e", "#f6f8fa", "#d1d9e0", 0.20, _HEAT)
DARK = Palette("#0d1117", "#e6edf3", "#9198a1", "#8b949e", "#161b22", "#3d444d", 0.38, ("#3b2314", *_HEAT[::-1][1:]))


def palette_of(dark: bool) -> Palette:
    """The palette of a dark or a light ground."""
    return DARK if dark else LIGHT


PAPER: dict[Category, str] = {
    "conv": "#a4c2f4",
    "linear": "#a4c2f4",
    "pool": "#ea9999",
    "norm": "#b6d7a8",
    "merge": "#b6d7a8",
    "activation": "#ffe599",
}
"""The fills of GoogLeNet's Figure 3 (arXiv 1409.4842); other categories are white there."""

FONTS = "DejaVu Sans,Verdana,sans-serif"
"""Matplotlib brings the first; the second, where a reader has only that, is hardly wider."""


def mix(color: str, ground: str, part: float) -> str:
    """So much of `color`, and the rest of `ground`."""
    pairs = zip(_channels(color), _channels(ground), strict=True)
    return "#" + "".join([f"{round(part * a + (1 - part) * b):02x}" for a, b in pairs])


def heat(part: float, palette: Palette) -> str:
    """The colour of a value that is `part` of the largest, between 0 and 1."""
    steps = palette.heat
    place = min(max(part, 0.0), 1.0) * (len(steps) - 1)
    low = min(int(place), len(steps) - 2)
    return mix(steps[low + 1], steps[low], place - low)


def ink_on(fill: str) -> str:
    """Black or white, whichever reads better on `fill` (relative luminance as in WCAG 2.2)."""
    red, green, blue = [
        part / 12.92 if (part := channel / 255) <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for channel in _channels(fill)
    ]
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "#ffffff"


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
