"""The net in a .caffemodel, read as its prototxt would be.

Read: the fields that the reader of prototxts uses, in each of the three spellings, and the shapes of the blobs. Not
read: `include` and `exclude` rules, since the file holds the layers that a phase selected, mostly that of training.
Limits: those of the wire format, and MAX_FIELDS of a prototxt.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Metadata, Mode
from inception_lens.ops import Shape
from inception_lens.readers import wire_format as wire
from inception_lens.readers.caffe.layer_types import V1_NAMES
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.message import TextField, TextMessage
from inception_lens.readers.caffe.prototxt import read_net
from inception_lens.readers.caffe.schema import FLOATS, FORKS, NET, SCHEMAS, TEXTS, MessageSchema
from inception_lens.readers.caffe.text_format import MAX_FIELDS
from inception_lens.readers.files import display_path, errors_in, map_file

FIRST_FORK_FIELD = 147
"""Number of a layer's fields from which forks of Caffe have added their own."""


def read_binary_net(path: str, inputs: Mapping[str, Shape] | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read the net of a .caffemodel; `inputs` and `mode` as in `read_prototxt`.

    Raises:
        FormatError: the file is damaged or of another kind, or its net is one that Caffe would refuse.
    """
    data = map_file(path, "a .caffemodel")
    with errors_in(path):
        graph = read_net(decode_net(data), inputs, mode, NetState())
    note = "the layers are those of the phase in which the file was saved, mostly that of training"
    return msgspec.structs.replace(graph, metadata=Metadata(graph.name, display_path(path), "caffemodel", note))


def decode_net(data: memoryview) -> TextMessage:
    """Decode the net in the bytes of a .caffemodel.

    Raises:
        FormatError: the bytes are not a protocol buffer, or the net has more than MAX_FIELDS.
    """
    return _Decoder(data).message("the net", NET, wire.file_fields(data))


class _Decoder:
    """Decodes messages; each counts its fields, and skips those without a name in its schema."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.counted = data, 0

    def message(self, name: str, schema: MessageSchema, fields: Iterable[wire.WireField]) -> TextMessage:
        message, of_forks = TextMessage(name), []
        for field in fields:
            known = schema.get(field.number)
            if known is not None:
                message.fields += self.values(name, known, field)
            if name == "layer" and field.number >= FIRST_FORK_FIELD and field.kind == wire.BYTES:
                of_forks.append(field)
        kind = message.text("type") if of_forks else ""
        if kind in FORKS:
            if len(of_forks) > 1:
                raise FormatError(f"layer `{message.text('name')}` ({kind}) has several messages of unknown number")
            known, inner = FORKS[kind]
            message.fields.append(TextField(known, self.nested(known, inner, of_forks[0]), 0))
        return message

    def nested(self, name: str, schema: MessageSchema, field: wire.WireField) -> TextMessage:
        return self.message(name, schema, wire.message_fields(self.data, field.start, field.end))

    def values(self, holder: str, name: str, field: wire.WireField) -> Iterator[TextField]:
        """The values of one field: one, or several that are packed."""
        for value, quoted in self.decoded(holder, name, field):
            self.counted += 1
            if self.counted > MAX_FIELDS:
                raise FormatError(f"more than {MAX_FIELDS:,} fields")
            yield TextField(name, value, 0, quoted)

    def decoded(self, holder: str, name: str, field: wire.WireField) -> Iterator[tuple[TextMessage | str, bool]]:
        if field.kind == wire.VARINT:
            number = wire.signed(field.value)
            yield V1_NAMES.get(number, str(number)) if (holder, name) == ("layers", "type") else str(number), False
        elif field.kind == wire.FIXED32:
            yield _float(self.data[field.start : field.end]), False
        elif field.kind != wire.BYTES:
            raise FormatError(f"field `{name}` of `{holder}` is a 64-bit number")
        elif name in TEXTS or (holder, name) == ("layers", "param"):
            yield wire.decode_text(self.data, field), True
        elif name in SCHEMAS:
            schema = SCHEMAS["v0" if (holder, name) == ("layers", "layer") else name]
            yield self.nested(name, schema, field), False
        elif name in FLOATS:
            for at in range(field.start, field.end - 3, 4):
                yield _float(self.data[at : at + 4]), False
        else:
            for number in wire.decode_integers(self.data, field, MAX_FIELDS, "fields"):
                yield str(number), False


def _float(data: memoryview) -> str:
    """The shortest text of a 32-bit float."""
    (number,) = struct.unpack("<f", data)
    for digits in range(6, 9):
        text = f"{number:.{digits}g}"
        if struct.pack("<f", float(text)) == data:
            return text
    return f"{number:.9g}"
