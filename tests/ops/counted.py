"""A number that counts the operations done with it: an independent count of the arithmetic of a formula."""

from __future__ import annotations

from collections.abc import Callable


class Counted:
    """A number. Arithmetic and comparisons with it count one operation each, and so do elementary functions."""

    done = 0
    """Operations so far, of all numbers."""

    def __init__(self, value: float) -> None:
        self.value = value

    @classmethod
    def did(cls, value: float) -> Counted:
        Counted.done += 1
        return cls(value)

    def __add__(self, other: Counted | float) -> Counted:
        return self.did(self.value + number(other))

    def __radd__(self, other: float) -> Counted:
        return self.did(other + self.value)

    def __sub__(self, other: Counted | float) -> Counted:
        return self.did(self.value - number(other))

    def __rsub__(self, other: float) -> Counted:
        return self.did(other - self.value)

    def __mul__(self, other: Counted | float) -> Counted:
        return self.did(self.value * number(other))

    def __rmul__(self, other: float) -> Counted:
        return self.did(other * self.value)

    def __truediv__(self, other: Counted | float) -> Counted:
        return self.did(self.value / number(other))

    def __rtruediv__(self, other: float) -> Counted:
        return self.did(other / self.value)

    def __neg__(self) -> Counted:
        return self.did(-self.value)

    def __lt__(self, other: Counted | float) -> bool:
        Counted.done += 1
        return self.value < number(other)

    def __gt__(self, other: Counted | float) -> bool:
        Counted.done += 1
        return self.value > number(other)


def number(value: Counted | float) -> float:
    return value.value if isinstance(value, Counted) else value


def elementary(function: Callable[..., float], *arguments: Counted | float) -> Counted:
    """One operation of the machine, or an elementary function of the numbers."""
    return Counted.did(function(*map(number, arguments)))


def operations(formula: Callable[..., Counted | bool | float], *arguments: Counted | list[Counted]) -> int:
    """How many operations a formula does with these arguments."""
    Counted.done = 0
    formula(*arguments)
    return Counted.done
