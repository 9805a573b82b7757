"""The arrows of a diagram, and the boxes at its ends: inputs, outputs, and what a single module reads from outside."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from inception_lens.graph import Graph
from inception_lens.ops import format_shape
from inception_lens.renderers.diagrams.content import Arrow, Box, DiagramContent
from inception_lens.renderers.diagrams.labels import shape_text

End = tuple[Literal["input", "output"], str]
"""A box at an end of the diagram, by the name of its tensor."""

ShapePlacement = Literal["arrows", "ends", "none"]
"""Where the shapes of tensors are written: on the arrows, in the boxes at the ends, or nowhere."""

MAX_SHAPES = 3
"""Shapes on one arrow; more tensors than that can connect two boxes."""

SMALL_MODULE = 9
"""Boxes of a single module up to which its ends may lie between two branches instead of above one of them."""


def connected(
    graph: Graph,
    boxes: Sequence[Box],
    box_of: Mapping[int, int],
    *,
    panels: Sequence[str] = (),
    shapes: ShapePlacement = "arrows",
    skip: frozenset[int] = frozenset(),
    previous: str = "",
) -> DiagramContent:
    """Connect boxes by the tensors that the graph's nodes read from each other.

    Args:
        graph: the graph.
        boxes: the boxes.
        box_of: the position of the box of each drawn node, by the node's position.
        panels: titles of the panels.
        shapes: where shapes are written.
        skip: positions of nodes whose inputs are not drawn, because an equal node represents them.
        previous: a name for everything that the boxes read from outside; tensors that leave are not drawn then.
    """
    position = graph.index.position
    found = _Connections(graph, shapes, previous)
    for i, node in enumerate(graph.nodes):
        if i in skip:
            continue
        head = box_of.get(i)
        for name in node.inputs:
            tail = box_of.get(position[name])
            if tail is None and head is not None:
                found.arrow(found.end("input", name), head, name)
            elif tail is not None and head is None and not previous:
                found.arrow(tail, found.end("output", name), name)
            elif tail is not None and head is not None and tail != head:
                found.arrow(tail, head, name)
    for output in graph.outputs if not previous else ():
        tail = box_of.get(position[output.node])
        if tail is not None:
            weight = "" if output.loss_weight == 1 else f"loss x {output.loss_weight:g}"
            found.arrow(tail, found.end("output", output.node, weight), output.node)
    return found.content(boxes, panels)


class _Connections:
    """Collects arrows and end boxes while the graph is traversed."""

    def __init__(self, graph: Graph, shapes: ShapePlacement, previous: str) -> None:
        self.graph, self.shapes, self.previous = graph, shapes, previous
        self.arrow_texts: dict[tuple[End | int, End | int], list[str]] = {}
        self.ends: dict[End, Box] = {}

    def shape(self, tensor: str) -> str:
        shape = self.graph.types[tensor][0].sizes
        if shape is None:
            return "?"
        return (format_shape(shape) or "scalar") if tensor in self.graph.index.independent else shape_text(shape)

    def end(self, side: Literal["input", "output"], tensor: str, note: str = "") -> End:
        end: End = (side, self.previous or tensor)
        if end not in self.ends:
            text = (self.previous or tensor) if side == "input" else "output"
            shape = self.shape(tensor) if self.shapes == "ends" else ""
            self.ends[end] = Box(tuple(filter(None, (text, shape, note))), "end")
        return end

    def arrow(self, tail: End | int, head: End | int, tensor: str) -> None:
        texts = self.arrow_texts.setdefault((tail, head), [])
        if self.shapes == "arrows" and (text := self.shape(tensor)) not in texts:
            texts.append(text)

    def content(self, boxes: Sequence[Box], panels: Sequence[str]) -> DiagramContent:
        """Inputs first, then the boxes, then outputs."""
        inputs = [end for end in self.ends if end[0] == "input"]
        outputs = [end for end in self.ends if end[0] == "output"]
        position: dict[End | int, int] = {end: k for k, end in enumerate(inputs)}
        position |= {k: len(inputs) + k for k in range(len(boxes))}
        position |= {end: len(inputs) + len(boxes) + k for k, end in enumerate(outputs)}
        arrows = [
            Arrow(position[tail], position[head], tuple(texts[:MAX_SHAPES]))
            for (tail, head), texts in self.arrow_texts.items()
        ]
        all_boxes = (*[self.ends[end] for end in inputs], *boxes, *[self.ends[end] for end in outputs])
        return DiagramContent((), all_boxes, tuple(arrows), tuple(panels))


def aligned(content: DiagramContent, modules: Sequence[Sequence[int]]) -> DiagramContent:
    """Align the source of each module, a group of boxes, with the box in which the module's branches merge.

    With an odd number of branches, dot centres source and merge on the middle branch. With an even number it puts them
    anywhere between the middle two, so that a column of modules drifts sideways down the page. An invisible arrow from
    source to merge acts as a middle branch.
    """
    spines = []
    single = len(modules) == 1 and len(modules[0]) <= SMALL_MODULE
    sources: dict[int, list[int]] = {}
    for arrow in content.arrows:
        sources.setdefault(arrow.head, []).append(arrow.tail)
    for module in modules:
        inside = set(module)
        outside = {tail for box in module for tail in sources.get(box, ()) if tail not in inside}
        branches = {box: [tail for tail in sources.get(box, ()) if tail in inside] for box in module}
        merges = [box for box in module if len(branches[box]) > 1]
        if len(outside) == 1 and merges and len(branches[merges[-1]]) % 2 == 0:
            spines.append(Arrow(outside.pop(), merges[-1], visible=False, weight=0 if single else 1))
    return msgspec.structs.replace(content, arrows=(*content.arrows, *spines))
