"""The nodes of a TensorFlow GraphDef, read from the wire format without the data of large tensors.

Field numbers are those of TensorFlow's `graph.proto`, `node_def.proto`, `attr_value.proto` and `tensor.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import prod
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.ops import Shape, TensorType
from inception_lens.readers import wire_format as wire
from inception_lens.readers.tensorflow.nodes import (
    TENSORFLOW_DTYPES,
    DeclaredShape,
    DeclaredSizes,
    GraphDefAttribute,
    GraphDefNode,
    GraphDefTensor,
)
from inception_lens.readers.tensors import MAX_AXES, NUMPY_DTYPES, Array, check_shape

MAX_NODES = 100_000
MAX_ATTRIBUTES = 1_000
"""Of one node."""
MAX_LIST_LENGTH = 1_000
"""Of one attribute."""
MAX_DATA_ELEMENTS = 16_384
"""Elements of a tensor whose data are kept: shapes, axes and factors have fewer, kernels more."""

GRAPH_NODE, GRAPH_LIBRARY, GRAPH_VERSIONS = 1, 2, 4
SAVED_VERSION, SAVED_META, META_GRAPH, META_SIGNATURE, SIGNATURE_OUTPUT = 1, 2, 2, 5, 2
NODE_NAME, NODE_OP, NODE_INPUT, NODE_ATTRIBUTE = 1, 2, 3, 5
LIST, TEXT, INTEGER, FLOAT, FLAG, TYPE, SHAPE, TENSOR = range(1, 9)
"""Fields of an AttrValue; those of its list have the same numbers."""
TENSOR_TYPE, TENSOR_SHAPE, TENSOR_CONTENT = 1, 2, 4
FLOAT_VALUES, DOUBLE_VALUES, HALF_VALUES = 5, 6, 13
VARINT_VALUES = (7, 10, 11, HALF_VALUES, 16, 17)
"""`int_val`, `int64_val`, `bool_val`, `half_val`, `uint32_val` and `uint64_val`."""


class GraphDef(NamedTuple):
    """The content of a file."""

    nodes: Mapping[str, GraphDefNode]
    """By name, in the file's order."""
    version: int
    """Of the operations, when the graph was written; 0 where it is not recorded."""
    library: tuple[wire.WireField, ...]
    """The messages of its functions."""
    outputs: tuple[str, ...]
    """The tensors that the default signature of a SavedModel returns; empty for a bare GraphDef."""


def read_nodes(data: memoryview) -> GraphDef:
    """Read a GraphDef, or that of a SavedModel.

    Raises:
        FormatError: the bytes are neither, or one of the limits above is exceeded.
    """
    nodes: dict[str, GraphDefNode] = {}
    library: list[wire.WireField] = []
    version = 0
    start, end, outputs = _place_of_graph(data)
    for field in wire.limited_fields(data, start, end):
        if field.kind != wire.BYTES:
            continue
        if field.number == GRAPH_VERSIONS:
            producers = (each for each in wire.limited_fields(data, field.start, field.end) if each.number == 1)
            version = next((each.value for each in producers), 0)
        elif field.number == GRAPH_LIBRARY:
            inner = wire.limited_fields(data, field.start, field.end)
            library += [each for each in inner if each.number == 1 and each.kind == wire.BYTES]
        elif field.number == GRAPH_NODE:
            node = read_node(data, field)
            if not node.name or not node.op:
                raise FormatError("is not a GraphDef: a node has no name or no operation")
            if node.name in nodes:
                raise FormatError(f"two nodes are called `{node.name}`")
            nodes[node.name] = node
        if max(len(nodes), len(library)) > MAX_NODES:
            raise FormatError(f"more than {MAX_NODES:,} nodes")
    if not nodes:
        raise FormatError("is not a GraphDef: it has no nodes")
    return GraphDef(nodes, version, tuple(library), outputs)


