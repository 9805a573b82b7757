"""The settings of a Keras layer: values of its JSON configuration, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.readers.shapes import MAX_WINDOW_SIZE

MAX_INTEGER = 2**31 - 1


class Settings(NamedTuple):
    """Values by name; every method raises a FormatError for a value of another type."""

    values: Mapping[str, object]

    def integer(self, name: str, default: int | None = None, least: int = 1) -> int:
        """An integer from `least` to MAX_INTEGER; without a default it must be there."""
        value = self.values.get(name)
        value = default if value is None else value
        if isinstance(value, float) and isfinite(value) and value == int(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_INTEGER:
            raise FormatError(f"`{name}` is {_shown(value)}; expected an integer from {least} to {MAX_INTEGER:,}")
        return value

    def number(self, name: str, default: float) -> float:
        """A finite number."""
        value = self.values.get(name)
        value = default if value is None else value
        if not isinstance(value, int | float) or not isfinite(value):
            raise FormatError(f"`{name}` is {_shown(value)}; expected a number")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(name)
        value = default if value is None else value
        if not isinstance(value, bool | int):
            raise FormatError(f"`{name}` is {_shown(value)}; expected true or false")
        return bool(value)

    def text(self, name: str, default: str = "") -> str:
        """A text; the name of an object that is configured by a class, such as an activation."""
        value = self.values.get(name)
        value = default if value is None else value
        if isinstance(value, Mapping):  # {"class_name": "ReLU", "config": {...}}
            inner = value.get("config")
            value = (
                inner if value.get("class_name") == "function" and isinstance(inner, str) else value.get("class_name")
            )
        if not isinstance(value, str):
            raise FormatError(f"`{name}` is {_shown(value)}; expected a text")
        return value

    def sizes(self, name: str, axes: int, default: int | None = None, least: int = 1) -> tuple[int, ...]:
        """One integer per axis, from `least` to MAX_WINDOW_SIZE; a single one is that of all axes."""
        value = self.values.get(name)
        value = default if value is None else value
        sizes = [value] * axes if isinstance(value, int) else value
        if not isinstance(sizes, list) or len(sizes) != axes or not all(_is_size(size, least) for size in sizes):
            limits = f"{axes} integers from {least} to {MAX_WINDOW_SIZE:,}"
            raise FormatError(f"`{name}` is {_shown(value)}; expected {limits}")
        return tuple(sizes)

    def pairs(self, name: str, axes: int) -> tuple[tuple[int, int], ...]:
        """A pair (before, after) per axis: given as such, as one integer per axis, or as one for all."""
        value = self.values.get(name)
        rows = [value] * axes if isinstance(value, int) else value
        if axes == 1 and isinstance(rows, list) and len(rows) == 2:
            rows = [rows]
        if not isinstance(rows, list) or len(rows) != axes:
            raise FormatError(f"`{name}` is {_shown(value)}; expected {axes} pairs of integers")
        return tuple([_pair(name, [row, row] if isinstance(row, int) else row) for row in rows])

    def axes(self, name: str, default: int) -> tuple[int, ...]:
        """One axis or several."""
        value = self.values.get(name)
        value = default if value is None else value
        axes = value if isinstance(value, list) else [value]
        found = tuple([axis for axis in axes if isinstance(axis, int) and abs(axis) < 64])
        if not found or len(found) < len(axes):
            raise FormatError(f"`{name}` is {_shown(value)}; expected axes")
        return found

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """A shape whose unknown sizes are None; None if there is no such setting."""
        value = self.values.get(name)
        return None if value is None else shape_of(name, value)


def shape_of(name: str, value: object) -> tuple[int | None, ...]:
    """A shape whose unknown sizes are None.

    Raises:
        FormatError: it is not a list of sizes.
    """
    if not isinstance(value, list) or len(value) > 64 or not all(size is None or _is_size(size, -1) for size in value):
        raise FormatError(f"`{name}` is {_shown(value)}; expected a shape")
    return tuple(value)


def _pair(name: str, row: object) -> tuple[int, int]:
    if not isinstance(row, list) or len(row) != 2 or not all(_is_size(size, 0) for size in row):
        raise FormatError(f"`{name}` has the entry {_shown(row)}; expected two integers from 0 to {MAX_WINDOW_SIZE:,}")
    return row[0], row[1]


def _is_size(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_WINDOW_SIZE


def _shown(value: object) -> str:
    return str(value)[:40]
