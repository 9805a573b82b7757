"""Writers of TensorFlow's checkpoints, after LevelDB's `table_format.md` and TensorFlow's `tensor_bundle.proto`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inception_lens.readers.formats import LEVELDB_MAGIC
from tests.readers.caffe.caffe_models import field, varint

DTYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "bool": 10, "float16": 19}
Slice = Sequence[tuple[int, int] | None]
"""For each axis the start and the length of a part, or None for the axis in full."""


def block(entries: Sequence[tuple[bytes, bytes]], shared: bool = True) -> bytes:
    """A block without compression: entries that share the start of the key before them, one restart point."""
    data, before = b"", b""
    for key, value in entries:
        same = 0
        while shared and same < min(len(key), len(before)) and key[same] == before[same]:
            same += 1
        data += varint(same) + varint(len(key) - same) + varint(len(value)) + key[same:] + value
        before = key
    return data + bytes(4) + (1).to_bytes(4, "little") + b"\0" + b"crc!"


def table(entries: Mapping[bytes, bytes], per_block: int = 3) -> bytes:
    """A LevelDB table with several blocks of data."""
    data, handles, ordered = b"", [], sorted(entries.items())
    for i in range(0, len(ordered), per_block):
        written = block(ordered[i : i + per_block])
        handles.append((ordered[i][0], varint(len(data)) + varint(len(written) - 5)))
        data += written
    index = block(handles)
    footer = varint(len(data)) + varint(0) + varint(len(data)) + varint(len(index) - 5)
    return data + index + footer.ljust(40, b"\0") + LEVELDB_MAGIC


def shape_message(shape: Sequence[int]) -> bytes:
    return b"".join(field(2, field(1, size) if size else b"") for size in shape)


def slice_message(parts: Slice) -> bytes:
    def extent(part: tuple[int, int] | None) -> bytes:
        return b"" if part is None else (field(1, part[0]) if part[0] else b"") + field(2, part[1])

    return b"".join(field(1, extent(part)) for part in parts)


def numbers(values: Any) -> bytes:
    """A BundleEntryProto without zeros, which proto3 leaves out."""
    return b"".join(field(number, value) for number, value in values.items() if value)


def ordered_code(number: int) -> bytes:
    """TensorFlow's WriteSignedNumIncreasing, for the numbers of one and of two bytes."""
    if -64 <= number < 64:
        return bytes([(0x80 ^ number) & 0xFF])
    assert -8192 <= number < 8192
    return ((0xC000 ^ number) & 0xFFFF).to_bytes(2, "big")


def write_v2(
    folder: Path, tensors: Mapping[str, Any], cut: Mapping[str, Sequence[Slice]] = {}, shards: int = 1, name: str = "m"
) -> Path:
    """A V2 checkpoint, and its prefix; the tensors of `cut` are partitioned, and the data alternate between shards."""
    data = [b"" for _ in range(shards)]
    entries = {b"": field(1, shards)}

    def stored(array: Any) -> dict[int, int]:
        shard = len(entries) % shards
        place = {3: shard, 4: len(data[shard]), 5: array.nbytes}
        data[shard] += np.ascontiguousarray(array).tobytes()
        return place

    for key, array in tensors.items():
        kind = field(1, DTYPES[str(array.dtype)])
        described = kind + field(2, shape_message(array.shape))
        if key not in cut:
            entries[key.encode()] = described + numbers(stored(array))
            continue
        entries[key.encode()] = described + b"".join(field(7, slice_message(parts)) for parts in cut[key])
        for parts in cut[key]:
            part = array[tuple(slice(None) if p is None else slice(p[0], p[0] + p[1]) for p in parts)]
            code = b"".join(ordered_code(n) for p in parts for n in (p or (0, -1)))
            slice_key = b"\0" + key.encode() + b"\0\1\1" + bytes([len(parts)]) + code
            entries[slice_key] = kind + field(2, shape_message(part.shape)) + numbers(stored(part))
    (folder / f"{name}.index").write_bytes(table(entries))
    for i, each in enumerate(data):
        (folder / f"{name}.data-{i:05}-of-{shards:05}").write_bytes(each)
    return folder / name


def v1(tensors: Mapping[str, Any], cut: Mapping[str, Sequence[Slice]] = {}) -> bytes:
    """A V1 checkpoint, a table of SavedTensorSlices."""
    meta, entries = b"", {}
    for key, array in tensors.items():
        parts = cut.get(key, [[None] * array.ndim])
        slices = b"".join(field(4, slice_message(each)) for each in parts)
        described = field(1, key) + field(2, shape_message(array.shape)) + field(3, DTYPES[str(array.dtype)])
        meta += field(1, described + slices)
        for i, each in enumerate(parts):
            part = array[tuple(slice(None) if p is None else slice(p[0], p[0] + p[1]) for p in each)]
            number = {"float32": 5, "float64": 6, "int32": 7, "int64": 10, "bool": 11}[str(array.dtype)]
            raw = part.tobytes() if part.dtype.kind == "f" else b"".join(varint(int(n) % 2**64) for n in part.flat)
            values = field(1, DTYPES[str(array.dtype)]) + field(number, raw)
            entries[b"\0" + key.encode() + bytes([i])] = field(
                2, field(1, key) + field(2, slice_message(each)) + field(3, values)
            )
    return table({b"": field(1, meta), **entries})
