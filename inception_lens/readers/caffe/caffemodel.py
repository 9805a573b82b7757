"""Caffe's .caffemodel: a net in protocol buffers with the numbers of its layers, in each of its three spellings.

Field numbers are those of BVLC Caffe's `caffe.proto`, and those of NVIDIA's fork for numbers in half precision.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from inception_lens.errors import FormatError, require
from inception_lens.readers import wire_format as wire
from inception_lens.readers.caffe.layers import V0_TYPES
from inception_lens.readers.files import display_path, one_line
from inception_lens.readers.tensors import (
    NUMPY_DTYPES,
    WeightFile,
    WeightLayer,
    WeightTensor,
    check_shape,
    map_file,
    to_array,
)

if TYPE_CHECKING:
    import numpy as np

NET_NAME, NET_V1_LAYERS, NET_LAYERS = 1, 2, 100


class Spelling(NamedTuple):
    """Numbers of a layer message's fields."""

    name: int
    type: int
    bottom: int
    top: int
    blobs: int


CURRENT = Spelling(name=1, type=2, bottom=3, top=4, blobs=7)
V1 = Spelling(name=4, type=5, bottom=2, top=3, blobs=6)
V0 = Spelling(name=1, type=2, bottom=0, top=0, blobs=50)
V1_INNER = 1

V1_NUMBERS = {
    1: "Accuracy", 2: "BNLL", 3: "Concat", 4: "Convolution", 5: "Data", 6: "Dropout", 7: "EuclideanLoss", 8: "Flatten",
    12: "ImageData", 14: "InnerProduct", 15: "LRN", 17: "Pooling", 18: "ReLU", 19: "Sigmoid", 20: "Softmax",
    21: "SoftmaxWithLoss", 22: "Split", 23: "TanH", 25: "Eltwise", 26: "Power", 33: "Slice", 36: "Silence",
    39: "Deconvolution",
}  # fmt: skip

DATA, DOUBLE_DATA, SHAPE, RAW_TYPE, RAW_DATA = 5, 8, 7, 10, 12
LEGACY_SIZES = (1, 2, 3, 4)
RAW_TYPES = ("float64", "float32", "float16", "int32", "uint32")
MAX_LAYERS = 100_000


class Blob(NamedTuple):
    """Where the numbers of one tensor lie: packed pieces, or one by one."""

    shape: tuple[int, ...]
    dtype: str
    pieces: tuple[tuple[int, int], ...]


def read_caffemodel(path: str) -> WeightFile:
    """List a .caffemodel; the tensors of a layer are called `<layer>.0`, `<layer>.1`.

    Raises:
        FormatError: it is none, or its numbers do not fill its shapes.
    """
    data = map_file(path, "caffemodel")
    try:
        layers, blobs = _net(data)
    except FormatError as error:
        raise FormatError(f"{display_path(path)}: {one_line(error)}") from None
    if not blobs:
        raise FormatError(f"{display_path(path)}: no layer in it has numbers: it is no caffemodel")
    tensors = tuple(
        WeightTensor(name, blob.shape, blob.dtype, sum(end - start for start, end in blob.pieces))
        for name, blob in blobs.items()
    )
    return WeightFile(path, "caffemodel", tensors, lambda tensor: _numbers(data, blobs[tensor.name]), tuple(layers))


def _net(data: memoryview) -> tuple[list[WeightLayer], dict[str, Blob]]:
    layers: list[WeightLayer] = []
    blobs: dict[str, Blob] = {}
    for field in wire.parts(data):
        if field.number not in (NET_V1_LAYERS, NET_LAYERS) or field.kind != wire.BYTES:
            continue
        if len(layers) >= MAX_LAYERS:
            raise FormatError(f"more than {MAX_LAYERS:,} layers")
        layer, found = _layer(data, field)
        names = []
        for i, blob in enumerate(found):
            name = f"{layer.name}.{i}"
            while name in blobs:  # two layers of one name
                name += "_"
            blobs[name] = blob
            names.append(name)
        layers.append(layer._replace(tensors=tuple(names)))
    return layers, blobs


