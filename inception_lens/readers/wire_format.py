"""The wire format of protocol buffers, read field by field without a schema.

Source: protobuf.dev, "Encoding". Weight files are mostly tensor data: a length-delimited field is represented by its
first and last byte, so that data are skipped and never copied.
"""

from collections.abc import Iterator
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.readers.tensors import MAX_AXES

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types. Groups (3 and 4) are deprecated, and neither ONNX nor Caffe uses them."""

MAX_TEXT_LENGTH = 100_000
"""Bytes of a name."""
MAX_FILE_FIELDS = 200_000
"""Fields at the outermost level of a file: a Caffe net's layers, or the graph and metadata of an ONNX model."""


class WireField(NamedTuple):
    """One field of a message."""

    number: int
    """Field number in the message's definition."""
    kind: int
    """Wire type."""
    start: int
    """Position of the first byte of the value."""
    end: int
    """Position after the last byte of the value."""
    value: int = 0
    """Value of a varint, unsigned; 0 for other wire types."""


def message_fields(data: memoryview, start: int = 0, end: int | None = None) -> Iterator[WireField]:
    """Iterate over the fields of the message between two positions.

    Raises:
        FormatError: the bytes are not a message: a field exceeds it, or has an invalid number or wire type.
    """
    end = len(data) if end is None else end
    at = start
    while at < end:
        key, at = decode_varint(data, at, end)
        number, kind = key >> 3, key & 7
        value, begin = 0, at
        if kind == VARINT:
            value, at = decode_varint(data, at, end)
        elif kind == BYTES:
            length, begin = decode_varint(data, at, end)
            at = begin + length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise FormatError(f"not a protocol buffer: wire type {kind} at byte {begin:,}")
        if at > end or not number:
            raise FormatError(f"truncated or not a protocol buffer: field {number} at byte {begin:,}")
        yield WireField(number, kind, begin, at, value)


def file_fields(data: memoryview) -> Iterator[WireField]:
    """Iterate over the outermost fields of a file.

    Raises:
        FormatError: as `message_fields`, or there are more than MAX_FILE_FIELDS.
    """
    for i, field in enumerate(message_fields(data)):
        if i == MAX_FILE_FIELDS:
            raise FormatError(f"more than {MAX_FILE_FIELDS:,} fields at the outermost level")
        yield field


def limited_fields(data: memoryview, start: int, end: int) -> Iterator[WireField]:
    """Iterate over the fields of a message that has few, of a file of unknown origin.

    Raises:
        FormatError: as `message_fields`, or there are more than MAX_FILE_FIELDS.
    """
    for i, field in enumerate(message_fields(data, start, end)):
        if i == MAX_FILE_FIELDS:
            raise FormatError(f"more than {MAX_FILE_FIELDS:,} fields in a message")
        yield field


def decode_varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """The number at a position, of at most ten bytes with seven bits each, and the position after it.

    Raises:
        FormatError: it does not end before `end`.
    """
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise FormatError(f"truncated or not a protocol buffer: unterminated varint at byte {at:,}")


def decode_text(data: memoryview, field: WireField) -> str:
    """Text of a field; bytes that are not UTF-8 become escape sequences.

    Raises:
        FormatError: the field is not length-delimited, or longer than MAX_TEXT_LENGTH.
    """
    if field.kind != BYTES or field.end - field.start > MAX_TEXT_LENGTH:
        raise FormatError(f"field {field.number} at byte {field.start:,} is not a text of at most {MAX_TEXT_LENGTH:,}")
    return bytes(data[field.start : field.end]).decode(errors="backslashreplace")


def decode_sizes(data: memoryview, field: WireField) -> list[int]:
    """Sizes of axes in a repeated integer field; as `decode_integers`, with at most MAX_AXES."""
    return decode_integers(data, field, MAX_AXES, "axes")


def decode_integers(data: memoryview, field: WireField, limit: int, unit: str = "integers") -> list[int]:
    """Signed integers of a repeated field, packed or a single one; `unit` is what they are, for the error message.

    Raises:
        FormatError: there are more than `limit`, or the field is neither a varint nor length-delimited.
    """
    if field.kind == VARINT:
        return [signed(field.value)]
    if field.kind != BYTES:
        raise FormatError(f"field {field.number} at byte {field.start:,} is not a list of integers")
    numbers, at = [], field.start
    while at < field.end:
        number, at = decode_varint(data, at, field.end)
        numbers.append(signed(number))
        if len(numbers) > limit:
            raise FormatError(f"field {field.number} at byte {field.start:,}: more than {limit:,} {unit}")
    return numbers


def signed(value: int) -> int:
    """The signed integer whose 64 bits are those of `value`."""
    return value - 2**64 if value >= 2**63 else value


def encode_varint(number: int) -> bytes:
    """Encode an unsigned integer."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
