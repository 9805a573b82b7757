"""What files of weights hold: listed without executing anything, and their numbers where they are asked for."""

import io
import json
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from inception_lens.errors import FormatError
from inception_lens.readers.weights.files import READERS, read_weights
from tests.readers.caffe.caffe_models import CaffeLayer, blob, caffemodel, field

GENERATOR = np.random.default_rng(5)
LAYERS = [
    CaffeLayer("data", "Data", []),
    CaffeLayer("conv", "Convolution", [GENERATOR.random((4, 3, 3, 2)), GENERATOR.random(4)]),
    CaffeLayer("fc", "InnerProduct", [GENERATOR.random((5, 4)), GENERATOR.random(5)]),
]


def written(folder: Path, name: str, data: bytes) -> str:
    path = folder / name
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("spelling", ["current", "V1", "V0"])
@pytest.mark.parametrize("form", ["packed", "pieces", "single", "double", "half"])
def test_a_caffemodel_is_read_in_every_spelling_and_form(tmp_path: Path, spelling: str, form: str) -> None:
    weights = read_weights(written(tmp_path, "net.caffemodel", caffemodel(LAYERS, spelling, form)))
    shapes = [(4, 3, 3, 2), (4,), (5, 4), (5,)]
    if spelling != "current":
        shapes = [(*(1,) * (4 - len(shape)), *shape) for shape in shapes]
    assert [tensor.name for tensor in weights.tensors] == ["conv.0", "conv.1", "fc.0", "fc.1"]
    assert [tensor.shape for tensor in weights.tensors] == shapes
    dtype = {"double": "float64", "half": "float16"}.get(form, "float32")
    assert {tensor.dtype for tensor in weights.tensors} == {dtype}
    assert [layer.type for layer in weights.layers] == [layer.kind for layer in LAYERS]
    numbers = [array for layer in LAYERS for array in layer.blobs]
    for tensor, expected in zip(weights.tensors, numbers, strict=True):
        found = weights.read(tensor)
        assert found.shape == tensor.shape
        assert np.allclose(found.reshape(expected.shape), expected, atol=1e-3)
        assert tensor.bytes == found.nbytes


def test_a_safetensors_is_listed(tmp_path: Path) -> None:
    arrays = {"a.weight": np.ones((2, 3), "f4"), "b": np.zeros((), "i8"), "c": np.ones((4, 0), "f2")}
    save_file(arrays, tmp_path / "w.safetensors")
    weights = read_weights(str(tmp_path / "w.safetensors"))
    assert {t.name: (t.shape, t.dtype, t.bytes) for t in weights.tensors} == {
        "a.weight": ((2, 3), "float32", 24),
        "b": ((), "int64", 8),
        "c": ((4, 0), "float16", 0),
    }
    assert all((weights.read(tensor) == arrays[tensor.name]).all() for tensor in weights.tensors)


def test_an_npz_is_listed_and_objects_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    objects = np.array([print], dtype=object)
    arrays: dict[str, Any] = {"a/weights": np.arange(6, dtype="f8").reshape(2, 3), "step": np.int64(7)}
    np.savez_compressed(path, **arrays)
    with zipfile.ZipFile(path, "a") as archive:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, objects, allow_pickle=True)
        archive.writestr("evil.npy", buffer.getvalue())
    weights = read_weights(str(path))
    assert [(t.name, t.shape, t.dtype, t.bytes) for t in weights.tensors] == [
        ("a/weights", (2, 3), "float64", 48),
        ("step", (), "int64", 8),
        ("evil", (1,), "object", None),
    ]
    assert "not read" in weights.tensors[2].note
    assert weights.read(weights.tensors[0]).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(FormatError, match="evil"):
        weights.read(weights.tensors[2])