def _layer(data: memoryview, whole: wire.WireField) -> tuple[WeightLayer, list[Blob]]:
    spelling = CURRENT if whole.number == NET_LAYERS else V1
    fields = list(_of_layer(data, whole, spelling))
    if spelling is V1 and (inner := next((f for f in fields if f.number == V1_INNER and f.kind == wire.BYTES), None)):
        layer, blobs = _described(data, _of_layer(data, inner, V0), V0)
        outer, _ = _described(data, fields, V1)
        return layer._replace(bottoms=outer.bottoms, tops=outer.tops), blobs
    return _described(data, fields, spelling)


def _of_layer(data: memoryview, whole: wire.WireField, spelling: Spelling) -> Iterable[wire.WireField]:
    wanted = {*spelling, V1_INNER} if spelling is V1 else set(spelling)
    return (field for field in wire.fields(data, whole.start, whole.end) if field.number in wanted)


def _described(
    data: memoryview, fields: Iterable[wire.WireField], spelling: Spelling
) -> tuple[WeightLayer, list[Blob]]:
    name = kind = ""
    bottoms, tops, blobs = [], [], []
    for field in fields:
        if field.number == spelling.blobs and field.kind == wire.BYTES:
            blobs.append(_blob(data, field, name))
        elif field.number == spelling.type and field.kind == wire.VARINT:
            kind = V1_NUMBERS.get(field.value, f"type {field.value}")
        elif field.kind == wire.BYTES:
            written = wire.text(data, field) if field.number != V1_INNER or spelling is not V1 else ""
            if field.number == spelling.name:
                name = written
            elif field.number == spelling.type:
                kind = V0_TYPES.get(written, written) if spelling is V0 else written
            elif field.number == spelling.bottom:
                bottoms.append(written)
            elif field.number == spelling.top:
                tops.append(written)
    return WeightLayer(name, kind, tuple(bottoms), tuple(tops), ()), blobs


def _blob(data: memoryview, whole: wire.WireField, layer: str) -> Blob:
    legacy: dict[int, int] = {}
    shape: list[int] | None = None
    pieces: dict[int, list[tuple[int, int]]] = {}
    raw = 1
    for field in wire.fields(data, whole.start, whole.end):
        if field.number in LEGACY_SIZES and field.kind == wire.VARINT:
            legacy[field.number] = field.value
        elif field.number == SHAPE and field.kind == wire.BYTES:
            shape = [
                size
                for each in wire.fields(data, field.start, field.end)
                if each.number == 1
                for size in wire.integers(data, each)
            ]
        elif field.number == RAW_TYPE:
            raw = field.value
        elif field.number in (DATA, DOUBLE_DATA, RAW_DATA) and field.kind != wire.VARINT:
            pieces.setdefault(field.number, []).append((field.start, field.end))
    if len(pieces) > 1 or raw >= len(RAW_TYPES):
        raise FormatError(f"`{layer}` has a tensor whose numbers are of no kind, or of several")
    number = next(iter(pieces), DATA)
    dtype = {DATA: "float32", DOUBLE_DATA: "float64", RAW_DATA: RAW_TYPES[raw]}[number]
    sizes = tuple(legacy.get(i, 0) for i in LEGACY_SIZES) if shape is None else tuple(shape)
    blob = Blob(check_shape(layer, sizes), dtype, tuple(pieces.get(number, ())))
    stored = sum(end - start for start, end in blob.pieces)
    needed = prod(sizes) * (4 if dtype == "uint32" else int(NUMPY_DTYPES[dtype][-1]))
    if stored != needed:
        raise FormatError(
            f"`{layer}` has a tensor of {'x'.join(map(str, sizes))}, which needs {needed:,} bytes and has {stored:,}"
        )
    return blob


def _numbers(data: memoryview, blob: Blob) -> np.ndarray[Any, Any]:
    if len(blob.pieces) == 1:
        return to_array(data[slice(*blob.pieces[0])], blob.dtype, blob.shape)
    numpy = require("numpy", extra="weights")
    joined = numpy.empty(prod(blob.shape), NUMPY_DTYPES[blob.dtype])
    flat, at = joined.view("u1"), 0
    for start, end in blob.pieces:
        flat[at : at + end - start] = numpy.frombuffer(data[start:end], "u1")
        at += end - start
    found: np.ndarray[Any, Any] = joined.reshape(blob.shape)
    return found
