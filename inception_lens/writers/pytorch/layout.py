"""Python source in the layout of ruff and black: an expression on one line where it fits, else one part a line."""

import json
import math
from typing import Any, NamedTuple

LINE = 88
"""Characters that a line may have, by ruff's and black's default."""


class Code(NamedTuple):
    """An expression: text around parts that are separated by commas, `before(part, part)`."""

    before: str
    parts: tuple["Code", ...] = ()
    after: str = ""

    @property
    def flat(self) -> str:
        """The expression on one line."""
        return self.before + ", ".join([part.flat for part in self.parts]) + self.after

    def at(self, indent: int, start: int, end: int = 0) -> str:
        """The expression where its line has an indent, has reached column `start`, and goes on for `end` behind it."""
        flat = self.flat
        if start + len(flat) + end <= LINE or not self.parts:
            return flat
        inner = " " * (indent + 4)
        lines = [inner + part.at(indent + 4, indent + 4, 1) + ",\n" for part in self.parts]
        return f"{self.before}\n{''.join(lines)}{' ' * indent}{self.after}"


def call(function: str, /, *arguments: Code | str, **named: Code | str) -> Code:
    """A call: `function(argument, name=argument)`."""
    parts = [_code(argument) for argument in arguments]
    parts += [keyword(name, _code(argument)) for name, argument in named.items()]
    return Code(f"{function}(", tuple(parts), ")")


def keyword(name: str, value: Code) -> Code:
    """One part of a call, `name=value`."""
    return Code(f"{name}={value.before}", value.parts, value.after)


def dictionary(items: dict[str, Code]) -> Code:
    """A dict with string keys."""
    parts = [Code(f"{literal(key)}: {item.before}", item.parts, item.after) for key, item in items.items()]
    return Code("{", tuple(parts), "}")


def statement(indent: int, before: str, value: Code) -> str:
    """A line such as `x = call(...)`."""
    return " " * indent + before + value.at(indent, indent + len(before)) + "\n"


def literal(value: Any) -> str:
    """A value as Python writes it, strings in double quotes."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _code(argument: Code | str) -> Code:
    return Code(argument) if isinstance(argument, str) else argument
