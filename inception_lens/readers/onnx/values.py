"""The tensors and calls of an ONNX model while it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import Shape, TensorType
from inception_lens.readers.attributes import integer_of, number_of
from inception_lens.readers.onnx.dtypes import SUBSTITUTES
from inception_lens.readers.tensors import Array

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

Attribute: TypeAlias = "float | int | str | list[float] | list[int] | list[str] | OnnxValue | GraphProto"

BYTE_DTYPES = ("int8", "uint8")
"""Integers that may be quantized weights; indices and sizes have more bits."""


class OnnxValue(msgspec.Struct, frozen=True, eq=False):
    """A tensor: the output of a node, a weight, an array that is known while reading, or several of these.

    Or a sequence of tensors.
    """

    type: TensorType | None
    """None where the shape is unknown."""
    node: str = ""
    """The node of the Graph that produces it."""
    weight: str = ""
    """Name of the initializer or Constant; its data may be unknown."""
    constant: bool = False
    """Whether a weight is a Constant of the graph, and not an initializer."""
    array: Array | None = None
    """The data, where they are known and few: shapes, axes, indices, factors."""
    file_dtype: str = ""
    """The dtype in which the file stores a weight, whatever the model converts it to; empty: that of `type`."""
    quantized: bool = False
    """Whether its reader shows that a weight belongs to a quantized model: its integers represent real numbers, and
    zeros do not make it a mask."""
    pending: PendingCall | None = None
    items: tuple[OnnxValue, ...] | None = None
    """The tensors of a sequence; None of a tensor and of an unknown sequence."""

    @property
    def shape(self) -> Shape:
        """The shape; only of values of known type."""
        assert self.type is not None
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The dtype, float32 where it is unknown."""
        return self.type.dtype if self.type else "float32"

    @property
    def stored_dtype(self) -> str:
        """The dtype in which the file stores a weight."""
        return self.file_dtype or self.dtype

    @property
    def is_weight(self) -> bool:
        """Whether it exists before the model runs and has a name; its data may be unknown."""
        return bool(self.weight)

    @property
    def may_be_learned(self) -> bool:
        """Whether training could change it, so that arithmetic with its data is more than a constant."""
        several = self.type is None or self.type.elements > 1
        may_be_real = self.is_real or self.dtype in BYTE_DTYPES
        is_stored = self.is_weight and not self.constant and several and may_be_real
        return self.is_computed or is_stored

    @property
    def is_real(self) -> bool:
        """Whether its elements represent real numbers."""
        return self.quantized or "float" in self.dtype

    def as_quantized(self) -> OnnxValue:
        """The tensor as one of a quantized model."""
        return msgspec.structs.replace(self, quantized=True)

    @property
    def is_computed(self) -> bool:
        """Whether it is known, and computed from weights."""
        return self.array is not None and self.pending is not None

    @property
    def scalar(self) -> float | None:
        """The value of a known single element; None for other tensors, and for one that is computed from weights."""
        is_single = self.array is not None and self.array.size == 1 and not self.is_computed
        return float(self.array.reshape(-1)[0]) if self.array is not None and is_single else None

    @property
    def number(self) -> float | None:
        """As `scalar`, but the decimal number that was written where it is a float32."""
        scalar = self.scalar
        return scalar if scalar is None or self.dtype != "float32" else decimal(scalar)


class PendingCall(NamedTuple):
    """A call whose node is written only when it is read, because its reader may make one node of both.

    `Sigmoid` and `Mul` are SiLU, `MatMul` and `Add` are a linear layer, `Mul` by a number and `Add` are a scaled sum,
    `Reshape`, `Transpose` and `Reshape` are a pixel shuffle. Arithmetic on weights may only compute a shape.
    """

    base: str
    """The node that it reads; empty for arithmetic on weights."""
    write: Callable[[], str]
    """Writes the node, once, and returns its name."""
    is_sigmoid: bool = False
    factor: float | None = None
    """Of a product with a number."""
    write_with_bias: Callable[[OnnxValue, str], str] | None = None
    """Of a matrix product: writes it as a linear layer with this bias, under the name of the call that adds it."""
    blocks: Shape = ()
    """Of a map of four axes reshaped to six: the six sizes."""
    order: tuple[int, ...] = ()
    """Of that, transposed: the order of its axes."""


