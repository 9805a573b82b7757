"""Weight files: their tensors are listed without executing anything, and their data read on request."""

import argparse
import collections
import io
import json
import pickle
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from inception_lens.errors import FormatError
from inception_lens.readers.weights import nested as nested_tensors
from inception_lens.readers.weights import pytorch
from inception_lens.readers.weights.files import read_weights, weight_suffixes
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


def test_layers_of_one_name_have_their_own_tensors(tmp_path: Path) -> None:
    weights = read_weights(written(tmp_path, "net.caffemodel", caffemodel([LAYERS[1], LAYERS[1]])))
    assert [tensor.name for tensor in weights.tensors] == ["conv.0", "conv.1", "conv.0_2", "conv.1_2"]
    assert [layer.tensors for layer in weights.layers] == [("conv.0", "conv.1"), ("conv.0_2", "conv.1_2")]
    assert [(layer.bottoms, layer.tops) for layer in weights.layers] == [(("in",), ("out",))] * 2


@pytest.mark.parametrize("raw", range(5))
def test_raw_data_have_the_dtype_that_the_blob_declares(tmp_path: Path, raw: int) -> None:
    dtype = ("f8", "f4", "f2", "i4", "u4")[raw]
    numbers = np.arange(3).astype(f"<{dtype}")
    stored = field(10, raw) + field(6, b"diff") + field(12, numbers.tobytes()) + field(7, field(1, b"\x03"))
    weights = read_weights(written(tmp_path, "n.caffemodel", field(100, field(1, "a") + field(7, stored))))
    found = weights.read(weights.tensors[0])
    assert (found.dtype, found.tolist()) == (numbers.dtype, [0, 1, 2])
    assert weights.tensors[0].dtype == str(numbers.dtype)


def test_the_number_of_layers_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inception_lens.readers.caffe.caffemodel.MAX_LAYERS", 2)
    assert len(read_weights(written(tmp_path, "n.caffemodel", caffemodel(LAYERS[:2]))).layers) == 2
    with pytest.raises(FormatError, match="more than 2 layers"):
        read_weights(written(tmp_path, "n.caffemodel", caffemodel(LAYERS)))


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


def test_an_npz_is_listed_and_python_objects_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w.npz"
    objects = np.array([print], dtype=object)
    arrays: dict[str, Any] = {"a/weights": np.arange(6, dtype="f8").reshape(2, 3), "step": np.int64(7)}
    np.savez_compressed(path, **arrays)
    with zipfile.ZipFile(path, "a") as archive:
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, objects, allow_pickle=True)
        archive.writestr("objects.npy", buffer.getvalue())
    weights = read_weights(str(path))
    assert [(t.name, t.shape, t.dtype, t.bytes) for t in weights.tensors] == [
        ("a/weights", (2, 3), "float64", 48),
        ("step", (), "int64", 8),
        ("objects", (1,), "object", None),
    ]
    assert "not read" in weights.tensors[2].note
    assert weights.read(weights.tensors[0]).tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(FormatError, match="`objects` cannot be read: Object arrays cannot be loaded"):
        weights.read(weights.tensors[2])


TORCH_DTYPES = (
    "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 int64 int32 int16 int8 uint64 uint32 uint16 uint8 bool "
    "complex64"
)


@pytest.mark.parametrize("dtype", TORCH_DTYPES.split())
def test_dtypes_of_a_safetensors_have_pytorch_s_names_and_sizes(tmp_path: Path, dtype: str) -> None:
    tensor = torch.zeros(3, dtype=getattr(torch, dtype))
    save_torch({"a": tensor}, tmp_path / "w.safetensors")
    (found,) = read_weights(str(tmp_path / "w.safetensors")).tensors
    assert (found.dtype, found.bytes) == (dtype, tensor.nbytes)


