"""The branches of a module: the parallel paths from the tensor that it reads to the node in which they merge."""

from collections.abc import Sequence

from inception_lens.analyses.components import connected_components
from inception_lens.graph import Graph
from inception_lens.renderers.diagrams.grouping import NodeGroup, nodes_read
from inception_lens.renderers.diagrams.labels import node_window

NO_BRANCH = "no branch"
"""The name for layers outside every branch."""


def branches(graph: Graph, groups: Sequence[NodeGroup]) -> list[dict[str, list[int]]]:
    """For each group its nodes by the name of their branch: `1x1`, `3x3`, `5x5` and `pool` in an Inception module.

    The name of a branch is the kernels in it larger than 1x1, or the category of its operation. Branches end where
    they merge.
    """
    reads = nodes_read(graph)
    return [_branches(graph, reads, group.nodes) for group in groups]


def _branches(graph: Graph, reads: Sequence[tuple[int, ...]], nodes: Sequence[int]) -> dict[str, list[int]]:
    merges = [i for i in nodes if len(set(graph.nodes[i].inputs)) > 1 and graph.nodes[i].op.category == "merge"]
    if not merges:
        return {NO_BRANCH: list(nodes)}
    found: dict[str, list[int]] = {}
    for branch in connected_components([i for i in nodes if i not in merges], reads.__getitem__):
        found.setdefault(_name(graph, branch), []).extend(branch)
    found.setdefault(NO_BRANCH, []).extend(merges)
    return found


def _name(graph: Graph, branch: Sequence[int]) -> str:
    main = [graph.nodes[i] for i in branch if not graph.nodes[i].is_minor]
    if main and main[0].op.category == "pool":
        return "pool"
    kernels = []
    for node in main:
        if node.op.category == "conv":
            window = node_window(graph, node)
            kernels.append("x".join(map(str, window.kernel)) if window else "")
    larger = [kernel for kernel in kernels if set(kernel.split("x")) != {"1"}]
    if kernels:
        return " ".join(larger) or "1x1"
    categories = [node.op.category for node in main if node.op.category != "linear"]
    return categories[0] if categories else main[0].op.category if main else NO_BRANCH
