"""Messages of a prototxt with typed access to their fields; errors carry the line of the wrong field."""

from __future__ import annotations

import math
import re
from typing import NamedTuple, NoReturn

from inception_lens.errors import FormatError


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

    def messages(self, name: str) -> list[TextMessage]:
        """All messages of a name.

        Raises:
            FormatError: a field of that name is a scalar.
        """
        found = []
        for field in self.all(name):
            if not isinstance(field.value, TextMessage):
                _fail(field, "a message in braces")
            found.append(field.value)
        return found

    def message(self, name: str) -> TextMessage:
        """The message of a name; several are merged, and none is an empty message."""
        found = self.messages(name)
        if len(found) == 1:
            return found[0]
        line = found[0].line if found else self.line
        return TextMessage(name, line, [field for each in found for field in each.fields])

    def integers(self, name: str, least: int = 0, most: int = 2**31 - 1) -> list[int]:
        """All integers of a name.

        Raises:
            FormatError: a value is not an integer, or not between `least` and `most`.
        """
        numbers = []
        for field in self.all(name):
            number = None if field.quoted else _integer(field.value)
            if number is None or not least <= number <= most:
                _fail(field, f"an integer from {least:,} to {most:,}")
            numbers.append(number)
        return numbers

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
        """All numbers of a name.

        Raises:
            FormatError: a value is not a finite number.
        """
        numbers = []
        for field in self.all(name):
            try:
                number = float(str(field.value).rstrip("fF") if not field.quoted else "")
            except ValueError:
                number = math.nan
            if not math.isfinite(number):
                _fail(field, "a finite number")
            numbers.append(number)
        return numbers

    def number(self, name: str, default: float) -> float:
        """The number of a name."""
        return (self.numbers(name) or [default])[-1]

    def texts(self, name: str) -> list[str]:
        """All strings of a name, and all words without quotes.

        Raises:
            FormatError: a value is a message.
        """
        texts = []
        for field in self.all(name):
            if not isinstance(field.value, str):
                _fail(field, "a string in quotes")
            texts.append(field.value)
        return texts

    def text(self, name: str, default: str = "") -> str:
        """The string of a name."""
        return (self.texts(name) or [default])[-1]

    def flag(self, name: str, default: bool) -> bool:
        """The truth value of a name.

        Raises:
            FormatError: a value is not `true` or `false` in one of the format's spellings.
        """
        value = default
        for field in self.all(name):
            if field.value not in ("true", "false", "True", "False", "t", "f", "1", "0"):
                _fail(field, "true or false")
            value = field.value in ("true", "True", "t", "1")
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """The enum value of a name, by its word or its number, which is its place in `choices`; default: the first.

        Raises:
            FormatError: a value is not one of `choices`.
        """
        value = choices[0]
        for field in self.all(name):
            number = _integer(field.value)
            if number is not None and 0 <= number < len(choices):
                value = choices[number]
            elif field.value in choices:
                value = str(field.value)
            else:
                _fail(field, " or ".join(filter(None, choices)))
        return value


def abbreviated(value: TextMessage | str) -> str:
    """A field's value for an error message."""
    if isinstance(value, TextMessage):
        return "a message in braces"
    return repr(value) if len(value) <= 40 else f"{value[:37]!r}..."


def _fail(field: TextField, expected: str) -> NoReturn:
    raise FormatError(f"`{field.name}` is {abbreviated(field.value)}; expected {expected}", line=field.line)


def _integer(value: TextMessage | str) -> int | None:
    """A decimal, hexadecimal or octal integer; None for other values."""
    if not isinstance(value, str) or len(value) > 24:
        return None
    if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|[1-9][0-9]*|0)", value):
        return int(value, 0)
    return int(value, 8) if re.fullmatch(r"[-+]?0[0-7]+", value) else None
