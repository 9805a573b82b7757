"""Equal modules one behind the other as one: `x 3`."""

from collections.abc import Sequence

import msgspec

from inception_lens.graph import Graph
from inception_lens.renderers.diagrams.parts import Part, outputs, producers

OUTSIDE = -1
"""Who receives an output of the network."""


def folded(graph: Graph, parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, each run of equal ones as one part that holds the nodes of all, those of the first before the rest.

    Parts are equal when they hold the same operations, joined in the same way, on tensors of the same shapes; they are
    a run when each reads only the one before it, and nothing else does.
    """
    reads = producers(graph)
    home = {i: k for k, part in enumerate(parts) for i in part.nodes}
    follows: dict[int, int] = {}
    readers: dict[int, set[int]] = {}
    for k, part in enumerate(parts):
        before = {home[j] for i in part.nodes for j in reads[i]} - {k}
        for j in before:
            readers.setdefault(j, set()).add(k)
        if len(before) == 1:
            follows[k] = before.pop()
    for i in outputs(graph):
        if i in home:
            readers.setdefault(home[i], set()).add(OUTSIDE)
    forms = [_form(graph, part) for part in parts]
    first: dict[int, int] = {}
    runs: dict[int, list[int]] = {}
    for k in range(len(parts)):
        before_k = follows.get(k, -1)
        joins = before_k >= 0 and readers[before_k] == {k} and forms[before_k] == forms[k]
        first[k] = first.get(before_k, k) if joins else k
        runs.setdefault(first[k], []).append(k)
    return tuple([_run([parts[k] for k in run]) for run in runs.values()])


def _run(parts: Sequence[Part]) -> Part:
    nodes = tuple([i for part in parts for i in part.nodes])
    return msgspec.structs.replace(parts[0], nodes=nodes, times=len(parts), last=parts[-1].name)


def _form(graph: Graph, part: Part) -> tuple[object, ...]:
    """What two equal parts agree in."""
    place = {i: k for k, i in enumerate(part.nodes)}
    outside: dict[str, int] = {}
    form: list[object] = []
    for i in part.nodes:
        node = graph.nodes[i]
        inputs: list[tuple[int, str | int]] = []
        for name, j in zip(node.inputs, graph.index.reads(node), strict=True):
            if j in place:
                inputs.append((place[j], name.removeprefix(graph.nodes[j].name)))
            else:
                inputs.append((-1, outside.setdefault(name, len(outside))))
        form.append((node.op, tuple(inputs), graph.types[node.name]))
    return tuple(form)
