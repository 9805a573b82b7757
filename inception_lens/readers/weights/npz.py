"""NumPy's .npz, a ZIP archive of arrays, and .npy, one array, listed by their headers.

Source: numpy.org, "numpy.lib.format". Arrays of Python objects are pickles; they are listed and never read.
"""

import os
import zipfile
from math import prod
from typing import IO

from inception_lens.errors import FormatError, require
from inception_lens.readers.archives import open_zip
from inception_lens.readers.files import check_file, display_path, errors_in
from inception_lens.readers.tensors import Array, WeightFile, WeightTensor, check_shape

KIND = "an .npz archive"
MAX_HEADER_SIZE = 10_000
"""Bytes of an array's header, which NumPy evaluates as a Python literal; NumPy's own default."""


def read_npz(path: str) -> WeightFile:
    """List the arrays of an .npz archive.

    Raises:
        FormatError: the archive is damaged or holds no arrays, or a member is not an array.
        MissingExtraError: NumPy is not installed.
    """
    require("numpy", extra="weights")
    with open_zip(path, KIND) as archive:
        tensors = tuple(_member(archive, member) for member in archive.infolist())
        if not tensors:
            raise FormatError("holds no arrays")
    return WeightFile(path, "npz", tensors, lambda tensor: _read(path, tensor))


def read_npy(path: str) -> WeightFile:
    """List the array of a .npy, named by its file.

    Raises:
        FormatError: the file is damaged, or its array has no numbers.
        MissingExtraError: NumPy is not installed.
    """
    require("numpy", extra="weights")
    check_file(path, "an .npy array")
    name = os.path.splitext(os.path.basename(display_path(path)))[0]
    with errors_in(path), open(path, "rb") as file:
        tensor = _tensor(name, file, os.path.getsize(path))

    def read(tensor: WeightTensor) -> Array:
        with errors_in(path), open(path, "rb") as file:
            return _values(tensor, file)

    return WeightFile(path, "npy", (tensor,), read)


def _tensor(name: str, file: IO[bytes], file_size: int) -> WeightTensor:
    """An array by its header; the size of its data must be what the header declares."""
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file, max_header_size=MAX_HEADER_SIZE)
        begin = file.tell()
    except Exception as error:  # NumPy evaluates the header as a Python literal, which can raise anything
        raise FormatError(f"`{name[:80]}` is not an array: {str(error)[:80]!r}") from None
    if dtype.hasobject:
        return WeightTensor(name, shape, "object", None, "an array of Python objects is not read")
    size = prod(check_shape(name, shape)) * dtype.itemsize
    if size != file_size - begin:
        raise FormatError(f"`{name[:80]}` needs {size:,} bytes of data and has {file_size - begin:,}")
    return WeightTensor(name, shape, str(dtype), size)


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> WeightTensor:
    with archive.open(info) as member:
        return _tensor(info.filename.removesuffix(".npy"), member, info.file_size)


def _read(path: str, tensor: WeightTensor) -> Array:
    with open_zip(path, KIND) as archive:
        name = tensor.name if tensor.name in archive.namelist() else f"{tensor.name}.npy"
        with archive.open(name) as member:
            return _values(tensor, member)


def _values(tensor: WeightTensor, file: IO[bytes]) -> Array:
    from numpy.lib import format as npy

    try:
        array: Array = npy.read_array(file, max_header_size=MAX_HEADER_SIZE)
    except ValueError as error:
        raise FormatError(f"`{tensor.name[:80]}` cannot be read: {error}") from None
    return array