class OnnxCall(NamedTuple):
    """A node of the ONNX model with its inputs resolved.

    The accessors of attributes return the default that the ONNX specification gives, and raise a FormatError where the
    attribute has another type.
    """

    op: str
    """Operator name, `Conv`."""
    name: str
    """Path for the node in the Graph."""
    inputs: tuple[OnnxValue | None, ...]
    """None for an optional input that is left out."""
    attributes: Mapping[str, Attribute]
    outputs: tuple[str, ...]
    declared: tuple[TensorType | None, ...]
    """Types of the outputs as far as the file declares them."""
    opset: int
    """Version of the operator set."""
    reads: tuple[int, ...]
    """How often each output is read."""
    inplace: bool = False
    """Whether this project's ONNX export marks it as in place."""
    dtype: str = ""
    """Of the output of a product, where it is not that of the first input."""
    proto: NodeProto | None = None
    """The node of the file."""
    tensor: str = ""
    """Name of the first output, with the path of its graph or function; of a Constant, the name of the weight."""

    def input(self, i: int) -> OnnxValue:
        """Input number `i`.

        Raises:
            FormatError: there is none.
        """
        value = self.inputs[i] if i < len(self.inputs) else None
        if value is None:
            raise FormatError(f"input {i} is missing")
        return value

    def has_input(self, i: int) -> bool:
        """Whether input number `i` is there."""
        return i < len(self.inputs) and self.inputs[i] is not None

    def present_inputs(self) -> list[OnnxValue]:
        """The inputs that are there."""
        return [value for value in self.inputs if value is not None]

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return integer_of(self.attributes, name, default)

    def number(self, name: str, default: float) -> float:
        """A floating-point attribute, as a decimal number."""
        return decimal(number_of(self.attributes, name, default))

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, str):
            raise FormatError(f"attribute `{name}` is not a string")
        return value

    def data_type(self, name: str, default: int) -> int:
        """A data type by its number; before opset 6, `Cast` has its name."""
        from onnx import TensorProto

        value = self.attributes.get(name, default)
        return TensorProto.DataType.Value(value) if isinstance(value, str) else self.integer(name, default)

    def numbers(self, name: str) -> list[float] | None:
        """A list of numbers; None if it is left out."""
        values = self.attributes.get(name)
        if values is None:
            return None
        numbers: list[float] = []
        if isinstance(values, list):
            numbers += [each for each in values if isinstance(each, int | float)]
        if not isinstance(values, list) or len(numbers) < len(values):
            raise FormatError(f"attribute `{name}` is not a list of numbers")
        return numbers

    def integers(self, name: str) -> list[int] | None:
        """A list of integers; None if it is left out."""
        numbers = self.numbers(name)
        return None if numbers is None else [int(each) for each in numbers]

    def graph(self, name: str) -> GraphProto:
        """A graph attribute."""
        from onnx import GraphProto

        value = self.attributes.get(name)
        if not isinstance(value, GraphProto):
            raise FormatError(f"attribute `{name}` is not a graph")
        return value

    def repeats(self, rank: int) -> list[int] | None:
        """Of a `Tile`, how often each axis is repeated: input 1 or, before opset 6, that of the axis in input 2."""
        repeats = self.known_integers("repeats", 1)
        if self.opset >= 6 or repeats is None:
            return repeats
        axis = self.known_integers("axis", 2)
        return None if axis is None else [repeats[0] if i in axis else 1 for i in range(rank)]

    @property
    def has_graphs(self) -> bool:
        """Whether an attribute is a graph."""
        from onnx import GraphProto

        return any(isinstance(each, GraphProto) for each in self.attributes.values())

    def known_integers(self, name: str, i: int, default: Sequence[int] | None = None) -> list[int] | None:
        """Integers that are an attribute or, in later versions of the operator, input number `i`.

        None where they are left out without a `default`, or are known only at run time. Pass -1 for no such input.
        """
        if name in self.attributes:
            single = self.attributes[name]
            return [single] if isinstance(single, int) else self.integers(name)
        if i >= 0 and self.has_input(i):
            array = self.input(i).array
            return None if array is None else [int(each) for each in array.reshape(-1)]
        return None if default is None else list(default)


def decimal(value: float) -> float:
    """The shortest decimal number that rounds to a float32: ONNX stores 0.1 as 0.10000000149."""
    import numpy as np

    return float(str(np.float32(value)))


def known_value(array: Array) -> OnnxValue:
    """A value whose data are known."""
    dtype = str(array.dtype)
    return OnnxValue(TensorType(tuple(array.shape), SUBSTITUTES.get(dtype, dtype)), array=array)
