"""From a graph to a picture: the whole network in modules or in layers, or one module."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from inception_lens.errors import ConfigError, suggest
from inception_lens.graph import Graph, Node
from inception_lens.ops import main_category
from inception_lens.renderers.diagrams import labels
from inception_lens.renderers.diagrams.arrows import joined, straight
from inception_lens.renderers.diagrams.dot import Style
from inception_lens.renderers.diagrams.fold import folded
from inception_lens.renderers.diagrams.parts import Part, layers, modules, producers
from inception_lens.renderers.diagrams.picture import Box, Kind, Picture

Level = Literal["network", "module", "layer"]

WIDTH = 1.5
"""Inches of the narrowest box of a network's modules."""
MAX_LAYERS = 1_200
"""Boxes of a picture of layers that anybody could read."""
MAX_BOXES = 12_000
"""Boxes of any picture: dot takes minutes for more."""


def network(graph: Graph, *, fold: bool = False) -> Picture:
    """A box per module, and per layer outside of any; the shapes on the arrows.

    Raises:
        ConfigError: that would be more boxes than can be drawn.
    """
    parts = folded(graph, modules(graph)) if fold else modules(graph)
    if len(parts) > MAX_BOXES:
        raise ConfigError(_too_many(graph, "network", len(parts), MAX_BOXES, fold, parts))
    panels = {path: k for k, path in enumerate(_panels(parts))}
    boxes = [
        Box(
            (_name(part, part.above if part.above in panels else ""), labels.module(graph, part)),
            _kind([graph.nodes[i] for i in part.once]),
            tuple([graph.nodes[i].name for i in part.nodes]),
            panels.get(part.above),
        )
        for part in parts
    ]
    home = {i: k for k, part in enumerate(parts) for i in part.nodes}
    picture = joined(graph, boxes, home, panels=tuple(panels))
    return msgspec.structs.replace(picture, width=WIDTH)


def layer(graph: Graph, *, style: Style = "plain", fold: bool = False) -> Picture:
    """A box per operation with what finishes it; a panel per module.

    Raises:
        ConfigError: that would be more boxes than anybody can read; the message offers the level that fits.
    """
    parts = folded(graph, modules(graph)) if fold else modules(graph)
    stands = {i: part.once[k % len(part.once)] for part in parts for k, i in enumerate(part.nodes)}
    of_module = {i: k for k, part in enumerate(parts) for i in part.nodes}
    every = layers(graph, of_module)
    drawn = [part for part in every if stands[part.nodes[0]] == part.nodes[0]]
    if len(drawn) > MAX_LAYERS:
        raise ConfigError(_too_many(graph, "layer", len(drawn), MAX_LAYERS, fold, parts))
    several = [part for part in parts if part.times > 1 or _kind([graph.nodes[i] for i in part.once]) == "module"]
    panel = {i: k for k, part in enumerate(several) for i in part.once}
    home = {i: k for k, part in enumerate(drawn) for i in part.nodes}
    home |= {i: home[stands[part.nodes[0]]] for part in every for i in part.nodes if i not in home}
    nodes: list[list[str]] = [[] for _ in drawn]
    for i, k in sorted(home.items()):
        nodes[k].append(graph.nodes[i].name)
    boxes = [
        _layer(graph, part, tuple(nodes[k]), panel.get(part.nodes[0]), several, style, labels.paper_layer)
        for k, part in enumerate(drawn)
    ]
    later = frozenset(i for i, at in stands.items() if at != i)
    picture = joined(
        graph, boxes, home, panels=[_times(part.name, part) for part in several], shapes="none", skip=later
    )
    inside: list[list[int]] = [[] for _ in several]
    for k, box in enumerate(picture.boxes):
        if box.panel is not None:
            inside[box.panel].append(k)
    return straight(picture, inside)


