"""The positions of boxes and arrows as Graphviz lays them out, in points from the upper left corner."""

from collections.abc import Sequence

import msgspec

from inception_lens.errors import OutputError
from inception_lens.renderers.diagrams.content import DiagramContent
from inception_lens.renderers.diagrams.dot import dot_text
from inception_lens.renderers.diagrams.engine import plain_layout

POINTS_PER_INCH = 72.0
MARGIN = 4.0
"""Points around the content."""
HALF_LABEL_WIDTH = 30.0
"""Half the width, in points, that a label on an arrow is assumed to need."""

Point = tuple[float, float]


class Route(msgspec.Struct, frozen=True):
    """The course of an arrow."""

    points: tuple[float, ...]
    """Control points of cubic splines: x and y alternate."""
    text_at: Point | None
    """The centre of its text; None without text."""


Boxes = dict[int, tuple[float, float, float, float]]
"""The centre (x, y), width and height of each box, by its position in the content."""
Routes = dict[tuple[int, int], Route]
"""The visible arrows, by the positions of tail and head."""


class Positions(msgspec.Struct, frozen=True):
    """Where everything in a diagram is."""

    width: float
    height: float
    boxes: Boxes
    routes: Routes


def positions(content: DiagramContent) -> Positions:
    """Lay out a diagram with Graphviz.

    Raises:
        MissingExtraError: neither pygraphviz nor a `dot` program is installed.
        OutputError: Graphviz cannot lay it out.
    """
    return _cropped(*_parsed(plain_layout(dot_text(content))))


def _parsed(plain: str) -> tuple[Boxes, Routes]:
    """Parse Graphviz's format `plain`: a line of words for the graph, each node and each edge."""
    height = 0.0
    boxes: Boxes = {}
    routes: Routes = {}

    def points(numbers: Sequence[str]) -> tuple[float, ...]:
        scaled = [float(number) * POINTS_PER_INCH for number in numbers]
        return tuple([round(height - value if k % 2 else value, 1) for k, value in enumerate(scaled)])

    for line in plain.splitlines():
        word, *rest = line.split(" ")
        if word == "graph":
            height = float(rest[2]) * POINTS_PER_INCH
        elif word == "node":
            x, y = points(rest[1:3])
            width, height_of_box = (round(float(size) * POINTS_PER_INCH, 1) for size in rest[3:5])
            boxes[int(rest[0][1:])] = (x, y, width, height_of_box)
        elif word == "edge" and rest[-2] != "invis":
            end = 3 + 2 * int(rest[2])
            # With a label, its text and position are between the points and the last two words, style and colour.
            label = points(rest[-4:-2]) if len(rest) > end + 2 else None
            routes[int(rest[0][1:]), int(rest[1][1:])] = Route(
                points(rest[3:end]), (label[0], label[1]) if label else None
            )
    if not boxes:
        raise OutputError("Graphviz returned no layout")
    return boxes, routes


def _cropped(boxes: Boxes, routes: Routes) -> Positions:
    """Move everything so that only `MARGIN` points are around the content."""
    xs = [x + side * width / 2 for x, _, width, _ in boxes.values() for side in (-1, 1)]
    ys = [y + side * height / 2 for _, y, _, height in boxes.values() for side in (-1, 1)]
    for route in routes.values():
        xs += route.points[::2]
        ys += route.points[1::2]
        if route.text_at:
            xs += [route.text_at[0] - HALF_LABEL_WIDTH, route.text_at[0] + HALF_LABEL_WIDTH]
    left, top = min(xs) - MARGIN, min(ys) - MARGIN

    def moved(x: float, y: float) -> Point:
        return round(x - left, 1), round(y - top, 1)

    def moved_route(route: Route) -> Route:
        pairs = zip(route.points[::2], route.points[1::2], strict=True)
        points = tuple([value for x, y in pairs for value in moved(x, y)])
        return Route(points, moved(*route.text_at) if route.text_at else None)

    return Positions(
        round(max(xs) - left + MARGIN, 1),
        round(max(ys) - top + MARGIN, 1),
        {k: (*moved(x, y), width, height) for k, (x, y, width, height) in boxes.items()},
        {ends: moved_route(route) for ends, route in routes.items()},
    )
