"""LevelDB tables, in which TensorFlow's checkpoints keep their tensors by name.

Source: LevelDB, `doc/table_format.md`. A table is a sequence of blocks of sorted entries. The last 48 bytes point to an
index block, whose entries point to the blocks of data. Checksums are not compared, and compressed blocks, which
TensorFlow does not write, are refused.
"""

from collections.abc import Iterator

from inception_lens.errors import FormatError
from inception_lens.readers import wire_format as wire

FOOTER_SIZE = 48
MAX_ENTRIES = 200_000
MAX_KEYS_SIZE = 50_000_000
"""Bytes of all keys together; prefixes that keys share are not stored, so that a small table can declare many."""


def table_entries(data: memoryview) -> Iterator[tuple[bytes, wire.WireField]]:
    """The keys of a table, and the positions of their values, as length-delimited fields.

    Raises:
        FormatError: the table is damaged, has compressed blocks, or exceeds a limit.
    """
    if len(data) < FOOTER_SIZE:
        raise FormatError("is truncated: it has no footer of a LevelDB table")
    _, at = _handle(data, len(data) - FOOTER_SIZE, len(data))
    index, _ = _handle(data, at, len(data))
    entries = keys_size = 0
    for _, pointer in _block_entries(data, *index):
        block, _ = _handle(data, pointer.start, pointer.end)
        for key, value in _block_entries(data, *block):
            entries, keys_size = entries + 1, keys_size + len(key)
            if entries > MAX_ENTRIES or keys_size > MAX_KEYS_SIZE:
                raise FormatError(f"has more than {MAX_ENTRIES:,} entries, or keys of {MAX_KEYS_SIZE:,} bytes")
            yield key, value


def _handle(data: memoryview, at: int, end: int) -> tuple[tuple[int, int], int]:
    """A block's position and size, and the position after them."""
    offset, at = wire.decode_varint(data, at, end)
    size, at = wire.decode_varint(data, at, end)
    return (offset, size), at


def _block_entries(data: memoryview, start: int, size: int) -> Iterator[tuple[bytes, wire.WireField]]:
    """The entries of a block, before its array of restart points and their number; its compression follows."""
    end = start + size
    if size < 4 or end >= len(data):
        raise FormatError(f"the block at byte {start:,} exceeds the table")
    if data[end] != 0:
        raise FormatError(f"the block at byte {start:,} is compressed, which is not read")
    restarts = int.from_bytes(data[end - 4 : end], "little")
    end -= 4 + 4 * restarts
    if end < start:
        raise FormatError(f"the block at byte {start:,} has more restart points than bytes")
    key, at = b"", start
    while at < end:
        shared, at = wire.decode_varint(data, at, end)
        length, at = wire.decode_varint(data, at, end)
        value_length, at = wire.decode_varint(data, at, end)
        value = at + length
        if shared > len(key) or length > wire.MAX_TEXT_LENGTH or value + value_length > end:
            raise FormatError(f"the entry at byte {at:,} exceeds its block")
        key, at = key[:shared] + bytes(data[at:value]), value + value_length
        yield key, wire.WireField(0, wire.BYTES, value, at)
