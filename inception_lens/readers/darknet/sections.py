"""The sections of a Darknet config, with the rules of `read_cfg` in Darknet's parser.c and of C's `atoi`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.readers.shapes import MAX_WINDOW_SIZE

MAX_SECTIONS = 10_000

SYNONYMS = {
    "avg": "avgpool", "conn": "connected", "conv": "convolutional", "deconv": "deconvolutional",
    "local_avg": "local_avgpool", "lrn": "normalization", "max": "maxpool", "network": "net", "soft": "softmax",
}  # fmt: skip
"""Short names of layers, and the usual ones."""

INTEGER = re.compile(r"[+-]?\d{1,12}")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class DarknetSection(NamedTuple):
    """A section, which is a layer or the options of the network.

    As for `atoi` and `atof`, what follows a number is ignored, and a text that does not start with one is 0.
    """

    type: str
    line: int
    options: Mapping[str, str]
    """Values without blanks; the first of each key counts."""

    def integer(self, name: str, default: int, least: int = 0, most: int = MAX_WINDOW_SIZE) -> int:
        """An integer in a range.

        Raises:
            FormatError: it is outside.
        """
        found = INTEGER.match(self.options[name]) if name in self.options else None
        value = default if name not in self.options else int(found[0]) if found else 0
        if not least <= value <= most:
            raise FormatError(f"`{name}` is {value}; expected {least:,} to {most:,}")
        return value

    def number(self, name: str, default: float) -> float:
        """A floating-point number."""
        found = NUMBER.match(self.options[name]) if name in self.options else None
        return default if name not in self.options else float(found[0]) if found else 0.0

    def text(self, name: str, default: str) -> str:
        """A text."""
        return self.options.get(name, default)

    def integers(self, name: str) -> list[int]:
        """Integers with commas between them; empty where the key is missing.

        Raises:
            FormatError: one is not an integer.
        """
        values = self.options[name].split(",") if name in self.options else []
        found = [INTEGER.match(value) for value in values]
        numbers = [int(each[0]) for each in found if each is not None]
        if len(numbers) < len(values):
            raise FormatError(f"`{name}` is {self.options[name][:80]}; expected integers with commas between them")
        return numbers


def read_sections(text: str) -> list[DarknetSection]:
    """The sections of a config; blanks, and lines that start with `#` or `;`, are ignored.

    Raises:
        FormatError: a line is neither a section nor `key=value`, the first section is not `[net]`, or there are more
            than MAX_SECTIONS; with the line.
    """
    sections: list[DarknetSection] = []
    options: dict[str, str] = {}
    for number, given in enumerate(text.split("\n"), 1):
        line = re.sub(r"\s", "", given)
        if line.startswith("["):
            name = line.partition("]")[0][1:].lower()
            options = {}
            sections.append(DarknetSection(SYNONYMS.get(name, name), number, options))
            if len(sections) > MAX_SECTIONS:
                raise FormatError(f"more than {MAX_SECTIONS:,} sections", line=number)
        elif line and line[0] not in "#;":
            key, equals, value = line.partition("=")
            if not equals or not sections:
                raise FormatError(f"`{given.strip()[:80]}` is neither a section nor key=value", line=number)
            options.setdefault(key, value)
    if not sections or sections[0].type != "net":
        raise FormatError("is not a Darknet config: its first section is not [net]", line=1)
    return sections
