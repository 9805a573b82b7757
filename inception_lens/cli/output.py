"""Where results go: standard output, or a file that is written whole or not at all."""

import sys

from inception_lens.errors import OutputError
from inception_lens.files import write_file


def write(result: str | bytes, target: str | None) -> None:
    """Write a result to `target`, or to standard output for None and `-`.

    Raises:
        OutputError: it could not be written; an old file of that name is as it was.
    """
    if target is None or target == "-":
        if sys.stdout is None:
            raise OutputError("standard output is closed")
        if isinstance(result, bytes):
            sys.stdout.buffer.write(result)
            return
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        sys.stdout.write(result)
        return
    write_file(target, result)
