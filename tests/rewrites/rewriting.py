"""A rewrite carried out."""

from collections.abc import Callable

from inception_lens.graph import Graph
from inception_lens.rewrites.plan import Plan, rewritten


def rewrite(find: Callable[[Graph], Plan], graph: Graph) -> Graph:
    return rewritten(graph, find(graph))