def test_a_safetensors_of_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    tensors = {"a": torch.tensor([[1.0, -2.5]], dtype=torch.bfloat16), "b": torch.ones(3), "c": torch.ones(2).bool()}
    save_torch({**tensors, "f8": torch.ones(2).to(torch.float8_e4m3fn)}, path)
    weights = read_weights(str(path))
    found = {tensor.name: tensor for tensor in weights.tensors}
    assert {name: (each.dtype, each.bytes) for name, each in found.items()} == {
        "a": ("bfloat16", 4), "b": ("float32", 12), "c": ("bool", 2), "f8": ("float8_e4m3fn", 2),
    }  # fmt: skip
    assert weights.read(found["a"]).tolist() == [[1.0, -2.5]]
    assert weights.read(found["b"]).tolist() == [1.0] * 3
    assert weights.read(found["c"]).tolist() == [True, True]
    with pytest.raises(FormatError, match=r"w\.safetensors: data of dtype float8_e4m3fn cannot be converted"):
        weights.read(found["f8"])


def test_an_npz_member_without_the_suffix_is_an_array_too(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.arange(3), version=(2, 0))
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("plain", buffer.getvalue())
    weights = read_weights(str(path))
    assert [tensor.name for tensor in weights.tensors] == ["plain"]
    assert weights.read(weights.tensors[0]).tolist() == [0, 1, 2]


def onnx_model(*tensors: onnx.TensorProto) -> bytes:
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [], list(tensors))
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


def test_the_initializers_of_an_onnx_model_are_listed(tmp_path: Path) -> None:
    array = np.arange(6, dtype="f4").reshape(2, 3)
    outside = TensorProto(name="outside", data_type=1, dims=[9], data_location=TensorProto.EXTERNAL, raw_data=b"none")
    typed = helper.make_tensor("typed", 7, [2], [1, 2])
    packed = TensorProto(name="packed", data_type=TensorProto.INT4, dims=[3], raw_data=b"ab")
    other = TensorProto(name="other", data_type=99, dims=[3])
    data = onnx_model(numpy_helper.from_array(array, "a.weight"), outside, typed, packed, other)
    weights = read_weights(written(tmp_path, "w.onnx", data))
    found = {tensor.name: tensor for tensor in weights.tensors}
    assert {name: (each.shape, each.dtype, each.bytes) for name, each in found.items()} == {
        "a.weight": ((2, 3), "float32", 24),
        "outside": ((9,), "float32", 36),
        "typed": ((2,), "int64", 16),
        "packed": ((3,), "int4", 2),
        "other": ((3,), "type 99", None),
    }
    assert [each.note for each in weights.tensors] == ["", "data in another file, which is not read", "", "", ""]
    assert (weights.read(found["a.weight"]) == array).all()
    for name in ("outside", "typed", "other"):
        with pytest.raises(FormatError, match=f"the data of `{name}` are not stored in this file, or not as raw_data"):
            weights.read(found[name])
    with pytest.raises(FormatError, match=r"w\.onnx: data of dtype int4 cannot be converted"):
        weights.read(found["packed"])