def _place_of_graph(data: memoryview) -> tuple[int, int, tuple[str, ...]]:
    """Where the GraphDef starts and ends, and the outputs of its default signature.

    A SavedModel, which starts with its version, has one in each MetaGraphDef; the first is read.
    """
    first = next(wire.message_fields(data))
    if (first.number, first.kind) != (SAVED_VERSION, wire.VARINT):
        return 0, len(data), ()
    for meta in wire.file_fields(data):
        if meta.number == SAVED_META and meta.kind == wire.BYTES:
            inner = [each for each in wire.limited_fields(data, meta.start, meta.end) if each.kind == wire.BYTES]
            signatures: dict[str, tuple[str, ...]] = {}
            for field in inner:
                if field.number == META_SIGNATURE:
                    name, value = _entry(data, field)
                    signatures[name] = _signature_outputs(data, value) if value else ()
            outputs = signatures.get("serving_default", next(iter(signatures.values()), ()))
            graph = next((each for each in inner if each.number == META_GRAPH), None)
            if graph is not None:
                return graph.start, graph.end, outputs
    raise FormatError("is a SavedModel without a graph")


def _signature_outputs(data: memoryview, signature: wire.WireField) -> tuple[str, ...]:
    """The names of the tensors that a SignatureDef returns."""
    names: list[str] = []
    for field in wire.limited_fields(data, signature.start, signature.end):
        info = _entry(data, field)[1] if field.number == SIGNATURE_OUTPUT and field.kind == wire.BYTES else None
        for each in wire.limited_fields(data, info.start, info.end) if info else ():
            if each.number == 1:
                names.append(wire.decode_text(data, each).removesuffix(":0"))
    return tuple(names)


def _entry(data: memoryview, message: wire.WireField) -> tuple[str, wire.WireField | None]:
    """The key and the message of an entry of a map."""
    entry = {each.number: each for each in wire.limited_fields(data, message.start, message.end)}
    value = entry.get(2)
    key = wire.decode_text(data, entry[1]) if 1 in entry else ""
    return key, value if value is not None and value.kind == wire.BYTES else None


def read_node(data: memoryview, message: wire.WireField) -> GraphDefNode:
    """Read a NodeDef."""
    name = op = ""
    inputs: list[str] = []
    attributes: dict[str, GraphDefAttribute] = {}
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == NODE_NAME:
            name = wire.decode_text(data, field)
        elif field.number == NODE_OP:
            op = wire.decode_text(data, field)
        elif field.number == NODE_INPUT:
            text = wire.decode_text(data, field)
            if not text.startswith("^"):
                inputs.append(text.removesuffix(":0"))
        elif field.number == NODE_ATTRIBUTE and field.kind == wire.BYTES:
            if len(attributes) >= MAX_ATTRIBUTES:
                raise FormatError(f"`{name}` has more than {MAX_ATTRIBUTES:,} attributes")
            key, value = _entry(data, field)
            attributes[key] = _read_attribute(data, value) if value else None
    return GraphDefNode(name, op, tuple(inputs), attributes)


def _read_attribute(data: memoryview, message: wire.WireField) -> GraphDefAttribute:
    """The value of an AttrValue, a function by its name; None for an empty one."""
    value: GraphDefAttribute = None
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == LIST and field.kind == wire.BYTES:
            value = []
            for each in wire.limited_fields(data, field.start, field.end):
                value += _read_values(data, each)
                if len(value) > MAX_LIST_LENGTH:
                    raise FormatError(f"an attribute has more than {MAX_LIST_LENGTH:,} values")
        elif found := _read_values(data, field):
            value = found[-1]
    return value


