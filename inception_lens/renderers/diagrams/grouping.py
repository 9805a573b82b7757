"""Which nodes of a graph are drawn as one box: a layer with what finishes it, or a module.

A module is a path that node names begin with, but the depth of the modules differs between networks: `inception_3a/5x5`
has them at the first part of the name, `encoder/layers/0/mlp/fc1` at the third. A path is therefore opened, and its
content drawn instead, where it only contains a sequence of modules or a long sequence of layers. A path whose content
branches stays one module.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from inception_lens.graph import Graph

FEW_LAYERS = 6
"""A sequence of more layers than this is drawn as layers, not as a module."""
MAX_PATH_LENGTH = 64
"""Parts of a name that are used as paths."""


class NodeGroup(msgspec.Struct, frozen=True):
    """The nodes that one box represents."""

    name: str
    nodes: tuple[int, ...]
    """Positions in the graph's nodes, in order."""
    parent: str = ""
    """The opened path that contains this group among others; empty at the top."""
    repeats: int = 1
    """The number of consecutive equal groups that it represents; `nodes` has the nodes of each, one after the other."""
    last_name: str = ""
    """The name of the last of the repeated groups; empty without repeats."""

    @property
    def first_nodes(self) -> tuple[int, ...]:
        """The nodes of the first of the repeated groups."""
        return self.nodes[: len(self.nodes) // self.repeats]


def layers(graph: Graph, module_of: Mapping[int, int] = MappingProxyType({})) -> tuple[NodeGroup, ...]:
    """Group each operation with the minor nodes after it, such as a norm and an activation.

    A tensor that has other readers, or leaves the network, ends a group. A norm in another module than the operation
    is a group of its own.

    Args:
        graph: the graph.
        module_of: a number for each node's module, by the node's position; nodes without one are in no module.
    """
    index = graph.index
    network_outputs = {index.position[output.node] for output in graph.outputs}
    readers = [set(index.readers[node.name]) for node in graph.nodes]
    group_of = list(range(len(graph.nodes)))
    for i, node in enumerate(graph.nodes):
        source = next(iter(index.reads(node)), -1)
        if node.is_minor and source >= 0 and readers[source] == {i} and source not in network_outputs:
            separate = node.op.category == "norm" and module_of.get(source) != module_of.get(i)
            group_of[i] = i if separate else group_of[source]
    for i, node in enumerate(graph.nodes):
        # A constant is in the group of its first reader.
        if not node.inputs and readers[i] and module_of.get(first := min(readers[i])) == module_of.get(i):
            group_of[i] = group_of[first]
    return _groups(group_of, {i: graph.nodes[i].name for i in set(group_of)}, {})


def modules(graph: Graph) -> tuple[NodeGroup, ...]:
    """Group the nodes of each module; a layer outside every module is a group of its own."""
    reads = nodes_read(graph)
    root = _PathTree("")
    for i, node in enumerate(graph.nodes):
        root.add(node.name.split("/"), i, 0 if node.is_minor or not node.inputs else 1)
    module, parent = _open(root, reads)
    group_of = _calls(reads, [module[i] for i in range(len(reads))])
    _merge_minor(graph, group_of, reads)
    groups = set(group_of)
    calls = Counter([module[i] for i in groups])
    # A module that is called several times, or has no name, has the name of its first node.
    names = {i: (calls[module[i]] == 1 and module[i]) or graph.nodes[i].name for i in groups}
    return _groups(group_of, names, {i: parent[i] for i in groups})


def first_branching_module(graph: Graph) -> str:
    """The name of the first module in which several layers read the same tensor; without one, of the first module."""
    reads = nodes_read(graph)
    groups = modules(graph)
    for group in groups:
        sources = [j for i in group.nodes for j in reads[i]]
        if len(group.nodes) > 2 and len(set(sources)) < len(sources):
            return group.name
    return groups[0].name


def nodes_read(graph: Graph) -> list[tuple[int, ...]]:
    """For each node the positions of the nodes that it reads, in the order of its inputs, without graph inputs."""
    return [tuple([i for i in graph.index.reads(node) if i >= 0]) for node in graph.nodes]


def main_node(graph: Graph, nodes: Sequence[int]) -> int:
    """The position of the node that a layer is named after: the first that does more than finish another."""
    main = (i for i in nodes if graph.nodes[i].inputs and not graph.nodes[i].is_minor)
    return next(main, nodes[0])


class _PathTree:
    """A path that node names begin with: the nodes under it, and the paths one part longer."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.children: dict[str, _PathTree] = {}
        self.nodes: list[int] = []
        self.layers = 0
        """The number of nodes that are not minor."""

    def add(self, parts: Sequence[str], node: int, layers: int) -> None:
        tree = self
        for depth, part in enumerate(parts[:MAX_PATH_LENGTH], 1):
            tree.layers += layers
            tree.nodes.append(node)
            if part not in tree.children:
                tree.children[part] = _PathTree("/".join(parts[:depth]))
            tree = tree.children[part]
        tree.layers += layers
        tree.nodes.append(node)

    def is_sequence(self, reads: Sequence[tuple[int, ...]]) -> bool:
        """Whether each child reads only the child before it, and no tensor from outside bypasses some children."""
        child_of = {node: k for k, child in enumerate(self.children.values()) for node in child.nodes}
        readers_of_outside: dict[int, set[int]] = {}
        for node, k in child_of.items():
            for source in reads[node]:
                if source not in child_of:
                    readers_of_outside.setdefault(source, set()).add(k)
                elif child_of[source] not in (k, k - 1):
                    return False
        # A tensor that every child reads, such as a mask, is not a bypass.
        count = len(self.main_children())
        return not any(0 in readers and 1 < len(readers) < count for readers in readers_of_outside.values())

    def main_children(self) -> list[_PathTree]:
        """The children that contain more than minor nodes."""
        return [child for child in self.children.values() if child.layers]

    def opens(self, reads: Sequence[tuple[int, ...]], total_layers: int) -> bool:
        """Whether the content of the path is drawn instead of the path."""
        tree, children = self, self.main_children()
        while len(children) == 1 and children[0].layers == tree.layers:  # a path that only wraps another
            tree = children[0]
            children = tree.main_children()
        if len(children) < 2:
            return False
        if 2 * tree.layers > total_layers > 2 * FEW_LAYERS:  # one box for most of the network would be useless
            return True
        modules = sum(child.layers > 1 for child in children)
        long_sequence = modules == 0 and tree.layers > FEW_LAYERS
        return (long_sequence or len(children) <= 2 * modules) and tree.is_sequence(reads)


def _open(root: _PathTree, reads: Sequence[tuple[int, ...]]) -> tuple[dict[int, str], dict[int, str]]:
    """For each node the path of its module, and the opened path that contains the module."""
    module: dict[int, str] = {}
    parent: dict[int, str] = {}
    todo = [(tree, "") for tree in root.children.values()]
    while todo:
        tree, outer = todo.pop()
        opened: set[int] = set()
        inner = outer
        if tree.opens(reads, root.layers):
            inner = tree.path if len(tree.children) > 1 else outer
            todo += [(child, inner) for child in tree.children.values()]
            opened = {node for child in tree.children.values() for node in child.nodes}
        for node in tree.nodes:
            if node not in opened:  # of an opened path, only the node whose name is exactly the path
                module[node], parent[node] = tree.path, inner
    return module, parent


def _calls(reads: Sequence[tuple[int, ...]], module: Sequence[str]) -> list[int]:
    """For each node the first node of its group: a module, or one call of a module that is called several times.

    A node that depends on a reader of its module's group starts a new group, so groups never form a cycle.
    """
    group_of: list[int] = []
    current: dict[str, int] = {}
    """The last group of each module."""
    sources: dict[int, set[int]] = {}
    """The groups that each group reads."""
    read: set[int] = set()
    """The groups that another group reads."""
    for i, before in enumerate(reads):
        group = current.get(module[i])
        others = {group_of[k] for k in before} - {group}
        if group is None or (others and group in read and _depends(others, group, sources)):
            group = current[module[i]] = i
        group_of.append(group)
        sources.setdefault(group, set()).update(others)
        read |= others
    return group_of


def _depends(groups: Iterable[int], on: int, sources: dict[int, set[int]]) -> bool:
    """Whether any of the groups reads `on`, directly or through others."""
    seen, todo = set(groups), list(groups)
    while todo:
        group = todo.pop()
        if group == on:
            return True
        new = sources.get(group, set()) - seen
        seen |= new
        todo += new
    return False


def _merge_minor(graph: Graph, group_of: list[int], reads: Sequence[tuple[int, ...]]) -> None:
    """Merge a group of minor nodes into the only group that it reads, and a group of constants into its reader."""
    members = _members(group_of)
    for group, nodes in members.items():
        if all(graph.nodes[i].is_minor for i in nodes):
            sources = {group_of[k] for i in nodes for k in reads[i]} - {group}
            target = sources.pop() if len(sources) == 1 else group
            # The norm after the last of many equal modules belongs to none of them.
            has_norm = any(graph.nodes[i].op.category == "norm" for i in nodes)
            if not (has_norm and sum(not graph.nodes[i].is_minor for i in members[target]) > 1):
                for i in nodes:
                    group_of[i] = target
        elif not any(graph.nodes[i].inputs for i in nodes):
            later = range(group, len(group_of))
            reader = next((k for k in later if group_of[k] != group and set(reads[k]) & set(nodes)), group)
            for i in nodes:
                group_of[i] = group_of[reader]


def _members(group_of: Sequence[int]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    for i, group in enumerate(group_of):
        members.setdefault(group, []).append(i)
    return members


def _groups(group_of: Sequence[int], names: dict[int, str], parents: dict[int, str]) -> tuple[NodeGroup, ...]:
    members = _members(group_of).items()
    return tuple([NodeGroup(names[group], tuple(nodes), parents.get(group, "")) for group, nodes in members])
