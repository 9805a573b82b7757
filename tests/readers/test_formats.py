"""The content of a file decides its format, and its suffix only where the content does not."""

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from torch import nn

import inception_lens as il
from inception_lens.errors import FormatError, UnknownModelError
from inception_lens.readers.formats import HEAD_SIZE, SUFFIXES, FileFormat, detect_format
from inception_lens.writers.caffe.prototxt import to_prototxt
from inception_lens.writers.onnx.model import to_onnx
from tests.readers.caffe.caffe_models import CaffeLayer, caffemodel, field
from tests.readers.weights.checkpoints import table, v1


def saved(value: object, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def scripted() -> bytes:
    buffer = io.BytesIO()
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(nn.Linear(2, 3)), buffer)
    return buffer.getvalue()


def exported() -> bytes:
    buffer = io.BytesIO()
    torch.export.save(torch.export.export(nn.Linear(2, 3), (torch.zeros(1, 2),)), buffer)
    return buffer.getvalue()


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def array(*, archive: bool) -> bytes:
    buffer = io.BytesIO()
    if archive:
        np.savez(buffer, a=np.zeros(3))
    else:
        np.save(buffer, np.zeros(3))
    return buffer.getvalue()


LENET = to_prototxt(il.load("lenet")).encode()
LAYERS = [CaffeLayer("conv", "Convolution", [np.ones((2, 3))])]
NODE = field(1, field(1, "input") + field(2, "Placeholder"))
BLOCK = field(1, field(1, 0) + field(2, 5) + field(3, field(1, "w")))
CONTENTS = {
    "onnx": (FileFormat.ONNX, to_onnx(il.load("lenet"))),
    "prototxt": (FileFormat.PROTOTXT, LENET),
    "prototxt after comments": (FileFormat.PROTOTXT, b"# base = 'x'\n\n" + LENET),
    "prototxt after a licence": (FileFormat.PROTOTXT, b"# All rights reserved.\n" * 500 + LENET),
    "prototxt without a name": (FileFormat.PROTOTXT, LENET[LENET.index(b"layer") :]),
    "prototxt in one line": (FileFormat.PROTOTXT, b"force_backward: true layer { name: 'a' }"),
    "prototxt of V1": (FileFormat.PROTOTXT, b"\xef\xbb\xbflayers { name: 'a' }"),
    "caffemodel": (FileFormat.CAFFEMODEL, caffemodel(LAYERS)),
    "caffemodel of V1": (FileFormat.CAFFEMODEL, caffemodel(LAYERS, "V1")),
    "caffemodel with a name": (FileFormat.CAFFEMODEL, field(1, "LeNet") + caffemodel(LAYERS)),
    "config": (FileFormat.CONFIG, b"# mine\nbase = 'googlenet'\n"),
    "safetensors": (FileFormat.SAFETENSORS, save({"a": np.zeros(3)})),
    "npz": (FileFormat.NPZ, array(archive=True)),
    "npy": (FileFormat.NPY, array(archive=False)),
    "torch.save": (FileFormat.PYTORCH, saved({"a": torch.zeros(2)})),
    "torch.save before 1.6": (FileFormat.PYTORCH, saved({"a": torch.zeros(2)}, legacy=True)),
    "torch.export": (FileFormat.EXPORTED_PROGRAM, exported()),
    "shards": (FileFormat.SHARD_INDEX, json.dumps({"metadata": {}, "weight_map": {}}).encode()),
    "keras": (FileFormat.KERAS, zipped("metadata.json", "config.json", "model.weights.h5")),
    "keras config": (FileFormat.KERAS_CONFIG, b'{"module": "keras", "class_name": "Functional"}'),
    "hdf5": (FileFormat.HDF5, b"\x89HDF\r\n\x1a\n" + bytes(100)),
    "tensorflow V1": (FileFormat.TF_CHECKPOINT, v1({"a": np.zeros(2, "f4")})),
    "tensorflow V2": (FileFormat.TF_CHECKPOINT, table({b"": field(1, 1)})),
    "tensorflow's state": (FileFormat.TF_CHECKPOINT_STATE, b'model_checkpoint_path: "model.ckpt-9"\n'),
    "graphdef": (FileFormat.GRAPH_DEF, NODE * 3 + field(4, field(1, 21))),
    "graphdef in text": (FileFormat.GRAPH_DEF_TEXT, b'node {\n  name: "input"\n  op: "Placeholder"\n}'),
    "saved model": (FileFormat.SAVED_MODEL, field(1, 1) + field(2, field(1, b""))),
    "tflite": (FileFormat.TFLITE, b"\x1c\0\0\0TFL3" + bytes(40)),
    "pickle": (FileFormat.PICKLE, pickle.dumps({"a": np.zeros(3)})),
    "pickle of protocol 2": (FileFormat.PICKLE, pickle.dumps({"a": np.zeros(3)}, 2)),
    "pdiparams": (FileFormat.PDIPARAMS, bytes(16) + b"\x04\0\0\0" + field(1, 5) + field(2, 1) + bytes(4)),
    "pdmodel": (FileFormat.PDMODEL, BLOCK + field(4, field(1, 0))),
    "paddle in json": (FileFormat.PADDLE_JSON, b'{"base_code":{"magic":"pir"}}'),
    "tar": (FileFormat.PADDLE_TAR, tarred()),
    "mxnet": (FileFormat.MXNET, (0x112).to_bytes(8, "little") + bytes(16)),
    "darknet": (FileFormat.DARKNET, b"# yolo\n[net]\nbatch=1\n\n[convolutional]\nfilters=16\n"),
}


