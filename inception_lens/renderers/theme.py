"""One colour per category of operation, for every table and picture.

The hues are those of M. Okabe and K. Ito, "Color Universal Design" (2008), which readers with any common colour vision
tell apart.
"""

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
