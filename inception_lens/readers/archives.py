"""ZIP archives, as PyTorch, NumPy and Keras write them."""

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from inception_lens.errors import FormatError
from inception_lens.readers.files import check_file, errors_in

ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, ValueError, OverflowError, NotImplementedError,
    RuntimeError,
)  # fmt: skip
"""Raised by `zipfile` for damaged archives."""

MAX_DIRECTORY_SIZE = 16_000_000
"""Bytes of a ZIP archive's central directory, which `zipfile` loads at once; 100,000 tensors need 10 MB."""


@contextmanager
def open_zip(path: str, kind: str) -> Iterator[zipfile.ZipFile]:
    """Open a ZIP archive with a bounded central directory; errors of the block get the path as their prefix.

    Raises:
        FormatError: the archive is damaged, which can show while its members are read.
    """
    check_file(path, kind)
    with errors_in(path):
        try:
            _check_directory(path)
            with zipfile.ZipFile(path) as archive:
                yield archive
        except ZIP_ERRORS as error:
            raise FormatError(f"is damaged or not {kind}: {str(error)[:100]}") from None


def _check_directory(path: str) -> None:
    """Check the size of the central directory that the end records of a ZIP archive declare.

    The end record is within the last 65,557 bytes; where ZIP64's own end record follows the directory, the size in
    the plain one is only a placeholder (PKWARE's APPNOTE, 4.3.14 and 4.3.16).
    """
    with open(path, "rb") as file:
        file.seek(max(os.path.getsize(path) - 66_000, 0))
        tail = file.read()
    size = 0
    for signature, length, layout, offset in ((b"PK\5\6", 22, "<I", 12), (b"PK\6\6", 56, "<Q", 40)):
        at = tail.rfind(signature)
        if at >= 0 and len(tail) >= at + length:
            (size,) = struct.unpack_from(layout, tail, at + offset)
    if size > MAX_DIRECTORY_SIZE:
        raise FormatError(f"declares a directory of {size:,} bytes; the limit is {MAX_DIRECTORY_SIZE:,}")
