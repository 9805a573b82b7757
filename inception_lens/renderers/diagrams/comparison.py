"""A diagram of two networks side by side, with the differences coloured."""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from inception_lens.analyses.compare.attributes import CONSEQUENCES
from inception_lens.analyses.compare.records import Change, Comparison
from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.renderers.diagrams.content import Arrow, Box, DiagramContent, Swatch
from inception_lens.renderers.diagrams.levels import layer_content, network_content
from inception_lens.renderers.theme import BLUE, ORANGE, PINK, VERMILLION, Palette, mix, palette_of
from inception_lens.tables.units import short

Status = Literal["changed", "detail", "only_a", "only_b"]
"""How a box differs from the other network: in the operation, in details, or by being in one network only."""

STATUSES: dict[Status, tuple[str, str, float]] = {
    "changed": ("different", ORANGE, 0.6),
    "detail": ("different norm, bias or dropout", PINK, 0.25),
    "only_a": ("only in the first network", VERMILLION, 0.6),
    "only_b": ("only in the second network", BLUE, 0.6),
}
"""The name in the legend, the hue of a box, and its share in the fill."""
DETAIL_ATTRIBUTES = frozenset({"bias", "padding", "rounding", "count_include_pad"})
MAX_SHOWN = 2
"""Differences that a box lists; of more it shows the number of the rest."""


def comparison_content(comparison: Comparison, level: Literal["network", "layer"], dark: bool) -> DiagramContent:
    """Both networks, each box filled by its difference and with its own values of the attributes that differ.

    Raises:
        ConfigError: a network has too many boxes to draw.
    """
    palette = palette_of(dark)
    by_a = {change.a: change for change in comparison.changes if change.a}
    by_b = {change.b: change for change in comparison.changes if change.b}
    left = _network(comparison.a.graph, by_a, "a", level, palette)
    right = _network(comparison.b.graph, by_b, "b", level, palette)
    offset = len(left.boxes)
    # Arrows that align boxes within one network would pull the two networks together: they are left out.
    left_arrows = [arrow for arrow in left.arrows if arrow.visible]
    right_arrows = [
        Arrow(arrow.tail + offset, arrow.head + offset, arrow.text) for arrow in right.arrows if arrow.visible
    ]
    right_boxes = [
        msgspec.structs.replace(box, panel=box.panel + len(left.panels)) if box.panel is not None else box
        for box in right.boxes
    ]
    boxes = (*left.boxes, *right_boxes)
    fills = {box.fill for box in boxes}
    legend = [
        Swatch(fill, name) for status, (name, *_) in STATUSES.items() if (fill := _fill(status, palette)) in fills
    ]
    a, b = comparison.a, comparison.b
    params = _change(b.params - a.params, a.params_exact and b.params_exact)
    macs = _change(b.macs - a.macs, a.exact and b.exact)
    return DiagramContent(
        title=(f"{a.name}  and  {b.name}", f"{b.name} has {params} parameters and {macs} MACs"),
        boxes=boxes,
        arrows=(*left_arrows, *right_arrows),
        panels=(*left.panels, *right.panels),
        legend=(*legend, Swatch(palette.panel, "the same")),
        width=max(left.width, right.width),
    )


def _network(
    graph: Graph,
    changes: Mapping[str, Change],
    side: Literal["a", "b"],
    level: Literal["network", "layer"],
    palette: Palette,
) -> DiagramContent:
    content = network_content(graph) if level == "network" else layer_content(graph)
    is_detail = {node.name: node.role in ("finish", "layout") for node in graph.nodes}
    alone: Status = "only_a" if side == "a" else "only_b"
    ranked: tuple[Status, ...] = ("changed", alone, "detail")
    boxes: list[Box] = []
    for box in content.boxes:
        if not box.nodes:
            is_first = all(each.kind != "end" for each in boxes)
            boxes.append(msgspec.structs.replace(box, text=(graph.name, *box.text)) if is_first else box)
            continue
        found = [changes[name] for name in box.nodes if name in changes]
        statuses = {_status(changes[name], is_detail[name], alone) for name in box.nodes if name in changes}
        status: Status | None = next((each for each in ranked if each in statuses), None)
        fill = _fill(status, palette) if status else palette.panel
        values = _values(found, side) if status == "changed" else ()
        boxes.append(msgspec.structs.replace(box, fill=fill, text=(*box.text, *values)))
    return msgspec.structs.replace(content, boxes=tuple(boxes))


def _status(change: Change, is_detail: bool, alone: Status) -> Status | None:
    if change.is_consequence or change.equivalent:
        return None
    if is_detail:
        return "detail"
    if change.kind != "changed":
        return alone
    attributes = {each.attribute for each in change.what} - set(CONSEQUENCES)
    return "detail" if attributes <= DETAIL_ATTRIBUTES else "changed"


def _values(changes: Iterable[Change], side: Literal["a", "b"]) -> tuple[str, ...]:
    """One network's values of the attributes that differ, without details and consequences of other differences."""
    lines: dict[str, None] = {}
    for change in changes:
        if change.kind != "changed" or change.equivalent:
            continue
        for difference in change.what:
            value = difference.a if side == "a" else difference.b
            hidden = difference.attribute in DETAIL_ATTRIBUTES or difference.attribute in CONSEQUENCES
            if value is not None and not hidden:
                is_shape = isinstance(value, tuple) and all(isinstance(size, int | None) for size in value)
                text = format_shape(value) if is_shape else str(value)
                lines[f"{difference.attribute.replace('_', ' ')} {text}"] = None
    shown = list(lines)
    rest = [f"and {len(shown) - MAX_SHOWN} more"] if len(shown) > MAX_SHOWN else []
    return (*shown[:MAX_SHOWN], *rest)


def _change(number: int, exact: bool) -> str:
    if not exact:
        return "an unknown number of"
    return f"{short(abs(number))} {'more' if number > 0 else 'fewer'}" if number else "as many"


def _fill(status: Status, palette: Palette) -> str:
    _, color, part = STATUSES[status]
    return mix(color, palette.background, part)
