"""The files that hold Keras models: .keras, a ZIP archive; .h5, an HDF5 file; and JSON."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING

from inception_lens.errors import FormatError, require
from inception_lens.readers.archives import open_zip
from inception_lens.readers.files import check_file, errors_in, map_file

if TYPE_CHECKING:
    import h5py

KIND = "a Keras model"
HDF5_SIGNATURE, ZIP_SIGNATURE = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
"""Members of a .keras archive."""

MAX_CONFIG_SIZE = 32_000_000
"""Bytes of a configuration; that of NASNetLarge has one million."""

MAX_ATTRIBUTE_SIZE = 4_000_000
"""Bytes of an HDF5 attribute; Keras splits lists of more than 64,512."""

HDF5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError)
"""Raised by h5py for damaged files."""


def signature(path: str) -> bytes:
    """The first bytes of a file; as `check_file`."""
    check_file(path, KIND)
    with open(path, "rb") as file:
        return file.read(len(HDF5_SIGNATURE))


def config_text(path: str) -> bytes:
    """The JSON of the model in a .keras or .h5 file, or the file itself.

    Raises:
        FormatError: the file is damaged, holds no model, or one whose configuration is too large.
        MissingExtraError: h5py, which an .h5 file needs, is not installed.
    """
    begin = signature(path)
    if begin.startswith(ZIP_SIGNATURE):
        with open_zip(path, KIND) as archive:
            return _config_member(archive)
    if begin != HDF5_SIGNATURE:
        data = map_file(path, KIND)
        with errors_in(path):
            return bytes(data[: _limited(len(data))])
    with open_hdf5(path) as file:
        text = attribute(file, "model_config")
    with errors_in(path):
        if text is None:
            raise FormatError("holds weights and no model: give the .keras, .json or whole .h5 file of the network")
        return text.encode() if isinstance(text, str) else bytes(text) if isinstance(text, bytes) else b""


def _config_member(archive: zipfile.ZipFile) -> bytes:
    if CONFIG not in archive.namelist():
        raise FormatError(f"has no member `{CONFIG}`; expected {KIND}")
    with archive.open(CONFIG) as member:
        _limited(archive.getinfo(CONFIG).file_size)
        return member.read(MAX_CONFIG_SIZE)


def _limited(size: int) -> int:
    if size > MAX_CONFIG_SIZE:
        raise FormatError(f"its configuration has {size:,} bytes; the limit is {MAX_CONFIG_SIZE:,}")
    return size


@contextmanager
def open_hdf5(path: str) -> Iterator[h5py.File]:
    """Open the HDF5 file that a path is, or that is a member of the .keras archive.

    Raises:
        FormatError: it is neither, or is damaged, which can show while it is read.
        MissingExtraError: h5py is not installed.
    """
    h5py = require("h5py", extra="weights")
    begin = signature(path)
    is_zip = begin.startswith(ZIP_SIGNATURE)
    with errors_in(path):
        if not is_zip and begin != HDF5_SIGNATURE:
            raise FormatError("is neither an HDF5 file nor a .keras archive")
        data = _weights_member(path) if is_zip else map_file(path, KIND)
        _check_heaps(data)
        try:
            with h5py.File(_MemoryFile(data), "r") as file:
                yield file
        except HDF5_ERRORS as error:
            raise FormatError(f"is damaged or not {KIND}: {str(error)[:100]}") from None


def _check_heaps(data: memoryview) -> None:
    """Check the heaps in which HDF5 keeps texts: one with an object without a size would keep its library forever.

    Source: HDF5 File Format Specification 3.0, section III.E, "Global Heap".
    """
    for found in re.finditer(b"GCOL\1\0\0\0", data):
        position = found.end() + 8
        end = found.start() + int.from_bytes(data[found.end() : position], "little")
        while position + 16 <= min(end, len(data)):
            is_used = any(data[position : position + 2])
            size = int.from_bytes(data[position + 8 : position + 16], "little")
            position += (16 + -(-size // 8) * 8) if is_used else size
            if size > len(data) or not (size or is_used):
                raise FormatError(f"is damaged: an object of the heap at byte {found.start():,} has {size:,} bytes")


def _weights_member(path: str) -> memoryview:
    """The weights in an archive, without a copy: Keras stores them uncompressed."""
    with open_zip(path, KIND) as archive:
        if WEIGHTS not in archive.namelist():
            raise FormatError(f"has no member `{WEIGHTS}`, the only form of weights that is read")
        info = archive.getinfo(WEIGHTS)
        if info.compress_type != zipfile.ZIP_STORED:
            raise FormatError(f"`{WEIGHTS}` is compressed in the archive; expected it stored, as Keras writes it")
    data = map_file(path, KIND)
    header = data[info.header_offset : info.header_offset + 30]  # PKWARE's APPNOTE, 4.3.7
    begin = info.header_offset + 30 + sum(int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return data[begin : begin + info.file_size]


class _MemoryFile(io.RawIOBase):
    """A file of bytes that are in memory."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._position = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (0, self._position, len(self._data))[whence]
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        found = self._data[self._position : self._position + len(buffer)]
        buffer[: len(found)] = found
        self._position += len(found)
        return len(found)


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> object:
    """An attribute of a group; None if there is none.

    Raises:
        FormatError: it is larger than MAX_ATTRIBUTE_SIZE.
    """
    import h5py

    if name not in item.attrs:
        return None
    found = h5py.h5a.open(item.id, name.encode())
    size = prod(found.shape) * found.dtype.itemsize
    if size > MAX_ATTRIBUTE_SIZE:
        raise FormatError(f"the attribute `{name}` has {size:,} bytes; the limit is {MAX_ATTRIBUTE_SIZE:,}")
    value: object = item.attrs[name]
    return value


def texts(item: h5py.Group, name: str) -> list[str]:
    """A list of texts, which Keras splits into `name0`, `name1`, ... where it is long."""
    import numpy as np

    whole = attribute(item, name)
    values = [] if whole is None else [whole]
    while whole is None and (part := attribute(item, f"{name}{len(values)}")) is not None:
        values.append(part)
    found = [each for value in values for each in np.ravel(np.asarray(value)).tolist()]
    return [each.decode() if isinstance(each, bytes) else str(each) for each in found]


def member(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset:
    """The group or dataset at a path below a group, without following links.

    Raises:
        FormatError: there is none, or it is a link.
    """
    import h5py

    found: object = group
    for part in filter(None, path.split("/")):
        if not isinstance(found, h5py.Group) or not isinstance(found.get(part, getlink=True), h5py.HardLink):
            raise FormatError(f"`{path[:80]}` is missing or a link")
        found = found[part]
    if not isinstance(found, h5py.Group | h5py.Dataset):
        raise FormatError(f"`{path[:80]}` is neither a group nor a tensor")
    return found
