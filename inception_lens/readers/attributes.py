"""Attributes of operators, each checked to have the type that its reader expects."""

from collections.abc import Mapping

from inception_lens.errors import FormatError


def integer_of(attributes: Mapping[str, object], name: str, default: int) -> int:
    """An integer or a truth value.

    Raises:
        FormatError: it has another type.
    """
    value = attributes.get(name, default)
    if not isinstance(value, int):
        raise FormatError(f"attribute `{name}` is not an integer")
    return value


def number_of(attributes: Mapping[str, object], name: str, default: float) -> float:
    """A floating-point number, an integer or a truth value.

    Raises:
        FormatError: it has another type.
    """
    value = attributes.get(name, default)
    if not isinstance(value, int | float):
        raise FormatError(f"attribute `{name}` is not a number")
    return value


def text_of(attributes: Mapping[str, object], name: str, default: str) -> str:
    """A text.

    Raises:
        FormatError: it has another type.
    """
    value = attributes.get(name, default)
    if not isinstance(value, str):
        raise FormatError(f"attribute `{name}` is not a text")
    return value
