"""Where results go: standard output, or a file that is written whole or not at all."""

import contextlib
import os
import stat
import sys

from inception_lens.errors import OutputError

WIDTH_WITHOUT_TERMINAL = 100
NARROWEST = 40


class Terminal:
    """What standard output can show."""

    def __init__(self) -> None:
        stream = sys.stdout
        self.width = max(_columns(), NARROWEST)
        self.color = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        try:
            "█▏─".encode(stream.encoding or "ascii")
            self.unicode = True
        except (UnicodeEncodeError, LookupError):
            self.unicode = False


def write(text: str, target: str | None) -> None:
    """Write a result to `target`, or to standard output for None and `-`.

    Raises:
        OutputError: the file could not be written; an old one of that name is as it was.
    """
    if target is None or target == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        sys.stdout.write(text)
        return
    try:
        _write_file(text.encode(errors="surrogateescape"), os.path.realpath(target))
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror or error}") from None


def _columns() -> int:
    """The terminal's width: `COLUMNS` where it is set, else what the terminal says."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else WIDTH_WITHOUT_TERMINAL
    except (OSError, ValueError):
        return WIDTH_WITHOUT_TERMINAL


def _write_file(data: bytes, path: str) -> None:
    mode = os.stat(path).st_mode if os.path.exists(path) else None
    if mode is not None and not stat.S_ISREG(mode):  # a pipe or a device takes what it is given; a folder refuses
        with open(path, "wb") as file:
            file.write(data)
        return
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:100]}.{os.urandom(4).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
