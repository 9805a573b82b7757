"""MXNet's parameter files, written after `NDArray::Save`."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception_lens.errors import FormatError
from inception_lens.readers.weights.files import read_weights

DTYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64", "bool")
ARRAYS: dict[str, Any] = {
    f"arg:{dtype}": np.arange(6).reshape(shape).astype(dtype)
    for dtype, shape in zip(DTYPES, [(6,), (2, 3), (1, 2, 3), (6, 1)] * 2, strict=True)
}
V2, V3 = 0xF993FAC9, 0xF993FACA


def mx_array(array: Any, version: int = V2, storage: int = 0, kind: int | None = None) -> bytes:
    kind = DTYPES.index(str(array.dtype)) if kind is None else kind
    head = struct.pack("<Iii", version, storage, array.ndim) + struct.pack(f"<{array.ndim}q", *array.shape)
    return head + struct.pack("<iii", 1, 0, kind) + bytes(array.tobytes())


def mx_file(arrays: list[bytes], names: list[str]) -> bytes:
    encoded = [name.encode() for name in names]
    data = struct.pack("<QQQ", 0x112, 0, len(arrays)) + b"".join(arrays) + struct.pack("<Q", len(names))
    return data + b"".join(struct.pack("<Q", len(name)) + name for name in encoded)


def params(arrays: Mapping[str, Any], version: int = V2) -> bytes:
    return mx_file([mx_array(array, version) for array in arrays.values()], [*arrays])


@pytest.mark.parametrize("version", [V2, V3])
@pytest.mark.parametrize("name", ["net-0000.params", "net.nd", "net.bin"])
def test_the_arrays_of_mxnet_are_read(tmp_path: Path, version: int, name: str) -> None:
    (tmp_path / name).write_bytes(params(ARRAYS, version))
    weights = read_weights(str(tmp_path / name))
    assert (weights.format, [tensor.name for tensor in weights.tensors]) == ("mxnet", [*ARRAYS])
    for tensor in weights.tensors:
        array, found = ARRAYS[tensor.name], weights.read(tensor)
        assert (tensor.shape, tensor.dtype, tensor.bytes) == (array.shape, str(array.dtype), array.nbytes)
        assert (found.dtype, found.tolist()) == (array.dtype, array.tolist())


def test_arrays_without_names_are_named_by_their_position(tmp_path: Path) -> None:
    (tmp_path / "w.nd").write_bytes(mx_file([mx_array(np.ones(2)), mx_array(np.zeros(3))], []))
    weights = read_weights(str(tmp_path / "w.nd"))
    assert [(tensor.name, tensor.shape) for tensor in weights.tensors] == [("0", (2,)), ("1", (3,))]


ONE = np.ones(2, "f4")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (params({"a": ONE})[:-1], "is truncated: 1 bytes are expected"),
        (params({"a": ONE})[:50], "is truncated: 8 bytes are expected"),
        (params({"a": ONE}) + b"\0", "has 1 bytes after its names"),
        (mx_file([mx_array(ONE)], ["a", "b"]), "has 1 arrays and 2 names"),
        (mx_file([mx_array(ONE, 0xF993FAC8)], ["a"]), "the array at byte 24 is of another version"),
        (mx_file([mx_array(ONE, storage=1)], ["a"]), "the array at byte 24 is sparse, which is not read"),
        (mx_file([mx_array(ONE, kind=12)], ["a"]), "has the unknown dtype 12"),
        (mx_file([struct.pack("<Iii", V2, 0, -1)], []), "the array at byte 24 has -1 axes"),
        (mx_file([struct.pack("<Iiiq", V2, 0, 1, 2**60) + bytes(12)], []), "has an invalid shape"),
        (struct.pack("<QQQ", 0x112, 0, 2**40), "declares 1,099,511,627,776 items at byte 16; the limit is 100,000"),
    ],
)
def test_a_damaged_file_of_mxnet_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "w.params").write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        read_weights(str(tmp_path / "w.params"))
    assert str(caught.value).startswith(str(tmp_path))


def test_a_file_of_another_kind_with_the_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.params").write_bytes(b"\1" * 60)
    with pytest.raises(FormatError, match="is not an MXNet parameter file"):
        read_weights(str(tmp_path / "w.params"))
