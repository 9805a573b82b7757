"""Messages of a prototxt with typed access to their fields; errors carry the line of the wrong field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from inception_lens.errors import FormatError

FieldValue = TypeVar("FieldValue")

FLAGS = {"true": True, "True": True, "t": True, "1": True, "false": False, "False": False, "f": False, "0": False}
"""The spellings of truth values in the text format."""


class TextField(NamedTuple):
    """One field: a message, or a scalar as it is written."""

    name: str
    value: TextMessage | str
    line: int
    """Line of the field's name, from 1."""
    quoted: bool = False
    """Whether the value is a string in quotes, and not a number or a word."""


class TextMessage:
    """The fields between two braces, in their order.

    The methods return values of one type. Those in the singular return the last field of a name, as protocol buffers
    do, or a default.
    """

    def __init__(self, name: str = "", line: int = 1, fields: list[TextField] | None = None) -> None:
        self.name, self.line = name, line
        self.fields: list[TextField] = fields if fields is not None else []

    def __contains__(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)

    def all(self, name: str) -> list[TextField]:
        """All fields of a name."""
        return [field for field in self.fields if field.name == name]

    def _values(self, name: str, read: Callable[[TextField], FieldValue | None], expected: str) -> list[FieldValue]:
        """The values of all fields of a name; `read` returns None where a value is not as `expected`.

        Raises:
            FormatError: a value is not as expected; with its line.
        """
        values = []
        for field in self.all(name):
            value = read(field)
            if value is None:
                raise FormatError(f"`{name}` is {abbreviated(field.value)}; expected {expected}", line=field.line)
            values.append(value)
        return values

    def messages(self, name: str) -> list[TextMessage]:
        """All messages of a name; others are a FormatError."""
        return self._values(
            name, lambda field: None if isinstance(field.value, str) else field.value, "a message in braces"
        )

    def message(self, name: str) -> TextMessage:
        """The message of a name; several are merged, and none is an empty message."""
        found = self.messages(name)
        if len(found) == 1:
            return found[0]
        line = found[0].line if found else self.line
        return TextMessage(name, line, [field for each in found for field in each.fields])

    def integers(self, name: str, least: int = 0, most: int = 2**31 - 1) -> list[int]:
        """All integers of a name; others, and those that are not from `least` to `most`, are a FormatError."""

        def read(field: TextField) -> int | None:
            number = None if field.quoted else _integer(field.value)
            return number if number is not None and least <= number <= most else None

        return self._values(name, read, f"an integer from {least:,} to {most:,}")

    def integer(self, name: str, default: int | None = None, least: int = 0, most: int = 2**31 - 1) -> int:
        """The integer of a name.

        Raises:
            FormatError: there is none and no `default`; or as `integers`.
        """
        numbers = self.integers(name, least, most)
        if numbers:
            return numbers[-1]
        if default is None:
            given = ", ".join(dict.fromkeys(f"`{field.name}`" for field in self.fields))[:200]
            raise FormatError(f"`{self.name}` has no `{name}`, only {given or 'defaults'}", line=self.line)
        return default

    def numbers(self, name: str) -> list[float]:
        """All numbers of a name; others, and those that are not finite, are a FormatError."""
        return self._values(name, _number, "a finite number")

    def number(self, name: str, default: float) -> float:
        """The number of a name."""
        return (self.numbers(name) or [default])[-1]

    def texts(self, name: str) -> list[str]:
        """All strings of a name, and all words without quotes; messages are a FormatError."""
        return self._values(
            name, lambda field: field.value if isinstance(field.value, str) else None, "a string in quotes"
        )

    def text(self, name: str, default: str = "") -> str:
        """The string of a name."""
        return (self.texts(name) or [default])[-1]

    def flag(self, name: str, default: bool) -> bool:
        """The truth value of a name; other values are a FormatError."""
        return (self._values(name, lambda field: FLAGS.get(str(field.value)), "true or false") or [default])[-1]

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The enum value of a name, by its word or by its number, which is its place in `choices`; default: the first.

        Other values are a FormatError.
        """

        def read(field: TextField) -> str | None:
            number = _integer(field.value)
            if number is not None and 0 <= number < len(choices):
                return choices[number]
            return str(field.value) if field.value in choices else None

        return (self._values(name, read, " or ".join(filter(None, choices))) or [choices[0]])[-1]


def abbreviated(value: TextMessage | str) -> str:
    """A field's value for an error message."""
    if isinstance(value, TextMessage):
        return "a message in braces"
    return repr(value) if len(value) <= 40 else f"{value[:37]!r}..."


def _number(field: TextField) -> float | None:
    try:
        number = float(str(field.value).rstrip("fF") if not field.quoted else "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _integer(value: TextMessage | str) -> int | None:
    """A decimal, hexadecimal or octal integer; None for other values."""
    if not isinstance(value, str) or len(value) > 24:
        return None
    if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|[1-9][0-9]*|0)", value):
        return int(value, 0)
    return int(value, 8) if re.fullmatch(r"[-+]?0[0-7]+", value) else None
