"""The picture that a page opens and closes: the network in modules, each with its layers inside, all laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from inception_lens.errors import OutputError
from inception_lens.graph import Graph
from inception_lens.renderers.diagrams import labels
from inception_lens.renderers.diagrams import levels as dot_levels
from inception_lens.renderers.diagrams.arrows import joined, straight
from inception_lens.renderers.diagrams.dot import LONGEST_LINE, dot_text
from inception_lens.renderers.diagrams.layout import places
from inception_lens.renderers.diagrams.parts import Part, layers, modules
from inception_lens.renderers.diagrams.picture import Box, Kind, Picture
from inception_lens.renderers.escape import printable

MAX_TOP = 600
"""Boxes of the closed network; of more, runs of layers stand together."""
RUNS = 250
"""How many runs, at most, there are then."""
MAX_INSIDE = 400
"""Boxes inside of one; a larger one does not open."""

POINTS = 72.0
MARGIN = 4.0
"""Points around a picture."""
TEXT = 30.0
"""Half the room, in points, of a text on an arrow."""


class PlacedBox(msgspec.Struct, frozen=True, omit_defaults=True):
    """A box; its middle and size in points, from the upper left."""

    x: float
    y: float
    w: float
    h: float
    text: tuple[str, ...]
    kind: Kind
    nodes: tuple[int, ...]
    """Positions of the calls that it stands for; none for an input or output."""
    main: int = -1
    """The one that it is about."""
    panel: int | None = None
    inside: Placed | None = None
    """What shows when it is opened."""


class PlacedArrow(msgspec.Struct, frozen=True, omit_defaults=True):
    """From one box to another, along cubic splines through `points`: x and y in turn."""

    tail: int
    head: int
    points: tuple[float, ...]
    text: tuple[str, ...] = ()
    at: tuple[float, float] | None = None
    """The middle of the text."""


class Placed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A picture laid out."""

    width: float
    height: float
    boxes: tuple[PlacedBox, ...]
    arrows: tuple[PlacedArrow, ...]
    panels: tuple[str, ...] = ()
    about: str = ""
    """What is not drawn one by one, where something is not."""


def report_picture(graph: Graph, reductions: frozenset[str] = frozenset()) -> Placed:
    """Lay out the network at level `network`, and inside of each box its layers.

    Where there would be more than `MOST_TOP` modules, runs of layers in the order of execution stand together: an
    arrow never leads back into an earlier run. The calls called `reductions` are drawn as such.

    Raises:
        MissingExtraError: there is no Graphviz to lay it out with.
    """
    parts: Sequence[Part] = modules(graph)
    about = ""
    if len(parts) <= MAX_TOP:
        picture = dot_levels.network(graph)
    else:
        parts = _runs(graph)
        about = (
            f"{len(graph.nodes):,} layers in {len(parts)} runs, in the order of execution: open one to see its layers"
        )
        picture = _of_runs(graph, parts)
    module_of = {i: k for k, part in enumerate(parts) for i in part.nodes}
    members: dict[int, list[Part]] = {}
    for each in layers(graph, module_of):
        home = module_of[each.nodes[0]]
        inside = tuple([i for i in each.nodes if module_of[i] == home])
        members.setdefault(home, []).append(msgspec.structs.replace(each, nodes=inside))
        for i in each.nodes:  # what finishes a layer and stands in another box is told there
            if module_of[i] != home:
                members.setdefault(module_of[i], []).append(Part(graph.nodes[i].name, (i,)))
    insides = {
        frozenset(part.nodes): _placed(graph, _inside(graph, part, members[k], reductions), {})
        for k, part in enumerate(parts)
        if 1 < len(members.get(k, ())) <= MAX_INSIDE
    }
    return msgspec.structs.replace(_placed(graph, picture, insides), about=about)


