"""The outside of an ONNX file: its initialisers' descriptions, and the model without its numbers.

Field numbers are those of `onnx.proto`. Nothing outside the file is opened: where a tensor's numbers lie in another
one, their place is not even read.
"""

from inception_lens.errors import FormatError
from inception_lens.readers import wire_format as wire
from inception_lens.readers.tensors import WeightTensor, check_shape

MODEL_GRAPH, GRAPH_INITIALISER = 7, 5
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_LOCATION = 1, 2, 8, 9, 14
TENSOR_NUMBERS = {4: "float32", 5: "int32", 6: "text", 7: "int64", 10: "float64", 11: "uint64"}

ONNX_DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "text", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2",
}  # fmt: skip
"""Numbers of `TensorProto.DataType`."""

ONNX_BITS = {
    "float32": 32, "uint8": 8, "int8": 8, "uint16": 16, "int16": 16, "int32": 32, "int64": 64, "bool": 8, "float16": 16,
    "float64": 64, "uint32": 32, "uint64": 64, "complex64": 64, "complex128": 128, "bfloat16": 16, "float8_e4m3fn": 8,
    "float8_e4m3fnuz": 8, "float8_e5m2": 8, "float8_e5m2fnuz": 8, "uint4": 4, "int4": 4, "float4_e2m1fn": 4,
    "float8_e8m0fnu": 8, "uint2": 2, "int2": 2,
}  # fmt: skip

DataRange = tuple[int, int] | None
"""Where raw numbers begin and end; None where there are none."""


def list_initializers(data: memoryview) -> dict[str, tuple[WeightTensor, DataRange]]:
    """The initialisers of a model's graph by name, and where their raw numbers lie.

    Raises:
        FormatError: it is no protocol buffer.
    """
    found: dict[str, tuple[WeightTensor, DataRange]] = {}
    for graph in wire.parts(data):
        if graph.number == MODEL_GRAPH and graph.kind == wire.BYTES:
            for field in wire.fields(data, graph.start, graph.end):
                if field.number == GRAPH_INITIALISER and field.kind == wire.BYTES:
                    tensor, place = read_tensor_proto(data, field)
                    found[tensor.name] = tensor, place
    return found


def read_tensor_proto(data: memoryview, whole: wire.WireField) -> tuple[WeightTensor, DataRange]:
    """One TensorProto: name, shape and dtype, and where its raw numbers lie.

    Raises:
        FormatError: it is none.
    """
    name, dims, kind = "", [], 0
    place: DataRange = None
    external = False
    for field in wire.fields(data, whole.start, whole.end):
        if field.number == TENSOR_DIMS:
            dims += wire.integers(data, field)
        elif field.number == TENSOR_TYPE and field.kind == wire.VARINT:
            kind = field.value
        elif field.number == TENSOR_NAME:
            name = wire.text(data, field)
        elif field.number == TENSOR_RAW and field.kind == wire.BYTES:
            place = field.start, field.end
        elif field.number == TENSOR_LOCATION:
            external = bool(field.value)
    shape, dtype = check_shape(name[:80], tuple(dims)), ONNX_DTYPES.get(kind, f"type {kind}")
    if len(shape) > 64:
        raise FormatError(f"`{name[:80]}` has {len(shape)} axes")
    tensor = WeightTensor(name, shape, dtype)
    size = -(-tensor.elements * ONNX_BITS[dtype] // 8) if dtype in ONNX_BITS else None
    if external:
        return WeightTensor(name, shape, dtype, size, "its numbers lie in another file, which is not read"), None
    return WeightTensor(name, shape, dtype, size), place


LARGEST_KEPT = 16_384
"""Bytes of a tensor's numbers that are kept: shapes, axes and factors have fewer, weights more."""
MAX_FIELDS = 5_000_000
DEEPEST = 24

_TENSOR: dict[int, object] = {}
_GRAPH: dict[int, object] = {5: _TENSOR}
_ATTRIBUTE: dict[int, object] = {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH}
_NODE: dict[int, object] = {5: _ATTRIBUTE}
_GRAPH[1] = _NODE
_MODEL: dict[int, object] = {7: _GRAPH, 25: {7: _NODE}}
"""Where tensors can be inside a model, by the numbers of the fields that lead to them."""

TENSOR_EXTERNAL = 13


def strip_tensor_data(data: memoryview) -> bytes:
    """The model with every large tensor emptied, and without the places of tensors in other files.

    Raises:
        FormatError: it is no protocol buffer, or deeper or of more parts than any model.
    """
    return b"".join(_Stripping(data).message(0, len(data), _MODEL, 0))


class _Stripping:
    def __init__(self, data: memoryview) -> None:
        self.data, self.fields = data, 0

    def message(self, start: int, end: int, inside: dict[int, object], depth: int) -> list[bytes]:
        if depth > DEEPEST:
            raise FormatError(f"more than {DEEPEST} messages in each other")
        parts: list[bytes] = []
        at = start
        for field in wire.fields(self.data, start, end):
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise FormatError(f"more than {MAX_FIELDS:,} parts")
            below = inside.get(field.number)
            if below is None or field.kind != wire.BYTES:
                if not (inside is _TENSOR and self.drops(field)):
                    parts.append(bytes(self.data[at : field.end]))
            elif isinstance(below, dict):
                inner = self.message(field.start, field.end, below, depth + 1)
                parts += [wire.varint(field.number << 3 | wire.BYTES), wire.varint(sum(map(len, inner))), *inner]
            at = field.end
        return parts

    def drops(self, field: wire.WireField) -> bool:
        """Whether a part of a tensor is left out."""
        numbers = field.number == TENSOR_RAW or field.number in TENSOR_NUMBERS
        return field.number == TENSOR_EXTERNAL or (numbers and field.end - field.start > LARGEST_KEPT)
