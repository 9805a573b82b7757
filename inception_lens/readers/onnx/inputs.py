"""The types of an ONNX model's inputs: those that the file declares, and those that a caller gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from inception_lens.errors import FormatError, suggest
from inception_lens.graph import Shaped
from inception_lens.ops import Shape, TensorType, format_shape
from inception_lens.readers.onnx.dtypes import onnx_dtype

if TYPE_CHECKING:
    from onnx import ValueInfoProto

MAX_SIZE = 2**40
"""Size of one axis."""


InputShapes: TypeAlias = "Mapping[str, Shape | Shaped]"
"""By the names of inputs; the empty name is that of the first input. The `dtype` of an object is that of the input."""


def input_types(inputs: Sequence[ValueInfoProto], given: InputShapes | Shape | None) -> dict[str, TensorType]:
    """Types by name: those that a caller gives, and otherwise those that the file declares, with a batch of 1.

    Raises:
        FormatError: there is no input of a given name, a given shape has another rank than the declared one, an input
            is not a tensor, or a size is neither declared nor given.
    """
    names = [each.name for each in inputs]
    if not isinstance(given, Mapping):
        given = {"": given} if given is not None and names else {}
    shapes = {name or (names[0] if names else ""): shape for name, shape in given.items()}
    if unknown := sorted(set(shapes) - set(names)):
        raise FormatError(f"has no input `{unknown[0]}`{suggest(unknown[0], names)}")
    return {each.name: _input_type(each, shapes.get(each.name)) for each in inputs}


def _input_type(info: ValueInfoProto, given: Shape | Shaped | None) -> TensorType:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type"):
        raise FormatError(f"input `{info.name}` is not a tensor")
    dtype = onnx_dtype(kind.elem_type)
    dims = list(kind.shape.dim) if kind.HasField("shape") else None
    if given is not None:
        shape = tuple(given.shape if isinstance(given, Shaped) else given)
        dtype = str(getattr(given, "dtype", None) or dtype).removeprefix("torch.")
        if dims is not None and len(shape) == len(dims) - 1 > 1:
            shape = (1, *shape)
        if dims is not None and len(shape) != len(dims):
            raise FormatError(f"input `{info.name}` has {len(dims)} axes, not {len(shape)}: {format_shape(shape)}")
        return TensorType(shape, dtype)
    sizes = tuple(dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims or ())
    if sizes and sizes[0] < 1:
        sizes = (1, *sizes[1:])
    if dims is None or not all(1 <= size <= MAX_SIZE for size in sizes):
        free = ", ".join(dim.dim_param or "?" for dim in dims or () if not dim.dim_value) or "all"
        example = "x".join(str(size) if size > 0 else "128" for size in sizes) or "1x128"
        raise FormatError(
            f"input `{info.name}` has sizes that are not fixed ({free}): give them, --input {info.name}={example}"
        )
    return TensorType(sizes, dtype)
