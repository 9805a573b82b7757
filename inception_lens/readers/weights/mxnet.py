"""MXNet's parameter files, `.params` and `.nd`: names and arrays.

Read: dense arrays in the second and third version of the format. Not read: sparse arrays, and the first version.
Source: `NDArray::Save` in MXNet's src/ndarray/ndarray.cc.
"""

from __future__ import annotations

from inception_lens.errors import FormatError
from inception_lens.ops import Shape
from inception_lens.readers.files import errors_in, map_file
from inception_lens.readers.formats import MXNET_MAGIC
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.tensors import MAX_AXES, WeightFile, WeightTensor, byte_size, check_shape, to_array

KIND = "an MXNet parameter file"
DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")
"""By MXNet's numbers."""
ARRAY_MAGIC = (0xF993FAC9, 0xF993FACA)
"""Of an array in version 2 and 3."""
MAX_ARRAYS = 100_000
MAX_NAME_SIZE = 10_000


def read_mxnet(path: str) -> WeightFile:
    """List the arrays of a file; those without names are named by their position.

    Raises:
        FormatError: the file is damaged or of another kind, or has a sparse array.
    """
    data = map_file(path, KIND)
    with errors_in(path):
        cursor = _Cursor(data)
        if bytes(cursor.take(8)) != MXNET_MAGIC:
            raise FormatError(f"is not {KIND}")
        cursor.number(8)  # reserved
        arrays = [_array(cursor) for _ in range(cursor.count(MAX_ARRAYS))]
        names = [bytes(cursor.take(cursor.count(MAX_NAME_SIZE))) for _ in range(cursor.count(MAX_ARRAYS))]
        if len(names) not in (0, len(arrays)):
            raise FormatError(f"has {len(arrays)} arrays and {len(names)} names")
        if cursor.at != len(data):
            raise FormatError(f"has {len(data) - cursor.at:,} bytes after its names")
    unique = UniqueNames()
    shown = [name.decode(errors="backslashreplace") for name in names] or [str(i) for i in range(len(arrays))]
    places = {unique.take(name): array for name, array in zip(shown, arrays, strict=True)}
    tensors = tuple(WeightTensor(n, shape, dtype, byte_size(shape, dtype)) for n, (shape, dtype, _) in places.items())
    return WeightFile(path, "mxnet", tensors, lambda t: to_array(places[t.name][2], t.dtype, t.shape))


class _Cursor:
    """A position in a file."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> memoryview:
        """The next `size` bytes.

        Raises:
            FormatError: there are fewer.
        """
        if not 0 <= size <= len(self.data) - self.at:
            raise FormatError(f"is truncated: {size:,} bytes are expected at byte {self.at:,}")
        self.at += size
        return self.data[self.at - size : self.at]

    def number(self, size: int, *, signed: bool = False) -> int:
        """The next integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def count(self, limit: int) -> int:
        """The next number of items, of eight bytes.

        Raises:
            FormatError: it exceeds the limit.
        """
        found = self.number(8)
        if found > limit:
            raise FormatError(f"declares {found:,} items at byte {self.at - 8:,}; the limit is {limit:,}")
        return found


def _array(cursor: _Cursor) -> tuple[Shape, str, memoryview]:
    """Shape, dtype and data of an array."""
    if cursor.number(4) not in ARRAY_MAGIC:
        raise FormatError(f"the array at byte {cursor.at - 4:,} is of another version of the format")
    if cursor.number(4, signed=True) != 0:
        raise FormatError(f"the array at byte {cursor.at - 8:,} is sparse, which is not read")
    rank = cursor.number(4, signed=True)
    if not 0 <= rank <= MAX_AXES:
        raise FormatError(f"the array at byte {cursor.at - 12:,} has {rank} axes")
    shape = check_shape("an array", tuple(cursor.number(8, signed=True) for _ in range(rank)))
    cursor.take(8)  # the device
    kind = cursor.number(4)
    if kind >= len(DTYPES):
        raise FormatError(f"the array at byte {cursor.at - 4:,} has the unknown dtype {kind}")
    return shape, DTYPES[kind], cursor.take(byte_size(shape, DTYPES[kind]) or 0)
