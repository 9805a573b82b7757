"""The diagram of the report page: the network in modules, and the layers of each module, all laid out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from inception_lens.graph import Graph
from inception_lens.renderers.diagrams import labels
from inception_lens.renderers.diagrams.connections import connected
from inception_lens.renderers.diagrams.content import Box, DiagramContent
from inception_lens.renderers.diagrams.dot import shortened
from inception_lens.renderers.diagrams.grouping import NodeGroup, layers, main_node, modules
from inception_lens.renderers.diagrams.levels import MODULE_WIDTH, layers_content, network_content, reduction_names
from inception_lens.renderers.diagrams.positions import positions
from inception_lens.renderers.escape import printable
from inception_lens.renderers.theme import BoxKind

MAX_MODULES = 600
"""Boxes of the closed network; a network with more modules is shown in runs of layers."""
MAX_RUNS = 250
MAX_INSIDE = 400
"""Layers of a box; a box with more does not open."""


class PageBox(msgspec.Struct, frozen=True, omit_defaults=True):
    """A box, in points."""

    x: float
    """The centre, from the left edge."""
    y: float
    """The centre, from the upper edge."""
    width: float
    height: float
    text: tuple[str, ...]
    """Its lines."""
    kind: BoxKind
    nodes: tuple[int, ...]
    """Positions of the nodes that it represents; empty for an input or output."""
    main: int = -1
    """Position of the node that it is named after; -1 for an input or output."""
    panel: int | None = None
    """Position of the panel that contains it."""
    inside: PageDiagram | None = None
    """What is shown if the box is open; None for a box that does not open."""


class PageArrow(msgspec.Struct, frozen=True, omit_defaults=True):
    """An arrow between two boxes, by their positions."""

    tail: int
    head: int
    points: tuple[float, ...]
    """Control points of cubic splines: x and y alternate."""
    text: tuple[str, ...] = ()
    """Its lines."""
    text_at: tuple[float, float] | None = None
    """The centre of the text."""


class PageDiagram(msgspec.Struct, frozen=True, omit_defaults=True):
    """A diagram with positions, in points from the upper left corner."""

    width: float
    height: float
    boxes: tuple[PageBox, ...]
    arrows: tuple[PageArrow, ...]
    panels: tuple[str, ...] = ()
    """Titles of the panels."""
    note: str = ""
    """States that the network is shown in runs of layers, if it is."""


def page_diagram(graph: Graph) -> PageDiagram:
    """Lay out the network at level `network`, and inside each box its layers.

    A network with more than `MAX_MODULES` modules is shown in runs of consecutive layers. Nodes are in topological
    order, so that no arrow leads from a run to an earlier one.

    Raises:
        MissingExtraError: Graphviz is not installed.
    """
    groups: Sequence[NodeGroup] = modules(graph)
    note = ""
    if len(groups) <= MAX_MODULES:
        content = network_content(graph)
    else:
        groups = _runs(graph)
        note = f"{len(graph.nodes):,} layers in {len(groups)} runs, in order of execution: open a run to see its layers"
        content = _runs_content(graph, groups)
    reduced = reduction_names(graph)
    insides = {
        frozenset(group.nodes): _laid_out(graph, layers_content(graph, inside, group.name, reduced), {})
        for group, inside in zip(groups, _layers_inside(graph, groups), strict=True)
        if 1 < len(inside) <= MAX_INSIDE
    }
    return msgspec.structs.replace(_laid_out(graph, content, insides), note=note)


def _layers_inside(graph: Graph, groups: Sequence[NodeGroup]) -> list[list[NodeGroup]]:
    """The layers of each group; a node that finishes a layer of another group is a layer of its own."""
    group_of = {i: k for k, group in enumerate(groups) for i in group.nodes}
    inside: list[list[NodeGroup]] = [[] for _ in groups]
    for layer in layers(graph, group_of):
        home = group_of[layer.nodes[0]]
        own = tuple([i for i in layer.nodes if group_of[i] == home])
        inside[home].append(msgspec.structs.replace(layer, nodes=own))
        for i in layer.nodes:
            if group_of[i] != home:
                inside[group_of[i]].append(NodeGroup(graph.nodes[i].name, (i,)))
    return inside


def _runs(graph: Graph) -> list[NodeGroup]:
    size = -(-len(graph.nodes) // MAX_RUNS)
    nodes = range(len(graph.nodes))
    return [NodeGroup(graph.nodes[first].name, tuple(nodes[first : first + size])) for first in nodes[::size]]


def _runs_content(graph: Graph, runs: Sequence[NodeGroup]) -> DiagramContent:
    boxes = [
        Box((f"{run.name} ...", labels.module(graph, run)), "module", tuple([graph.nodes[i].name for i in run.nodes]))
        for run in runs
    ]
    box_of = {i: k for k, run in enumerate(runs) for i in run.nodes}
    return msgspec.structs.replace(connected(graph, boxes, box_of), width=MODULE_WIDTH)


def _laid_out(graph: Graph, content: DiagramContent, insides: Mapping[frozenset[int], PageDiagram]) -> PageDiagram:
    found = positions(content)
    boxes = []
    for k, box in enumerate(content.boxes):
        nodes = tuple([graph.index.position[name] for name in box.nodes])
        text = tuple([shortened(printable(line)) for line in box.text])
        main = main_node(graph, nodes) if nodes else -1
        inside = insides.get(frozenset(nodes)) if nodes else None
        boxes.append(PageBox(*found.boxes[k], text, box.kind, nodes, main, box.panel, inside))
    arrows = []
    for arrow in content.arrows:
        route = found.routes.get((arrow.tail, arrow.head))
        if arrow.visible and route:
            text = arrow.text if route.text_at else ()
            arrows.append(PageArrow(arrow.tail, arrow.head, route.points, text, route.text_at))
    panels = tuple([printable(text) for text in content.panels])
    return PageDiagram(found.width, found.height, tuple(boxes), tuple(arrows), panels)