STATE = {
    "conv.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 4),
    "view": torch.arange(10, dtype=torch.int64)[2:8:2],
    "half": torch.ones(3, dtype=torch.bfloat16),
    "scalar": torch.tensor(7.0, dtype=torch.float64),
    "flag": torch.tensor([True, False]),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_pth_is_listed_and_read_without_torch_running_it(tmp_path: Path, legacy: bool, nested: bool) -> None:
    path = tmp_path / "w.pth"
    saved = {"state_dict": STATE, "epoch": 3, "names": ["a", None]} if nested else STATE
    torch.save(saved, path, _use_new_zipfile_serialization=not legacy)
    weights = read_weights(str(path))
    start = "state_dict." if nested else ""
    assert [t.name for t in weights.tensors] == [f"{start}{name}" for name in STATE]
    for tensor, expected in zip(weights.tensors, STATE.values(), strict=True):
        assert tensor.shape == tuple(expected.shape)
        assert f"torch.{tensor.dtype}" == str(expected.dtype)
        assert weights.read(tensor).tolist() == expected.tolist()


def test_a_module_s_state_dict_and_parameters_are_listed(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    torch.save(module.state_dict(), tmp_path / "a.pt")
    torch.save(dict(module.named_parameters()), tmp_path / "b.bin")
    names = [t.name for t in read_weights(str(tmp_path / "a.pt")).tensors]
    assert names == list(module.state_dict())
    assert [t.name for t in read_weights(str(tmp_path / "b.bin")).tensors] == [n for n, _ in module.named_parameters()]


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch pwned-by-a-pickle",)


def archived(pickled: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
    return buffer.getvalue()


BUILTIN = b"c__builtin__\neval\n(S'1+1'\ntR."
BOMB = b"\x80\x04\x96" + struct.pack("<Q", 2**40) + b"."
MEMO = b"\x80\x02]r\xff\xff\xff\x7f."


@pytest.mark.parametrize(
    ("pickled", "said"),
    [
        (pickle.dumps({"a": Evil()}), "it would call `posix.system`"),
        (BUILTIN, "it would call `__builtin__.eval`"),
        (b"cbuiltins\nexec\n.", "it would call `builtins.exec`"),
        (b"ctorch.serialization\nload\n.", "it would call `torch.serialization.load`"),
        (BOMB, "cannot be read"),
        (MEMO, "holds no tensors"),
        (b"", "cannot be read"),
        (b"\x80\x02}q\x00.", "holds no tensors"),
        (pickle.dumps([1, 2, "three"]), "holds no tensors"),
        (pickle.dumps({"a": 1})[:-3], "cannot be read"),
    ],
)
def test_a_pickle_that_is_more_than_tensors_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickled: bytes, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=re.escape(said)) as caught:
        read_weights(written(tmp_path, "w.pth", archived(pickled)))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned-by-a-pickle").exists()


def test_a_pickle_cannot_copy_much_for_little(tmp_path: Path) -> None:
    # A dictionary copied by each of many calls, and attributes set on many objects at once.
    calls = b"ccollections\nOrderedDict\n(}tR0" * 3
    build = b"ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aX\x01\x00\x00\x00bsb."
    with pytest.raises(FormatError, match="it copies a dictionary"):
        read_weights(written(tmp_path, "a.pth", archived(b"\x80\x02" + calls + b"}.")))
    with pytest.raises(FormatError, match="holds no tensors"):
        read_weights(written(tmp_path, "b.pth", archived(b"\x80\x02" + build)))


def test_tensors_that_lead_out_of_their_numbers_are_refused_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(4, 4)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = next(name for name in members if name.endswith("data.pkl"))
    broken = members[name].replace(b"K\x04K\x04\x86", b"K\x09K\x09\x86", 1)
    assert broken != members[name]
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in {**members, name: broken}.items():
            archive.writestr(each, data)
    weights = read_weights(str(path))
    with pytest.raises(FormatError, match="exceeds its storage"):
        weights.read(weights.tensors[0])


def header(text: str, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text.encode() + body


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("w.caffemodel", b"not a model at all", "not a protocol buffer"),
        ("w.caffemodel", field(1, "only a name"), "no layer has blobs"),
        ("w.caffemodel", caffemodel(LAYERS)[:-5], "truncated"),
        (
            "w.caffemodel",
            field(100, field(1, "x") + field(7, field(7, field(1, b"\x05")) + field(5, b"abcd"))),
            "20 bytes",
        ),
        ("w.caffemodel", field(100, field(7, field(7, field(1, b"\xff" * 9 + b"\x01")))), "invalid shape"),
        ("w.caffemodel", field(100, field(7, field(7, field(1, b"\x01" * 99)))), "more than 64 axes"),
        ("w.caffemodel", field(100, field(7, blob(np.ones(2)) + field(8, b"12345678"))), "several types"),
        ("w.caffemodel", b"\xff" * 40, "not a protocol buffer"),
        ("w.safetensors", b"\0" * 40, "not a .safetensors file"),
        ("w.safetensors", header('{"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}'), "damaged or not"),
        ("w.safetensors", struct.pack("<Q", 2**62) + b"{}", "damaged or not"),
        ("w.safetensors", header("[" * 50_000), "damaged or not"),
        ("w.npz", b"PK\3\4 and no more", "not an .npz archive"),
        ("w.npz", archived(b""), "is not an array"),
        ("w.npz", archived(b"\x93NUMPY\1\0\3\0((("), "is not an array"),
        ("w.pth", b"PK\3\4 and no more", "not a file of torch.save"),
        ("w.pth", b"\x89PNG....", "not a file of torch.save"),
        ("w.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "cannot be read"),
        ("w.onnx", b"\x08\x07", "not an ONNX model with initializers"),
        ("w.onnx", b"garbage in", "not a protocol buffer"),
        ("w.h5", b"whatever", "unknown suffix of a weight file (valid: .caffemodel"),
        ("w.pht", b"whatever", "did you mean `.pt` or `.pth`"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_file_that_is_not_what_it_is_called_is_one_clear_line(
    tmp_path: Path, name: str, data: bytes, said: str
) -> None:
    path = written(tmp_path, name, data)
    with pytest.raises(FormatError, match=re.escape(said)) as caught:
        read_weights(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", READERS)
def test_empty_missing_and_special_files_are_refused(tmp_path: Path, suffix: str) -> None:
    for path, said in (
        (written(tmp_path, f"empty{suffix}", b""), "is empty"),
        (str(tmp_path / f"missing{suffix}"), "No such file"),
    ):
        with pytest.raises(FormatError, match=said):
            read_weights(path)
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(FormatError, match="a directory"):
        read_weights(str(tmp_path / f"folder{suffix}"))
    (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
    with pytest.raises(FormatError, match="not a regular file"):
        read_weights(str(tmp_path / f"device{suffix}"))


def test_an_archive_with_too_large_a_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    data = bytearray(archived(pickle.dumps({})))
    at = data.rfind(b"PK\5\6")
    data[at + 12 : at + 16] = struct.pack("<I", 2**31)
    for name in ("w.npz", "w.pth"):
        with pytest.raises(FormatError, match="a directory of 2,147,483,648 bytes"):
            read_weights(written(tmp_path, name, bytes(data)))


def test_names_are_kept_whatever_they_hold(tmp_path: Path) -> None:
    name = "</script>\n\x1b[31m=1+1"
    text = json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    weights = read_weights(written(tmp_path, "w.safetensors", header(text, b"\0" * 4)))
    assert weights.tensors[0].name == name
