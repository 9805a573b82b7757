"""One colour per category of operation, for every table and picture.

The hues are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which readers with any common colour vision
tell apart.
"""

from inception_lens.ops import Category

COLORS: dict[Category, str] = {
    "conv": "#0072b2",
    "pool": "#d55e00",
    "linear": "#009e73",
    "norm": "#cc79a7",
    "activation": "#e69f00",
    "merge": "#56b4e9",
    "shape": "#7f7f7f",
    "dropout": "#a6761d",
    "unknown": "#c00000",
}
"""Hexadecimal colours, for pictures and pages."""

TERMINAL: dict[Category, str] = {
    "conv": "bright_blue",
    "pool": "red",
    "linear": "green",
    "norm": "magenta",
    "activation": "yellow",
    "merge": "cyan",
    "shape": "bright_black",
    "dropout": "bright_black",
    "unknown": "bold bright_red",
}
"""Colours that every terminal has, in the hues of its own scheme."""
