"""Two networks side by side, with what differs in colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from inception_lens.analyses.compare.attributes import CONSEQUENCES
from inception_lens.analyses.compare.records import Change, Comparison
from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.renderers.diagrams import levels as dot_levels
from inception_lens.renderers.diagrams.picture import Arrow, Box, Picture, Swatch
from inception_lens.renderers.theme import COLORS, Palette, mix, palette_of
from inception_lens.renderers.units import short

Status = Literal["changed", "detail", "removed", "added"]

STATUS_COLORS: dict[Status, str] = {
    "changed": COLORS["activation"],
    "detail": COLORS["norm"],
    "removed": COLORS["pool"],
    "added": COLORS["conv"],
}
"""Hues of Okabe and Ito, which any colour vision tells apart."""
STATUS_WORDS: dict[Status, str] = {
    "changed": "differs",
    "detail": "differs in norm, bias or dropout",
    "removed": "here alone",
    "added": "here alone",
}
DETAIL_ATTRIBUTES = frozenset({"bias", "padding", "rounding", "count_include_pad"})
MAX_TOLD = 2
"""Differences that a box tells; more of them are counted."""


def compared(comparison: Comparison, level: Literal["network", "layer"], dark: bool) -> Picture:
    """Both networks, each box filled by how it differs, and with its own side of the differences as its last lines.

    Raises:
        ConfigError: one of them has more boxes than can be drawn.
    """
    palette = palette_of(dark)
    trunk = {change.a: change for change in comparison.changes if change.a}
    mirrored = {change.b: change for change in comparison.changes if change.b}
    left = _side(comparison.a.graph, trunk, "a", level, palette)
    right = _side(comparison.b.graph, mirrored, "b", level, palette)
    offset = len(left.boxes)
    shifted = [Arrow(arrow.tail + offset, arrow.head + offset, arrow.text) for arrow in right.arrows if arrow.seen]
    moved = [
        msgspec.structs.replace(box, panel=box.panel + len(left.panels)) if box.panel is not None else box
        for box in right.boxes
    ]
    boxes = (*left.boxes, *moved)
    fills = {box.fill for box in boxes}
    legend = [
        Swatch(fill, STATUS_WORDS[status])
        for status in STATUS_COLORS
        if (fill := _fill(status, palette)) in fills and (status != "added" or _fill("removed", palette) not in fills)
    ]
    a, b = comparison.a.name, comparison.b.name
    params, macs = comparison.b.params - comparison.a.params, comparison.b.macs - comparison.a.macs
    return Picture(
        title=(f"{a}  and  {b}", f"{b} has {_more(params)} parameters and {_more(macs)} MACs"),
        boxes=boxes,
        arrows=(*[arrow for arrow in left.arrows if arrow.seen], *shifted),
        panels=(*left.panels, *right.panels),
        legend=(*legend, Swatch(_same(palette), "the same")),
        width=max(left.width, right.width),
    )


def _side(
    graph: Graph,
    changes: Mapping[str, Change],
    side: Literal["a", "b"],
    level: Literal["network", "layer"],
    palette: Palette,
) -> Picture:
    picture = dot_levels.network(graph) if level == "network" else dot_levels.layer(graph)
    details = {node.name: node.role in ("finish", "layout") for node in graph.nodes}
    alone: Status = "removed" if side == "a" else "added"
    boxes: list[Box] = []
    for box in picture.boxes:
        if not box.nodes:
            first = [each for each in boxes if each.kind == "end"]
            boxes.append(box if first else msgspec.structs.replace(box, text=(graph.name, *box.text)))
            continue
        found = [changes[name] for name in box.nodes if name in changes]
        statuses = {_status(change, details[name], alone) for name in box.nodes if (change := changes.get(name))}
        ranked: tuple[Status, ...] = ("changed", alone, "detail")
        status = next((each for each in ranked if each in statuses), None)
        fill = _fill(status, palette) if status else _same(palette)
        told = _told(found, side) if status == "changed" else ()
        boxes.append(msgspec.structs.replace(box, fill=fill, text=(*box.text, *told)))
    return msgspec.structs.replace(picture, boxes=tuple(boxes))


def _status(change: Change, detail: bool, alone: Status) -> Status | None:
    if change.is_consequence or change.equivalent:
        return None
    if detail:
        return "detail"
    if change.kind != "changed":
        return alone
    named = {each.attribute for each in change.what} - set(CONSEQUENCES)
    return "detail" if named <= DETAIL_ATTRIBUTES else "changed"


def _told(changes: Iterable[Change], side: Literal["a", "b"]) -> tuple[str, ...]:
    """The values of one side; what follows from other differences is not told."""
    lines: dict[str, None] = {}
    for change in changes:
        if change.kind == "changed" and not change.equivalent:
            for each in change.what:
                value = getattr(each, side)
                if each.attribute not in DETAIL_ATTRIBUTES and each.attribute not in CONSEQUENCES and value is not None:
                    shown = (
                        format_shape(value) if isinstance(value, tuple) and all(map(_is_size, value)) else str(value)
                    )
                    lines[f"{each.attribute.replace('_', ' ')} {shown}"] = None
    told = list(lines)
    return (*told[:MAX_TOLD], *([f"and {len(told) - MAX_TOLD} more"] if len(told) > MAX_TOLD else []))


def _more(number: int) -> str:
    return f"{short(abs(number))} {'more' if number > 0 else 'fewer'}" if number else "as many"


def _is_size(value: object) -> bool:
    return isinstance(value, int)


def _fill(status: Status, palette: Palette) -> str:
    return mix(STATUS_COLORS[status], palette.background, 0.25 if status == "detail" else 0.6)


def _same(palette: Palette) -> str:
    return palette.panel
