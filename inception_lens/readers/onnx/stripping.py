"""An ONNX model without the data of its large tensors.

Costs follow from shapes, and the `onnx` package would copy all data while it parses. Field numbers are those of
onnx.proto.
"""

from inception_lens.errors import FormatError
from inception_lens.readers import wire_format as wire

MAX_DATA_SIZE = 16_384
"""Bytes of a tensor's data that are kept: shapes, axes and factors have fewer, weights more."""
MAX_FIELDS = 5_000_000
"""Fields of a whole model."""
MAX_DEPTH = 24
"""Messages inside each other; a node in a graph in a node takes four."""

TENSOR_DATA = {4, 5, 6, 7, 9, 10, 11}
"""`float_data`, `int32_data`, `string_data`, `int64_data`, `raw_data`, `double_data`, `uint64_data`."""
TENSOR_EXTERNAL = 13

_TENSOR: dict[int, object] = {}
_GRAPH: dict[int, object] = {5: _TENSOR}
_ATTRIBUTE: dict[int, object] = {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH}
_NODE: dict[int, object] = {5: _ATTRIBUTE}
_GRAPH[1] = _NODE
_MODEL: dict[int, object] = {7: _GRAPH, 25: {7: _NODE}}
"""The messages of a model that can contain tensors, by the numbers of the fields that lead to them; a graph contains
nodes, whose attributes contain graphs."""


def strip_tensor_data(data: memoryview) -> bytes:
    """The model, with tensors of more than MAX_DATA_SIZE emptied and locations of external data removed.

    Raises:
        FormatError: the bytes are not a protocol buffer, or exceed MAX_DEPTH or MAX_FIELDS.
    """
    return b"".join(_Stripper(data).message(0, len(data), _MODEL, 0))


class _Stripper:
    """Copies messages; the lengths before them are those of their stripped content."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.fields = data, 0

    def message(self, start: int, end: int, fields: dict[int, object], depth: int) -> list[bytes]:
        """The parts of a message, in which `fields` lead to tensors."""
        if depth > MAX_DEPTH:
            raise FormatError(f"more than {MAX_DEPTH} messages inside each other")
        parts: list[bytes] = []
        at = start
        for field in wire.message_fields(self.data, start, end):
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise FormatError(f"more than {MAX_FIELDS:,} fields")
            inner_fields = fields.get(field.number)
            if isinstance(inner_fields, dict) and field.kind == wire.BYTES:
                inner = self.message(field.start, field.end, inner_fields, depth + 1)
                key = wire.encode_varint(field.number << 3 | wire.BYTES)
                parts += [key, wire.encode_varint(sum(map(len, inner))), *inner]
            elif fields is not _TENSOR or not self.is_dropped(field):
                parts.append(bytes(self.data[at : field.end]))
            at = field.end
        return parts

    def is_dropped(self, field: wire.WireField) -> bool:
        """Whether the field of a tensor is left out."""
        large = field.end - field.start > MAX_DATA_SIZE
        return field.number == TENSOR_EXTERNAL or (field.number in TENSOR_DATA and large)
