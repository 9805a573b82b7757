"""Unique names for the nodes and tensors of a file that may use a name twice."""

from collections import Counter
from collections.abc import Iterable


class UniqueNames(set[str]):
    """The names that are in use."""

    def __init__(self, used: Iterable[str] = ()) -> None:
        super().__init__(used)
        self._counts: Counter[str] = Counter()

    def take(self, name: str) -> str:
        """Reserve `name`, or the first of `name_2`, `name_3`, ... that is free, and return it."""
        unique = name
        while unique in self:
            self._counts[name] += 1
            unique = f"{name}_{self._counts[name] + 1}"
        self.add(unique)
        return unique
