"""From a picture to DOT text. Every text is a quoted string in which nothing has a meaning of its own."""

from typing import Literal

from inception_lens.renderers.diagrams.picture import Arrow, Box, Kind, Picture
from inception_lens.renderers.escape import printable
from inception_lens.renderers.theme import COLORS, FONTS, PAPER, Palette, ink_on, mix, palette_of

Style = Literal["plain", "paper"]
Direction = Literal["top-down", "left-to-right", "bottom-up"]

DIRECTIONS: dict[Direction, str] = {"top-down": "TB", "left-to-right": "LR", "bottom-up": "BT"}

MAX_LABELS = 1_500
"""Arrows that carry their shapes; dot gives each label a rank of its own, and more would take it minutes."""
MANY_ARROWS = 300
CROWDED = 2.5
"""Arrows for each box, as in a dense block: many are drawn straight, and dot does not search for long."""
MAX_FRAMED = 400
"""Boxes that have a frame without a legend too: it keeps the title apart, but would take dot most of its time."""
LONGEST_LINE = 64
"""Characters of a line; the middle of a longer one is left out."""
LONGEST_TITLE = 110


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

    palette = palette_of(dark)
    root = Digraph(
        "network",
        graph_attr=_page(picture, palette, direction),
        node_attr=_boxes(picture, palette, style),
        edge_attr=_arrows(palette, style),
    )
    framed = picture.legend or len(picture.boxes) <= MAX_FRAMED
    frame = Digraph("cluster_picture", graph_attr=_frame(picture, palette)) if framed else root
    panels = [Digraph(f"cluster_{i}", graph_attr=_panel(text, palette)) for i, text in enumerate(picture.panels)]
    for i, box in enumerate(picture.boxes):
        home = frame if box.panel is None else panels[box.panel]
        home.node(f"n{i}", _attributes=_box(box, f"{id_prefix}{i}", palette, style))
    for panel in panels:
        frame.subgraph(panel)
    if frame is not root:
        root.subgraph(frame)
    told = len(picture.arrows) <= MAX_LABELS
    for arrow in _in_order(picture):
        root.edge(f"n{arrow.tail}", f"n{arrow.head}", _attributes=_arrow(arrow, told=told))
    text: str = root.source
    return text


def quoted(*lines: str, longest: int = LONGEST_LINE) -> str:
    """Lines as the value of a DOT label; what graphviz would take for markup or an escape loses its meaning."""
    from graphviz import escape, nohtml

    # Graphviz 14 crashes, now and then, on a label with an empty line.
    shortened = [_shortened(printable(line), longest).replace("&", "&amp;") or " " for line in lines]
    text: str = nohtml("\\n".join([str(escape(line)) for line in shortened]))
    return text


def color_of(kind: Kind, palette: Palette) -> str:
    """The colour of a box's border in the plain style."""
    if kind == "module" or kind == "end":
        return palette.line
    return COLORS["activation" if kind == "reduction" else kind]


def _shortened(line: str, longest: int) -> str:
    if len(line) <= longest:
        return line
    half = longest // 2
    return f"{line[: half - 2]} ... {line[3 - half :]}"


def _in_order(picture: Picture) -> list[Arrow]:
    """The arrows; those that are not seen amid the others of their tail, for dot keeps to this order where it can."""
    arrows = [arrow for arrow in picture.arrows if arrow.seen]
    for hidden in picture.arrows:
        if not hidden.seen:
            beside = [k for k, arrow in enumerate(arrows) if arrow.tail == hidden.tail]
            arrows.insert(beside[len(beside) // 2], hidden)
    return arrows


def _page(picture: Picture, palette: Palette, direction: Direction) -> dict[str, str]:
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
        page["label"] = quoted(*picture.title, longest=LONGEST_TITLE)
    if len(picture.arrows) > min(MAX_LABELS, max(MANY_ARROWS, CROWDED * len(picture.boxes))):
        page |= {"nslimit": "4", "nslimit1": "4", "mclimit": "0.1", "splines": "line"}
    return page


def _boxes(picture: Picture, palette: Palette, style: Style) -> dict[str, str]:
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
        "width": f"{picture.width:g}",
    }


def _arrows(palette: Palette, style: Style) -> dict[str, str]:
    return {
        "fontname": FONTS,
        "fontsize": "8",
        "fontcolor": palette.muted,
        "color": palette.ink if style == "paper" else palette.line,
        "arrowsize": "0.55",
        "penwidth": "0.9",
    }


def _arrow(arrow: Arrow, *, told: bool) -> dict[str, str]:
    if not arrow.seen:
        return {"style": "invis", "weight": str(arrow.weight)}
    return {"label": quoted(*[f" {line} " for line in arrow.text])} if told and arrow.text else {}


def _box(box: Box, identity: str, palette: Palette, style: Style) -> dict[str, str]:
    attributes = {"id": identity, "label": quoted(*box.text)}
    if box.fill:
        return {**attributes, "fillcolor": box.fill, "fontcolor": ink_on(box.fill)}
    if style == "paper":
        kind = "activation" if box.kind == "reduction" else box.kind
        fill = next((color for name, color in PAPER.items() if name == kind), "#ffffff")
        return {**attributes, "fillcolor": fill, "fontcolor": "#000000", "color": "#000000"}
    if box.kind == "end":
        return {**attributes, "fillcolor": palette.panel, "color": palette.edge}
    color = color_of(box.kind, palette)
    return {**attributes, "fillcolor": mix(color, palette.background, palette.tint), "color": color}


def _panel(text: str, palette: Palette) -> dict[str, str]:
    return {
        "label": quoted(text),
        "style": "rounded,filled",
        "fillcolor": palette.panel,
        "color": palette.edge,
        "peripheries": "1",
        "fontname": FONTS,
        "fontsize": "10",
        "fontcolor": palette.muted,
        "labeljust": "r",
        "labelloc": "t",
        "margin": "9",
    }


def _frame(picture: Picture, palette: Palette) -> dict[str, str]:
    """An invisible frame around everything, whose label is the legend: the one label in markup, all of it ours."""
    frame = {"peripheries": "0", "margin": "8", "label": ""}
    if not picture.legend:
        return frame
    cells = [f'<td align="right">{picture.legend_title} </td>'] if picture.legend_title else []
    for swatch in picture.legend:
        cells.append(f'<td bgcolor="{swatch.color}" width="14" height="12" fixedsize="true"></td>')
        if swatch.text:
            cells.append(f'<td align="left">{swatch.text} </td>')
    table = f'<table border="0" cellborder="0" cellspacing="0" cellpadding="2"><tr>{"".join(cells)}</tr></table>'
    look = {"labelloc": "b", "fontname": FONTS, "fontsize": "9", "fontcolor": palette.muted}
    return {**frame, **look, "label": f"<{table}>"}
