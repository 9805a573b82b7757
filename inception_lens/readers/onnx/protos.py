"""Parts of an ONNX file as values: tensors, attributes and declared types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from inception_lens.errors import FormatError
from inception_lens.ops import Shape, TensorType, format_shape
from inception_lens.readers.onnx.dtypes import ONNX_DTYPES, onnx_dtype
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, known_value
from inception_lens.readers.tensors import MAX_ELEMENTS, byte_size


def common_dtype(weights: Iterable[OnnxValue]) -> str:
    """The dtype of most of the weights' numbers."""
    counts: Counter[str] = Counter()
    for value in weights:
        if "float" in value.dtype and value.type:
            counts[value.dtype] += value.type.elements
    return counts.most_common(1)[0][0] if counts else "float32"


def _sizes(tensor: Any) -> Shape:
    sizes = tuple(tensor.dims)
    elements = 1
    for size in sizes:
        elements *= size
        if size < 0 or elements > MAX_ELEMENTS:
            raise FormatError(f"`{tensor.name}` has a shape that no tensor has: {format_shape(sizes)[:80]}")
    return sizes


def stored_tensor(tensor: Any, *, constant: bool = False, name: str = "") -> OnnxValue:
    """An initialiser; its numbers too where they are few and are there."""
    kind = TensorType(_sizes(tensor), onnx_dtype(tensor.data_type))
    return OnnxValue(kind, weight=tensor.name or name, constant=constant, numbers=_numbers(tensor, kind))


def _numbers(tensor: Any, kind: TensorType) -> Any:
    bits = 8 * (byte_size((1,), ONNX_DTYPES[tensor.data_type]) or 0)
    fields = (tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data)
    typed = sum(map(len, fields))
    whole = len(tensor.raw_data) * 8 == kind.elements * bits if tensor.raw_data else typed == kind.elements
    if tensor.data_location == 1 or bits < 8 or not whole or (not typed and not tensor.raw_data and kind.elements):
        return None
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)


def sparse_tensor(tensor: Any) -> OnnxValue:
    """A sparse initialiser, as the tensor that it stands for."""
    kind = TensorType(_sizes(tensor), onnx_dtype(tensor.values.data_type))
    return OnnxValue(kind, weight=tensor.values.name)


def constant(call: OnnxCall, name: str) -> OnnxValue:
    """A Constant, by whichever attribute it is told."""
    import numpy as np

    for key, dtype in (("value_float", "f4"), ("value_int", "i8"), ("value_floats", "f4"), ("value_ints", "i8")):
        if key in call.attributes:
            return known_value(np.array(call.attributes[key], dtype))
    value = call.attributes.get("value", call.attributes.get("sparse_value"))
    if not isinstance(value, OnnxValue):
        raise FormatError("a Constant of no tensor")
    return OnnxValue(value.type, weight=name, constant=True, numbers=value.numbers)


def attribute_value(attribute: Any, outer: Mapping[str, Any]) -> Any:
    """An attribute as Python has it; one that refers to its function's call is found in `outer`."""
    if attribute.ref_attr_name:
        return outer.get(attribute.ref_attr_name)
    match attribute.type:
        case 1:
            return attribute.f
        case 2:
            return attribute.i
        case 3:
            return attribute.s.decode(errors="backslashreplace")
        case 4:
            return stored_tensor(attribute.t, constant=True, name=attribute.name)
        case 5:
            return attribute.g
        case 6:
            return list(attribute.floats)
        case 7:
            return list(attribute.ints)
        case 8:
            return [each.decode(errors="backslashreplace") for each in attribute.strings]
        case 11:
            return sparse_tensor(attribute.sparse_tensor)
    return None


def declared_type(info: Any) -> TensorType | None:
    """The type that the file declares for a tensor, where it tells all of it."""
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not kind.HasField("shape") or kind.elem_type not in ONNX_DTYPES:
        return None
    sizes = tuple(dim.dim_value for dim in kind.shape.dim)
    told = all(dim.HasField("dim_value") and 0 <= dim.dim_value <= MAX_ELEMENTS for dim in kind.shape.dim)
    return TensorType(sizes, onnx_dtype(kind.elem_type)) if told else None
