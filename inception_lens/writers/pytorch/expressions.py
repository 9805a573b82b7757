"""Python expressions in the layout of ruff and black: on one line if they fit, otherwise one part per line."""

import json
import math
from typing import NamedTuple

MAX_LINE_LENGTH = 88
"""Characters: the default of ruff and black."""


class Expression(NamedTuple):
    """Text around parts that are separated by commas: `before(part, part)after`."""

    before: str
    """The whole text, if there are no parts."""
    parts: tuple["Expression", ...] = ()
    """Each gets a line of its own if the expression does not fit one line."""
    after: str = ""
    """The closing bracket."""

    @property
    def flat(self) -> str:
        """The expression on one line."""
        return self.before + ", ".join([part.flat for part in self.parts]) + self.after

    def laid_out(self, indent: int, column: int, tail: int = 0) -> str:
        """The expression on as many lines as it needs.

        Args:
            indent: the indent of the line that it starts on.
            column: where on that line it starts.
            tail: how many characters follow it on its last line.
        """
        flat = self.flat
        if column + len(flat) + tail <= MAX_LINE_LENGTH or not self.parts:
            return flat
        inner = " " * (indent + 4)
        lines = [inner + part.laid_out(indent + 4, indent + 4, 1) + ",\n" for part in self.parts]
        return f"{self.before}\n{''.join(lines)}{' ' * indent}{self.after}"


def call(function: str, /, *arguments: Expression | str, **named: Expression | str) -> Expression:
    """A call: `function(argument, name=argument)`."""
    parts = [_expression(argument) for argument in arguments]
    parts += [_prefixed(f"{name}=", _expression(argument)) for name, argument in named.items()]
    return Expression(f"{function}(", tuple(parts), ")")


def dictionary(items: dict[str, Expression]) -> Expression:
    """A dict with string keys."""
    return Expression("{", tuple(_prefixed(f"{literal(key)}: ", item) for key, item in items.items()), "}")


def signature(name: str, parameters: list[str], returns: str) -> str:
    """The first line of a method, with its colon."""
    return statement(4, "", Expression(f"def {name}(", tuple(map(Expression, parameters)), f") -> {returns}:"))


def statement(indent: int, before: str, value: Expression) -> str:
    """A line such as `x = call(...)`; `before` is the text before the value."""
    return " " * indent + before + value.laid_out(indent, indent + len(before)) + "\n"


def literal(value: object) -> str:
    """A value as a Python literal, with strings in double quotes."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _expression(argument: Expression | str) -> Expression:
    return Expression(argument) if isinstance(argument, str) else argument


def _prefixed(prefix: str, value: Expression) -> Expression:
    return Expression(prefix + value.before, value.parts, value.after)
