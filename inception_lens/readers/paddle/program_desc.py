"""The ProgramDesc of a .pdmodel, read from the wire format; field numbers are those of Paddle's framework.proto."""

from __future__ import annotations

import struct

from inception_lens.errors import FormatError
from inception_lens.readers import wire_format as wire
from inception_lens.readers.paddle.program import (
    MAX_OPERATIONS,
    PADDLE_DTYPES,
    PaddleAttribute,
    PaddleOperation,
    PaddleProgram,
    PaddleTensor,
)
from inception_lens.readers.tensors import MAX_AXES

PROGRAM_BLOCK = 1
BLOCK_TENSOR, BLOCK_OPERATION = 3, 4
TENSOR_NAME, TENSOR_TYPE, TENSOR_PERSISTABLE = 1, 2, 3
OPERATION_INPUT, OPERATION_OUTPUT, OPERATION_TYPE, OPERATION_ATTRIBUTE = 1, 2, 3, 4
LOD_TENSOR = 3
INTEGER, FLOAT, TEXT, INTEGERS, FLOATS, FLAG, LONG, LONGS, DOUBLE, SCALARS = 3, 4, 5, 6, 7, 10, 13, 15, 19, 21
"""Fields of an attribute."""
SCALAR_REAL = 4
"""A scalar's field of a floating-point number; other fields after the first, its type, hold integers."""
MAX_LIST_LENGTH = 100_000

MAIN_OUTPUTS = ("Out", "Output", "Y", "Indices", "Mask")
"""Roles of outputs that are returned, in this order; others serve the backward pass."""