def _runs(graph: Graph) -> list[Part]:
    size = -(-len(graph.nodes) // RUNS)
    names = [node.name for node in graph.nodes]
    return [
        Part(names[first], tuple(range(first, min(first + size, len(names))))) for first in range(0, len(names), size)
    ]


def _of_runs(graph: Graph, parts: Sequence[Part]) -> Picture:
    boxes = [
        Box(
            (f"{part.name} ...", labels.module(graph, part)),
            "module",
            tuple([graph.nodes[i].name for i in part.nodes]),
        )
        for part in parts
    ]
    home = {i: k for k, part in enumerate(parts) for i in part.nodes}
    return msgspec.structs.replace(joined(graph, boxes, home), width=dot_levels.WIDTH)


def _inside(graph: Graph, part: Part, members: Sequence[Part], reductions: frozenset[str]) -> Picture:
    boxes = []
    for each in members:
        main = graph.nodes[_main(graph, each.nodes)]
        name, operation = main.name.removeprefix(f"{part.name}/"), labels.operation(graph, main)
        kind: Kind = "reduction" if main.name in reductions else main.op.category
        text = (name, operation) if name != operation else (name,)
        boxes.append(Box(text, kind, tuple([graph.nodes[i].name for i in each.nodes])))
    home = {i: k for k, each in enumerate(members) for i in each.nodes}
    picture = joined(graph, boxes, home, shapes="ends")
    return straight(picture, [[k for k, box in enumerate(picture.boxes) if box.kind != "end"]])


def _main(graph: Graph, nodes: Sequence[int]) -> int:
    """The call that a box is about: the first that computes, and does more than finish another."""
    works = (i for i in nodes if graph.nodes[i].inputs and not graph.nodes[i].is_minor)
    return next(works, nodes[0] if nodes else -1)


def _placed(graph: Graph, picture: Picture, insides: Mapping[frozenset[int], Placed]) -> Placed:
    """Have Graphviz lay the picture out."""
    position = graph.index.position
    boxes = tuple(
        [msgspec.structs.replace(box, text=tuple([_short(line) for line in box.text])) for box in picture.boxes]
    )
    picture = msgspec.structs.replace(picture, boxes=boxes)
    size, spots, routes = _cropped(*_read(places(dot_text(picture))))
    placed = []
    for k, box in enumerate(boxes):
        nodes = tuple([position[name] for name in box.nodes])
        inside = insides.get(frozenset(nodes)) if nodes else None
        placed.append(PlacedBox(*spots[k], box.text, box.kind, nodes, _main(graph, nodes), box.panel, inside))
    arrows = []
    for arrow in picture.arrows:
        if arrow.seen and (arrow.tail, arrow.head) in routes:
            points, at = routes[arrow.tail, arrow.head]
            arrows.append(PlacedArrow(arrow.tail, arrow.head, points, arrow.text if at else (), at))
    return Placed(*size, tuple(placed), tuple(arrows), tuple([printable(text) for text in picture.panels]))


Spot = tuple[float, float, float, float]
Route = tuple[tuple[float, ...], tuple[float, float] | None]


def _read(plain: str) -> tuple[dict[int, Spot], dict[tuple[int, int], Route]]:
    """Read Graphviz's plain format, in points from the upper left."""
    height = 0.0
    spots: dict[int, Spot] = {}
    routes: dict[tuple[int, int], Route] = {}

    def points(numbers: Sequence[str]) -> tuple[float, ...]:
        turned = [float(n) * POINTS if k % 2 == 0 else height - float(n) * POINTS for k, n in enumerate(numbers)]
        return tuple([round(n, 1) for n in turned])

    for line in plain.splitlines():
        word, *rest = line.split(" ")
        if word == "graph":
            height = float(rest[2]) * POINTS
        elif word == "node":
            x, y = points(rest[1:3])
            spots[int(rest[0][1:])] = (x, y, round(float(rest[3]) * POINTS, 1), round(float(rest[4]) * POINTS, 1))
        elif word == "edge" and rest[-2] != "invis":
            end = 3 + 2 * int(rest[2])
            at = points(rest[-4:-2]) if len(rest) > end + 2 else None
            routes[int(rest[0][1:]), int(rest[1][1:])] = (points(rest[3:end]), (at[0], at[1]) if at else None)
    if not spots:
        raise OutputError("Graphviz found no layout")
    return spots, routes


def _cropped(
    spots: Mapping[int, Spot], routes: Mapping[tuple[int, int], Route]
) -> tuple[tuple[float, float], dict[int, Spot], dict[tuple[int, int], Route]]:
    """The same without Graphviz's margins: the size of what is left, and everything moved."""
    across = [x + side * w / 2 for x, _, w, _ in spots.values() for side in (-1, 1)]
    down = [y + side * h / 2 for _, y, _, h in spots.values() for side in (-1, 1)]
    for points, at in routes.values():
        across += [*points[::2], *([at[0] - TEXT, at[0] + TEXT] if at else [])]
        down += points[1::2]
    left, top = min(across) - MARGIN, min(down) - MARGIN

    def moved(numbers: Sequence[float]) -> tuple[float, ...]:
        return tuple([round(n - (top if k % 2 else left), 1) for k, n in enumerate(numbers)])

    return (
        (round(max(across) - left + MARGIN, 1), round(max(down) - top + MARGIN, 1)),
        {k: (round(x - left, 1), round(y - top, 1), w, h) for k, (x, y, w, h) in spots.items()},
        {
            pair: (moved(points), (round(at[0] - left, 1), round(at[1] - top, 1)) if at else None)
            for pair, (points, at) in routes.items()
        },
    )


def _short(line: str) -> str:
    """A line that is no longer than one of a diagram; the middle of a longer one is left out."""
    line = printable(line)
    half = LONGEST_LINE // 2 - 3
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"
