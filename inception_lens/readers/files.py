"""Opening files that anybody may have written: regular ones, of a bounded size."""

import os
import stat

from inception_lens.errors import FormatError


def shown(path: str) -> str:
    """The path as an error can print it."""
    return os.fsencode(path).decode(errors="backslashreplace")


def read_bytes(path: str, largest: int, kind: str) -> bytes:
    """Read a whole file of at most `largest` bytes; `kind` names what it should be, such as `Caffe prototxt`.

    Raises:
        FormatError: it cannot be read, is no regular file, is empty, or is larger than any of its kind.
    """
    check(path, kind, largest)
    try:
        with open(path, "rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise FormatError(f"{shown(path)}: {error.strerror or error}") from None
    if len(data) > largest:  # it grew
        raise FormatError(f"{shown(path)}: more than {largest:,} bytes are no {kind}")
    return data


def check(path: str, kind: str, largest: int | None = None) -> int:
    """Size in bytes of a regular file that is not empty, and not larger than `largest`.

    Raises:
        FormatError: it is not there, no regular file, empty, or larger.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise FormatError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise FormatError(f"{shown(path)}: it is {what}, not a {kind}")
    if not found.st_size:
        raise FormatError(f"{shown(path)}: it is empty, and no {kind}")
    if largest is not None and found.st_size > largest:
        raise FormatError(f"{shown(path)}: {found.st_size:,} bytes are no {kind}, which has at most {largest:,}")
    return found.st_size
