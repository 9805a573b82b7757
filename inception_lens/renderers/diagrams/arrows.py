"""The arrows of a picture, and what stands at its ends: inputs, outputs, and what a module reads from outside."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from inception_lens.graph import Graph
from inception_lens.renderers.diagrams.labels import shape_text
from inception_lens.renderers.diagrams.picture import Arrow, Box, Picture

End = tuple[Literal["read", "made"], str]
"""What stands at an end of the picture, and the tensor that it is."""

Shapes = Literal["arrows", "ends", "none"]
"""What tells the shapes of tensors."""

MAX_SHAPES = 3
"""Shapes on one arrow; boxes may be joined by more tensors."""

SMALL_MODULE = 9
"""Boxes of a module that, drawn alone, may have its ends between two branches and not above one of them."""


def joined(
    graph: Graph,
    boxes: Sequence[Box],
    home: Mapping[int, int],
    *,
    panels: Sequence[str] = (),
    shapes: Shapes = "arrows",
    skip: frozenset[int] = frozenset(),
    previous: str = "",
) -> Picture:
    """Join the boxes as the graph's nodes are.

    Args:
        graph: the graph.
        boxes: the boxes.
        home: for each node that is drawn, its box.
        panels: titles of the panels.
        shapes: what tells them.
        skip: nodes whose reading is not drawn, as equal ones stand for them.
        previous: what comes from outside of the picture is called so, whatever it is, and what leaves it is not drawn.
    """
    position = graph.index.position
    join = _Join(graph, shapes, previous)
    for i, node in enumerate(graph.nodes):
        if i in skip:
            continue
        head = home.get(i)
        for name in node.inputs:
            tail = home.get(position[name])
            if tail is None and head is not None:
                join.arrow(join.end("read", name), head, name)
            elif tail is not None and head is None and not previous:
                join.arrow(tail, join.end("made", name), name)
            elif tail is not None and head is not None and tail != head:
                join.arrow(tail, head, name)
    for output in graph.outputs if not previous else ():
        tail = home.get(position[output.node])
        if tail is not None:
            weight = "" if output.loss_weight == 1 else f"loss x {output.loss_weight:g}"
            join.arrow(tail, join.end("made", output.node, weight), output.node)
    return join.picture(boxes, panels)


class _Join:
    """Arrows and ends, gathered."""

    def __init__(self, graph: Graph, shapes: Shapes, previous: str) -> None:
        self.graph, self.shapes, self.previous = graph, shapes, previous
        self.told: dict[tuple[End | int, End | int], list[str]] = {}
        self.ends: dict[End, Box] = {}

    def shape(self, tensor: str) -> str:
        return shape_text(self.graph.types[tensor][0].shape)

    def end(self, way: Literal["read", "made"], tensor: str, more: str = "") -> End:
        end: End = (way, self.previous or tensor)
        if end not in self.ends:
            text = (self.previous or tensor) if way == "read" else "output"
            size = self.shape(tensor) if self.shapes == "ends" else ""
            self.ends[end] = Box(tuple(filter(None, (text, size, more))), "end")
        return end

    def arrow(self, tail: End | int, head: End | int, tensor: str) -> None:
        texts = self.told.setdefault((tail, head), [])
        if self.shapes == "arrows" and (text := self.shape(tensor)) not in texts:
            texts.append(text)

    def picture(self, boxes: Sequence[Box], panels: Sequence[str]) -> Picture:
        """What is read first, then the boxes, then what is made."""
        read = [end for end in self.ends if end[0] == "read"]
        made = [end for end in self.ends if end[0] == "made"]
        place: dict[End | int, int] = {end: k for k, end in enumerate(read)}
        place |= {k: len(read) + k for k in range(len(boxes))}
        place |= {end: len(read) + len(boxes) + k for k, end in enumerate(made)}
        arrows = [
            Arrow(place[tail], place[head], tuple(texts[:MAX_SHAPES])) for (tail, head), texts in self.told.items()
        ]
        every = (*[self.ends[end] for end in read], *boxes, *[self.ends[end] for end in made])
        return Picture((), every, tuple(arrows), tuple(panels))


def straight(picture: Picture, groups: Sequence[Sequence[int]]) -> Picture:
    """The picture with what each group of boxes reads in line with the box in which its branches meet.

    An odd number of branches has one in the middle, which dot puts there. Where it is even, dot would put the ends
    anywhere between the two, and a row of modules would stagger down the page.
    """
    spines = []
    alone = len(groups) == 1 and len(groups[0]) <= SMALL_MODULE
    sources: dict[int, list[int]] = {}
    for arrow in picture.arrows:
        sources.setdefault(arrow.head, []).append(arrow.tail)
    for group in groups:
        inside = set(group)
        outside = {tail for box in group for tail in sources.get(box, ()) if tail not in inside}
        branches = {box: [tail for tail in sources.get(box, ()) if tail in inside] for box in group}
        ends = [box for box in group if len(branches[box]) > 1]
        if len(outside) == 1 and ends and len(branches[ends[-1]]) % 2 == 0:
            spines.append(Arrow(outside.pop(), ends[-1], seen=False, weight=0 if alone else 1))
    return msgspec.structs.replace(picture, arrows=(*picture.arrows, *spines))
