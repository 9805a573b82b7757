"""The wire format of protocol buffers, read field by field without a schema (protobuf.dev, "Encoding").

A file of weights is mostly numbers that nobody needs to see: a length-delimited field is told by where it begins and
ends, so that it can be stepped over, and nothing is copied.
"""

from collections.abc import Iterator
from typing import NamedTuple

from inception_lens.errors import FormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LARGEST_TEXT = 100_000
MAX_PARTS = 200_000
"""Of a whole file at its outermost level: layers, or a graph and a few words about it."""


class WireField(NamedTuple):
    """One field: its number, its kind of encoding, and the bytes of its value."""

    number: int
    kind: int
    start: int
    end: int
    value: int = 0
    """Of a varint; 0 for others."""


def fields(data: memoryview, start: int = 0, end: int | None = None) -> Iterator[WireField]:
    """The fields of the message between two places.

    Raises:
        FormatError: no message is there: a field that leads out of it, or an encoding that there is not.
    """
    end = len(data) if end is None else end
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        number, kind = key >> 3, key & 7
        value, begin = 0, at
        if kind == VARINT:
            value, at = _varint(data, at, end)
        elif kind == BYTES:
            length, begin = _varint(data, at, end)
            at = begin + length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise FormatError(f"no protocol buffer: an encoding {kind} at byte {begin:,}")
        if at > end or not number:
            raise FormatError(f"it is cut off, or no protocol buffer: field {number} at byte {begin:,} leads out of it")
        yield WireField(number, kind, begin, at, value)


def parts(data: memoryview) -> Iterator[WireField]:
    """The fields of a whole file.

    Raises:
        FormatError: as `fields`, or they are more than any network has.
    """
    for i, field in enumerate(fields(data)):
        if i == MAX_PARTS:
            raise FormatError(f"more than {MAX_PARTS:,} parts")
        yield field


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise FormatError(f"it is cut off, or no protocol buffer: a number at byte {at:,} has no end")


def text(data: memoryview, field: WireField) -> str:
    """The text of a field; bytes that are none are written out.

    Raises:
        FormatError: it is longer than any name.
    """
    if field.kind != BYTES or field.end - field.start > LARGEST_TEXT:
        raise FormatError(f"no name: field {field.number} at byte {field.start:,}")
    return bytes(data[field.start : field.end]).decode(errors="backslashreplace")


def integers(data: memoryview, field: WireField) -> list[int]:
    """The whole numbers of one field, packed or by itself, as signed ones.

    Raises:
        FormatError: they are more than any tensor has axes.
    """
    if field.kind == VARINT:
        return [_signed(field.value)]
    numbers, at = [], field.start
    while at < field.end:
        number, at = _varint(data, at, field.end)
        numbers.append(_signed(number))
        if len(numbers) > 64:
            raise FormatError(f"field {field.number} at byte {field.start:,}: more than 64 sizes of a tensor")
    return numbers


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def varint(number: int) -> bytes:
    """Encode a whole number."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
