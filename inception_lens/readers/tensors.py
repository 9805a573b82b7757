"""The tensors of a weight file: their names, shapes, dtypes and sizes, and access to their data."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec

from inception_lens.errors import FormatError, require
from inception_lens.ops import BYTES_PER_ELEMENT, ELEMENTS_PER_BYTE, Shape, bytes_of, format_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"
"""A NumPy array; its dtype is known only when a file is read."""

NUMPY_DTYPES = {
    "float64": "<f8", "float32": "<f4", "float16": "<f2", "int64": "<i8", "int32": "<i4", "int16": "<i2", "int8": "<i1",
    "uint64": "<u8", "uint32": "<u4", "uint16": "<u2", "uint8": "<u1", "bool": "|b1", "complex64": "<c8",
    "complex128": "<c16",
}  # fmt: skip
"""NumPy's notation of the dtypes that it has, little-endian."""

MAX_ELEMENTS = 2**50
"""Elements of one tensor; a larger declared shape is a damaged file."""

MAX_AXES = 64
"""Axes of one tensor; NumPy has the same limit."""


class WeightTensor(msgspec.Struct, frozen=True):
    """One tensor of a weight file."""

    name: str
    """Unique in the file; the layer's name and the blob's number for Caffe, keys joined by dots for PyTorch."""
    shape: Shape
    dtype: str
    """PyTorch's name of the dtype, or the file's own where PyTorch has none."""
    bytes: int | None = None
    """Size of the data in bytes; None where it is unknown."""
    note: str = ""
    """Why the data cannot be read, where they cannot."""

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class WeightLayer(NamedTuple):
    """A layer of a .caffemodel, which stores the net along with its weights."""

    name: str
    type: str
    """Layer type in Caffe's current spelling, `InnerProduct`."""
    bottoms: tuple[str, ...]
    """Names of the blobs that the layer reads."""
    tops: tuple[str, ...]
    """Names of the blobs that the layer writes."""
    tensors: tuple[str, ...]
    """Names of the layer's tensors, in Caffe's order."""


class KerasLayer(NamedTuple):
    """A layer of a Keras file."""

    model: str
    """The group of the model that contains it, such as `layers/functional`; that of the whole model is empty."""
    name: str
    """Its name, after those of the models that contain it: `inception_v3/conv2d`; empty if the file has none."""
    kind: str
    """Its class as groups name it, `conv2d`; empty if the file has names of layers alone."""
    place: int
    """Its position among the layers of its class in the model."""
    tensors: tuple[tuple[str, WeightTensor], ...]
    """Its tensors, each with Keras' name of the variable, such as `kernel`, or its number."""


class WeightFile(NamedTuple):
    """The content of a weight file."""

    path: str
    format: str
    """`safetensors`, `npz`, `pytorch`, `caffemodel`, `onnx`, `keras`."""
    tensors: tuple[WeightTensor, ...]
    """In the file's order."""
    read: Callable[[WeightTensor], Array]
    """Reads the data of one tensor, and nothing else, as a NumPy array; raises FormatError where it cannot."""
    layers: tuple[WeightLayer, ...] = ()
    """Only of a .caffemodel."""
    keras: tuple[KerasLayer, ...] = ()
    """Only of a Keras file."""


def check_shape(name: str, shape: Shape) -> Shape:
    """Return the shape if a tensor can have it.

    Raises:
        FormatError: a size is negative, or there are more than MAX_AXES axes or MAX_ELEMENTS elements.
    """
    if len(shape) > MAX_AXES or any(size < 0 for size in shape) or prod(shape) > MAX_ELEMENTS:
        raise FormatError(f"`{name[:80]}` has an invalid shape: {format_shape(shape[:MAX_AXES])[:80]}")
    return shape


def byte_size(shape: Shape, dtype: str) -> int | None:
    """Bytes of a tensor's data, elements packed without gaps; None for an unknown dtype."""
    is_known = dtype in BYTES_PER_ELEMENT or dtype in ELEMENTS_PER_BYTE
    return bytes_of(prod(shape), dtype) if is_known else None


def to_array(data: memoryview, dtype: str, shape: Shape) -> Array:
    """Interpret raw little-endian bytes; bfloat16, which NumPy does not have, becomes float32.

    Raises:
        FormatError: NumPy has no such dtype, or the bytes do not fill the shape.
    """
    require("numpy", extra="weights")
    import numpy as np

    if dtype not in NUMPY_DTYPES and dtype != "bfloat16":
        raise FormatError(f"data of dtype {dtype} cannot be converted")
    if len(data) != byte_size(shape, dtype):
        raise FormatError(f"{len(data):,} bytes do not fill a {dtype} tensor of {format_shape(shape)}")
    if dtype == "bfloat16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, NUMPY_DTYPES[dtype]).reshape(shape)
