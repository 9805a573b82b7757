"""Where results go: standard output, or a file that is written whole or not at all."""

import contextlib
import os
import stat
import sys
from collections.abc import Mapping

from inception_lens.errors import OutputError


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
    try:
        _write_file(result.encode() if isinstance(result, str) else result, target)
    except (OSError, ValueError) as error:
        raise OutputError(f"{target}: {getattr(error, 'strerror', None) or error}") from None


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


def _write_file(data: bytes, target: str) -> None:
    mode = os.stat(target).st_mode if os.path.exists(target) else None
    if mode is not None and not stat.S_ISREG(mode):  # a pipe or a device takes what it is given; a folder refuses
        with open(target, "wb") as file:
            file.write(data)
        return
    path = os.path.realpath(target)  # through a link, which stays one
    temporary = os.path.join(os.path.dirname(path), f".inception-lens-{os.urandom(6).hex()}.tmp")
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
