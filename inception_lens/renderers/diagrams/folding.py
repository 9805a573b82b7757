"""Folding of consecutive equal modules into one box: `x 3`."""

from collections.abc import Sequence

import msgspec

from inception_lens.graph import Graph
from inception_lens.renderers.diagrams.grouping import NodeGroup

OUTSIDE = -1
"""Stands for the reader of a network output among the readers of a group."""


def folded(graph: Graph, groups: Sequence[NodeGroup]) -> tuple[NodeGroup, ...]:
    """Replace each run of equal groups by one group with the nodes of all of them, in order.

    Two groups are equal if they contain the same operations, connected in the same way, on tensors of the same types.
    They form a run if each reads only the group before it and is read only by the group after it.
    """
    index = graph.index
    group_of = {i: k for k, group in enumerate(groups) for i in group.nodes}
    source: dict[int, int] = {}
    """The only group that a group reads, where there is only one."""
    readers: dict[int, set[int]] = {}
    for k, group in enumerate(groups):
        sources = {group_of[j] for i in group.nodes for j in index.reads(graph.nodes[i]) if j >= 0} - {k}
        for j in sources:
            readers.setdefault(j, set()).add(k)
        if len(sources) == 1:
            source[k] = sources.pop()
    for output in graph.outputs:
        if (i := index.position[output.node]) >= 0:
            readers.setdefault(group_of[i], set()).add(OUTSIDE)
    forms = [_form(graph, group) for group in groups]
    first: dict[int, int] = {}
    runs: dict[int, list[int]] = {}
    for k in range(len(groups)):
        before = source.get(k, -1)
        continues = before >= 0 and readers[before] == {k} and forms[before] == forms[k]
        first[k] = first.get(before, k) if continues else k
        runs.setdefault(first[k], []).append(k)
    return tuple([_run([groups[k] for k in run]) for run in runs.values()])


def _run(groups: Sequence[NodeGroup]) -> NodeGroup:
    nodes = tuple([i for group in groups for i in group.nodes])
    return msgspec.structs.replace(groups[0], nodes=nodes, repeats=len(groups), last_name=groups[-1].name)


def _form(graph: Graph, group: NodeGroup) -> tuple[object, ...]:
    """A canonical form of a group: equal for two groups exactly if they compute the same."""
    position = {i: k for k, i in enumerate(group.nodes)}
    outside: dict[str, int] = {}
    form: list[object] = []
    for i in group.nodes:
        node = graph.nodes[i]
        inputs: list[tuple[int, str | int]] = []
        for name, j in zip(node.inputs, graph.index.reads(node), strict=True):
            if j in position:
                inputs.append((position[j], name.removeprefix(graph.nodes[j].name)))
            else:  # tensors from outside are numbered in the order in which they are first read
                inputs.append((-1, outside.setdefault(name, len(outside))))
        form.append((node.op, tuple(inputs), graph.types[node.name]))
    return tuple(form)
