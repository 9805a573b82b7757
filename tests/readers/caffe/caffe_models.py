"""A .caffemodel as Caffe writes one, in each of its spellings."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating]


class CaffeLayer(NamedTuple):
    name: str
    kind: str
    blobs: Sequence[Numbers]
    bottom: str = "in"
    top: str = "out"


V1_NUMBERS = {"Convolution": 4, "InnerProduct": 14, "Data": 5}
V0_TYPES = {"Convolution": "conv", "InnerProduct": "innerproduct", "Data": "data"}


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes([number & 0x7F | 0x80]), number >> 7
    return out + bytes([number])


def field(number: int, value: bytes | int | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def blob(numbers: Numbers, *, legacy: bool = False, form: str = "packed") -> bytes:
    shape = numbers.shape
    if legacy:
        described = b"".join(field(i, size) for i, size in enumerate((*(1,) * (4 - len(shape)), *shape), 1))
    else:
        described = field(7, field(1, b"".join(varint(size) for size in shape)))
    flat = numbers.astype("<f4").tobytes()
    match form:
        case "packed":
            return described + field(5, flat)
        case "pieces":
            return described + field(5, flat[:8]) + field(5, flat[8:])
        case "single":
            return described + b"".join(varint(5 << 3 | 5) + flat[i : i + 4] for i in range(0, len(flat), 4))
        case "double":
            return described + field(8, numbers.astype("<f8").tobytes())
        case "half":
            return field(10, 2) + field(12, numbers.astype("<f2").tobytes()) + described
    raise ValueError(form)


def caffemodel(layers: Sequence[CaffeLayer], spelling: str = "current", form: str = "packed") -> bytes:
    out = field(1, "Net")
    for layer in layers:
        legacy = spelling != "current"
        blobs = [blob(each, legacy=legacy, form=form) for each in layer.blobs]
        if spelling == "current":
            wires = field(3, layer.bottom) + field(4, layer.top)
            diff = field(5, struct.pack("<f", 0.5)) + field(10, 1)  # `loss_weight` and `phase`, which are not blobs
            tensors = b"".join(field(7, each) for each in blobs)
            out += field(100, field(1, layer.name) + field(2, layer.kind) + wires + diff + tensors)
        else:
            wires = field(2, layer.bottom) + field(3, layer.top)
            if spelling == "V1":
                tensors = b"".join(field(6, each) for each in blobs)
                out += field(2, wires + field(4, layer.name) + field(5, V1_NUMBERS[layer.kind]) + tensors)
            else:
                tensors = b"".join(field(50, each) for each in blobs)
                inner = field(1, layer.name) + field(2, V0_TYPES[layer.kind]) + tensors
                out += field(2, field(1, inner) + wires)
    return out
