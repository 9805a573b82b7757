"""Connected components: which of several items are connected by edges, directly or through others."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


def connected_components(items: Iterable[Item], neighbors: Callable[[Item], Iterable[Item | None]]) -> list[list[Item]]:
    """Split items into connected components; an edge counts in both directions, and only between two of the items.

    The components, and the items in each, are in the order of `items`.
    """
    # Union-find: each item points to another of its component, the root of a component to itself.
    pointer = {item: item for item in items}

    def root(item: Item) -> Item:
        while pointer[item] != item:
            pointer[item] = item = pointer[pointer[item]]
        return item

    for item in pointer:
        for neighbor in neighbors(item):
            if neighbor is not None and neighbor in pointer:
                pointer[root(item)] = root(neighbor)
    components: dict[Item, list[Item]] = {}
    for item in pointer:
        components.setdefault(root(item), []).append(item)
    return list(components.values())