STATE = {
    "conv.weight": torch.arange(24, dtype=torch.float32).reshape(2, 3, 4),
    "view": torch.arange(10, dtype=torch.int64)[2:8:2],
    "half": torch.ones(3, dtype=torch.bfloat16),
    "scalar": torch.tensor(7.0, dtype=torch.float64),
    "flag": torch.tensor([True, False]),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_a_pth_is_listed_and_read_without_unpickling_it(tmp_path: Path, legacy: bool, nested: bool) -> None:
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


@pytest.mark.parametrize("dtype", [*TORCH_DTYPES.split(), "complex128"])
@pytest.mark.parametrize("legacy", [False, True])
def test_dtypes_of_a_pth_have_pytorch_s_names_and_sizes(tmp_path: Path, dtype: str, legacy: bool) -> None:
    tensor = torch.ones(3, dtype=torch.float64).to(getattr(torch, dtype))
    torch.save({"a": tensor}, tmp_path / "w.pth", _use_new_zipfile_serialization=not legacy)
    weights = read_weights(str(tmp_path / "w.pth"))
    (found,) = weights.tensors
    assert (found.dtype, found.bytes) == (dtype, tensor.nbytes)
    if not dtype.startswith("float8"):
        assert weights.read(found).tolist() == [1] * 3


def test_state_dicts_and_named_parameters_are_listed(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    torch.save(module.state_dict(), tmp_path / "a.pt")
    torch.save(dict(module.named_parameters()), tmp_path / "b.bin")
    names = [t.name for t in read_weights(str(tmp_path / "a.pt")).tensors]
    assert names == list(module.state_dict())
    assert [t.name for t in read_weights(str(tmp_path / "b.bin")).tensors] == [n for n, _ in module.named_parameters()]


def pickled_call(module: str, name: str, *arguments: object) -> bytes:
    """A pickle of a call; integers and tuples of them are its arguments, and a tensor's storage comes first."""
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"
    pickled = b"".join(storage if each == "storage" else pickle.dumps(each, 2)[2:-1] for each in arguments)
    return b"\x80\x02c" + f"{module}\n{name}\n".encode() + b"(" + pickled + b"tR."


def tensor_call(*arguments: object) -> bytes:
    return pickled_call("torch._utils", "_rebuild_tensor_v2", *arguments)


def storage_call(*pid: object) -> bytes:
    parts = (b"ctorch\nFloatStorage\n" if each == "class" else pickle.dumps(each, 2)[2:-1] for each in pid)
    return b"\x80\x02(" + b"".join(parts) + b"tQ."


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (tensor_call(4, 0, (2, 2), (2, 1)), "a tensor without a storage"),
        (tensor_call("storage", "0", (2, 2), (2, 1)), "a tensor without a storage"),
        (tensor_call("storage", 0, (2, 2), (1,)), "a tensor of 2 axes with 1 strides"),
        (tensor_call("storage", 0, [2, 2], (2, 1)), "a shape or strides that are not at most 64 integers"),
        (tensor_call("storage", 0, (1,) * 65, (1,) * 65), "a shape or strides that are not at most 64 integers"),
        (tensor_call("storage", 0, (2.0, 2), (2, 1)), "a shape or strides that are not at most 64 integers"),
        (tensor_call("storage", 0, (-2, 2), (2, 1)), "`a tensor` has an invalid shape: -2x2"),
        (pickled_call("torch", "Size", [1] * 65), "a shape or strides that are not at most 64 integers"),
        (storage_call("storage", "class", "0", "cpu", -1), "an invalid storage"),
        (storage_call("storage", "class", "0", "cpu", 1.5), "an invalid storage"),
        (storage_call("storage", "FloatStorage", "0", "cpu", 4), "an invalid storage"),
        (storage_call("other", "class", "0", "cpu", 4), "an invalid storage"),
        (storage_call("storage", "class"), "an invalid storage"),
        (storage_call("storage", "class", 1.5, "cpu", 4), "a storage without a key, or a view of another storage"),
        (storage_call("storage", "class", "0", "cpu", 4, (1,)), "a storage without a key, or a view of another"),
    ],
)
def test_a_tensor_or_storage_that_is_invalid_is_refused(tmp_path: Path, pickled: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=re.escape(f"its pickle is refused: {message}")):
        read_weights(written(tmp_path, "w.pth", archived(pickled)))


@pytest.mark.parametrize(
    ("offset", "shape", "stride", "valid"),
    [
        (0, (2, 2), (2, 1), True), (1, (3,), (1,), True), (0, (4, 9), (1, 0), True), (0, (), (), True),
        (5, (0, 3), (1, 1), True), (1, (2, 2), (2, 1), False), (-1, (2,), (1,), False), (3, (2,), (-1,), False),
        (0, (1,), (-1,), False), (4, (), (), False),
    ],
)  # fmt: skip
def test_a_view_must_lie_inside_its_storage(
    tmp_path: Path, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], valid: bool
) -> None:
    pickled = b"\x80\x02}X\x01\0\0\0a" + tensor_call("storage", offset, shape, stride)[2:-1] + b"s."
    members = {"data.pkl": pickled, "data/0": np.arange(4, dtype="f4").tobytes()}
    weights = read_weights(
        written(tmp_path, "w.pth", zipped({f"archive/{name}": data for name, data in members.items()}))
    )
    if valid:
        expected = torch.arange(4.0).as_strided(shape, stride, min(offset, 4))
        assert weights.read(weights.tensors[0]).tolist() == expected.tolist()
    else:
        with pytest.raises(FormatError, match=r"w\.pth: a tensor exceeds its storage, or has a negative stride"):
            weights.read(weights.tensors[0])


