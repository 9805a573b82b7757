"""Writers of Paddle's files, after its `SerializeToStream`, `framework.proto` and `python/paddle/v2/parameters.py`."""

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.readers.caffe.caffe_models import field

DTYPES = {"bool": 0, "int16": 1, "int32": 2, "int64": 3, "float16": 4, "float32": 5, "float64": 6, "uint8": 20}
DENSE, FEED = 7, 9


def lod_tensor(array: Any, levels: Sequence[bytes] = ()) -> bytes:
    description = field(1, DTYPES[str(array.dtype)]) + b"".join(field(2, size) for size in array.shape)
    detail = b"".join(struct.pack("<Q", len(level)) + level for level in levels)
    head = bytes(4) + struct.pack("<Q", len(levels)) + detail + bytes(4) + struct.pack("<i", len(description))
    return head + description + bytes(array.tobytes())


def pdiparams(tensors: Mapping[str, Any]) -> bytes:
    """The tensors in the order of their names as text, without the names."""
    return b"".join(lod_tensor(tensors[name]) for name in sorted(tensors))


def pdmodel(names: Sequence[str]) -> bytes:
    """A program whose variables are those names, one that feeds it and one that is not kept."""
    variables = [("feed", FEED, 1), ("relu_0.tmp_0", DENSE, 0), *((name, DENSE, 1) for name in names)]
    dense = field(3, field(1, field(1, 5) + field(2, 1)))
    block = b"".join(
        field(3, field(1, n) + field(2, field(1, kind) + (dense if kind == DENSE else b"")) + field(3, kept))
        for n, kind, kept in variables
    )
    block += field(4, field(3, "relu"))
    return field(1, field(1, 0) + field(2, 0) + block) + field(4, field(1, 0))


def pir(names: Sequence[str]) -> bytes:
    """A program of Paddle 3 with those parameters."""
    ops = [{"#": "p", "A": [0, 1, 1, name], "O": {"%": i}} for i, name in enumerate(names)]
    ops.append({"#": "1.conv2d", "A": [{"N": "strides"}], "O": {"%": len(names)}})
    blocks = [{"#": "block_0", "args": [], "ops": ops}]
    program = {"regions": [{"#": "region_0", "blocks": blocks}]}
    return json.dumps({"base_code": {"magic": "pir", "version": 4}, "program": program}).encode()


def v2_parameter(array: Any) -> bytes:
    return struct.pack("<IIQ", 0, 4, array.size) + bytes(array.astype("<f4").tobytes())


def v2_tar(parameters: Mapping[str, Any], sizes: Mapping[str, Sequence[int]] = {}) -> bytes:
    """An archive of Paddle v2; kernels have no sizes in their config, and `sizes` replaces those of others."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, array in parameters.items():
            dims = sizes.get(name, () if array.ndim == 4 else (1, *array.shape)[-2:])
            config = field(1, name) + field(2, array.size) + b"".join(field(9, size) for size in dims)
            for member, data in ((name, v2_parameter(array)), (f"{name}.protobuf", config)):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def v2_tar_gz(parameters: Mapping[str, Any]) -> bytes:
    return gzip.compress(v2_tar(parameters), 1)


TENSORS: dict[str, Any] = {
    "conv2d_10.w_0": np.arange(24, dtype="f4").reshape(2, 3, 2, 2),
    "conv2d_2.w_0": np.arange(6, dtype="f4").reshape(3, 2, 1, 1),
    "conv2d_2.b_0": np.arange(3, dtype="f4"),
    "linear_0.w_0": np.arange(8, dtype="f8").reshape(2, 4),
    "steps": np.array([7], "i8"),
}
