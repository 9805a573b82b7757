"""The fields of a prototxt as values, and their text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

FieldValue: TypeAlias = "str | float | Fields"
Fields: TypeAlias = Sequence[tuple[str, FieldValue]]
"""Names and values of a message; a value that is Fields is a nested message."""


class EnumName(str):
    """A value that is written without quotes."""

    __slots__ = ()


def message_text(fields: Fields) -> str:
    """The text of a message, one line per field."""
    return "".join(_lines(fields, ""))


def _lines(fields: Fields, indent: str) -> Iterator[str]:
    for name, value in fields:
        if isinstance(value, str | float | int):
            yield f"{indent}{name}: {_scalar(value)}\n"
        else:
            yield f"{indent}{name} {{\n"
            yield from _lines(value, f"{indent}  ")
            yield f"{indent}}}\n"


def _scalar(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not isinstance(value, EnumName):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        if escaped.isprintable():
            return f'"{escaped}"'
        return '"' + "".join(c if c.isprintable() else "".join(f"\\{b:03o}" for b in c.encode()) for c in escaped) + '"'
    return str(value)


def repeated(name: str, short: str, sizes: tuple[int, ...], default: int | None = None) -> list[tuple[str, FieldValue]]:
    """Fields for the sizes of all axes: none if all have the default, one if they are equal, `_h` and `_w` for two."""
    if set(sizes) == {default}:
        return []
    if len(set(sizes)) == 1:
        return [(name, sizes[0])]
    if len(sizes) == 2:
        return [(f"{short}_h", sizes[0]), (f"{short}_w", sizes[1])]
    return [(name, size) for size in sizes]


def shape_field(sizes: Sequence[int]) -> tuple[str, FieldValue]:
    """A `BlobShape`."""
    return ("shape", [("dim", size) for size in sizes])