@pytest.mark.parametrize("name", ["file", "file.txt", "file.onnx", "file.prototxt", "file.pt", "file.ckpt"])
@pytest.mark.parametrize("kind", CONTENTS)
def test_content_decides_whatever_the_name(tmp_path: Path, kind: str, name: str) -> None:
    expected, content = CONTENTS[kind]
    (tmp_path / name).write_bytes(content)
    assert detect_format(str(tmp_path / name)) is expected


def test_a_torchscript_archive_is_not_a_state_dict(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(scripted())
    assert detect_format(str(tmp_path / "net.pt")) is FileFormat.TORCHSCRIPT


@pytest.mark.parametrize("content", [b"\0" * 50, b"a text of no format", b"\xff" * 9, b"PK\3\4 damaged", b"\x0a\x05ab"])
def test_the_suffix_decides_where_the_content_does_not(tmp_path: Path, content: bytes) -> None:
    for suffix, expected in SUFFIXES.items():
        path = tmp_path / f"file{suffix.upper()}"
        path.write_bytes(content)
        assert detect_format(str(path)) is expected
    (tmp_path / "file.xyz").write_bytes(content)
    assert detect_format(str(tmp_path / "file.xyz")) is None


def test_the_head_of_a_text_may_end_inside_a_character(tmp_path: Path) -> None:
    for size in range(4):
        (tmp_path / "n.txt").write_bytes(b"layer {\n" + b"#" * (HEAD_SIZE - 11 + size) + "ü€😀".encode() + b"\n}")
        assert detect_format(str(tmp_path / "n.txt")) is FileFormat.PROTOTXT


def test_a_prefix_of_a_checkpoint_is_not_a_file_itself(tmp_path: Path) -> None:
    for name in ("model.ckpt.index", "model.ckpt.data-00000-of-00002"):
        (tmp_path / name).write_bytes(b"\1" * 60)
        assert detect_format(str(tmp_path / name)) is FileFormat.TF_CHECKPOINT
    assert detect_format(str(tmp_path / "model.ckpt")) is FileFormat.TF_CHECKPOINT


@pytest.mark.parametrize(
    "name", ["net.onnx", "net.prototxt", "net.toml", "net.pt2", "w.pth", "w.safetensors", "unknown"]
)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "is a Git LFS pointer"),
        (b"<!DOCTYPE html>\n<html>", "is an HTML or XML page"),
        (b"\xef\xbb\xbf \n<HTML lang='en'>", "is an HTML or XML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is an HTML or XML page"),
    ],
)
def test_what_is_saved_in_place_of_a_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        detect_format(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    with pytest.raises(FormatError, match=message):
        il.load(str(path) if "." in name else path)


@pytest.mark.parametrize("name", ["deploy.prototxt.txt", "net.pt", "net.pbtxt", "net"])
def test_a_prototxt_of_another_name_is_read(tmp_path: Path, name: str) -> None:
    """`.prototxt.txt` is what browsers save; py-faster-rcnn calls its networks `.pt`."""
    (tmp_path / name).write_bytes(LENET)
    assert il.load(str(tmp_path / name)) == il.load("lenet")


def test_an_onnx_model_and_a_config_of_other_names_are_read(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(CONTENTS["onnx"][1])
    (tmp_path / "net.txt").write_bytes(b'base = "lenet"\nclasses = 7\n')
    assert il.analyze(str(tmp_path / "model.bin")).totals.params == il.analyze("lenet").totals.params
    assert il.load(str(tmp_path / "net.txt")) == il.load("lenet", classes=7)


@pytest.mark.parametrize("name", ["net.pt2", "net.pt", "net.onnx"])
def test_an_exported_program_of_any_name_is_traced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(CONTENTS["torch.export"][1])
    assert il.analyze(str(tmp_path / name)).totals.params == 9


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("torch.save", "is a file of torch.save and not read as a network, since such files hold weights"),
        ("tensorflow V1", "is a TensorFlow checkpoint and not read as a network, since such files hold weights"),
        ("graphdef in text", "is a TensorFlow GraphDef in text form, which is not read as a network"),
    ],
)
def test_a_file_that_is_not_a_network_is_named(tmp_path: Path, kind: str, message: str) -> None:
    (tmp_path / "net.txt").write_bytes(CONTENTS[kind][1])
    with pytest.raises(UnknownModelError, match=message):
        il.load(str(tmp_path / "net.txt"))
