"""Paddle's .pdiparams: the tensors of an exported program, one after another without their names.

The names are in a file next to it: `.pdiparams.info` has those of the layers' attributes, `.pdmodel` (Paddle 2) and
`.json` (Paddle 3) those of the program's variables. The tensors are in the order of the program's names, sorted as
text. Without such a file a tensor's name is its position. Source: Paddle's `SerializeToStream` and `framework.proto`.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

from inception_lens.errors import FormatError
from inception_lens.ops import Shape, format_shape
from inception_lens.readers import wire_format as wire
from inception_lens.readers.files import display_path, errors_in, map_file, read_bytes
from inception_lens.readers.formats import MAX_DESCRIPTION
from inception_lens.readers.paddle.pir import read_pir
from inception_lens.readers.paddle.program import PADDLE_DTYPES
from inception_lens.readers.paddle.program_desc import read_program_desc
from inception_lens.readers.tensors import WeightFile, WeightTensor, byte_size, check_shape, to_array
from inception_lens.readers.weights.pickled_values import MAX_KEY_LENGTH
from inception_lens.readers.weights.unpickler import unpickle

KIND = "a .pdiparams file"
MAX_TENSORS = 100_000
MAX_PROGRAM_SIZE = 100_000_000
"""Bytes of a program, whose names are read."""


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
        if end > len(data) or not dtype:
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
    return tuple(sizes), PADDLE_DTYPES.get(dtype, "")


def _names(path: str) -> list[str]:
    """The names of the tensors in their order; none if no program is next to the file."""
    base, info = os.path.splitext(path)[0], f"{path}.info"
    attributes = _attribute_names(info) if os.path.exists(info) else {}
    names = list(attributes)
    for path in (f"{base}.pdmodel", f"{base}.json"):
        if os.path.exists(path):
            data = read_bytes(path, MAX_PROGRAM_SIZE, "a Paddle program")
            with errors_in(path):
                program = read_pir(data) if path.endswith(".json") else read_program_desc(memoryview(data))
            names = [tensor.weight for tensor in program.tensors.values() if tensor.weight]
            break
    return [attributes.get(name, name) for name in sorted({*names})]


def _attribute_names(path: str) -> dict[str, str]:
    """The names of attributes by those of parameters, from a .pdiparams.info."""
    with errors_in(path):
        held = unpickle(io.BytesIO(read_bytes(path, MAX_PROGRAM_SIZE, "names of parameters")))
        entries = held.items() if isinstance(held, dict) else ()
        named = {key: each.get("structured_name", key) for key, each in entries if isinstance(each, dict)}
    return {str(key)[:MAX_KEY_LENGTH]: str(name)[:MAX_KEY_LENGTH] for key, name in named.items()}
