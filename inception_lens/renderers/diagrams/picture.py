"""A diagram before it is drawn: boxes, the arrows between them, and the panels that hold boxes of one module."""

from typing import Literal

import msgspec

from inception_lens.ops import Category

Kind = Category | Literal["module", "end", "reduction"]
"""What a box is drawn as: an operation by its category, a module of several, an input or output of the picture, or a
1x1 convolution that changes the width of a branch."""


class Box(msgspec.Struct, frozen=True):
    """One box."""

    text: tuple[str, ...]
    """Its lines."""
    kind: Kind
    nodes: tuple[str, ...] = ()
    """Names of the nodes that it stands for; none for an input or output."""
    panel: int | None = None
    fill: str | None = None
    """A colour of its own, as in a heat map; None is that of its kind."""


class Arrow(msgspec.Struct, frozen=True):
    """From one box to another, by their positions."""

    tail: int
    head: int
    text: tuple[str, ...] = ()
    """Its lines."""
    seen: bool = True
    """Whether it is drawn; if not, it only keeps two boxes in line."""
    weight: int = 1
    """How much dot pulls the two together."""


class Swatch(msgspec.Struct, frozen=True):
    """One entry of a legend. Its text is a word of ours or a number, never a name."""

    color: str
    text: str = ""


class Picture(msgspec.Struct, frozen=True):
    """Everything that is drawn."""

    title: tuple[str, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    panels: tuple[str, ...] = ()
    """Titles of the panels."""
    width: float = 0.9
    """Of the narrowest boxes, in inches."""
    legend: tuple[Swatch, ...] = ()
    legend_title: str = ""
