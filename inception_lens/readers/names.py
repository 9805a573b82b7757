"""Names of nodes that a file may give twice."""

from collections import Counter
from collections.abc import Iterable


class UniqueNames(set[str]):
    """The names that are taken."""

    def __init__(self, taken: Iterable[str]) -> None:
        super().__init__(taken)
        self.numbers: Counter[str] = Counter()

    def take(self, name: str) -> str:
        """The name, with a number behind it where it is taken; taken from now on."""
        found = name
        while found in self:
            self.numbers[name] += 1
            found = f"{name}_{self.numbers[name] + 1}"
        self.add(found)
        return found
