"""Paddle's .pdiparams: the tensors of an exported program, one after another without their names.

The names are in a file next to it: `.pdiparams.info` has those of the layers' attributes, `.pdmodel` (Paddle 2) and
`.json` (Paddle 3) those of the program's variables. The tensors are in the order of the program's names, sorted as
text. Without such a file a tensor's name is its position. Source: Paddle's `SerializeToStream` and `framework.proto`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import Shape, format_shape
from inception_lens.readers import wire_format as wire
from inception_lens.readers.files import JSON_ERRORS, display_path, errors_in, map_file, read_bytes
from inception_lens.readers.tensors import WeightFile, WeightTensor, byte_size, check_shape, to_array
from inception_lens.readers.weights.unpickler import MAX_KEY_LENGTH, unpickle

KIND = "a .pdiparams file"
DTYPES = {
    0: "bool", 1: "int16", 2: "int32", 3: "int64", 4: "float16", 5: "float32", 6: "float64", 20: "uint8", 21: "int8",
    22: "bfloat16",
}  # fmt: skip
"""`VarType.Type` of Paddle's framework.proto."""
MAX_TENSORS = 100_000
MAX_PROGRAM_SIZE = 100_000_000
"""Bytes of a program, whose names are read."""
MAX_DESCRIPTION = 10_000
"""Bytes of a TensorDesc, whose axes and dtype take some fifty."""
FEED, FETCH = 9, 10
"""Types of variables that are not tensors."""


def read_pdiparams(path: str) -> WeightFile:
    """List the tensors of a .pdiparams file, and their names if a program is next to it.

    Raises:
        FormatError: the file or the program is damaged or of another kind, or they are of different numbers of tensors.
    """
    data = map_file(path, KIND)
    with errors_in(path):
        stored = list(_stored(data))
    names = _names(path) or [str(i) for i in range(len(stored))]
    if len(names) != len(stored):
        raise FormatError(f"{display_path(path)}: has {len(stored)} tensors, and its program {len(names)} parameters")
    places = {name: place for name, (_, _, place) in zip(names, stored, strict=True)}
    tensors = tuple(
        WeightTensor(name, shape, dtype, byte_size(shape, dtype))
        for name, (shape, dtype, _) in zip(names, stored, strict=True)
    )
    return WeightFile(path, "paddle", tensors, lambda t: to_array(data[places[t.name]], t.dtype, t.shape))


def _stored(data: memoryview) -> Iterator[tuple[Shape, str, slice]]:
    """The tensors: shape, dtype and place of the data of each."""
    at, count = 0, 0
    while at < len(data):
        count += 1
        if count > MAX_TENSORS:
            raise FormatError(f"has more than {MAX_TENSORS:,} tensors")
        levels = int.from_bytes(data[at + 4 : at + 12], "little")  # after the version
        at += 12
        for _ in range(min(levels, MAX_TENSORS)):
            at += 8 + int.from_bytes(data[at : at + 8], "little")
        size = int.from_bytes(data[at + 4 : at + 8], "little")  # after the version
        at += 8
        if levels > MAX_TENSORS or not 0 < size <= MAX_DESCRIPTION or at + size > len(data):
            raise FormatError(f"tensor {count} at byte {at:,} is truncated, or this is not {KIND}")
        shape, dtype = _description(data, at, at + size)
        at += size
        end = at + (byte_size(check_shape(f"tensor {count}", shape), dtype) or 0)
        if end > len(data) or dtype not in DTYPES.values():
            raise FormatError(f"tensor {count} of {format_shape(shape)} exceeds the file, or is of an unknown dtype")
        yield shape, dtype, slice(at, end)
        at = end


def _description(data: memoryview, start: int, end: int) -> tuple[Shape, str]:
    """A TensorDesc: dtype and sizes."""
    dtype, sizes = -1, []
    for field in wire.message_fields(data, start, end):
        if field.number == 1 and field.kind == wire.VARINT:
            dtype = field.value
        elif field.number == 2:
            sizes += wire.decode_sizes(data, field)
    return tuple(sizes), DTYPES.get(dtype, f"type {dtype}")


def _names(path: str) -> list[str]:
    """The names of the tensors in their order; none if no program is next to the file."""
    base, info = os.path.splitext(path)[0], f"{path}.info"
    attributes = _attribute_names(info) if os.path.exists(info) else {}
    names = list(attributes)
    for program, read in ((f"{base}.pdmodel", _variables), (f"{base}.json", _parameters)):
        if os.path.exists(program):
            names = read(program)
            break
    return [attributes.get(name, name) for name in sorted(names)]


def _attribute_names(path: str) -> dict[str, str]:
    """The names of attributes by those of parameters, from a .pdiparams.info."""
    with errors_in(path):
        held = unpickle(io.BytesIO(read_bytes(path, MAX_PROGRAM_SIZE, "names of parameters")))
        entries = held.items() if isinstance(held, dict) else ()
        named = {key: each.get("structured_name", key) for key, each in entries if isinstance(each, dict)}
    return {str(key)[:MAX_KEY_LENGTH]: str(name)[:MAX_KEY_LENGTH] for key, name in named.items()}


def _variables(path: str) -> list[str]:
    """The names of the variables of a .pdmodel that keep their values: fields of ProgramDesc, BlockDesc and VarDesc."""
    data, names = map_file(path, "a .pdmodel"), []
    with errors_in(path):
        for block in wire.file_fields(data):
            if (block.number, block.kind) != (1, wire.BYTES):
                continue
            for variable in wire.message_fields(data, block.start, block.end):
                if (variable.number, variable.kind) == (3, wire.BYTES):
                    names += _kept(data, variable)
    return names


def _kept(data: memoryview, message: wire.WireField) -> list[str]:
    """The name of a variable if it keeps its value and is a tensor."""
    name, kept, kind = "", False, 0
    for field in wire.message_fields(data, message.start, message.end):
        if (field.number, field.kind) == (1, wire.BYTES):
            name = wire.decode_text(data, field)
        elif field.number == 2:
            types = wire.message_fields(data, field.start, field.end)
            kind = next((each.value for each in types if each.number == 1), 0)
        elif field.number == 3:
            kept = bool(field.value)
    return [name] if kept and kind not in (FEED, FETCH) else []


class _Operation(msgspec.Struct):
    """An operation of a program of Paddle 3."""

    kind: str = msgspec.field(name="#")
    attributes: msgspec.Raw = msgspec.field(name="A", default=msgspec.Raw(b"[]"))


class _Block(msgspec.Struct):
    """Operations."""

    ops: list[_Operation]


class _Region(msgspec.Struct):
    """Blocks."""

    blocks: list[_Block]


class _Body(msgspec.Struct):
    """Regions."""

    regions: list[_Region]


class _Program(msgspec.Struct):
    """A program of Paddle 3."""

    program: _Body


def _parameters(path: str) -> list[str]:
    """The names of the parameters of a program in JSON: the last attribute of each operation `p`."""
    text = read_bytes(path, MAX_PROGRAM_SIZE, "a Paddle program in JSON")
    with errors_in(path):
        try:
            regions = msgspec.json.decode(text, type=_Program).program.regions
            ops = [op for region in regions for block in region.blocks for op in block.ops if op.kind == "p"]
            attributes = [msgspec.json.decode(op.attributes, type=list[object]) for op in ops]
        except (*JSON_ERRORS, RecursionError) as error:
            raise FormatError(f"is not a Paddle program: {error}") from None
    return [str(each[-1])[:MAX_KEY_LENGTH] for each in attributes if each]
