"""What the terminal behind standard output can show."""

import os
import sys
from typing import TypedDict

WIDTH_WITHOUT_TERMINAL = 100
NARROWEST, WIDEST = 40, 10_000


class Terminal:
    """Width, colour and characters of standard output, honouring `COLUMNS`, `NO_COLOR` and `TERM`."""

    def __init__(self) -> None:
        stream = sys.stdout
        self.width = min(max(_columns(), NARROWEST), WIDEST)
        self.color = bool(
            stream and stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        )
        try:
            "█▏─".encode(getattr(stream, "encoding", None) or "ascii")
            self.unicode = True
        except (UnicodeEncodeError, LookupError):
            self.unicode = False

    def style(self, *, to_file: bool) -> "Style":
        """How a table is drawn for it, or for a file, which has every character and no colour."""
        return {"width": self.width, "color": self.color and not to_file, "unicode": self.unicode or to_file}


class Style(TypedDict):
    """What a renderer of tables is told."""

    width: int
    color: bool
    unicode: bool


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and len(given) < 10 and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):
        return WIDTH_WITHOUT_TERMINAL
