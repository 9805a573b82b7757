"""Paddle programs for tests, as a ProgramDesc (numbers of fields are those of framework.proto) and as PIR's JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence

from inception_lens.readers.wire_format import encode_varint
from tests.readers.tensorflow.graph_defs import field

FLOAT32, INT64 = 5, 3
Names = str | Sequence[str]


def tensor(name: str, shape: Sequence[int], *, stored: bool = False, dtype: int = FLOAT32) -> bytes:
    """A VarDesc of a dense tensor."""
    dense = field(1, dtype) + b"".join(field(2, size) for size in shape)
    kind = field(1, 7) + field(3, field(1, dense))
    return field(1, name) + field(2, kind) + field(3, int(stored))


def attribute(name: str, value: object) -> bytes:
    """An attribute of an integer, a number, a text, a truth value or a list of integers."""
    start = field(1, name)
    match value:
        case bool():
            return start + field(10, int(value))
        case int():
            return start + field(3, value)
        case float():
            return start + encode_varint(4 << 3 | 5) + struct.pack("<f", value)
        case str():
            return start + field(5, value)
        case list():
            return start + b"".join(field(6, each) for each in value)
    raise TypeError(value)


def call(kind: str, inputs: Mapping[str, Names], output: Names, **attributes: object) -> bytes:
    """An OpDesc whose outputs have the role `Out`."""

    def argument(role: str, names: Names) -> bytes:
        listed = [names] if isinstance(names, str) else names
        return field(1, role) + b"".join(field(2, each) for each in listed)

    message = b"".join(field(1, argument(role, names)) for role, names in inputs.items())
    message += field(2, argument("Out", output)) + field(3, kind)
    return message + b"".join(field(4, attribute(name, value)) for name, value in attributes.items())


def program_desc(tensors: Sequence[bytes], calls: Sequence[bytes]) -> bytes:
    """A ProgramDesc of one block."""
    block = field(1, 0) + field(2, -1) + b"".join(field(3, each) for each in tensors)
    return field(1, block + b"".join(field(4, each) for each in calls)) + field(4, field(1, 0))


def small_program() -> bytes:
    """A convolution with a bias, a norm, a pool and a linear layer."""
    tensors = [
        tensor("image", (-1, 3, 16, 16)), tensor("w", (8, 3, 3, 3), stored=True), tensor("b", (8,), stored=True),
        *(tensor(name, (8,), stored=True) for name in ("scale", "shift", "mean", "var")),
        tensor("fc_w", (8, 10), stored=True), tensor("fc_b", (10,), stored=True),
        *(tensor(name, (-1, 8, 8, 8)) for name in ("conv.tmp_0", "conv.tmp_1", "bn.tmp_2")),
    ]  # fmt: skip
    norm = {"X": "conv.tmp_1", "Scale": "scale", "Bias": "shift", "Mean": "mean", "Variance": "var"}
    return program_desc(
        tensors,
        [
            call("feed", {"X": "feed"}, "image", col=0),
            call("conv2d", {"Input": "image", "Filter": "w"}, "conv.tmp_0", strides=[2, 2], paddings=[1, 1]),
            call("elementwise_add", {"X": "conv.tmp_0", "Y": "b"}, "conv.tmp_1", axis=1),
            call("batch_norm", norm, "bn.tmp_2", epsilon=1e-5, is_test=True),
            call("relu", {"X": "bn.tmp_2"}, "relu.tmp_0"),
            call("pool2d", {"X": "relu.tmp_0"}, "pool.tmp_0", pooling_type="avg", ksize=[1, 1], global_pooling=True),
            call("flatten_contiguous_range", {"X": "pool.tmp_0"}, "flat.tmp_0", start_axis=1, stop_axis=-1),
            call("matmul_v2", {"X": "flat.tmp_0", "Y": "fc_w"}, "fc.tmp_0"),
            call("elementwise_add", {"X": "fc.tmp_0", "Y": "fc_b"}, "fc.tmp_1", axis=1),
            call("softmax", {"X": "fc.tmp_1"}, "softmax.tmp_0", axis=-1),
            call("fetch", {"X": "softmax.tmp_0"}, "fetch", col=0),
        ],
    )


def pir_type(shape: Sequence[int]) -> dict[str, object]:
    """The type of a tensor of float32."""
    return {"#": "0.t_dtensor", "D": [{"#": "0.t_f32"}, list(shape), "NCHW", [], 0]}


def pir_call(kind: str, inputs: Sequence[int], outputs: Mapping[int, Sequence[int]], **values: object) -> object:
    """A call with attributes, whose values are typed as their reader needs it."""

    def typed(value: object) -> object:
        return {"#": "0.a", "D": [{"#": "0.a", "D": each} for each in value] if isinstance(value, list) else value}

    return {
        "#": f"1.{kind}",
        "A": [{"N": name, "AT": typed(value)} for name, value in values.items()],
        "I": [{"%": i} for i in inputs],
        "O": [{"%": i, "TT": pir_type(shape)} for i, shape in outputs.items()],
    }


def pir_parameter(name: str, i: int, shape: Sequence[int]) -> object:
    """A parameter."""
    return {"#": "p", "A": [0, 1, 1, name], "O": {"%": i, "TT": pir_type(shape)}}


def pir_file(*calls: object) -> bytes:
    """A program of one block."""
    region = {"#": "region_0", "blocks": [{"#": "block_0", "args": [], "ops": list(calls)}]}
    file = {"base_code": {"magic": "pir", "version": 4}, "program": {"regions": [region]}}
    return json.dumps(file).encode()


def small_pir() -> bytes:
    """A convolution with a bias that is reshaped, a pool and a ReLU."""
    return pir_file(
        pir_parameter("conv.b", 1, (8,)),
        pir_parameter("conv.w", 2, (8, 3, 3, 3)),
        pir_call("data", [], {3: (-1, 3, 16, 16)}, name="image", shape=[-1, 3, 16, 16]),
        pir_call("conv2d", [3, 2], {4: (-1, 8, 8, 8)}, strides=[2, 2], paddings=[1, 1], struct_name="/Conv2D/"),
        pir_call("full_int_array", [], {5: (4,)}, value=[1, -1, 1, 1]),
        pir_call("reshape", [1, 5], {6: (1, 8, 1, 1)}),
        pir_call("add", [4, 6], {7: (-1, 8, 8, 8)}),
        pir_call("full_int_array", [], {8: (2,)}, value=[2, 2]),
        pir_call("pool2d", [7, 8], {9: (-1, 8, 4, 4)}, strides=[2, 2], paddings=[0, 0], pooling_type="max"),
        pir_call("relu", [9], {10: (-1, 8, 4, 4)}),
        pir_call("fetch", [10], {11: (-1, 8, 4, 4)}),
    )
