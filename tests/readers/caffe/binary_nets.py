"""Prototxts as the protocol buffers that Caffe would write for them."""

import struct
from math import prod

from inception_lens.readers.caffe.layer_types import V1_NAMES
from inception_lens.readers.caffe.message import TextField, TextMessage
from inception_lens.readers.caffe.schema import FORKS, NET, SCHEMAS, MessageSchema
from inception_lens.readers.caffe.text_format import parse
from tests.readers.caffe.caffe_models import field, varint

ENUMS = {
    "pool": ("MAX", "AVE", "STOCHASTIC"), "operation": ("PROD", "SUM", "MAX"), "round_mode": ("CEIL", "FLOOR"),
    "norm_region": ("ACROSS_CHANNELS", "WITHIN_CHANNEL"), "reduction": ("", "SUM", "ASUM", "SUMSQ", "MEAN"),
}  # fmt: skip
FORK_NUMBER = 8_266_711
"""The number of `roi_pooling_param` in Fast R-CNN's fork."""


STORED_NETS = (
    """
    input: "x" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
    layer { name: "conv" type: "Convolution" bottom: "x" top: "y" convolution_param { num_output: 8 kernel_size: 3 }
        blobs { shape { dim: 8 dim: 3 dim: 3 dim: 3 } } blobs { shape { dim: 8 } } }
    """,
    """
    input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
    layers { name: "conv" type: CONVOLUTION bottom: "x" top: "y" convolution_param { num_output: 8 kernel_size: 3 }
        blobs { num: 8 channels: 3 height: 3 width: 3 } blobs { num: 1 channels: 1 height: 1 width: 8 } }
    """,
    """
    input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8
    layers { bottom: "x" top: "y" layer { name: "conv" type: "conv" num_output: 8 kernelsize: 3
        blobs { num: 8 channels: 3 height: 3 width: 3 } blobs { num: 1 channels: 1 height: 1 width: 8 } } }
    """,
)
"""A net with its tensors in each spelling, as prototxts do not have them."""


def binary(text: str) -> bytes:
    return encode(parse(text), "the net", NET)


def encode(message: TextMessage, name: str, schema: MessageSchema) -> bytes:
    numbers = {known: number for number, known in schema.items()}
    inner = dict(FORKS.values()) if name == "layer" else {}
    data = b""
    for each in message.fields:
        if each.name in inner and isinstance(each.value, TextMessage):
            data += field(FORK_NUMBER, encode(each.value, each.name, inner[each.name]))
        elif each.name in numbers:
            data += _encoded(each, name, numbers[each.name])
    return data


def _encoded(each: TextField, holder: str, number: int) -> bytes:
    if isinstance(each.value, TextMessage):
        schema = SCHEMAS["v0" if (holder, each.name) == ("layers", "layer") else each.name]
        data = encode(each.value, each.name, schema)
        if each.name == "blobs":
            sizes = each.value.message("shape").integers("dim") or [int(str(size.value)) for size in each.value.fields]
            data += field(5, bytes(4 * prod(sizes)))
        return field(number, data)
    if each.quoted:
        return field(number, each.value)
    if (holder, each.name) == ("layers", "type"):
        return field(number, {name: kind for kind, name in V1_NAMES.items()}[each.value])
    if each.value in ("true", "false"):
        return field(number, int(each.value == "true"))
    if each.value[0].isalpha():
        names = ENUMS["reduction" if holder == "reduction_param" else each.name]
        return field(number, names.index(each.value))
    if each.value.lstrip("-").isdigit():
        return varint(number << 3) + varint(int(each.value) % 2**64)
    return varint(number << 3 | 5) + struct.pack("<f", float(each.value))
