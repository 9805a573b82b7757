"""Messages of a prototxt with typed access to their fields; errors carry the line of the wrong field."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from inception_lens.errors import FormatError

TypedValue = TypeVar("TypedValue")

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

    The methods return values of one type. Those in the singular return the only field of a name, or a default; as in
    Google's parser of the text format, several are a FormatError.
    """

    def __init__(self, name: str = "", line: int = 1, fields: list[TextField] | None = None) -> None:
        self.name, self.line = name, line
        self.fields: list[TextField] = fields if fields is not None else []

    def __contains__(self, name: str) -> bool:
        return any(field.name == name for field in self.fields)

    def all(self, name: str) -> list[TextField]:
        """All fields of a name."""
        return [field for field in self.fields if field.name == name]

    def _values(self, name: str, read: Callable[[TextField], TypedValue | None], expected: str) -> list[TypedValue]:
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

    def _value(self, name: str, values: Sequence[TypedValue]) -> TypedValue | None:
        """The only one of the values of a name, if there is one."""
        if len(values) > 1:
            raise FormatError(f"`{name}` is given {len(values)} times; expected once", line=self.all(name)[1].line)
        return values[0] if values else None

    def messages(self, name: str) -> list[TextMessage]:
        """All messages of a name; others are a FormatError."""
        return self._values(
            name, lambda field: None if isinstance(field.value, str) else field.value, "a message in braces"
        )

    def message(self, name: str) -> TextMessage:
        """The message of a name; an empty one if there is none."""
        return self._value(name, self.messages(name)) or TextMessage(name, self.line)

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
        number = self._value(name, self.integers(name, least, most))
        if number is not None:
            return number
        if default is None:
            given = ", ".join(dict.fromkeys(f"`{field.name}`" for field in self.fields))[:200]
            raise FormatError(f"`{self.name}` has no `{name}`, only {given or 'defaults'}", line=self.line)
        return default

    def numbers(self, name: str) -> list[float]:
        """All numbers of a name; others, and those that are not finite, are a FormatError."""
        return self._values(name, _number, "a finite number")

    def number(self, name: str, default: float) -> float:
        """The number of a name."""
        number = self._value(name, self.numbers(name))
        return default if number is None else number

    def texts(self, name: str) -> list[str]:
        """All strings of a name, and all words without quotes; messages are a FormatError."""
        return self._values(
            name, lambda field: field.value if isinstance(field.value, str) else None, "a string in quotes"
        )

    def text(self, name: str, default: str = "") -> str:
        """The string of a name."""
        text = self._value(name, self.texts(name))
        return default if text is None else text

    def flag(self, name: str, default: bool) -> bool:
        """The truth value of a name; other values are a FormatError."""
        flag = self._value(name, self._values(name, lambda field: FLAGS.get(str(field.value)), "true or false"))
        return default if flag is None else flag

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The enum value of a name, by its word or by its number, which is its place in `choices`; default: the first.

        Other values are a FormatError.
        """

        def read(field: TextField) -> str | None:
            number = _integer(field.value)
            if number is not None and 0 <= number < len(choices):
                return choices[number]
            return str(field.value) if field.value in choices else None

        found = self._value(name, self._values(name, read, " or ".join(filter(None, choices))))
        return choices[0] if found is None else found


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
