"""NumPy's .npz: a ZIP archive of arrays, listed by their headers.

Source: numpy.org, "numpy.lib.format". Arrays of Python objects are pickles; they are listed and never read.
"""

import zipfile
from math import prod

from inception_lens.errors import FormatError, require
from inception_lens.readers.files import open_zip
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
        tensors = tuple(_tensor(archive, member) for member in archive.infolist())
        if not tensors:
            raise FormatError("holds no arrays")
    return WeightFile(path, "npz", tensors, lambda tensor: _read(path, tensor))


def _tensor(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> WeightTensor:
    """One array by its header; the size of its data must be what the header declares."""
    from numpy.lib import format as npy

    name = info.filename.removesuffix(".npy")
    try:
        with archive.open(info) as member:
            version = npy.read_magic(member)
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(member, max_header_size=MAX_HEADER_SIZE)
            begin = member.tell()
    except Exception as error:  # NumPy evaluates the header as a Python literal, which can raise anything
        raise FormatError(f"`{name[:80]}` is not an array: {str(error)[:80]!r}") from None
    if dtype.hasobject:
        return WeightTensor(name, shape, "object", None, "an array of Python objects is not read")
    size = prod(check_shape(name, shape)) * dtype.itemsize
    if size != info.file_size - begin:
        raise FormatError(f"`{name[:80]}` needs {size:,} bytes of data and has {info.file_size - begin:,}")
    return WeightTensor(name, shape, str(dtype), size)


def _read(path: str, tensor: WeightTensor) -> Array:
    from numpy.lib import format as npy

    with open_zip(path, KIND) as archive:
        name = tensor.name if tensor.name in archive.namelist() else f"{tensor.name}.npy"
        try:
            with archive.open(name) as member:
                array: Array = npy.read_array(member, max_header_size=MAX_HEADER_SIZE)
        except ValueError as error:
            raise FormatError(f"`{tensor.name[:80]}` cannot be read: {error}") from None
    return array
