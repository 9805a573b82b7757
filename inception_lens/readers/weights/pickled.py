"""Pickles of NumPy arrays, as `paddle.save` and others write them, read without executing what they contain.

Read: arrays of numbers in nested dictionaries, lists, tuples and objects, in all protocols. Not read: arrays of Python
objects; arrays that Paddle cut into parts, which it does above 4 GB with protocol 2.
"""

from __future__ import annotations

from typing import BinaryIO, cast

from inception_lens.errors import FormatError, require
from inception_lens.readers.files import errors_in, map_file
from inception_lens.readers.tensors import NUMPY_DTYPES, Array, WeightFile, WeightTensor, byte_size
from inception_lens.readers.weights.nested import named_tensors
from inception_lens.readers.weights.pickled_values import NUMPY_CODES, PickledArray, PickledText
from inception_lens.readers.weights.unpickler import unpickle

KIND = "a pickle of arrays"
PADDLE_SUFFIXES = (".pdparams", ".pdopt")
STRUCTURED_NAMES = "StructuredToParameterName@@"
"""A key of Paddle's state dicts: the names of parameters by the names of attributes."""
CUT_PARAMETERS = "UnpackBigParamInfor@@"
"""A key of Paddle's state dicts that have arrays in parts."""
MIN_VIEW = 65_536
"""Bytes from which a part of the file is not copied."""


def read_pickle(path: str) -> WeightFile:
    """List the arrays of a pickle, named by the keys that lead to them, joined by dots.

    Raises:
        FormatError: the file is damaged, holds no arrays, or would execute code.
    """
    data = map_file(path, KIND)
    with errors_in(path):
        file = _MappedFile(data)
        loaded = unpickle(cast(BinaryIO, file))
        if file.at != len(data):
            raise FormatError(f"has {len(data) - file.at:,} bytes after its pickle")
        keys = loaded.keys() if isinstance(loaded, dict) else set()
        if CUT_PARAMETERS in keys:
            raise FormatError("has arrays in parts, which are not read: save it with protocol 4")
        arrays = {name: each for name, each in named_tensors(loaded).items() if isinstance(each, PickledArray)}
    paddle = STRUCTURED_NAMES in keys or path.endswith(PADDLE_SUFFIXES)
    listed = tuple(listed_array(name, each) for name, each in arrays.items())
    return WeightFile(path, "paddle" if paddle else "pickle", listed, lambda t: read_array(path, t, arrays[t.name]))


def listed_array(name: str, array: PickledArray) -> WeightTensor:
    """An array of a pickle."""
    dtype = NUMPY_CODES.get(array.dtype.code, "object" if "O" in array.dtype.code else array.dtype.code)
    note = "" if dtype in NUMPY_DTYPES else "its dtype is not read"
    return WeightTensor(name, array.shape, dtype, byte_size(array.shape, dtype), note)


def read_array(path: str, tensor: WeightTensor, array: PickledArray) -> Array:
    """The values of an array.

    Raises:
        FormatError: its data do not fill its shape, or are not numbers.
    """
    require("numpy", extra="weights")
    import numpy as np

    held = array.data.text.encode("latin1") if isinstance(array.data, PickledText) else array.data
    held = held.encode("latin1", errors="replace") if isinstance(held, str) else held  # of Python 2
    with errors_in(path):
        size = byte_size(tensor.shape, tensor.dtype)
        if not isinstance(held, bytes | memoryview) or tensor.note or len(held) != size:
            raise FormatError(f"`{tensor.name[:80]}` cannot be read: {tensor.note or 'its data do not fill its shape'}")
        flat = np.frombuffer(held, array.dtype.order + array.dtype.code)
    return flat.reshape(tensor.shape, order="F" if array.column_major else "C")


class _MappedFile:
    """A file that an unpickler reads; large parts are views of the mapped data."""

    def __init__(self, data: memoryview) -> None:
        self._data, self.at = data, 0

    def read(self, size: int) -> bytes | memoryview:
        """The next bytes, fewer at the end."""
        part = self._data[self.at : self.at + size]
        self.at += len(part)
        return part if size >= MIN_VIEW else bytes(part)

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer."""
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def readline(self) -> bytes:
        """The next line, of at most MIN_VIEW bytes."""
        line = bytes(self._data[self.at : self.at + MIN_VIEW])
        line = line[: line.find(b"\n") + 1] or line
        self.at += len(line)
        return line