def _read_values(data: memoryview, field: wire.WireField) -> list[GraphDefAttribute]:
    """The values of a field of an AttrValue; several if they are packed."""
    match field.number:
        case 2:
            return [wire.decode_text(data, field)] if field.end - field.start <= wire.MAX_TEXT_LENGTH else [""]
        case 3 | 5 | 6:
            return [*wire.decode_integers(data, field, MAX_LIST_LENGTH)]
        case 4:
            return [*_floats(data, field, "f", MAX_LIST_LENGTH)]
        case 7 if field.kind == wire.BYTES:
            return [DeclaredShape(_read_shape(data, field))]
        case 8 if field.kind == wire.BYTES:
            return [_read_tensor(data, field)]
        case 10 if field.kind == wire.BYTES:
            inner = wire.limited_fields(data, field.start, field.end)
            return [wire.decode_text(data, each) for each in inner if each.number == 1]
    return []


def _floats(data: memoryview, field: wire.WireField, kind: str, limit: int) -> list[float]:
    """Floating-point numbers, packed or a single one; those after the first `limit` are left out."""
    size = struct.calcsize(kind)
    count = min((field.end - field.start) // size, limit)
    return list(struct.unpack_from(f"<{count}{kind}", data, field.start)) if field.kind != wire.VARINT else []


def _read_shape(data: memoryview, message: wire.WireField) -> DeclaredSizes:
    """A TensorShapeProto."""
    sizes: list[int | None] = []
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == 3 and field.value:
            return None
        if field.number == 2 and field.kind == wire.BYTES:
            size = 0  # of a dimension without the field, as proto3 leaves out zeros
            for each in wire.limited_fields(data, field.start, field.end):
                if each.number == 1 and each.kind == wire.VARINT:
                    (size,) = wire.decode_sizes(data, each)
            sizes.append(None if size < 0 else size)
            if len(sizes) > MAX_AXES:
                raise FormatError(f"a tensor of more than {MAX_AXES} axes")
    return tuple(sizes)


def _read_tensor(data: memoryview, message: wire.WireField) -> GraphDefTensor:
    """A TensorProto: raw bytes, or a list of values of which the last is repeated."""
    number, content = 0, None
    shape: Shape = ()
    values: list[wire.WireField] = []
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == TENSOR_TYPE:
            number = field.value
        elif field.number == TENSOR_SHAPE and field.kind == wire.BYTES:
            found = _read_shape(data, field)
            if found is None or None in found:
                raise FormatError("a constant has an unknown shape")
            shape = check_shape("a constant", tuple(size for size in found if size is not None))
        elif field.number == TENSOR_CONTENT and field.kind == wire.BYTES:
            content = data[field.start : field.end]
        elif field.number in (FLOAT_VALUES, DOUBLE_VALUES, *VARINT_VALUES) and len(values) < MAX_DATA_ELEMENTS:
            values.append(field)
    dtype = TENSORFLOW_DTYPES.get(number)
    if dtype is None:
        return GraphDefTensor(None, None)
    return GraphDefTensor(TensorType(shape, dtype), _array(data, shape, dtype, content, values))


def _array(
    data: memoryview, shape: Shape, dtype: str, content: memoryview | None, values: list[wire.WireField]
) -> Array | None:
    """The data of a tensor; None where they are many, incomplete, or of a dtype that NumPy lacks."""
    import numpy as np

    kind, count = NUMPY_DTYPES.get(dtype), prod(shape)
    if kind is None or count > MAX_DATA_ELEMENTS:
        return None
    if content is not None:
        return np.frombuffer(content, kind).reshape(shape) if len(content) == count * np.dtype(kind).itemsize else None
    numbers: list[float] = []
    for field in values:
        if field.number in VARINT_VALUES:
            numbers += wire.decode_integers(data, field, MAX_DATA_ELEMENTS)
        else:
            numbers += _floats(data, field, "f" if field.number == FLOAT_VALUES else "d", count)
    with np.errstate(all="ignore"):  # a damaged file has values that its dtype does not have
        given = np.array(numbers[:count])
        given = given.astype("<u2").view(kind) if dtype == "float16" else given.astype(kind)
    missing = np.full(count - len(given), given[-1] if len(given) else 0, kind)
    return np.concatenate([given, missing]).reshape(shape)
