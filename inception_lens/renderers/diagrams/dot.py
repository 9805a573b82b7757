"""DOT text of a diagram. Every text from a graph is a quoted string in which no character has a special meaning."""

from typing import Literal

from inception_lens.renderers.diagrams.content import Arrow, Box, DiagramContent
from inception_lens.renderers.escape import printable
from inception_lens.renderers.theme import FONTS, PAPER, Palette, ink_on, kind_color, kind_fill, palette_of

DiagramStyle = Literal["plain", "paper"]
"""The package's own labels and colours, or those of GoogLeNet's Figures 2 and 3."""
FlowDirection = Literal["top-down", "left-to-right", "bottom-up"]
"""The direction from inputs to outputs."""

RANK_DIRECTIONS: dict[FlowDirection, str] = {"top-down": "TB", "left-to-right": "LR", "bottom-up": "BT"}

MAX_LABELS = 1_500
"""Arrows up to which shapes are written on them: dot gives each label a rank, and takes minutes for more."""
MANY_ARROWS = 300
DENSE = 2.5
"""Arrows per box, as in a dense block. A diagram with more, and with many arrows, has straight arrows and a shorter
search for few crossings."""
MAX_FRAMED = 400
"""Boxes up to which a diagram has a frame, which separates it from the title; for more, dot spends most time on it."""
MAX_LINE_LENGTH = 64
"""Characters of a line in a box; the middle of a longer one is left out."""
MAX_TITLE_LENGTH = 110


def dot_text(
    content: DiagramContent,
    *,
    style: DiagramStyle = "plain",
    direction: FlowDirection = "top-down",
    dark: bool = False,
    id_prefix: str = "node-",
) -> str:
    """The diagram as DOT. The box at position `i` is the node `n<i>`, with the id `<id_prefix><i>` in an SVG."""
    from graphviz import Digraph

    palette = palette_of(dark)
    root = Digraph(
        "network",
        graph_attr=_graph_defaults(content, palette, direction),
        node_attr=_node_defaults(content, palette, style),
        edge_attr=_edge_defaults(palette, style),
    )
    # An invisible cluster around all boxes carries the legend as its label.
    framed = content.legend or len(content.boxes) <= MAX_FRAMED
    frame = Digraph("cluster_picture", graph_attr=_frame(content, palette)) if framed else root
    panels = [Digraph(f"cluster_{i}", graph_attr=_panel(text, palette)) for i, text in enumerate(content.panels)]
    for i, box in enumerate(content.boxes):
        container = frame if box.panel is None else panels[box.panel]
        container.node(f"n{i}", _attributes=_box(box, f"{id_prefix}{i}", palette, style))
    for panel in panels:
        frame.subgraph(panel)
    if frame is not root:
        root.subgraph(frame)
    labeled = len(content.arrows) <= MAX_LABELS
    for arrow in _ordered_arrows(content):
        root.edge(f"n{arrow.tail}", f"n{arrow.head}", _attributes=_arrow(arrow, labeled=labeled))
    text: str = root.source
    return text


def quoted(*lines: str, max_length: int = MAX_LINE_LENGTH) -> str:
    """Lines as the value of a DOT label, in which markup and escape sequences of Graphviz are plain text."""
    from graphviz import escape, nohtml

    # Graphviz 14 sometimes crashes on a label with an empty line.
    shown = [shortened(printable(line), max_length).replace("&", "&amp;") or " " for line in lines]
    text: str = nohtml("\\n".join([str(escape(line)) for line in shown]))
    return text


def shortened(line: str, max_length: int = MAX_LINE_LENGTH) -> str:
    """The line, without its middle if it is longer than `max_length`."""
    if len(line) <= max_length:
        return line
    half = max_length // 2
    return f"{line[: half - 2]} ... {line[3 - half :]}"


