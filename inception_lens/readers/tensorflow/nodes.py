"""The nodes of a TensorFlow GraphDef and their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import NamedTuple, TypeAlias

from inception_lens.errors import FormatError
from inception_lens.ops import TensorType
from inception_lens.readers.attributes import integer_of, number_of, text_of
from inception_lens.readers.tensors import MAX_ELEMENTS, Array

TENSORFLOW_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 8: "complex64", 9: "int64", 10: "bool",
    11: "int8", 12: "uint8", 13: "int32", 14: "bfloat16", 17: "uint16", 18: "complex128", 19: "float16",
    22: "uint32", 23: "uint64", 24: "float8_e5m2", 25: "float8_e4m3fn",
}  # fmt: skip
"""PyTorch's names, by the numbers of `DataType` in types.proto; text, resources and variants have none.

Quantized types (11 to 13) have those of their integers, whose weights are counted as quantized ones.
"""


class GraphDefTensor(NamedTuple):
    """The tensor of a Const."""

    type: TensorType | None
    """None for text and other data without a dtype in PyTorch."""
    array: Array | None
    """The data, if there are at most MAX_DATA_ELEMENTS elements."""


DeclaredSizes: TypeAlias = "tuple[int | None, ...] | None"
"""A declared shape: None for a size, or for the whole, that is unknown."""


class DeclaredShape(NamedTuple):
    """The shape in an attribute."""

    sizes: DeclaredSizes


GraphDefAttribute: TypeAlias = "str | int | float | DeclaredShape | GraphDefTensor | list[GraphDefAttribute] | None"


class GraphDefNode(NamedTuple):
    """A call.

    The accessors of attributes return a default for a missing one, and raise a FormatError for one of another type.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    """Names of the tensors that it reads, `node` or `node:1`, without control inputs."""
    attributes: Mapping[str, GraphDefAttribute]

    def integer(self, name: str, default: int) -> int:
        """An integer or a truth value."""
        return integer_of(self.attributes, name, default)

    def number(self, name: str, default: float) -> float:
        """A floating-point number."""
        return float(number_of(self.attributes, name, default))

    def text(self, name: str, default: str) -> str:
        """A text."""
        return text_of(self.attributes, name, default)

    def integers(self, name: str) -> list[int]:
        """A list of integers; empty where it is missing."""
        values = self._list(name)
        numbers = [each for each in values if isinstance(each, int)]
        if len(numbers) < len(values):
            raise FormatError(f"attribute `{name}` is not a list of integers")
        return numbers

    def texts(self, name: str) -> list[str]:
        """A list of texts; empty where it is missing."""
        return [each for each in self._list(name) if isinstance(each, str)]

    def dtype(self, name: str, default: str = "float32") -> str:
        """PyTorch's name of a data type."""
        return TENSORFLOW_DTYPES.get(self.integer(name, 0), default)

    def tensor(self, name: str) -> GraphDefTensor:
        """A tensor."""
        value = self.attributes.get(name)
        if not isinstance(value, GraphDefTensor):
            raise FormatError(f"attribute `{name}` is not a tensor")
        return value

    def shape(self, name: str) -> DeclaredSizes:
        """A declared shape."""
        value = self.attributes.get(name)
        return value.sizes if isinstance(value, DeclaredShape) else None

    def output_types(self, count: int) -> tuple[TensorType | None, ...]:
        """The types of the first outputs, where `_output_shapes` declares them."""
        shapes = [each.sizes for each in self._list("_output_shapes")[:count] if isinstance(each, DeclaredShape)]
        types = [declared_type(each, self.dtype("T")) for each in shapes]
        return (*types, *[None] * (count - len(types)))

    def _list(self, name: str) -> list[GraphDefAttribute]:
        values = self.attributes.get(name, [])
        if not isinstance(values, list):
            raise FormatError(f"attribute `{name}` is not a list")
        return values


def declared_type(shape: DeclaredSizes, dtype: str) -> TensorType | None:
    """The type of a declared shape, with a batch of 1 where only that is unknown; None where more is."""
    if shape is None:
        return None
    sizes = [1 if size is None and axis == 0 else size for axis, size in enumerate(shape)]
    known = tuple(size for size in sizes if size is not None)
    return TensorType(known, dtype) if len(known) == len(sizes) and prod(known) <= MAX_ELEMENTS else None
