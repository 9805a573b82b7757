"""Reading files of unknown origin: regular files of a bounded size, with errors that start with the file's path."""

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from inception_lens.errors import FormatError, GraphError

JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError)
"""Raised by msgspec for bytes that are not JSON of the requested type, or not text."""

MAX_MESSAGE_LENGTH = 1_000


def display_path(path: str) -> str:
    """The path as printable text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def one_line(message: object) -> str:
    """The message, which may quote names from a file, without control characters and cut to `MAX_MESSAGE_LENGTH`."""
    text = str(message)[:MAX_MESSAGE_LENGTH]
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def errors_in(path: str) -> Iterator[None]:
    """Prefix errors about a file's content with its path and, where the error has one, its line.

    Raises:
        FormatError: the block raised a FormatError or GraphError.
    """
    try:
        yield
    except (FormatError, GraphError) as error:
        line = getattr(error, "line", 0)
        place = f"{display_path(path)}:{line}" if line else display_path(path)
        raise FormatError(f"{place}: {one_line(error)}", line=line) from None


@contextmanager
def errors_of(node: str, kind: str, line: int = 0) -> Iterator[None]:
    """Prefix errors about a node or layer of a file with its name and type, unless they start with its name.

    Raises:
        FormatError: the block raised a FormatError or GraphError; its line is that of the error or else `line`.
    """
    try:
        yield
    except (FormatError, GraphError) as error:
        text = str(error) if str(error).startswith(f"`{node}") else f"`{node}` ({kind}): {error}"
        raise FormatError(text, line=getattr(error, "line", 0) or line) from None


def check_file(path: str, kind: str, *, may_be_empty: bool = False) -> None:
    """Check that the path is a regular file, which can be opened without waiting, and not empty.

    `kind` is what the file should be, with its article: `an ONNX model`.

    Raises:
        FormatError: the file does not exist, is not a regular file, or is empty.
    """
    with errors_in(path):
        try:
            found = os.stat(path)
        except (OSError, ValueError) as error:
            raise FormatError(_reason(error)) from None
        if not stat.S_ISREG(found.st_mode):
            what = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise FormatError(f"is {what}; expected {kind}")
        if not found.st_size and not may_be_empty:
            raise FormatError(f"is empty; expected {kind}")


def read_bytes(path: str, max_size: int, kind: str, *, may_be_empty: bool = False) -> bytes:
    """Read a file of at most `max_size` bytes; `kind` is what it should be, as for `check_file`.

    Raises:
        FormatError: the file cannot be read, is not a regular file, is empty, or is larger than `max_size`.
    """
    check_file(path, kind, may_be_empty=may_be_empty)
    with errors_in(path):
        try:
            with open(path, "rb") as file:
                data = file.read(max_size + 1)
        except OSError as error:
            raise FormatError(_reason(error)) from None
        if len(data) > max_size:
            raise FormatError(f"is larger than {max_size:,} bytes, the limit for {kind}")
    return data


def read_text(path: str, max_size: int, kind: str, *, may_be_empty: bool = False) -> str:
    """Read a file of UTF-8 text, with or without a byte order mark; as `read_bytes`.

    Raises:
        FormatError: as `read_bytes`, or the file is not UTF-8 text.
    """
    data = read_bytes(path, max_size, kind, may_be_empty=may_be_empty)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text: {error.reason} at byte {error.start}"
        raise FormatError(f"{display_path(path)}: {reason}") from None


def map_file(path: str, kind: str) -> memoryview:
    """Map a file into memory: the operating system reads only the pages that are accessed.

    Raises:
        FormatError: the file cannot be read, is not a regular file, or is empty.
    """
    check_file(path, kind)
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise FormatError(f"{display_path(path)}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """The system's text without the path, which the message has already."""
    return str(getattr(error, "strerror", None) or error)
