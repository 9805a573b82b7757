"""Where results go: standard output, or a file that is written whole or not at all."""

import contextlib
import os
import shutil
import sys
from pathlib import Path

from inception_lens.errors import OutputError

WIDTH_WITHOUT_TERMINAL = 100


class Terminal:
    """What standard output can show."""

    def __init__(self) -> None:
        stream = sys.stdout
        self.width = max(shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 24)).columns, 40)
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
        _write_file(text.encode(), Path(os.path.realpath(target)))
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror or error}") from None


def _write_file(data: bytes, path: Path) -> None:
    if path.exists() and not path.is_file():  # a pipe or a device takes what it is given; a folder refuses
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name[:100]}.{os.urandom(4).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            if path.exists():
                os.fchmod(file.fileno(), path.stat().st_mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