def module(graph: Graph, name: str, *, style: Style = "plain") -> Picture:
    """The layers of the module `name`, as in the paper's Figure 2.

    Raises:
        ConfigError: there is no such module, or it has more layers than anybody could read.
    """
    inside = frozenset(i for i, n in enumerate(graph.nodes) if n.name == name or n.name.startswith(f"{name}/"))
    if not inside:
        paths = {n.name[:at] for n in graph.nodes for at, char in enumerate(n.name) if char == "/"}
        raise ConfigError(f"`{name}` is no module of `{graph.name}`{suggest(name, sorted(paths))}")
    drawn = [part for part in layers(graph, dict.fromkeys(inside, 1)) if part.nodes[0] in inside]
    drawn = [msgspec.structs.replace(part, nodes=tuple([i for i in part.nodes if i in inside])) for part in drawn]
    if len(drawn) > MAX_LAYERS:
        parts = [part for part in modules(graph) if part.nodes[0] in inside]
        raise ConfigError(_too_many(graph, "module", len(drawn), MAX_LAYERS, False, parts))
    home = {i: k for k, part in enumerate(drawn) for i in part.nodes}
    narrow = _reductions(graph, inside)
    boxes = []
    whole = Part(name, ())
    for part in drawn:
        names = tuple([graph.nodes[i].name for i in part.nodes])
        box = _layer(graph, part, names, None, [whole], style, labels.paper_module_layer)
        boxes.append(Box(box.text, "reduction", box.nodes) if part.nodes[0] in narrow else box)
    previous = "Previous layer" if style == "paper" else ""
    picture = joined(graph, boxes, home, shapes="none" if previous else "ends", previous=previous)
    return straight(picture, [[k for k, box in enumerate(picture.boxes) if box.kind != "end"]])


def _layer(
    graph: Graph,
    part: Part,
    names: tuple[str, ...],
    panel: int | None,
    panels: Sequence[Part],
    style: Style,
    paper: Callable[[Graph, Node], str],
) -> Box:
    main = graph.nodes[_main(graph, part)]
    if style == "paper":
        text: tuple[str, ...] = (paper(graph, main),)
    else:
        module = panels[panel or 0].name if panels and (panel is not None or not panels[0].nodes) else ""
        name, operation = _within(main.name, module), labels.operation(graph, main)
        text = (name, operation) if name != operation else (name,)
    return Box(text, main.op.category, names, panel)


def _panels(parts: Sequence[Part]) -> list[str]:
    """The opened paths that hold parts in a row: a panel around others would be drawn across the page."""
    places: dict[str, list[int]] = {}
    for k, part in enumerate(parts):
        places.setdefault(part.above, []).append(k)
    return [path for path, found in places.items() if path and 1 < len(found) == found[-1] - found[0] + 1]


def _main(graph: Graph, part: Part) -> int:
    """The operation that the part is about."""
    return next((i for i in part.nodes if graph.nodes[i].inputs and not graph.nodes[i].is_minor), part.nodes[0])


def _kind(nodes: Sequence[Node]) -> Kind:
    return main_category([(node.role, node.op.category) for node in nodes]) or "module"


def _name(part: Part, above: str = "") -> str:
    name = _within(part.name, above)
    return _times(f"{name} to {_within(part.last, part.name.rpartition('/')[0])}", part) if part.times > 1 else name


def _times(name: str, part: Part) -> str:
    return f"{name}  x {part.times}" if part.times > 1 else name


def _within(name: str, above: str) -> str:
    return name.removeprefix(f"{above}/") if above else name


def first_that_branches(graph: Graph) -> str:
    """The first module in which one tensor is read by several layers."""
    reads = producers(graph)
    for part in modules(graph):
        sources = [j for i in part.nodes for j in reads[i]]
        if len(part.nodes) > 2 and len(set(sources)) < len(sources):
            return part.name
    return modules(graph)[0].name


def _reductions(graph: Graph, inside: frozenset[int]) -> frozenset[int]:
    """1x1 convolutions in front of a larger one, or behind a pool."""
    reads = producers(graph)
    home = {i: part.nodes[0] for part in layers(graph) for i in part.nodes}
    found = set()
    for i, before in enumerate(reads):
        node = graph.nodes[i]
        if node.op.category == "conv" and before:
            source = home[before[0]]
            if not {i, source} <= inside:
                continue
            if _is_1x1(graph, i) and graph.nodes[source].op.category == "pool":
                found.add(i)
            elif not _is_1x1(graph, i) and _is_1x1(graph, source):
                found.add(source)
    return frozenset(found)


def _is_1x1(graph: Graph, i: int) -> bool:
    node = graph.nodes[i]
    if node.op.category != "conv":
        return False
    window = node.op.window(graph.input_shapes(node)[0], graph.types[node.name][0].shape)
    return window is not None and set(window.kernel) == {1}


def _too_many(graph: Graph, level: str, boxes: int, most: int, fold: bool, parts: Sequence[Part]) -> str:
    told = f"level {level} of `{graph.name}` would be {boxes:,} boxes, and {most:,} are the most that can be read: "
    offers = []
    if level != "network" and len(parts) <= MAX_BOXES:
        offers.append(f"--level network draws {len(parts):,}")
    if not fold and level != "module":
        offers.append("--fold draws equal modules behind each other once")
    largest = [part.name for part in parts if len(part.once) > 3][:1]
    if largest:
        offers.append(f"--module {largest[0]} draws one")
    return told + ("; ".join(offers) or "it cannot be drawn")
