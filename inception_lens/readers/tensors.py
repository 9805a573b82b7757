"""Tensors as files hold them: what they are called, how large they are, and how to get at their numbers."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inception_lens.errors import FormatError, require
from inception_lens.readers.files import check_file, display_path

if TYPE_CHECKING:
    import numpy as np

NUMPY_DTYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "<i1",
    "uint8": "<u1", "bool": "|b1", "complex64": "<c8", "complex128": "<c16",
}  # fmt: skip
"""Names that NumPy has for dtypes, as they lie in files."""

MAX_ELEMENTS = 2**50
"""Elements of a tensor; more are no tensor but a mistake."""


class WeightTensor(msgspec.Struct, frozen=True):
    """One tensor of a file: `dtype` as PyTorch names it, or as the file does, and `bytes` where they are known."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int | None = None
    """None where the numbers lie in another file."""
    note: str = ""

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


class WeightLayer(NamedTuple):
    """A layer of a .caffemodel, which holds the net with its tensors."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    tensors: tuple[str, ...]


class WeightFile(NamedTuple):
    """What a file of weights holds."""

    path: str
    format: str
    tensors: tuple[WeightTensor, ...]
    read: Callable[[WeightTensor], np.ndarray[Any, Any]]
    """The numbers of one of the tensors; nothing else is read."""
    layers: tuple[WeightLayer, ...] = ()


def map_file(path: str, kind: str) -> memoryview:
    """The bytes of a file, of which the system reads those that are looked at.

    Raises:
        FormatError: the file cannot be read, is no regular file or empty.
    """
    check_file(path, kind)
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise FormatError(f"{display_path(path)}: {getattr(error, 'strerror', None) or error}") from None


def check_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape, where it can be one.

    Raises:
        FormatError: a size is negative, or the tensor larger than any.
    """
    if any(size < 0 for size in shape) or prod(shape) > MAX_ELEMENTS:
        raise FormatError(f"`{name}` has a shape that no tensor has: {'x'.join(map(str, shape))[:80]}")
    return shape


def to_array(data: memoryview, dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """The numbers of raw little-endian bytes; bfloat16, which NumPy does not have, becomes float32.

    Raises:
        FormatError: NumPy has no such dtype.
    """
    numpy = require("numpy", extra="weights")
    if dtype not in NUMPY_DTYPES and dtype != "bfloat16":
        raise FormatError(f"numbers of {dtype} cannot be converted")
    try:
        if dtype == "bfloat16":
            flat = (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
        else:
            flat = numpy.frombuffer(data, NUMPY_DTYPES[dtype])
        found: np.ndarray[Any, Any] = flat.reshape(shape)
    except ValueError:
        raise FormatError(f"{len(data):,} bytes are no {dtype} numbers of {'x'.join(map(str, shape))}") from None
    return found
