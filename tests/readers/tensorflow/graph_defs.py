"""GraphDefs for tests, written field by field: numbers are those of TensorFlow's protocol buffers."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from inception_lens.readers.wire_format import encode_varint

FLOAT, INT32, TEXT = 1, 3, 7
Shape = Sequence[int]


def field(number: int, value: bytes | str | int) -> bytes:
    """A field of a message: a varint, or bytes with their length."""
    if isinstance(value, int):
        return encode_varint(number << 3) + encode_varint(value % 2**64)
    data = value.encode() if isinstance(value, str) else value
    return encode_varint(number << 3 | 2) + encode_varint(len(data)) + data


def shape_of(sizes: Shape) -> bytes:
    """A TensorShapeProto; -1 is an unknown size."""
    return b"".join(field(2, field(1, size)) for size in sizes)


def attribute(value: object) -> bytes:
    """An AttrValue of a text, a number, a truth value or a list of integers; bytes are one already."""
    match value:
        case bytes():
            return value
        case bool():
            return field(5, int(value))
        case int():
            return field(3, value)
        case float():
            return encode_varint(4 << 3 | 5) + struct.pack("<f", value)
        case str():
            return field(2, value)
        case list():
            return field(1, field(3, b"".join(encode_varint(each % 2**64) for each in value)))
    raise TypeError(value)


def node(name: str, op: str, *inputs: str, **attributes: object) -> bytes:
    """A NodeDef."""
    message = field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs)
    return message + b"".join(field(5, field(1, key) + field(2, attribute(value))) for key, value in attributes.items())


def placeholder(name: str, sizes: Shape | None, dtype: int = FLOAT) -> bytes:
    """An input; without sizes, of unknown rank."""
    shape = field(7, field(3, 1) if sizes is None else shape_of(sizes))
    return node(name, "Placeholder", dtype=field(6, dtype), shape=shape)


def weights(name: str, *sizes: int, value: float = 0.5) -> bytes:
    """A constant of one number, which is stored once."""
    number = encode_varint(5 << 3 | 5) + struct.pack("<f", value)
    return node(
        name, "Const", dtype=field(6, FLOAT), value=field(8, field(1, FLOAT) + field(2, shape_of(sizes)) + number)
    )


def integers(name: str, *numbers: int) -> bytes:
    """A constant vector of integers."""
    content = struct.pack(f"<{len(numbers)}i", *numbers)
    value = field(1, INT32) + field(2, shape_of([len(numbers)])) + field(4, content)
    return node(name, "Const", dtype=field(6, INT32), value=field(8, value))


def graph_def(*nodes: bytes, version: int = 1000, library: bytes = b"") -> bytes:
    """A GraphDef of NodeDefs, and of FunctionDefs in its library."""
    return b"".join(field(1, each) for each in nodes) + field(2, library) + field(4, field(1, version))


def small_graph() -> bytes:
    """A convolution with a bias, a norm, a pool, two branches and a linear layer, with its weights as constants."""
    window = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    return graph_def(
        placeholder("image", (-1, 16, 16, 3)),
        weights("conv/kernel", 3, 3, 3, 8), weights("conv/bias", 8), weights("beta", 8), weights("mean", 8),
        weights("one", 1, 1, 8, 4), weights("fc/kernel", 48, 10), weights("fc/bias", 10), weights("ones", 8, value=1.0),
        integers("axis", 3), integers("shape", -1, 48),
        node("conv/Conv2D", "Conv2D", "image", "conv/kernel", strides=[1, 2, 2, 1], padding="SAME"),
        node("conv/BiasAdd", "BiasAdd", "conv/Conv2D", "conv/bias"),
        node("bn", "FusedBatchNormV3", "conv/BiasAdd", "ones", "beta", "mean", "beta", epsilon=1e-3, is_training=False),
        node("relu", "Relu", "bn"),
        node("a", "Conv2D", "relu", "one", **window),
        node("b", "MaxPool", "relu", ksize=[1, 3, 3, 1], **window),
        node("concat", "ConcatV2", "a", "b", "axis"),
        node("pool", "AvgPool", "concat", ksize=[1, 4, 4, 1], strides=[1, 4, 4, 1], padding="VALID"),
        node("flat", "Reshape", "pool", "shape"),
        node("fc", "MatMul", "flat", "fc/kernel"), node("fc/add", "BiasAdd", "fc", "fc/bias"),
        node("prob", "Softmax", "fc/add"),
    )  # fmt: skip
