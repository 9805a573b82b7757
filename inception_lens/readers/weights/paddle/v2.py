"""Parameters of Paddle v2 (2017), a tar archive with or without gzip, such as `params_pass_9.tar.gz`.

Each parameter has a member with 16 bytes of header (version 0, 4 bytes per value, number of values) and its values in
float32, and a member `NAME.protobuf`, a ParameterConfig, with its sizes. Source: `python/paddle/v2/parameters.py`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Shape
from inception_lens.readers import wire_format as wire
from inception_lens.readers.files import errors_in, map_file
from inception_lens.readers.tensors import WeightFile, WeightTensor, check_shape, to_array

KIND = "a tar archive of Paddle v2's parameters"
MAX_EXPANSION = 10
"""Times that a gzip file may expand; weights expand by 1.1, a decompression bomb by 1,000."""
MIN_LIMIT = 10_000_000
"""Bytes that every gzip file may expand to."""
MAX_MEMBERS = 200_000
BLOCK = 512
"""Bytes of a header of tar, and the multiple that members fill."""
MAX_END = 100 * BLOCK
"""Bytes of zeros after the members; writers fill records of 20 blocks."""
HEADER_SIZE = 16
CONFIG = ".protobuf"


def read_paddle_tar(path: str) -> WeightFile:
    """List the parameters of an archive; gzip is expanded in memory.

    Raises:
        FormatError: the archive is damaged, has other members, or expands too far.
    """
    data = map_file(path, KIND)
    with errors_in(path):
        if bytes(data[:2]) == b"\x1f\x8b":
            data = _expanded(data)
        members = dict(_members(data))
        if not members:
            raise FormatError(f"is not {KIND}: it has no members")
        tensors = tuple(_tensor(data, name, members) for name in members if not name.endswith(CONFIG))
    places = {name: slice(place.start + HEADER_SIZE, place.stop) for name, place in members.items()}
    return WeightFile(path, "paddle v2", tensors, lambda t: to_array(data[places[t.name]], t.dtype, t.shape))


def _expanded(data: memoryview) -> memoryview:
    """The content of a gzip file, of a bounded size."""
    limit = max(MAX_EXPANSION * len(data), MIN_LIMIT)
    try:
        content = zlib.decompressobj(wbits=31).decompress(data, limit + 1)
    except (zlib.error, MemoryError) as error:
        raise FormatError(f"is damaged or not {KIND}: {str(error)[:100]}") from None
    if len(content) > limit:
        raise FormatError(f"expands to more than {limit:,} bytes")
    return memoryview(content)


def _members(data: memoryview) -> Iterator[tuple[str, slice]]:
    """The names of the regular files in a tar archive, and the places of their contents."""
    at = count = 0
    while at + BLOCK <= len(data) and any(data[at : at + BLOCK]):
        header = bytes(data[at : at + BLOCK])
        try:
            size = int(header[124:136].rstrip(b" \0") or b"0", 8)
        except ValueError:
            raise FormatError(f"is damaged or not {KIND}: no size at byte {at + 124:,}") from None
        at, count = at + BLOCK, count + 1
        if not 0 <= size <= len(data) - at or count > MAX_MEMBERS:
            raise FormatError(f"is truncated or not {KIND}: {size:,} bytes at byte {at:,}")
        if header[156:157] in (b"0", b"\0"):
            yield header[:100].rstrip(b"\0").decode(errors="backslashreplace"), slice(at, at + size)
        at += -(-size // BLOCK) * BLOCK
    if len(data) - at > MAX_END:
        raise FormatError(f"has {len(data) - at:,} bytes after its members")


def _tensor(data: memoryview, name: str, members: dict[str, slice]) -> WeightTensor:
    place = members[name]
    header = bytes(data[place.start : min(place.stop, place.start + HEADER_SIZE)])
    version, width, count = (int.from_bytes(header[a:b], "little") for a, b in ((0, 4), (4, 8), (8, 16)))
    if len(header) != HEADER_SIZE or (version, width) != (0, 4) or place.stop - place.start - HEADER_SIZE != 4 * count:
        raise FormatError(
            f"`{name}` is not a parameter of Paddle v2; other files are read after the archive is unpacked"
        )
    config = members.get(name + CONFIG)
    shape = check_shape(name, _sizes(data, config)) if config else ()
    return WeightTensor(name, shape if shape and prod(shape) == count else (count,), "float32", 4 * count)


def _sizes(data: memoryview, config: slice) -> Shape:
    """The sizes in a ParameterConfig; none for a kernel, whose number of values alone is known."""
    fields = wire.message_fields(data, config.start, config.stop)
    return tuple(size for field in fields if field.number == 9 for size in wire.decode_sizes(data, field))
