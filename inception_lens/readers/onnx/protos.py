"""Parts of an ONNX file as values: tensors, attributes and declared types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import ELEMENTS_PER_BYTE, TensorType
from inception_lens.readers.onnx.dtypes import ONNX_DTYPES, onnx_dtype
from inception_lens.readers.onnx.values import Attribute, OnnxCall, OnnxValue, known_value
from inception_lens.readers.tensors import MAX_AXES, MAX_ELEMENTS, Array, byte_size, check_shape

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, SparseTensorProto, TensorProto, TypeProto, ValueInfoProto


def common_dtype(weights: Iterable[OnnxValue]) -> str:
    """The floating-point dtype of most elements of the weights."""
    counts: Counter[str] = Counter()
    for value in weights:
        if "float" in value.dtype and value.type:
            counts[value.dtype] += value.type.elements
    return counts.most_common(1)[0][0] if counts else "float32"


def subgraphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph, and all graphs in the attributes of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for each in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from subgraphs(each)


def stored_tensor(tensor: TensorProto, name: str = "", *, constant: bool = False) -> OnnxValue:
    """An initializer or, with `constant`, the tensor of an attribute; with its data, unless they were stripped."""
    kind = TensorType(check_shape(tensor.name, tuple(tensor.dims)), onnx_dtype(tensor.data_type))
    dtype = ONNX_DTYPES[tensor.data_type]
    file_dtype = dtype if dtype in ELEMENTS_PER_BYTE else kind.dtype
    array = _array(tensor, kind)
    return OnnxValue(kind, weight=name or tensor.name, constant=constant, array=array, file_dtype=file_dtype)


def _array(tensor: TensorProto, kind: TensorType) -> Array | None:
    """The data of a tensor; None where they are incomplete, packed, text, or in another file."""
    size = byte_size(kind.shape, ONNX_DTYPES[tensor.data_type])
    typed_fields = (
        tensor.float_data, tensor.int32_data, tensor.int64_data, tensor.double_data, tensor.uint64_data,
    )  # fmt: skip
    typed = sum(map(len, typed_fields))
    complete = len(tensor.raw_data) == size if tensor.raw_data else typed == kind.elements
    packed = size is None or size < kind.elements
    if tensor.data_location == tensor.EXTERNAL or packed or not complete:
        return None
    from onnx import numpy_helper

    try:
        array: Array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError):  # they are in the field of another data type
        return None
    return array


def sparse_tensor(tensor: SparseTensorProto) -> OnnxValue:
    """A sparse tensor, as the dense one that it represents."""
    shape = check_shape(tensor.values.name, tuple(tensor.dims))
    return OnnxValue(TensorType(shape, onnx_dtype(tensor.values.data_type)), weight=tensor.values.name)


def constant(call: OnnxCall, *, is_initializer: bool) -> OnnxValue:
    """The output of a Constant, from the attribute that it has; with `is_initializer`, as if the file stored it so.

    Raises:
        FormatError: it has none with a tensor or numbers.
    """
    import numpy as np

    value = call.attributes.get("value", call.attributes.get("sparse_value"))
    for name, dtype in (("value_float", "f4"), ("value_int", "i8"), ("value_floats", "f4"), ("value_ints", "i8")):
        if name in call.attributes:
            value = known_value(np.array(call.attributes[name], dtype))
    if not isinstance(value, OnnxValue):
        raise FormatError("has no `value` that is a tensor or numbers")
    return msgspec.structs.replace(value, weight=call.tensor, constant=not is_initializer)


def attributes_of(protos: Iterable[AttributeProto], function: Mapping[str, Attribute]) -> dict[str, Attribute]:
    """Attributes by name; those that refer to an attribute of the `function` around them are found there.

    Types that no operator here has are left out: lists of tensors or graphs, and types.
    """
    found: dict[str, Attribute] = {}
    for proto in protos:
        value = function.get(proto.ref_attr_name) if proto.ref_attr_name else _attribute(proto)
        if value is not None:
            found[proto.name] = value
    return found


def _attribute(proto: AttributeProto) -> Attribute | None:
    match proto.type:
        case proto.FLOAT:
            return proto.f
        case proto.INT:
            return proto.i
        case proto.STRING:
            return _text(proto.s)
        case proto.TENSOR:
            return stored_tensor(proto.t, proto.t.name or proto.name, constant=True)
        case proto.GRAPH:
            return proto.g
        case proto.FLOATS:
            return list(proto.floats)
        case proto.INTS:
            return list(proto.ints)
        case proto.STRINGS:
            return [_text(each) for each in proto.strings]
        case proto.SPARSE_TENSOR:
            return sparse_tensor(proto.sparse_tensor)
    return None


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")


def tensor_type(proto: TypeProto) -> TensorType | None:
    """A type of a tensor; None where it is incomplete, or not that of a tensor."""
    kind = proto.tensor_type
    if not proto.HasField("tensor_type") or not kind.HasField("shape") or kind.elem_type not in ONNX_DTYPES:
        return None
    dims = kind.shape.dim
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)
    if len(shape) > MAX_AXES or min(shape, default=0) < 0 or prod(shape) > MAX_ELEMENTS:
        return None
    return TensorType(shape, onnx_dtype(kind.elem_type))


def declared_type(info: ValueInfoProto) -> TensorType | None:
    """The type that the file declares for a tensor; None where it is incomplete, as exporters write sizes of 0."""
    kind = tensor_type(info.type)
    return kind if kind and 0 not in kind.shape else None
