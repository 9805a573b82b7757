"""TensorFlow's checkpoints: format V2, an index and its data files, and V1, a single file.

Read: tensors of numbers, also of partitioned variables. Not read: text, which is listed; big-endian files. Source:
`tensor_bundle.proto`, `saved_tensor_slice.proto` and `ordered_code.cc` of TensorFlow.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from math import prod
from typing import NamedTuple

from inception_lens.errors import FormatError, require
from inception_lens.ops import Shape
from inception_lens.readers import wire_format as wire
from inception_lens.readers.files import errors_in, map_file
from inception_lens.readers.tensorflow.nodes import TENSORFLOW_DTYPES
from inception_lens.readers.tensors import (
    NUMPY_DTYPES,
    Array,
    WeightFile,
    WeightTensor,
    byte_size,
    check_shape,
    to_array,
)
from inception_lens.readers.weights.tensorflow.leveldb import table_entries

KIND = "a TensorFlow checkpoint"
TEXT = 7
"""`DT_STRING` of types.proto."""
TEXT_NOTE = "text is not read"
FULL = -1
"""The length of a slice along an axis that it has in full."""
FLOAT_VALUES, DOUBLE_VALUES = 5, 6
INTEGER_VALUES = (7, 10, 11)
"""Fields of a TensorProto with varints: of 32 bits and fewer, of 64 bits, and truth values."""


class _TensorSlice(NamedTuple):
    """A part of a tensor."""

    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    """FULL for an axis that the part has in full."""

    def shape(self, whole: Shape) -> Shape:
        """The part's shape in a tensor of the shape `whole`.

        Raises:
            FormatError: it exceeds the tensor.
        """
        if len(self.starts) != len(whole):
            raise FormatError(f"a part has {len(self.starts)} axes and its tensor {len(whole)}")
        sizes = [n if length == FULL else length for length, n in zip(self.lengths, whole, strict=True)]
        for start, size, n in zip(self.starts, sizes, whole, strict=True):
            if not 0 <= start <= start + size <= n:
                raise FormatError(f"a part of {size} elements at {start} exceeds an axis of {n}")
        return tuple(sizes)


class _Part(NamedTuple):
    """Where the data of a tensor, or of a slice of it, are."""

    data: Callable[[], memoryview]
    """Maps the file that holds them."""
    start: int
    end: int
    integers: bool = False
    """Whether they are varints."""


class _StoredTensor(NamedTuple):
    """A tensor of a checkpoint."""

    shape: Shape
    dtype: str
    parts: list[tuple[_TensorSlice | None, _Part]]
    """Its slices; a single None for a tensor in one piece."""


def read_checkpoint(path: str) -> WeightFile:
    """List the tensors of a checkpoint, given by its prefix, its index, one of its data files, or its single file.

    Raises:
        FormatError: the file is damaged or of another kind.
    """
    prefix = re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path)
    table = f"{prefix}.index" if os.path.exists(f"{prefix}.index") else path
    data = map_file(table, KIND)
    with errors_in(table):
        entries = dict(table_entries(data))
        header = entries.pop(b"", None)
        fields = [] if header is None else list(wire.message_fields(data, header.start, header.end))
        first = next((field for field in fields if field.number == 1), None)
        if first is None:
            raise FormatError(f"is not {KIND}: it has no header")
        if any(field.number == 2 and field.value for field in fields):
            raise FormatError("is big-endian, which is not read")
        if first.kind == wire.VARINT:
            version, stored = "V2", _Bundle(prefix, data, entries, first.value).tensors()
        else:
            version, stored = "V1", _tensors_v1(data, first, entries)
        tensors = tuple(_listed(name, each) for name, each in stored.items())
    return WeightFile(path, f"tensorflow {version}", tensors, lambda tensor: _read(path, tensor, stored[tensor.name]))


def _listed(name: str, stored: _StoredTensor) -> WeightTensor:
    note = TEXT_NOTE if stored.dtype == "string" else ""
    return WeightTensor(name, stored.shape, stored.dtype, byte_size(stored.shape, stored.dtype), note)


class _Bundle:
    """The tensors of a V2 index, whose data are in other files."""

    def __init__(self, prefix: str, data: memoryview, entries: dict[bytes, wire.WireField], shards: int) -> None:
        self.prefix, self.index, self.entries, self.shards = prefix, data, entries, shards
        self.maps: dict[int, memoryview] = {}

    def tensors(self) -> dict[str, _StoredTensor]:
        found: dict[str, _StoredTensor] = {}
        for key, value in self.entries.items():
            if key[0] != 0:  # slices, which are read with their tensor
                name = key.decode(errors="backslashreplace")
                shape, dtype, slices, part = self.entry(name, value)
                pieces = [(each, self.slice_part(key, each, dtype)) for each in slices]
                found[name] = _StoredTensor(shape, dtype, list(pieces) or [(None, part)])
        return found

    def entry(self, name: str, value: wire.WireField) -> tuple[Shape, str, list[_TensorSlice], _Part]:
        """A BundleEntryProto: shape, dtype, slices if the tensor is partitioned, and the place of its data."""
        numbers = {1: 0, 3: 0, 4: 0, 5: 0}  # dtype, shard, offset, size
        shape: Shape = ()
        slices: list[_TensorSlice] = []
        for field in wire.message_fields(self.index, value.start, value.end):
            if field.kind == wire.VARINT:
                numbers[field.number] = field.value
            elif field.number == 2 and field.kind == wire.BYTES:
                shape = check_shape(name, _shape(self.index, field))
            elif field.number == 7 and field.kind == wire.BYTES:
                slices.append(_slice(self.index, field))
        dtype, shard = _dtype(numbers[1]), numbers[3]
        size = byte_size(shape, dtype)
        if size is not None and not slices and numbers[5] != size:
            raise FormatError(f"`{name[:80]}` needs {size:,} bytes of data and has {numbers[5]:,}")
        if shard >= self.shards:
            raise FormatError(f"`{name[:80]}` is in data file {shard} of {self.shards}")
        return shape, dtype, slices, _Part(lambda: self.shard(shard), numbers[4], numbers[4] + numbers[5])

    def slice_part(self, name: bytes, each: _TensorSlice, dtype: str) -> _Part:
        value = self.entries.get(_slice_key(name, each))
        shown = name.decode(errors="backslashreplace")
        if value is None:
            raise FormatError(f"a part of `{shown[:80]}` is missing")
        _, own, slices, part = self.entry(shown, value)
        if own != dtype or slices:
            raise FormatError(f"a part of `{shown[:80]}` is of another kind than its tensor")
        return part

    def shard(self, number: int) -> memoryview:
        """The data file of a number, mapped once."""
        if number not in self.maps:
            path = f"{self.prefix}.data-{number:05}-of-{self.shards:05}"
            self.maps[number] = map_file(path, "data of a TensorFlow checkpoint")
        return self.maps[number]


def _tensors_v1(
    data: memoryview, meta: wire.WireField, entries: dict[bytes, wire.WireField]
) -> dict[str, _StoredTensor]:
    """The tensors of a V1 table: SavedTensorSliceMeta lists them, and each entry is a SavedSlice."""
    found: dict[str, _StoredTensor] = {}
    for field in wire.message_fields(data, meta.start, meta.end):
        if field.number != 1 or field.kind != wire.BYTES:
            continue
        name, dtype = "", 0
        shape: Shape = ()
        for each in wire.message_fields(data, field.start, field.end):
            if each.number == 1 and each.kind == wire.BYTES:
                name = wire.decode_text(data, each)
            elif each.number == 2 and each.kind == wire.BYTES:
                shape = _shape(data, each)
            elif each.number == 3 and each.kind == wire.VARINT:
                dtype = each.value
        found[name] = _StoredTensor(check_shape(name, shape), _dtype(dtype), [])
    for value in entries.values():
        for field in wire.message_fields(data, value.start, value.end):
            if field.number == 2 and field.kind == wire.BYTES:
                name, piece, part = _saved_slice(data, field)
                if name not in found:
                    raise FormatError(f"`{name[:80]}` has data and no shape")
                if part is not None:
                    found[name].parts.append((piece, part))
    return found


def _saved_slice(data: memoryview, message: wire.WireField) -> tuple[str, _TensorSlice, _Part | None]:
    """The name of a SavedSlice, its place in the tensor, and the place of its data; None for text."""
    name, piece, part = "", _TensorSlice((), ()), None
    for field in wire.message_fields(data, message.start, message.end):
        if field.kind != wire.BYTES:
            continue
        if field.number == 1:
            name = wire.decode_text(data, field)
        elif field.number == 2:
            piece = _slice(data, field)
        elif field.number == 3:
            for values in wire.message_fields(data, field.start, field.end):
                if values.kind == wire.BYTES and values.number in (FLOAT_VALUES, DOUBLE_VALUES, *INTEGER_VALUES):
                    part = _Part(lambda: data, values.start, values.end, values.number in INTEGER_VALUES)
    return name, piece, part


def _dtype(number: int) -> str:
    return "string" if number == TEXT else TENSORFLOW_DTYPES.get(number, f"type {number}")


def _shape(data: memoryview, message: wire.WireField) -> Shape:
    """A TensorShapeProto; sizes of 0 are absent."""
    sizes = []
    for axis in wire.message_fields(data, message.start, message.end):
        if axis.number == 2 and axis.kind == wire.BYTES:
            fields = wire.message_fields(data, axis.start, axis.end)
            sizes.append(sum(each.value for each in fields if each.number == 1))
    return tuple(sizes)


def _slice(data: memoryview, message: wire.WireField) -> _TensorSlice:
    """A TensorSliceProto; an axis without numbers is there in full."""
    starts, lengths = [], []
    for extent in wire.message_fields(data, message.start, message.end):
        if extent.number == 1 and extent.kind == wire.BYTES:
            numbers = {1: 0, 2: FULL}
            numbers |= {each.number: each.value for each in wire.message_fields(data, extent.start, extent.end)}
            starts.append(numbers[1])
            lengths.append(numbers[2])
    return _TensorSlice(tuple(starts), tuple(lengths))


def _slice_key(name: bytes, each: _TensorSlice) -> bytes:
    """The key of a slice in a V2 index, in TensorFlow's code that keeps the order of what it encodes."""
    escaped = re.sub(rb"[\0\xff]", lambda m: m[0] + bytes([255 - m[0][0]]), name)
    key = b"\0" + escaped + b"\0\1" + (bytes([1, len(each.starts)]) if each.starts else b"\0")
    for start, length in zip(each.starts, each.lengths, strict=True):
        key += _ordered(start) + _ordered(length)
    return key


