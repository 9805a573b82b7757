"""What standard output can show."""

import os
import sys
from typing import TypedDict

DEFAULT_WIDTH = 100
"""Columns if standard output is not a terminal."""
MIN_WIDTH, MAX_WIDTH = 40, 10_000
"""Range of the width in columns."""


class Terminal:
    """Width, colours and characters of standard output, by `COLUMNS`, `NO_COLOR`, `TERM` and its encoding."""

    def __init__(self) -> None:
        stream = sys.stdout
        self.width = min(max(_columns(), MIN_WIDTH), MAX_WIDTH)
        self.color = bool(
            stream and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
        try:
            "█▏─".encode(getattr(stream, "encoding", None) or "ascii")
            self.unicode = True
        except (UnicodeEncodeError, LookupError):
            self.unicode = False

    def style(self, *, to_file: bool) -> "Style":
        """The style of tables for standard output, or for a file, which has all characters and no colours."""
        return {"width": self.width, "color": self.color and not to_file, "unicode": self.unicode or to_file}


class Style(TypedDict):
    """Options of the renderers of tables."""

    width: int
    """Columns."""
    color: bool
    """Whether colours are written."""
    unicode: bool
    """Whether characters outside of ASCII are written."""


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and len(given) < 10 and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return DEFAULT_WIDTH
