"""Names in a written file: of variables, arguments and classes; and text that is safe in a docstring."""

import keyword
import re

RESERVED_NAMES = frozenset({"self", "torch", "nn", "functional", "reduce", "super", "tuple", "range"})
"""Names that the written code uses itself."""


def identifier(text: str, taken: set[str], *, prefix: str = "x_") -> str:
    """A variable's name made from `text` that is not in `taken`; it is added to `taken`.

    `prefix` precedes a name that does not begin with a letter.
    """
    name = re.sub(r"[^0-9a-z]+", "_", text.lower()).strip("_")
    if not name or not name[0].isalpha():
        name = f"{prefix}{name}".rstrip("_")
    count, unique = 1, name
    while unique in taken or unique in RESERVED_NAMES or keyword.iskeyword(unique):
        count += 1
        unique = f"{name}_{count}"
    taken.add(unique)
    return unique


def class_identifier(text: str, taken: set[str]) -> str:
    """A class's name made from `text` that is not in `taken`; it is added to `taken`."""
    parts = re.findall(r"[0-9A-Za-z]+", text)
    name = "".join(part[0].upper() + part[1:] for part in parts)
    name = name if name[:1].isalpha() else f"Block{name}"
    count, unique = 1, name
    while unique in taken:
        count += 1
        unique = f"{name}{count}"
    taken.add(unique)
    return unique


def is_attribute(name: str) -> bool:
    """Whether a module's name can be written as an attribute, `self.name`."""
    return name.isidentifier() and name.isascii() and not keyword.iskeyword(name)


def printable(text: str) -> str:
    """Text without the characters that could end a docstring or a comment."""
    return re.sub(r"[^ !#-\[\]-~]", "_", text)