@pytest.mark.parametrize("legacy", [False, True])
def test_missing_data_are_reported_when_they_are_read(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(2), "b": torch.ones(3)}, path, _use_new_zipfile_serialization=not legacy)
    data = path.read_bytes()
    if legacy:
        at = data.rfind(struct.pack("<Q", 3))
        path.write_bytes(data[:at] + struct.pack("<Q", 4) + data[at + 8 :])
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("data/1")]
            path.write_bytes(zipped({name: archive.read(name) for name in names}))
    weights = read_weights(str(path))
    first, second = weights.tensors
    if not legacy:  # which has the storages in the order of their addresses
        assert weights.read(first).tolist() == [1.0, 1.0]
    with pytest.raises(FormatError, match=r"/w\.pth: the data of `b` are missing$"):
        weights.read(second)


def test_tensors_in_containers_are_named_by_their_keys_up_to_a_depth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensor = torch.ones(1)
    nested: Any = tensor
    for _ in range(30):
        nested = [nested]
    loop: dict[object, object] = {"a": [tensor, {"b": (tensor, 5)}], 7: tensor, 1.5: tensor}
    loop |= {"deep": nested, "k" * 900: tensor}
    loop["self"] = loop
    torch.save(loop, tmp_path / "w.pth")
    names = [each.name for each in read_weights(str(tmp_path / "w.pth")).tensors]
    assert names == ["a.0", "a.1.b.0", "7", "k" * 500]
    torch.save(tensor, tmp_path / "one.pth")
    assert [each.name for each in read_weights(str(tmp_path / "one.pth")).tensors] == ["tensor"]
    monkeypatch.setattr(nested_tensors, "MAX_TENSORS", 3)
    with pytest.raises(FormatError, match="holds more than 3 tensors"):
        read_weights(str(tmp_path / "w.pth"))


def test_a_large_or_second_pickle_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "is not a file of torch.save: it has no single data.pkl of at most"
    for members in ({}, {"a/data.pkl": b"}.", "b/data.pkl": b"}."}):
        with pytest.raises(FormatError, match=message):
            read_weights(written(tmp_path, "w.pth", zipped({"other": b"", **members})))
    monkeypatch.setattr(pytorch, "MAX_PICKLE_SIZE", 10)
    with pytest.raises(FormatError, match=message):
        read_weights(written(tmp_path, "w.pth", archived(b"}" * 11)))


class Program:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch executed",)


def zipped(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def archived(pickled: bytes) -> bytes:
    return zipped({"archive/data.pkl": pickled})


BUILTIN = b"c__builtin__\neval\n(S'1+1'\ntR."
BOMB = b"\x80\x04\x96" + struct.pack("<Q", 2**40) + b"."
MEMO = b"\x80\x02]r\xff\xff\xff\x7f."


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (pickle.dumps({"a": Program()}), "it would call `posix.system`"),
        (BUILTIN, "it would call `__builtin__.eval`"),
        (b"cbuiltins\nexec\n.", "it would call `builtins.exec`"),
        (b"ctorch.serialization\nload\n(S'f'\ntR.", "holds no tensors"),
        (BOMB, "a byte array that exceeds the file"),
        (MEMO, "holds no tensors"),
        (b"", "cannot be read"),
        (b"\x80\x02}q\x00.", "holds no tensors"),
        (pickle.dumps([1, 2, "three"]), "holds no tensors"),
        (pickle.dumps({"a": 1})[:-3], "cannot be read"),
    ],
)
def test_a_pickle_of_more_than_tensors_is_refused_and_not_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickled: bytes, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read_weights(written(tmp_path, "w.pth", archived(pickled)))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "executed").exists()


