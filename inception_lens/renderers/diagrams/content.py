"""The content of a diagram before it is drawn: boxes, arrows between them, panels around boxes of one module."""

import msgspec

from inception_lens.renderers.theme import BoxKind


class Box(msgspec.Struct, frozen=True):
    """One box."""

    text: tuple[str, ...]
    """Its lines."""
    kind: BoxKind
    nodes: tuple[str, ...] = ()
    """Names of the nodes that it represents; empty for an input or output of the diagram."""
    panel: int | None = None
    """Position of the panel that contains it; None outside every panel."""
    fill: str | None = None
    """A hexadecimal colour, as in a heat map; None for the colour of its kind."""


class Arrow(msgspec.Struct, frozen=True):
    """An arrow between two boxes, by their positions."""

    tail: int
    head: int
    text: tuple[str, ...] = ()
    """Its lines."""
    visible: bool = True
    """Whether it is drawn; an invisible arrow only aligns two boxes."""
    weight: int = 1
    """How strongly dot shortens and straightens an invisible arrow."""


class Swatch(msgspec.Struct, frozen=True):
    """One entry of a legend. Its text is a constant of this package or a number, never a name from a graph."""

    color: str
    text: str = ""


class DiagramContent(msgspec.Struct, frozen=True):
    """All parts of a diagram, without positions."""

    title: tuple[str, ...]
    """Its lines; empty for no title."""
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    panels: tuple[str, ...] = ()
    """Titles of the panels."""
    width: float = 0.9
    """The minimum width of a box, in inches."""
    legend: tuple[Swatch, ...] = ()
    legend_title: str = ""
    """Text before the first swatch, in Graphviz's HTML-like markup: names must be escaped."""
