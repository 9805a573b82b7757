"""TensorFlow's checkpoints of both formats, written by `checkpoints.py` and compared value by value."""

import random
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception_lens.errors import FormatError
from inception_lens.readers.formats import LEVELDB_MAGIC
from inception_lens.readers.tensors import WeightFile
from inception_lens.readers.weights.files import read_weights
from inception_lens.readers.weights.tensorflow import leveldb
from inception_lens.readers.wire_format import encode_varint
from tests.readers.caffe.caffe_models import field
from tests.readers.weights.checkpoints import block, numbers, shape_message, slice_message, table, v1, write_v2

GENERATOR = np.random.default_rng(3)
TENSORS: dict[str, Any] = {
    "InceptionV1/Conv2d_1a_7x7/weights": GENERATOR.random((7, 7, 3, 8), dtype="f4"),
    "InceptionV1/Conv2d_1a_7x7/BatchNorm/beta": GENERATOR.random(8, dtype="f4"),
    "InceptionV1/Conv2d_1a_7x7/weights/RMSProp": GENERATOR.random((7, 7, 3, 8), dtype="f4"),
    "double": GENERATOR.random((2, 3)),
    "empty": np.zeros((0, 4), "f4"),
    "flags": np.array([True, False, True]),
    "global_step": np.array(2**40, "i8"),
    "negative": np.array([-1, 2, -(2**31)], "i4"),
}
NODE = field(1, field(1, "x") + field(2, "Placeholder"))
CUT = {"InceptionV1/Conv2d_1a_7x7/weights": [[None, None, None, (0, 5)], [None, None, None, (5, 3)]]}


def check(weights: WeightFile, expected: dict[str, Any]) -> None:
    assert sorted(tensor.name for tensor in weights.tensors) == sorted(expected)
    for tensor in weights.tensors:
        found, array = weights.read(tensor), expected[tensor.name]
        assert (tensor.shape, tensor.dtype, tensor.bytes) == (array.shape, str(array.dtype), array.nbytes)
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        assert (found == array).all()


@pytest.mark.parametrize("cut", [{}, CUT], ids=["whole", "partitioned"])
@pytest.mark.parametrize("shards", [1, 3])
def test_a_v2_checkpoint_is_read_by_its_prefix_and_each_of_its_files(tmp_path: Path, cut: Any, shards: int) -> None:
    prefix = write_v2(tmp_path, TENSORS, cut, shards, name="model.ckpt-100")
    (tmp_path / "model.ckpt-100.meta").write_bytes(field(1, field(2, b"")) + field(2, NODE))
    for path in [prefix, *tmp_path.iterdir()]:
        weights = read_weights(str(path))
        assert weights.format == "tensorflow V2"
        check(weights, TENSORS)


@pytest.mark.parametrize("cut", [{}, CUT], ids=["whole", "partitioned"])
@pytest.mark.parametrize("name", ["model.ckpt", "inception_v1"])
def test_a_v1_checkpoint_is_read(tmp_path: Path, cut: Any, name: str) -> None:
    (tmp_path / name).write_bytes(v1(TENSORS, cut))
    weights = read_weights(str(tmp_path / name))
    assert weights.format == "tensorflow V1"
    check(weights, TENSORS)


def test_tensors_in_any_parts_are_joined(tmp_path: Path) -> None:
    chance = random.Random(9)  # noqa: S311
    for _ in range(20):
        shape = [chance.randint(1, 300) for _ in range(chance.randint(1, 3))]
        axis = chance.randrange(len(shape))
        ends = sorted({0, shape[axis], *(chance.randint(0, shape[axis]) for _ in range(3))})
        parts = [[(a, b - a) if i == axis else None for i in range(len(shape))] for a, b in pairwise(ends)]
        array = GENERATOR.random(shape, dtype="f4")
        check(read_weights(str(write_v2(tmp_path, {"w": array}, {"w": parts}))), {"w": array})
        (tmp_path / "one.ckpt").write_bytes(v1({"w": array}, {"w": parts}))
        check(read_weights(str(tmp_path / "one.ckpt")), {"w": array})


def test_text_is_listed_and_not_read(tmp_path: Path) -> None:
    entries = {b"": field(1, 1), b"graph": field(1, 7) + field(2, b"") + field(5, 90), b"odd": field(1, 99)}
    (tmp_path / "m.index").write_bytes(table(entries))
    weights = read_weights(str(tmp_path / "m"))
    assert [(t.name, t.dtype, t.bytes, t.note) for t in weights.tensors] == [
        ("graph", "string", None, "text is not read"),
        ("odd", "type 99", None, ""),
    ]
    with pytest.raises(FormatError, match="`graph` cannot be read: text is not read"):
        weights.read(weights.tensors[0])


