"""The arrows of a picture, and what stands at its ends: inputs, outputs, and what a module reads from outside."""

from collections.abc import Mapping, Sequence

from inception_lens.graph import Graph
from inception_lens.renderers.dot_labels import shape_text
from inception_lens.renderers.dot_parts import producer
from inception_lens.renderers.dot_picture import Arrow, Box, Picture

End = tuple[str, str]
"""`read` or `made`, and the name of a tensor."""

MOST_SHAPES = 3
"""Shapes on one arrow; boxes may be joined by more tensors."""


def joined(
    graph: Graph,
    boxes: Sequence[Box],
    home: Mapping[int, int],
    *,
    panels: Sequence[str] = (),
    shapes: bool = True,
    skip: frozenset[int] = frozenset(),
    previous: str = "",
) -> Picture:
    """Join the boxes as the graph's nodes are.

    Args:
        graph: the graph.
        boxes: the boxes.
        home: for each node that is drawn, its box.
        panels: titles of the panels.
        shapes: whether the shape of each tensor stands on its arrow.
        skip: nodes whose reading is not drawn, as equal ones stand for them.
        previous: what the tensors are called that come from outside of the picture, and then what leaves it is not
            drawn; without it each has its own name.
    """
    position = {node.name: i for i, node in enumerate(graph.nodes)}
    told: dict[tuple[End | int, End | int], list[str]] = {}
    ends: dict[End, Box] = {}

    def arrow(tail: End | int, head: End | int, tensor: str) -> None:
        texts = told.setdefault((tail, head), [])
        text = shape_text(graph.types[tensor][0].shape)
        if text not in texts:
            texts.append(text)

    for i, node in enumerate(graph.nodes):
        for name in node.inputs:
            source = producer(position, name)
            tail, head = home.get(source), home.get(i)
            if i in skip or tail == head:
                continue
            if tail is None:
                outside: End = ("read", previous or name)
                ends.setdefault(outside, Box((previous or name,), "end"))
                arrow(outside, head or 0, name)
            elif head is not None:
                arrow(tail, head, name)
            elif not previous:
                _made(arrow, ends, tail, name)
    if not previous:
        for output in graph.outputs:
            tail = home.get(producer(position, output.node))
            if tail is not None:
                weight = () if output.loss_weight == 1 else (f"loss x {output.loss_weight:g}",)
                _made(arrow, ends, tail, output.node, weight)
    return _numbered(boxes, ends, told, panels, shapes)


def _made(arrow: object, ends: dict[End, Box], tail: int, name: str, more: tuple[str, ...] = ()) -> None:
    assert callable(arrow)
    ends.setdefault(("made", name), Box(("output", *more), "end"))
    arrow(tail, ("made", name), name)


def _numbered(
    boxes: Sequence[Box],
    ends: Mapping[End, Box],
    told: Mapping[tuple[End | int, End | int], list[str]],
    panels: Sequence[str],
    shapes: bool,
) -> Picture:
    """What is read first, then the boxes, then what is made."""
    first = [end for end in ends if end[0] == "read"]
    last = [end for end in ends if end[0] == "made"]
    place: dict[End | int, int] = {end: k for k, end in enumerate(first)}
    place |= {k: len(first) + k for k in range(len(boxes))}
    place |= {end: len(first) + len(boxes) + k for k, end in enumerate(last)}
    arrows = [
        Arrow(place[tail], place[head], "\n".join(texts[:MOST_SHAPES]) if shapes else "")
        for (tail, head), texts in told.items()
    ]
    all_boxes = (*[ends[end] for end in first], *boxes, *[ends[end] for end in last])
    return Picture((), all_boxes, tuple(arrows), tuple(panels))