def _ordered(number: int) -> bytes:
    """A signed integer in ordered code: as many leading ones as bytes, after the sign, in big-endian order."""
    length = (number if number >= 0 else ~number).bit_length() // 7 + 1
    ones = ((1 << length) - 1) << (7 * length)
    return ((number % (1 << (8 * length))) ^ ones).to_bytes(length, "big")


def _read(path: str, tensor: WeightTensor, stored: _StoredTensor) -> Array:
    require("numpy", extra="weights")
    import numpy as np

    with errors_in(path):
        if stored.dtype == "string":
            raise FormatError(f"`{tensor.name[:80]}` cannot be read: {TEXT_NOTE}")
        pieces = [(each, _array(stored, each, part)) for each, part in stored.parts]
        available = sum({id(data): len(data) for data in (part.data() for _, part in stored.parts)}.values())
        if sum(array.size for _, array in pieces) != prod(stored.shape) or prod(stored.shape) > available:
            raise FormatError(f"the data of `{tensor.name[:80]}` are incomplete")
        if len(pieces) == 1:
            return pieces[0][1].reshape(stored.shape)
        joined = np.zeros(stored.shape, pieces[0][1].dtype if pieces else "<f4")
        filled = np.zeros(stored.shape, bool)
        for each, array in pieces:
            assert each is not None
            place = tuple(slice(s, s + n) for s, n in zip(each.starts, array.shape, strict=True))
            joined[place], filled[place] = array, True
        if not filled.all():
            raise FormatError(f"parts of `{tensor.name[:80]}` overlap")
        return joined


def _array(stored: _StoredTensor, each: _TensorSlice | None, part: _Part) -> Array:
    """The data of a tensor, or of a slice of it."""
    import numpy as np

    shape = stored.shape if each is None else each.shape(stored.shape)
    data = part.data()
    if part.end > len(data):
        raise FormatError("the data exceed their file")
    if not part.integers:
        return to_array(data[part.start : part.end], stored.dtype, shape)
    values, at = [], part.start
    while at < part.end:
        value, at = wire.decode_varint(data, at, part.end)
        values.append(wire.signed(value))
    if len(values) != prod(shape) or stored.dtype not in NUMPY_DTYPES:
        raise FormatError(f"{len(values):,} numbers do not fill a {stored.dtype} tensor of {prod(shape):,} elements")
    return np.array(values).astype(NUMPY_DTYPES[stored.dtype]).reshape(shape)