def _ordered_arrows(content: DiagramContent) -> list[Arrow]:
    """All arrows, invisible ones between the others of their tail: dot keeps the order of a box's arrows if it can."""
    arrows = [arrow for arrow in content.arrows if arrow.visible]
    for hidden in content.arrows:
        if not hidden.visible:
            same_tail = [k for k, arrow in enumerate(arrows) if arrow.tail == hidden.tail]
            arrows.insert(same_tail[len(same_tail) // 2], hidden)
    return arrows


def _graph_defaults(content: DiagramContent, palette: Palette, direction: FlowDirection) -> dict[str, str]:
    attributes = {"rankdir": RANK_DIRECTIONS[direction], "bgcolor": palette.background, **_font(11, palette.ink)}
    attributes |= {"pad": "0.2", "nodesep": "0.22", "ranksep": "0.28", "labelloc": "t"}
    if content.title:
        attributes["label"] = quoted(*content.title, max_length=MAX_TITLE_LENGTH)
    if len(content.arrows) > min(MAX_LABELS, max(MANY_ARROWS, DENSE * len(content.boxes))):
        attributes |= {"nslimit": "4", "nslimit1": "4", "mclimit": "0.1", "splines": "line"}
    return attributes


def _node_defaults(content: DiagramContent, palette: Palette, style: DiagramStyle) -> dict[str, str]:
    shape = {"shape": "box", "style": "filled" if style == "paper" else "filled,rounded"}
    colors = {"color": palette.line, "fillcolor": palette.background, "penwidth": "1"}
    size = {"margin": "0.13,0.06", "height": "0.3", "width": f"{content.width:g}"}
    return {**shape, **_font(10, palette.ink), **colors, **size}


def _edge_defaults(palette: Palette, style: DiagramStyle) -> dict[str, str]:
    color = palette.ink if style == "paper" else palette.line
    return {**_font(8, palette.muted), "color": color, "arrowsize": "0.55", "penwidth": "0.9"}


def _font(size: int, color: str) -> dict[str, str]:
    return {"fontname": FONTS, "fontsize": str(size), "fontcolor": color}


def _arrow(arrow: Arrow, *, labeled: bool) -> dict[str, str]:
    if not arrow.visible:
        return {"style": "invis", "weight": str(arrow.weight)}
    return {"label": quoted(*[f" {line} " for line in arrow.text])} if labeled and arrow.text else {}


def _box(box: Box, identity: str, palette: Palette, style: DiagramStyle) -> dict[str, str]:
    attributes = {"id": identity, "label": quoted(*box.text)}
    if box.fill:
        return {**attributes, "fillcolor": box.fill, "fontcolor": ink_on(box.fill)}
    if style == "paper":
        return {**attributes, "fillcolor": PAPER.get(box.kind, "#ffffff"), "fontcolor": "#000000", "color": "#000000"}
    if box.kind == "end":
        return {**attributes, "fillcolor": palette.panel, "color": palette.edge}
    return {**attributes, "fillcolor": kind_fill(box.kind, palette), "color": kind_color(box.kind, palette)}


def _panel(text: str, palette: Palette) -> dict[str, str]:
    look = {"style": "rounded,filled", "fillcolor": palette.panel, "color": palette.edge, "peripheries": "1"}
    place = {"labeljust": "r", "labelloc": "t", "margin": "9"}
    return {"label": quoted(text), **look, **_font(10, palette.muted), **place}


def _frame(content: DiagramContent, palette: Palette) -> dict[str, str]:
    """An invisible frame whose label is the legend: the only label in markup, without text from a graph."""
    frame = {"peripheries": "0", "margin": "8", "label": ""}
    if not content.legend:
        return frame
    swatch_look = f'border="1" color="{palette.edge}" width="14" height="12" fixedsize="true"'
    cells = [f'<td align="right">{content.legend_title} </td>'] if content.legend_title else []
    for swatch in content.legend:
        cells.append(f'<td bgcolor="{swatch.color}" {swatch_look}></td>')
        if swatch.text:
            cells.append(f'<td align="left">{swatch.text} </td>')
    table = f'<table border="0" cellborder="0" cellspacing="0" cellpadding="2"><tr>{"".join(cells)}</tr></table>'
    return {**frame, "labelloc": "b", **_font(9, palette.muted), "label": f"<{table}>"}
