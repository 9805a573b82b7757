"""Opening files that anybody may have written: regular ones, of a bounded size."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from inception_lens.errors import FormatError

JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError)
"""What decoding raises for bytes that are no JSON of the type asked for, or no text at all."""

MAX_DIRECTORY_SIZE = 16_000_000
"""Bytes of a ZIP archive's directory, which is read whole; a hundred thousand tensors take ten million."""


def display_path(path: str) -> str:
    """The path as an error can print it."""
    return os.fsencode(path).decode(errors="backslashreplace")


def one_line(message: object) -> str:
    """A message about a file, which may hold names from it: without line breaks, and not longer than anybody reads."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(message)[:1_000])


def read_bytes(path: str, largest: int, kind: str) -> bytes:
    """Read a whole file of at most `largest` bytes; `kind` names what it should be, such as `Caffe prototxt`.

    Raises:
        FormatError: it cannot be read, is no regular file, is empty, or is larger than any of its kind.
    """
    check_file(path, kind, largest)
    try:
        with open(path, "rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise FormatError(f"{display_path(path)}: {error.strerror or error}") from None
    if len(data) > largest:  # it grew
        raise FormatError(f"{display_path(path)}: more than {largest:,} bytes are no {kind}")
    return data


def check_file(path: str, kind: str, largest: int | None = None) -> int:
    """Size in bytes of a regular file that is not empty, and not larger than `largest`.

    Raises:
        FormatError: it is not there, no regular file, empty, or larger.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise FormatError(f"{display_path(path)}: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file"
        raise FormatError(f"{display_path(path)}: it is {what}, not a {kind}")
    if not found.st_size:
        raise FormatError(f"{display_path(path)}: it is empty, and no {kind}")
    if largest is not None and found.st_size > largest:
        raise FormatError(f"{display_path(path)}: {found.st_size:,} bytes are no {kind}, which has at most {largest:,}")
    return found.st_size


ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, OverflowError, NotImplementedError,
    RuntimeError,
)  # fmt: skip
"""What `zipfile` raises of an archive that is none."""


@contextmanager
def open_zip(path: str, kind: str) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP archive whose directory is of a bounded size.

    Raises:
        FormatError: it is no whole archive, here or while it is read.
    """
    check_file(path, kind)
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as opened:
            yield opened
    except ZIP_ERRORS as error:
        raise FormatError(f"{display_path(path)}: no whole {kind}: {str(error)[:100]}") from None


def _check_directory(path: str) -> None:
    """Raise a FormatError where the archive says that its directory is too large."""
    with open(path, "rb") as file:
        file.seek(max(os.path.getsize(path) - 66_000, 0))
        tail = file.read()
    sizes: list[int] = []
    at = tail.rfind(b"PK\5\6")
    if at >= 0 and len(tail) >= at + 22:
        sizes += struct.unpack_from("<I", tail, at + 12)
    at = tail.rfind(b"PK\6\6")  # of ZIP64, where the other says 0xFFFFFFFF
    if at >= 0 and len(tail) >= at + 56:
        sizes = [*struct.unpack_from("<Q", tail, at + 40)]
    if sizes and max(sizes) > MAX_DIRECTORY_SIZE:
        raise FormatError(f"{display_path(path)}: a directory of {max(sizes):,} bytes, at most {MAX_DIRECTORY_SIZE:,}")
