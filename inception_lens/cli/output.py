"""Where results go: standard output, or a file that is written whole or not at all."""

import os
import sys
from collections.abc import Mapping

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


def write_folder(files: Mapping[str, bytes], folder: str) -> None:
    """Write files into a folder, made where it is not there; each is written whole or not at all.

    Raises:
        OutputError: one could not be written; an old file of its name is as it was.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder}: it is a file, and must be a folder") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{folder}: {getattr(error, 'strerror', None) or error}") from None
    for name, data in files.items():
        write(data, os.path.join(folder, name))
