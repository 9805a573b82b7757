"""Which nodes of a graph stand together in a picture: with the layer that they follow, and in the module of their name.

A module is a path that node names begin with. How deep the modules of a network lie differs: `inception_3a/5x5` has
them at the first part, `encoder/layers/0/mlp/fc1` at the third. So a path is opened into what it holds where it is
merely a row of such modules one behind the other, or a long row of layers; what branches stays one module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from inception_lens.graph import Graph

FEW_LAYERS = 6
"""A plain row of more layers than this is drawn as its layers."""


class Part(msgspec.Struct, frozen=True):
    """What one box stands for."""

    name: str
    nodes: tuple[int, ...]
    """Positions in the graph's nodes, in order."""
    above: str = ""
    """The path that was opened and holds this part among others; empty at the top."""
    times: int = 1
    """How many equal parts, one behind the other, it stands for; `nodes` holds those of each after those before it."""
    last: str = ""
    """The name of the last of them."""

    @property
    def once(self) -> tuple[int, ...]:
        """The nodes of the first of them."""
        return self.nodes[: len(self.nodes) // self.times]


def producers(graph: Graph) -> list[tuple[int, ...]]:
    """For each node the positions of those that it reads, in the order of its inputs; inputs of the graph left out."""
    return [tuple([i for i in graph.index.reads(node) if i >= 0]) for node in graph.nodes]


def layers(graph: Graph, module: Mapping[int, int] = MappingProxyType({})) -> tuple[Part, ...]:
    """Every operation with what finishes it, where nothing else reads it in between: a box each at level `layer`.

    A norm that belongs to another `module` than the operation, by the nodes' positions, stands alone.
    """
    reads = producers(graph)
    readers = [sorted(set(graph.index.readers[node.name])) for node in graph.nodes]
    leaving = set(outputs(graph))
    home = list(range(len(reads)))
    for i, node in enumerate(graph.nodes):
        source = reads[i][0] if reads[i] else -1
        if node.is_minor and source >= 0 and readers[source] == [i] and source not in leaving:
            apart = node.op.category == "norm" and module.get(source) != module.get(i)
            home[i] = i if apart else home[source]
    for i, node in enumerate(graph.nodes):
        if (
            not node.inputs and readers[i] and module.get(readers[i][0]) == module.get(i)
        ):  # a constant stands with what reads it
            home[i] = home[readers[i][0]]
    return _parts(graph, home, {i: graph.nodes[i].name for i in set(home)}, {})


def modules(graph: Graph) -> tuple[Part, ...]:
    """The modules and the layers outside of any: a box each at level `network`."""
    reads = producers(graph)
    root = _Path("")
    for i, node in enumerate(graph.nodes):
        root.add(node.name.split("/"), i, 0 if node.is_minor or not node.inputs else 1)
    names: dict[int, tuple[str, str]] = {}
    _open(root, reads, names)
    home = _instances(reads, [names[i][0] for i in range(len(reads))])
    _join_minor(graph, home, reads)
    boxes = set(home)
    times = Counter([names[i][0] for i in boxes])
    # A module called in several places, or without a name, is told by its first call.
    called = {i: (times[names[i][0]] == 1 and names[i][0]) or graph.nodes[i].name for i in boxes}
    return _parts(graph, home, called, {i: names[i][1] for i in boxes})


def outputs(graph: Graph) -> tuple[int, ...]:
    """Positions of the nodes that make the outputs; -1 for an input handed through."""
    return tuple([graph.index.position[output.node] for output in graph.outputs])


class _Path:
    """What node names begin with: the node of that very name, and the paths below it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.below: dict[str, _Path] = {}
        self.nodes: list[int] = []
        self.layers = 0
        """How many nodes in it are more than a norm, an activation or a view."""

    def add(self, parts: Sequence[str], node: int, layers: int) -> None:
        path = self
        for depth, part in enumerate(parts[:64], 1):
            path.layers += layers
            path.nodes.append(node)
            if part not in path.below:
                path.below[part] = _Path("/".join(parts[:depth]))
            path = path.below[part]
        path.layers += layers
        path.nodes.append(node)

    def is_row(self, reads: Sequence[tuple[int, ...]]) -> bool:
        """Whether each path below reads only the one before it, and nothing runs past some of them."""
        place = {node: k for k, path in enumerate(self.below.values()) for node in path.nodes}
        past: dict[int, set[int]] = {}
        for node, k in place.items():
            for i in reads[node]:
                if i not in place:
                    past.setdefault(i, set()).add(k)
                elif place[i] not in (k, k - 1):
                    return False
        every = len(self.working())
        return not any(0 in readers and 1 < len(readers) < every for readers in past.values())

    def working(self) -> list[_Path]:
        """The paths below that hold more than norms, activations and views."""
        return [path for path in self.below.values() if path.layers]

    def opens(self, reads: Sequence[tuple[int, ...]], total: int) -> bool:
        """Whether what it holds is drawn instead of the path itself."""
        path, below = self, self.working()
        while len(below) == 1 and below[0].layers == path.layers:  # a name around another
            path = below[0]
            below = path.working()
        if len(below) < 2:
            return False
        if 2 * path.layers > total > 2 * FEW_LAYERS:  # most of the network: one box would say nothing
            return True
        modules = sum(each.layers > 1 for each in below)
        many = modules == 0 and path.layers > FEW_LAYERS
        return (many or 0 < len(below) <= 2 * modules) and path.is_row(reads)


def _open(root: _Path, reads: Sequence[tuple[int, ...]], names: dict[int, tuple[str, str]]) -> None:
    """Give every node the name of its module, and the opened path that holds the module."""
    todo = [(path, "") for path in root.below.values()]
    while todo:
        path, above = todo.pop()
        deeper: set[int] = set()
        inside = above
        if path.opens(reads, root.layers):
            inside = path.name if len(path.below) > 1 else above
            todo += [(each, inside) for each in path.below.values()]
            deeper = {node for each in path.below.values() for node in each.nodes}
        for node in path.nodes:  # a node of an opened path's very own name stands for itself
            if node not in deeper:
                names[node] = (path.name, inside)


def _instances(reads: Sequence[tuple[int, ...]], names: Sequence[str]) -> list[int]:
    """For each node the first of its box. A module called again after others have read it is another box.

    So boxes never read each other in a circle.
    """
    home: list[int] = []
    current: dict[str, int] = {}
    sources: dict[int, set[int]] = {}
    read: set[int] = set()
    for i, before in enumerate(reads):
        box = current.get(names[i])
        others = {home[k] for k in before} - {box}
        if box is None or (others and box in read and _depends(others, box, sources)):
            box = current[names[i]] = i
        home.append(box)
        sources.setdefault(box, set()).update(others)
        read |= others
    return home


def _depends(boxes: Iterable[int], on: int, sources: dict[int, set[int]]) -> bool:
    seen, todo = set(boxes), list(boxes)
    while todo:
        box = todo.pop()
        if box == on:
            return True
        new = sources.get(box, set()) - seen
        seen |= new
        todo += new
    return False


def _join_minor(graph: Graph, home: list[int], reads: Sequence[tuple[int, ...]]) -> None:
    """Put a box of norms, activations and views with the one box that it reads, and constants with their reader."""
    members: dict[int, list[int]] = {}
    for i, box in enumerate(home):
        members.setdefault(box, []).append(i)
    for box, nodes in members.items():
        if all(graph.nodes[i].is_minor for i in nodes):
            others = {home[k] for i in nodes for k in reads[i]} - {box}
            target = others.pop() if len(others) == 1 else box
            # The norm behind the last of many equal modules is none of them.
            norm = any(graph.nodes[i].op.category == "norm" for i in nodes)
            if not (norm and sum(not graph.nodes[i].is_minor for i in members[target]) > 1):
                for i in nodes:
                    home[i] = target
        elif not any(graph.nodes[i].inputs for i in nodes):
            reader = next((k for k in range(box, len(home)) if home[k] != box and set(reads[k]) & set(nodes)), box)
            for i in nodes:
                home[i] = home[reader]


def _parts(graph: Graph, home: Sequence[int], names: dict[int, str], above: dict[int, str]) -> tuple[Part, ...]:
    members: dict[int, list[int]] = {}
    for i, box in enumerate(home):
        members.setdefault(box, []).append(i)
    return tuple([Part(names[box], tuple(nodes), above.get(box, "")) for box, nodes in members.items()])
