"""Caffe's .caffemodel: a net in protocol buffers with the data of its layers, in each of its three spellings.

Read: every layer's name, type, bottoms, tops and blobs. Not read: HDF5 snapshots (.caffemodel.h5). Limits: MAX_LAYERS,
and those of the wire format. Field numbers are those of BVLC Caffe's `caffe.proto`, and those of NVIDIA's fork for data
in half precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from inception_lens.errors import FormatError, require
from inception_lens.ops import format_shape
from inception_lens.readers import wire_format as wire
from inception_lens.readers.caffe.layer_types import V0_TYPES, V1_NUMBERS
from inception_lens.readers.files import errors_in, map_file
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.tensors import (
    NUMPY_DTYPES,
    Array,
    WeightFile,
    WeightLayer,
    WeightTensor,
    byte_size,
    check_shape,
    to_array,
)

NET_V1_LAYERS, NET_LAYERS = 2, 100


class _Spelling(NamedTuple):
    """Field numbers of a layer's message."""

    name: int
    type: int
    bottom: int
    top: int
    blobs: int


CURRENT = _Spelling(name=1, type=2, bottom=3, top=4, blobs=7)
V1 = _Spelling(name=4, type=5, bottom=2, top=3, blobs=6)
V0 = _Spelling(name=1, type=2, bottom=0, top=0, blobs=50)
V1_INNER = 1
"""A V1 layer's field that holds a V0 layer."""

DATA, DOUBLE_DATA, SHAPE, RAW_TYPE, RAW_DATA = 5, 8, 7, 10, 12
LEGACY_SIZES = (1, 2, 3, 4)
"""`num`, `channels`, `height` and `width`, which blobs had before `shape`."""
RAW_TYPES = ("float64", "float32", "float16", "int32", "uint32")
"""NVIDIA's `Type` of raw data."""
MAX_LAYERS = 100_000


class _Blob(NamedTuple):
    """Positions of a tensor's data: packed pieces, or one piece per element."""

    shape: tuple[int, ...]
    dtype: str
    pieces: tuple[tuple[int, int], ...]


def read_caffemodel(path: str) -> WeightFile:
    """List the tensors of a .caffemodel; those of a layer are named `<layer>.0`, `<layer>.1`.

    Raises:
        FormatError: the file is damaged or of another kind, no layer has blobs, or data do not fill a blob's shape.
    """
    data = map_file(path, "a .caffemodel")
    with errors_in(path):
        layers, blobs = _read_net(data)
        if not blobs:
            raise FormatError("is not a .caffemodel with weights: no layer has blobs")
    tensors = tuple(
        WeightTensor(name, blob.shape, blob.dtype, byte_size(blob.shape, blob.dtype)) for name, blob in blobs.items()
    )
    return WeightFile(path, "caffemodel", tensors, lambda tensor: _read_blob(data, blobs[tensor.name]), tuple(layers))


def _read_net(data: memoryview) -> tuple[list[WeightLayer], dict[str, _Blob]]:
    layers: list[WeightLayer] = []
    blobs: dict[str, _Blob] = {}
    names = UniqueNames()  # two layers can have one name
    for field in wire.file_fields(data):
        if field.number not in (NET_V1_LAYERS, NET_LAYERS) or field.kind != wire.BYTES:
            continue
        if len(layers) >= MAX_LAYERS:
            raise FormatError(f"more than {MAX_LAYERS:,} layers")
        layer, found = _read_layer(data, field)
        named = {names.take(f"{layer.name}.{i}"): blob for i, blob in enumerate(found)}
        blobs |= named
        layers.append(layer._replace(tensors=tuple(named)))
    return layers, blobs


