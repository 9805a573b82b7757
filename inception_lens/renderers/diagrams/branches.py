"""The branches of a module: what runs side by side between what the module reads and where it meets again."""

from collections.abc import Sequence

from inception_lens.graph import Graph
from inception_lens.renderers.diagrams.parts import Part, producers

ALONE = "no branch"
"""What layers outside of any branch are called."""


def branches(graph: Graph, parts: Sequence[Part]) -> list[dict[str, list[int]]]:
    """For each part its nodes by branch: `1x1`, `3x3`, `5x5` and `pool` in an Inception module.

    A branch is called by the kernels in it beyond 1x1, or by what it does. Where paths meet, they end.
    """
    reads = producers(graph)
    return [_branches(graph, reads, part.nodes) for part in parts]


def _branches(graph: Graph, reads: Sequence[tuple[int, ...]], nodes: Sequence[int]) -> dict[str, list[int]]:
    inside = set(nodes)
    meets = {i for i in nodes if len(set(graph.nodes[i].inputs)) > 1 and graph.nodes[i].op.category == "merge"}
    if not meets:
        return {ALONE: list(nodes)}
    group: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    for i in nodes:
        before = {group[k] for k in reads[i] if k in inside and k not in meets and k in group}
        home = min(before, default=i)
        if i in meets:
            continue
        for other in before - {home}:  # paths that join in something else than a merge were one branch
            for k in members.pop(other):
                group[k] = home
                members[home].append(k)
        group[i] = home
        members.setdefault(home, []).append(i)
    found: dict[str, list[int]] = {}
    for branch in members.values():
        found.setdefault(_name(graph, sorted(branch)), []).extend(branch)
    found.setdefault(ALONE, []).extend(meets)
    return found


def _name(graph: Graph, branch: Sequence[int]) -> str:
    told = [graph.nodes[i] for i in branch if not graph.nodes[i].is_minor]
    if told and told[0].op.category == "pool":
        return "pool"
    kernels = []
    for node in told:
        if node.op.category == "conv":
            window = node.op.window(graph.input_shapes(node)[0], graph.types[node.name][0].shape)
            kernels.append("x".join(map(str, window.kernel)) if window else "")
    larger = [kernel for kernel in kernels if set(kernel.split("x")) != {"1"}]
    if kernels:
        return " ".join(larger) or "1x1"
    kinds = [node.op.category for node in told if node.op.category != "linear"]
    return kinds[0] if kinds else told[0].op.category if told else ALONE