ENTRY = field(1, 1) + field(2, shape_message([3]))
PARTED = ENTRY + field(7, slice_message([(0, 3)]))
PART_KEY = b"\0w\0\1\1\1\x80\x83"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table({b"a": b""}), "is not a TensorFlow checkpoint: it has no header"),
        (table({b"": field(2, 1) + field(3, b"")}), "is not a TensorFlow checkpoint: it has no header"),
        (table({b"": field(1, 1) + field(2, 1)}), "is big-endian"),
        (LEVELDB_MAGIC, "has no footer of a LevelDB table"),
        (bytes(40) + LEVELDB_MAGIC, "the block at byte 0 exceeds the table"),
        (table({b"": field(1, 1)}).replace(b"\0crc!", b"\1crc!", 1), "is compressed, which is not read"),
        (table({b"": field(1, 1)}).replace(b"\1\0\0\0\0crc!", b"\xff\0\0\0\0crc!", 1), "more restart points than"),
        (table({b"": field(1, 1), b"w": ENTRY + numbers({5: 8})}), "`w` needs 12 bytes of data and has 8"),
        (table({b"": field(1, 1), b"w": ENTRY + numbers({3: 1, 5: 12})}), "`w` is in data file 1 of 1"),
        (table({b"": field(1, 1), b"w": PARTED}), "a part of `w` is missing"),
        (
            table({b"": field(1, 1), b"w": PARTED, PART_KEY: field(1, 2) + numbers({5: 8})}),
            "a part of `w` is of another kind",
        ),
        (table({b"": field(1, field(2, b"")), b"x": field(2, field(1, "w"))}), "`w` has data and no shape"),
        (table({b"": field(1, field(1, field(1, "w") + field(2, shape_message([2**60]))))}), "has an invalid shape"),
    ],
)
def test_an_invalid_index_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.index").write_bytes(content)
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read_weights(str(tmp_path / "m"))
    assert str(caught.value).startswith(str(tmp_path))


def test_an_entry_that_exceeds_its_block_is_refused(tmp_path: Path) -> None:
    for entry in (b"\x05\0\0", b"\0\0\x7f", b"\0\xff\xff\x7f\0"):
        data = entry + block([])
        index = block([(b"k", encode_varint(0) + encode_varint(len(data) - 5))])
        footer = b"\0\0" + encode_varint(len(data)) + encode_varint(len(index) - 5)
        (tmp_path / "m.index").write_bytes(data + index + footer.ljust(40, b"\0") + LEVELDB_MAGIC)
        with pytest.raises(FormatError, match="exceeds its block"):
            read_weights(str(tmp_path / "m"))


def test_the_number_of_entries_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leveldb, "MAX_ENTRIES", 4)
    prefix = write_v2(tmp_path, TENSORS)
    with pytest.raises(FormatError, match="has more than 4 entries"):
        read_weights(str(prefix))


def first(weights: WeightFile) -> None:
    weights.read(weights.tensors[0])


def saved_slice(shape: list[int], parts: Any, values: bytes) -> bytes:
    meta = field(1, field(1, field(1, "w") + field(2, shape_message(shape)) + field(3, 3)))
    return table({b"": meta, b"x": field(2, field(1, "w") + field(2, slice_message(parts)) + field(3, values))})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (table({b"": field(1, 1), b"w": ENTRY + numbers({4: 99, 5: 12})}), "the data exceed their file"),
        (saved_slice([3], [None], field(7, b"\1\2")), "2 numbers do not fill a int32 tensor of 3 elements"),
        (saved_slice([3], [(2, 2)], field(7, b"\1\2")), "a part of 2 elements at 2 exceeds an axis of 3"),
        (saved_slice([3], [None, None], field(7, b"\1\2")), "a part has 2 axes and its tensor 1"),
        (saved_slice([3], [(0, 1)], field(7, b"\1")), "the data of `w` are incomplete"),
        (saved_slice([3], [None], b""), "the data of `w` are incomplete"),
    ],
)
def test_data_that_do_not_fill_a_tensor_are_refused_when_they_are_read(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "m.index").write_bytes(content)
    (tmp_path / "m.data-00000-of-00001").write_bytes(bytes(12))
    weights = read_weights(str(tmp_path / "m"))
    with pytest.raises(FormatError, match=re.escape(message)):
        first(weights)


def overlapping(folder: Path) -> Path:
    """Many parts that are one place in the data file: the whole would need more memory than the file has bytes."""
    array = np.zeros(100, "f4")
    prefix = write_v2(folder, {"w": array}, {"w": [[(i, 1)] for i in range(100)]})
    data = folder / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:4])
    index = folder / "m.index"
    entries = {b"": field(1, 1), b"w": field(1, 1) + field(2, shape_message([100]))}
    entries[b"w"] += b"".join(field(7, slice_message([(i, 1)])) for i in range(100))
    for i in range(100):
        code = bytes([0x80 ^ i]) if i < 64 else (0xC000 ^ i).to_bytes(2, "big")
        entries[b"\0w\0\1\1\1" + code + b"\x81"] = field(1, 1) + field(2, shape_message([1])) + numbers({5: 4})
    index.write_bytes(table(entries))
    return prefix


def twice(folder: Path) -> Path:
    """Two parts of the right size altogether, of which the second is the first."""
    prefix = write_v2(folder, {"w": np.arange(4, dtype="f4")}, {"w": [[(0, 2)], [(0, 2)]]})
    data = folder / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes() * 2)
    return prefix


def missing(folder: Path) -> Path:
    prefix = write_v2(folder, {"w": np.zeros(3, "f4")})
    (folder / "m.data-00000-of-00001").unlink()
    return prefix


@pytest.mark.parametrize(
    ("write", "message"), [(overlapping, "incomplete"), (twice, "parts of `w` overlap"), (missing, "No such file")]
)
def test_data_files_that_lack_data_are_reported(tmp_path: Path, write: Callable[[Path], Path], message: str) -> None:
    weights = read_weights(str(write(tmp_path)))
    with pytest.raises(FormatError, match=message):
        first(weights)
