"""From a picture to DOT text. Every text is a quoted string in which nothing has a meaning of its own."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from inception_lens.renderers.dot_picture import Arrow, Box, Kind, Picture
from inception_lens.renderers.escape import printable
from inception_lens.renderers.theme import COLORS, DARK, FONTS, LIGHT, PAPER, Palette, ink_on, mix

if TYPE_CHECKING:
    from graphviz import Digraph

Style = Literal["plain", "paper"]
Direction = Literal["top-down", "left-to-right", "bottom-up"]

DIRECTIONS: dict[Direction, str] = {"top-down": "TB", "left-to-right": "LR", "bottom-up": "BT"}

MOST_LABELS = 1_500
"""Arrows that carry their shapes; dot gives each label a rank of its own, and more would take it minutes."""
LONGEST_LINE = 64
"""Characters of a line; the middle of a longer one is left out."""
FULL_FRAME = 1_000
"""Boxes up to which a legend stands below the picture's middle; a frame around more would slow dot down."""


def dot_text(
    picture: Picture,
    *,
    style: Style = "plain",
    direction: Direction = "top-down",
    dark: bool = False,
    id_prefix: str = "node-",
) -> str:
    """The picture as DOT; box number `i` is the node `n<i>`, with the id `<id_prefix><i>` in an SVG."""
    from graphviz import Digraph

    palette = DARK if dark else LIGHT
    look = {"graph_attr": _page(picture, palette, direction), "node_attr": _boxes(palette, style)}
    root = Digraph("network", **look, edge_attr=_arrows(palette))
    frame = Digraph("cluster_picture", graph_attr=_legend(picture, palette)) if picture.legend else root
    panels = [Digraph(f"cluster_{i}", graph_attr=_panel(text, palette)) for i, text in enumerate(picture.panels)]
    for i, box in enumerate(picture.boxes):
        home = frame if box.panel is None else panels[box.panel]
        home.node(f"n{i}", _attributes=_box(box, f"{id_prefix}{i}", palette, style))
    for panel in panels:
        frame.subgraph(panel)
    if frame is not root:
        root.subgraph(frame)
    told = len(picture.arrows) <= MOST_LABELS
    for arrow in picture.arrows:
        _draw(root, arrow, told)
    text: str = root.source
    return text


def quoted(*lines: str) -> str:
    """Lines as the value of a DOT label; what graphviz would take for markup or an escape loses its meaning."""
    from graphviz import escape, nohtml

    escaped = [str(escape(_shortened(printable(line)).replace("&", "&amp;"))) for line in lines]
    quoted: str = nohtml("\\n".join(escaped))
    return quoted


def _shortened(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    half = LONGEST_LINE // 2
    return f"{line[: half - 2]} ... {line[3 - half :]}"


def _page(picture: Picture, palette: Palette, direction: Direction) -> dict[str, str]:
    large = len(picture.arrows) > MOST_LABELS
    page = {
        "rankdir": DIRECTIONS[direction],
        "bgcolor": palette.background,
        "fontname": FONTS,
        "fontsize": "11",
        "fontcolor": palette.ink,
        "pad": "0.2",
        "nodesep": "0.22",
        "ranksep": "0.28",
        "labelloc": "t",
    }
    if picture.title:
        page["label"] = quoted(*picture.title, "")
    if large:
        page |= {"nslimit": "4", "nslimit1": "4", "mclimit": "0.1", "splines": "line"}
    return page


def _boxes(palette: Palette, style: Style) -> dict[str, str]:
    return {
        "shape": "box",
        "style": "filled" if style == "paper" else "filled,rounded",
        "fontname": FONTS,
        "fontsize": "10",
        "fontcolor": palette.ink,
        "color": palette.line,
        "fillcolor": palette.background,
        "penwidth": "1",
        "margin": "0.13,0.06",
        "height": "0.3",
    }


def _arrows(palette: Palette) -> dict[str, str]:
    return {
        "fontname": FONTS,
        "fontsize": "8",
        "fontcolor": palette.muted,
        "color": palette.line,
        "arrowsize": "0.55",
        "penwidth": "0.9",
    }


def _box(box: Box, identity: str, palette: Palette, style: Style) -> dict[str, str]:
    attributes = {"id": identity, "label": quoted(*box.text)}
    if box.tooltip:
        attributes["tooltip"] = quoted(box.tooltip)
    if box.kind == "end":
        attributes |= {"style": "filled,rounded", "fillcolor": palette.panel, "color": palette.edge}
    elif style == "paper":
        attributes |= {"fillcolor": paper_fill(box.kind), "fontcolor": "#000000", "color": "#000000"}
    else:
        color = color_of(box.kind, palette)
        attributes |= {"fillcolor": mix(color, palette.background, palette.tint), "color": color}
    if box.fill:
        attributes |= {"fillcolor": box.fill, "fontcolor": ink_on(box.fill), "color": palette.line}
    return attributes


def color_of(kind: Kind, palette: Palette) -> str:
    """The colour of a box's border in the plain style."""
    if kind == "reduction":
        return COLORS["activation"]
    return palette.line if kind in ("module", "end") else COLORS[kind]  # type: ignore[index]


def paper_fill(kind: Kind) -> str:
    """The fill of a box in the style of the paper's figures."""
    if kind == "reduction":
        return PAPER["activation"]
    return PAPER.get(kind, "#ffffff")  # type: ignore[call-overload, no-any-return]


def _panel(text: str, palette: Palette) -> dict[str, str]:
    return {
        "label": quoted(text),
        "style": "rounded,filled",
        "fillcolor": palette.panel,
        "color": palette.edge,
        "fontname": FONTS,
        "fontsize": "10",
        "fontcolor": palette.muted,
        "labeljust": "l",
        "labelloc": "t",
        "margin": "9",
    }


def _legend(picture: Picture, palette: Palette) -> dict[str, str]:
    """An invisible frame around everything, whose label is the legend: the one label in markup, all of it ours."""
    cells = [f'<td align="right">{picture.legend_title} </td>'] if picture.legend_title else []
    for swatch in picture.legend:
        cells.append(f'<td bgcolor="{swatch.color}" width="14" height="12" fixedsize="true"></td>')
        if swatch.text:
            cells.append(f'<td align="left">{swatch.text} </td>')
    table = f'<table border="0" cellborder="0" cellspacing="0" cellpadding="2"><tr>{"".join(cells)}</tr></table>'
    return {
        "label": f"<{table}>",
        "peripheries": "0",
        "labelloc": "b",
        "fontname": FONTS,
        "fontsize": "9",
        "fontcolor": palette.muted,
        "margin": "6",
    }


def _draw(root: "Digraph", arrow: Arrow, told: bool) -> None:
    text = {"label": f" {quoted(arrow.text)} "} if told and arrow.text else {}
    root.edge(f"n{arrow.tail}", f"n{arrow.head}", _attributes=text)