def _read_layer(data: memoryview, message: wire.WireField) -> tuple[WeightLayer, list[_Blob]]:
    """A layer in its own spelling; of a V0 layer, only bottoms and tops are in the V1 message around it."""
    spelling = CURRENT if message.number == NET_LAYERS else V1
    fields = list(wire.message_fields(data, message.start, message.end))
    layer, blobs = _describe(data, fields, spelling)
    inner = next((f for f in fields if f.number == V1_INNER and f.kind == wire.BYTES), None)
    if spelling is V1 and inner is not None:
        old, blobs = _describe(data, wire.message_fields(data, inner.start, inner.end), V0)
        layer = layer._replace(name=old.name, type=old.type)
    return layer, blobs


def _describe(
    data: memoryview, fields: Iterable[wire.WireField], spelling: _Spelling
) -> tuple[WeightLayer, list[_Blob]]:
    name = kind = ""
    bottoms, tops, blobs = [], [], []
    for field in fields:
        if field.number == spelling.type and field.kind == wire.VARINT:
            kind = V1_NUMBERS.get(field.value, f"type {field.value}")
        elif field.kind != wire.BYTES:
            continue
        elif field.number == spelling.blobs:
            blobs.append(_describe_blob(data, field, name))
        elif field.number == spelling.name:
            name = wire.decode_text(data, field)
        elif field.number == spelling.type:
            written = wire.decode_text(data, field)
            kind = V0_TYPES.get(written, written) if spelling is V0 else written
        elif field.number == spelling.bottom:
            bottoms.append(wire.decode_text(data, field))
        elif field.number == spelling.top:
            tops.append(wire.decode_text(data, field))
    return WeightLayer(name, kind, tuple(bottoms), tuple(tops), ()), blobs


def _describe_blob(data: memoryview, message: wire.WireField, layer: str) -> _Blob:
    """A BlobProto, whose data must be of one dtype and fill its shape."""
    legacy: dict[int, int] = {}
    shape: list[int] | None = None
    pieces: dict[int, list[tuple[int, int]]] = {}
    raw = 1
    for field in wire.message_fields(data, message.start, message.end):
        if field.number in LEGACY_SIZES and field.kind == wire.VARINT:
            legacy[field.number] = field.value
        elif field.number == SHAPE and field.kind == wire.BYTES:
            dims = (each for each in wire.message_fields(data, field.start, field.end) if each.number == 1)
            shape = [size for each in dims for size in wire.decode_sizes(data, each)]
        elif field.number == RAW_TYPE:
            raw = field.value
        elif field.number in (DATA, DOUBLE_DATA, RAW_DATA) and field.kind != wire.VARINT:
            pieces.setdefault(field.number, []).append((field.start, field.end))
    if len(pieces) > 1 or raw >= len(RAW_TYPES):
        raise FormatError(f"a blob of `{layer}` has data of an unknown type, or of several types")
    number = next(iter(pieces), DATA)
    dtype = {DATA: "float32", DOUBLE_DATA: "float64", RAW_DATA: RAW_TYPES[raw]}[number]
    sizes = check_shape(layer, tuple(legacy.get(i, 0) for i in LEGACY_SIZES) if shape is None else tuple(shape))
    blob = _Blob(sizes, dtype, tuple(pieces.get(number, ())))
    stored, needed = sum(end - start for start, end in blob.pieces), byte_size(sizes, dtype)
    if stored != needed:
        raise FormatError(f"a blob of `{layer}` of {format_shape(sizes)} needs {needed:,} bytes and has {stored:,}")
    return blob


def _read_blob(data: memoryview, blob: _Blob) -> Array:
    if len(blob.pieces) == 1:
        return to_array(data[slice(*blob.pieces[0])], blob.dtype, blob.shape)
    require("numpy", extra="weights")
    import numpy as np

    joined = np.empty(prod(blob.shape), NUMPY_DTYPES[blob.dtype])
    flat, at = joined.view("u1"), 0
    for start, end in blob.pieces:
        flat[at : at + end - start] = np.frombuffer(data[start:end], "u1")
        at += end - start
    return joined.reshape(blob.shape)
