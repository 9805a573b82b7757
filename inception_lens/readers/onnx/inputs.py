"""An ONNX model's inputs: their types in the file, and the shapes and values that a caller gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Shaped, check_dtype
from inception_lens.ops import Shape, TensorType, format_shape
from inception_lens.readers.onnx.dtypes import onnx_dtype
from inception_lens.readers.shapes import UNKNOWN_TYPE
from inception_lens.readers.tensors import NUMPY_DTYPES, Array

if TYPE_CHECKING:
    from onnx import TensorShapeProto, TypeProto, ValueInfoProto

MAX_SIZE = 2**40
"""Size of one axis."""


InputShapes: TypeAlias = "Mapping[str, Shape | Shaped | float]"
"""By the names of inputs; the empty name is that of the first input. The `dtype` of an object is that of the input. A
number, a single size or an array without axes is the value of an input that is a scalar or has one element."""


class OnnxInput(NamedTuple):
    """An input of a model."""

    type: TensorType
    """`UNKNOWN_TYPE` of a sequence."""
    array: Array | None = None
    """Its value; None where it is unknown."""


def read_inputs(inputs: Sequence[ValueInfoProto], given: InputShapes | Shape | None) -> dict[str, OnnxInput]:
    """Inputs by name: as a caller gives them, and otherwise as the file declares them, with a batch of 1.

    Raises:
        FormatError: there is no input of a given name, a given shape has another rank than the declared one, or a
            size is neither declared nor given.
    """
    names = [each.name for each in inputs]
    if not isinstance(given, Mapping):
        given = {"": given} if given is not None and names else {}
    shapes = {name or (names[0] if names else ""): shape for name, shape in given.items()}
    if unknown := sorted(set(shapes) - set(names)):
        raise FormatError(f"has no input `{unknown[0]}`{suggest(unknown[0], names)}")
    return {each.name: _read_input(each, shapes.get(each.name)) for each in inputs}


def _read_input(info: ValueInfoProto, given: Shape | Shaped | float | None) -> OnnxInput:
    proto = info.type.optional_type.elem_type if info.type.HasField("optional_type") else info.type
    if not proto.HasField("tensor_type"):
        return OnnxInput(UNKNOWN_TYPE)
    kind = proto.tensor_type
    dims = list(kind.shape.dim) if kind.HasField("shape") else None
    dtype = str(getattr(given, "dtype", None) or onnx_dtype(kind.elem_type)).removeprefix("torch.")
    if dims is not None and (value := _single_value(dims, given)) is not None:
        return _known_input(TensorType((1,) * len(dims), dtype), value)
    if isinstance(given, int | float):
        raise FormatError(f"input `{info.name}` is {given}, but not a scalar: expected its shape")
    if given is None:
        shape = _declared_shape(info.name, kind)
    else:
        shape = tuple(given.shape if isinstance(given, Shaped) else given)
        if dims is not None and len(shape) == len(dims) - 1 > 1:
            shape = (1, *shape)
        if dims is not None and len(shape) != len(dims):
            raise FormatError(f"input `{info.name}` has {len(dims)} axes, not {len(shape)}: {format_shape(shape)}")
    found = TensorType(shape, dtype)
    return _known_input(found, 0) if 0 in shape else OnnxInput(found)


def _single_value(dims: Sequence[TensorShapeProto.Dimension], given: Shape | Shaped | float | None) -> float | None:
    """The value of a scalar or of one element; None where only its shape and dtype are given."""
    if len(dims) > 1 or any(dim.dim_value != 1 for dim in dims):
        return None
    if isinstance(given, Shaped):
        item = getattr(given, "item", None)
        if item is not None and not given.shape:
            return float(item())
        given = tuple(given.shape)
    if isinstance(given, tuple):
        return given[0] if len(given) == 1 and given != (1,) * len(dims) else None
    return given


def _known_input(kind: TensorType, value: float) -> OnnxInput:
    import numpy as np

    check_dtype(kind.dtype)
    return OnnxInput(kind, np.full(kind.shape, value).astype(NUMPY_DTYPES.get(kind.dtype, "<f4")))


def _declared_shape(name: str, kind: TypeProto.Tensor) -> Shape:
    """The shape in the file, with a batch of 1.

    Raises:
        FormatError: another size is not fixed, or one is negative.
    """
    dims = list(kind.shape.dim) if kind.HasField("shape") else None
    sizes = tuple(dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims or ())
    if min(sizes, default=0) < -1:  # -1 is what some exporters write for a size that is not fixed
        raise FormatError(f"input `{name}` has a negative size: {format_shape(sizes)}")
    if sizes and sizes[0] < 1:
        sizes = (1, *sizes[1:])
    if dims is None or not all(1 <= size <= MAX_SIZE for size in sizes):
        free = ", ".join(dim.dim_param or "?" for dim in dims or () if not dim.dim_value) or "all"
        example = "x".join(str(size) if size > 0 else "128" for size in sizes) or "1x128"
        raise FormatError(f"input `{name}` has sizes that are not fixed ({free}): give them, --input {name}={example}")
    return sizes