def test_a_pickle_cannot_allocate_much_memory_for_few_bytes(tmp_path: Path) -> None:
    # A dictionary copied by each of many calls, and attributes set on many objects at once.
    calls = b"ccollections\nOrderedDict\n(}tR0" * 3
    build = b"ccollections\nOrderedDict\n)R}X\x01\x00\x00\x00aX\x01\x00\x00\x00bsb."
    with pytest.raises(FormatError, match="it copies a dictionary"):
        read_weights(written(tmp_path, "a.pth", archived(b"\x80\x02" + calls + b"}.")))
    with pytest.raises(FormatError, match="holds no tensors"):
        read_weights(written(tmp_path, "b.pth", archived(b"\x80\x02" + build)))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_sparse_and_quantized_tensors_are_refused_and_not_left_out(tmp_path: Path) -> None:
    quantized = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)
    for odd, name in ((torch.eye(3).to_sparse(), "_rebuild_sparse_tensor"), (quantized, "_rebuild_qtensor")):
        torch.save({"a": torch.ones(2), "b": odd}, tmp_path / "w.pt")
        with pytest.raises(FormatError, match=f"a tensor that `torch._utils.{name}` builds"):
            read_weights(str(tmp_path / "w.pt"))


def test_the_number_of_operations_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inception_lens.readers.weights.unpickler.MAX_OPERATIONS", 100)
    path = written(tmp_path, "w.pth", archived(b"\x80\x02" + b"N0" * 60 + b"}."))
    with pytest.raises(FormatError, match="its pickle is refused: more than 100 operations"):
        read_weights(path)