def read_program_desc(data: memoryview) -> PaddleProgram:
    """Read the first block, the network; others are the bodies of loops and conditions.

    Raises:
        FormatError: the bytes are not a ProgramDesc, or there are too many calls, tensors or numbers.
    """
    tensors: dict[str, PaddleTensor] = {}
    operations: list[PaddleOperation] = []
    inputs: dict[str, str] = {}
    outputs: list[str] = []
    block = next((each for each in wire.file_fields(data) if each.number == PROGRAM_BLOCK), None)
    if block is None or block.kind != wire.BYTES:
        raise FormatError("is not a Paddle program: it has no block")
    for field in wire.limited_fields(data, block.start, block.end):
        if field.kind != wire.BYTES:
            continue
        if field.number == BLOCK_TENSOR:
            name, tensors[name] = _read_tensor(data, field)
        elif field.number == BLOCK_OPERATION:
            operation = _read_operation(data, field)
            if operation.type == "feed":
                inputs |= {name: name for name in operation.outputs}
            elif operation.type == "fetch":
                outputs += operation.inputs.get("X", ())
            else:
                operations.append(operation)
        if max(len(tensors) // 10, len(operations)) > MAX_OPERATIONS:
            raise FormatError(f"more than {MAX_OPERATIONS:,} operations")
    if not operations:
        raise FormatError("is not a Paddle program: it has no operations")
    return PaddleProgram(tensors, tuple(operations), inputs, tuple(outputs))


def _read_tensor(data: memoryview, message: wire.WireField) -> tuple[str, PaddleTensor]:
    name, is_stored = "", False
    tensor = PaddleTensor(None, "float32")
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == TENSOR_NAME:
            name = wire.decode_text(data, field)
        elif field.number == TENSOR_PERSISTABLE:
            is_stored = bool(field.value)
        elif field.number == TENSOR_TYPE and field.kind == wire.BYTES:
            tensor = _read_type(data, field)
    return name, tensor._replace(weight=name) if is_stored and tensor.shape is not None else tensor


def _read_type(data: memoryview, message: wire.WireField) -> PaddleTensor:
    """A VarType, whose dense tensor holds a dtype and sizes."""
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == LOD_TENSOR and field.kind == wire.BYTES:
            for tensor in wire.limited_fields(data, field.start, field.end):
                if tensor.number == 1 and tensor.kind == wire.BYTES:
                    fields = list(wire.limited_fields(data, tensor.start, tensor.end))
                    number = next((each.value for each in fields if each.number == 1), -1)
                    sizes = [size for each in fields if each.number == 2 for size in wire.decode_sizes(data, each)]
                    if len(sizes) > MAX_AXES:
                        raise FormatError(f"a tensor of more than {MAX_AXES} axes")
                    return PaddleTensor(tuple(sizes), PADDLE_DTYPES.get(number, "float32"))
    return PaddleTensor(None, "float32")


def _read_operation(data: memoryview, message: wire.WireField) -> PaddleOperation:
    kind = ""
    inputs: dict[str, tuple[str, ...]] = {}
    outputs: dict[str, tuple[str, ...]] = {}
    attributes: dict[str, PaddleAttribute] = {}
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == OPERATION_TYPE:
            kind = wire.decode_text(data, field)
        elif field.kind != wire.BYTES:
            continue
        elif field.number in (OPERATION_INPUT, OPERATION_OUTPUT):
            texts = [each for each in wire.limited_fields(data, field.start, field.end) if each.number in (1, 2)]
            role = next((wire.decode_text(data, each) for each in texts if each.number == 1), "")
            names = tuple(wire.decode_text(data, each) for each in texts if each.number == 2)
            if names:
                (inputs if field.number == OPERATION_INPUT else outputs)[role] = names
        elif field.number == OPERATION_ATTRIBUTE:
            name, value = _read_attribute(data, field)
            if value is not None:
                attributes[name] = value
    found = tuple(name for role in MAIN_OUTPUTS for name in outputs.get(role, ()))
    found = found or tuple(name for names in outputs.values() for name in names)
    return PaddleOperation(kind, found[0].partition(".tmp_")[0] if found else kind, inputs, found, attributes)


def _read_attribute(data: memoryview, message: wire.WireField) -> tuple[str, PaddleAttribute | None]:
    """The name and the value of an attribute; None for blocks, variables and empty texts."""
    name = ""
    value: PaddleAttribute | None = None
    integers: list[int] = []
    floats: list[float] = []
    for field in wire.limited_fields(data, message.start, message.end):
        match field.number:
            case 1:
                name = wire.decode_text(data, field)
            case _ if field.number in (INTEGER, FLAG, LONG) and field.kind == wire.VARINT:
                (value,) = wire.decode_integers(data, field, 1)
            case _ if field.number in (INTEGERS, LONGS):
                integers += wire.decode_integers(data, field, MAX_LIST_LENGTH)
            case _ if field.number == FLOAT and field.kind == wire.FIXED32:
                (value,) = struct.unpack_from("<f", data, field.start)
            case _ if field.number == DOUBLE and field.kind == wire.FIXED64:
                (value,) = struct.unpack_from("<d", data, field.start)
            case _ if field.number == FLOATS and field.kind == wire.FIXED32:
                floats += struct.unpack_from("<f", data, field.start)
            case _ if field.number == SCALARS and field.kind == wire.BYTES:
                floats += _read_scalar(data, field)
            case _ if field.number == TEXT and field.end - field.start <= wire.MAX_TEXT_LENGTH:
                value = wire.decode_text(data, field)
        if max(len(integers), len(floats)) > MAX_LIST_LENGTH:
            raise FormatError(f"attribute `{name}` has more than {MAX_LIST_LENGTH:,} numbers")
    return name, integers or floats or value


def _read_scalar(data: memoryview, message: wire.WireField) -> list[float]:
    """The number of a scalar; several or none in a damaged file."""
    numbers: list[float] = []
    for field in wire.limited_fields(data, message.start, message.end):
        if field.number == SCALAR_REAL and field.kind == wire.FIXED64:
            numbers += struct.unpack_from("<d", data, field.start)
        elif field.number > 1 and field.kind == wire.VARINT:
            numbers += wire.decode_integers(data, field, 1)
    return numbers
