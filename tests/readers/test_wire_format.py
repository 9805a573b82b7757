"""The wire format of protocol buffers, compared with Google's encoder, and what is not a message."""

import re
import struct

import pytest
from onnx import TensorProto

from inception_lens.errors import FormatError
from inception_lens.readers import wire_format as wire
from tests.readers.caffe.caffe_models import field, varint


def test_fields_are_read_as_google_writes_them() -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[3, 300], raw_data=b"data", float_data=[0.5])
    data = memoryview(tensor.SerializeToString())
    fields = {each.number: each for each in wire.message_fields(data)}
    assert wire.decode_sizes(data, next(each for each in wire.message_fields(data) if each.number == 1)) == [3]
    assert fields[2].value == 1
    assert wire.decode_text(data, fields[8]) == "w"
    assert bytes(data[fields[9].start : fields[9].end]) == b"data"
    assert struct.unpack("<f", data[fields[4].start : fields[4].end]) == (0.5,)


def test_sizes_are_signed_integers_packed_or_single() -> None:
    for encoded, expected in (
        (field(1, varint(5) + varint(2**64 - 1) + varint(300)), [5, -1, 300]),
        (field(1, 7), [7]),
        (field(1, 2**64 - 2), [-2]),
        (field(1, b""), []),
    ):
        data = memoryview(encoded)
        (only,) = wire.message_fields(data)
        assert wire.decode_sizes(data, only) == expected


def test_text_that_is_not_utf_8_is_escaped() -> None:
    data = memoryview(field(1, b"a\xffb"))
    (only,) = wire.message_fields(data)
    assert wire.decode_text(data, only) == "a\\xffb"


def test_fixed_sizes_are_skipped() -> None:
    data = varint(1 << 3 | 1) + b"8 bytes." + varint(2 << 3 | 5) + b"four" + field(3, 1)
    assert [(each.number, each.kind, each.end - each.start) for each in wire.message_fields(memoryview(data))] == [
        (1, wire.FIXED64, 8), (2, wire.FIXED32, 4), (3, wire.VARINT, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_a_varint_is_encoded_as_google_does(number: int) -> None:
    encoded = wire.encode_varint(number)
    assert encoded == varint(number)
    (only,) = wire.message_fields(memoryview(b"\x08" + encoded))
    assert only.value == number


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0b", "not a protocol buffer: wire type 3 at byte 1"),
        (b"\x00\x01", "truncated or not a protocol buffer: field 0 at byte 1"),
        (b"\x0a\x05four", "truncated or not a protocol buffer: field 1 at byte 2"),
        (b"\x097 bytes", "truncated or not a protocol buffer: field 1 at byte 1"),
        (b"\x08\x80", "unterminated varint at byte 2"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "unterminated varint at byte 11"),
    ],
)
def test_bytes_that_are_not_a_message_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(message)):
        list(wire.message_fields(memoryview(data)))


def test_limits_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_FILE_FIELDS", 3)
    assert len(list(wire.file_fields(memoryview(field(1, 1) * 3)))) == 3
    with pytest.raises(FormatError, match="more than 3 fields at the outermost level"):
        list(wire.file_fields(memoryview(field(1, 1) * 4)))
    monkeypatch.setattr(wire, "MAX_TEXT_LENGTH", 4)
    for encoded, accepted in ((field(1, "four"), True), (field(1, "fives"), False), (field(1, 5), False)):
        data = memoryview(encoded)
        (only,) = wire.message_fields(data)
        if accepted:
            assert wire.decode_text(data, only) == "four"
        else:
            with pytest.raises(FormatError, match=r"field 1 at byte \d is not a text of at most 4"):
                wire.decode_text(data, only)
    for count in (64, 65):
        data = memoryview(field(1, varint(1) * count))
        (only,) = wire.message_fields(data)
        if count == 64:
            assert wire.decode_sizes(data, only) == [1] * 64
        else:
            with pytest.raises(FormatError, match="field 1 at byte 2: more than 64 axes"):
                wire.decode_sizes(data, only)


def test_fixed_numbers_are_not_integers_of_a_list() -> None:
    data = memoryview(b"\x0d" + bytes(4))
    with pytest.raises(FormatError, match="field 1 at byte 1 is not a list of integers"):
        wire.decode_integers(data, next(wire.message_fields(data)), 10)


def test_a_message_of_a_million_fields_is_refused() -> None:
    data = memoryview(b"\x0a\x00" * 1_000_000)
    with pytest.raises(FormatError, match="more than 200,000 fields in a message"):
        list(wire.limited_fields(data, 0, len(data)))