def test_a_tensor_that_exceeds_its_storage_is_refused_when_it_is_read(tmp_path: Path) -> None:
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
    ("name", "data", "message"),
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
        ("w.npz", zipped({"a": b""}), "is not an array"),
        ("w.npz", zipped({"a.npy": b"\x93NUMPY\1\0\3\0((("}), "is not an array"),
        ("w.pth", b"PK\3\4 and no more", "not a file of torch.save"),
        ("w.pth", b"\x89PNG....", "not a file of torch.save"),
        ("w.pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "cannot be read"),
        ("w.onnx", b"\x08\x07", "not an ONNX model with initializers"),
        ("w.onnx", b"garbage in", "not a protocol buffer"),
        ("w.h5", b"anything", "is neither an HDF5 file nor a .keras archive"),
        ("w.tflite", b"anything", "is a TensorFlow Lite model, whose weights are not read (valid: .onnx"),
        ("w.pht", b"anything", "did you mean `.pt` or `.pth`"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_file_of_another_kind_is_reported_in_one_line(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = written(tmp_path, name, data)
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read_weights(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", weight_suffixes())
def test_empty_missing_and_special_files_are_refused(tmp_path: Path, suffix: str) -> None:
    for path, message in (
        (written(tmp_path, f"empty{suffix}", b""), "is empty"),
        (str(tmp_path / f"missing{suffix}"), "No such file"),
    ):
        with pytest.raises(FormatError, match=message):
            read_weights(path)
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(FormatError, match="a directory"):
        read_weights(str(tmp_path / f"folder{suffix}"))
    (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
    with pytest.raises(FormatError, match="not a regular file"):
        read_weights(str(tmp_path / f"device{suffix}"))


def test_an_archive_with_a_large_directory_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    data = bytearray(archived(pickle.dumps({})))
    at = data.rfind(b"PK\5\6")
    data[at + 12 : at + 16] = struct.pack("<I", 2**31)
    for name in ("w.npz", "w.pth"):
        with pytest.raises(FormatError, match="a directory of 2,147,483,648 bytes"):
            read_weights(written(tmp_path, name, bytes(data)))


class Residual(torch.nn.Module):
    """A module of a class that no reader could import."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3))
        self.scale = torch.nn.Parameter(torch.tensor([0.5]))
        self.act = torch.nn.functional.relu
        self.register_buffer("steps", torch.arange(3))


class Options(argparse.Namespace):
    """As trainers save their arguments."""


def checkpoint() -> dict[str, Any]:
    args = Options(lr=0.1, data=Path("images"), device=torch.device("cpu"), shape=torch.Size([1, 2]))
    rest = {"best": np.float64(3.5), "history": collections.defaultdict(list, {"loss": [1.0]}), "seen": {1, 2}}
    return {"args": args, "epoch": 4, **rest}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
def test_a_whole_module_has_the_tensors_of_its_state_dict(tmp_path: Path, legacy: bool) -> None:
    module = Residual()
    wrapped = torch.nn.DataParallel(module)
    for saved, prefix in ((module, ""), ({"net": module, **checkpoint()}, "net."), (wrapped, "module.")):
        torch.save(saved, tmp_path / "w.pth.tar", _use_new_zipfile_serialization=not legacy)
        weights = read_weights(str(tmp_path / "w.pth.tar"))
        found = {tensor.name: weights.read(tensor).tolist() for tensor in weights.tensors}
        assert found == {f"{prefix}{name}": each.tolist() for name, each in module.state_dict().items()}


@pytest.mark.parametrize("legacy", [False, True])
def test_other_objects_of_a_checkpoint_are_not_imported(tmp_path: Path, legacy: bool) -> None:
    saved = {"state_dict": STATE, "numbers": np.arange(3), **checkpoint()}
    torch.save(saved, tmp_path / "model_best.ckpt", _use_new_zipfile_serialization=not legacy)
    weights = read_weights(str(tmp_path / "model_best.ckpt"))
    assert [tensor.name for tensor in weights.tensors] == [*(f"state_dict.{name}" for name in STATE), "numbers"]
    assert weights.read(weights.tensors[-1]).tolist() == [0, 1, 2]
    assert weights.read(weights.tensors[0]).tolist() == STATE["conv.weight"].tolist()


def test_a_tensor_of_a_subclass_and_attributes_with_slots_are_read(tmp_path: Path) -> None:
    tagged = torch.nn.Parameter(torch.ones(2, 3))
    tagged.tag = "mine"  # type: ignore[attr-defined]
    torch.save({"a": tagged, "b": torch.ones(4).as_subclass(Tagged)}, tmp_path / "w.pt")
    weights = read_weights(str(tmp_path / "w.pt"))
    assert {t.name: weights.read(t).tolist() for t in weights.tensors} == {"a": [[1.0] * 3] * 2, "b": [1.0] * 4}


class Tagged(torch.Tensor):
    """A subclass."""


def test_a_torchscript_archive_is_listed_by_its_attributes(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4))
    with pytest.warns(DeprecationWarning, match=r"torch\.jit"):
        torch.jit.save(torch.jit.script(module), tmp_path / "net.jit")
    weights = read_weights(str(tmp_path / "net.jit"))
    found = {tensor.name: weights.read(tensor).tolist() for tensor in weights.tensors}
    assert found == {name: each.tolist() for name, each in module.state_dict().items()}


def test_an_npy_is_one_array_named_by_its_file(tmp_path: Path) -> None:
    for array in (np.arange(6.0).reshape(2, 3), np.array(3, "i4"), np.zeros((0, 2))):
        np.save(tmp_path / "kernel.npy", array)
        weights = read_weights(str(tmp_path / "kernel.npy"))
        (tensor,) = weights.tensors
        assert (tensor.name, tensor.shape, tensor.bytes) == ("kernel", array.shape, array.nbytes)
        assert weights.read(tensor).tolist() == array.tolist()
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}]), allow_pickle=True)
    assert read_weights(str(tmp_path / "objects.npy")).tensors[0].note == "an array of Python objects is not read"


def test_an_archive_without_arrays_and_an_array_of_another_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no arrays"):
        read_weights(written(tmp_path, "w.npz", zipped({})))
    np.save(tmp_path / "a.npy", np.zeros(3))
    data = (tmp_path / "a.npy").read_bytes()
    for changed in (data[:-1], data + b"\0"):
        with pytest.raises(FormatError, match=r"`a` needs 24 bytes of data and has 2[35]"):
            read_weights(written(tmp_path, "a.npy", changed))


def test_names_are_kept_as_they_are(tmp_path: Path) -> None:
    name = "</script>\n\x1b[31m=1+1"
    text = json.dumps({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})
    weights = read_weights(written(tmp_path, "w.safetensors", header(text, b"\0" * 4)))
    assert weights.tensors[0].name == name
