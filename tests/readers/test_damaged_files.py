"""Damaged files are read or refused in one line, in bounded time and memory."""

import io
import pickle
import random
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from safetensors.numpy import save

import inception_lens as il
from inception_lens.errors import InceptionLensError
from inception_lens.readers.weights.files import read_weights
from inception_lens.writers.onnx.model import to_onnx
from tests.readers.caffe.binary_nets import binary
from tests.readers.caffe.caffe_models import CaffeLayer, caffemodel
from tests.readers.caffe.caffe_nets import Builder
from tests.readers.darknet.darknet_configs import small as small_config
from tests.readers.paddle.programs import small_pir, small_program
from tests.readers.tensorflow.graph_defs import small_graph
from tests.readers.weights.checkpoints import v1
from tests.readers.weights.paddle_files import pdiparams, v2_tar, v2_tar_gz
from tests.readers.weights.test_mxnet import params

DAMAGED = 120
"""Damaged files per valid file."""
SECONDS = 20.0
MEGABYTES = 700
MAX_LINE_LENGTH = 1_500
"""Characters of a message, which can quote a path and a name from the file."""


def small_prototxt(spelling: str) -> bytes:
    net = Builder(spelling).data(10, 3, 32)
    net.conv("conv1", 8, 3, "pad: 1").lrn("norm1").pool("pool1", 3, 2).conv("conv2", 8, 5, "pad: 2 group: 2")
    return (
        net.pool("pool2", 2, 2, "pool: AVE")
        .fc("fc1", 16)
        .fc("fc2", 10, relu=False)
        .layer("Softmax", "prob")
        .text.encode()
    )


def small_onnx() -> bytes:
    then = helper.make_graph([helper.make_node("Relu", ["x"], ["t"])], "then", [], [_info("t")])
    shape = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Gather", ["s", "i"], ["n"]),
        helper.make_node("Equal", ["n", "i"], ["c"]),
        helper.make_node("If", ["c"], ["b"], then_branch=then, else_branch=then),
        helper.make_node("Reshape", ["b", "r"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(np.array(0), "i"),
        numpy_helper.from_array(np.array([1, -1]), "r"),
        numpy_helper.from_array(np.ones((48, 5), "f4"), "w"),
    ]
    graph = helper.make_graph(shape, "g", [_info("x", 1, 3, 4, 4)], [_info("y", 1, 5)], weights)
    data: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]).SerializeToString()
    return data


def _info(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, 1, shape or None)


def small_caffemodel(spelling: str) -> bytes:
    numbers = [np.ones((4, 3, 3, 3)), np.ones(4)]
    return caffemodel([CaffeLayer("data", "Data", []), CaffeLayer("conv", "Convolution", numbers)], spelling)


def small_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, first=np.ones((3, 4), "f4"), second=np.arange(5))
    return buffer.getvalue()


def small_pth(*, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    state = {"conv.weight": torch.ones(2, 3), "fc": {"bias": torch.arange(4)}}
    torch.save(state, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def read_all(path: str) -> None:
    weights = read_weights(path)
    for tensor in weights.tensors:
        if tensor.elements < 10_000:
            weights.read(tensor)


def analyze(path: str) -> None:
    assert il.analyze(path).totals.params >= 0


ARRAYS: dict[str, Any] = {
    "a": np.ones((2, 3), "f4"),
    "b.c": np.arange(4, dtype="f4"),
    "d": np.zeros((3, 1, 2, 2), "f4"),
}

VALID: dict[str, tuple[str, bytes, Callable[[str], None]]] = {
    "prototxt": ("net.prototxt", small_prototxt("current"), analyze),
    "prototxt-v0": ("net.prototxt", small_prototxt("V0"), analyze),
    "onnx": ("net.onnx", small_onnx(), analyze),
    "onnx-written": ("net.onnx", to_onnx(il.load("lenet@caffe")), analyze),
    "graph-def": ("net.pb", small_graph(), analyze),
    "darknet": ("net.cfg", small_config().encode(), analyze),
    "pdmodel": ("net.pdmodel", small_program(), analyze),
    "pir": ("net.json", small_pir(), analyze),
    "caffemodel": ("net.caffemodel", small_caffemodel("current"), read_all),
    "caffemodel-net": ("net.caffemodel", binary(small_prototxt("current").decode()), analyze),
    "caffemodel-net-v0": ("net.caffemodel", binary(small_prototxt("V0").decode()), analyze),
    "caffemodel-v1": ("net.caffemodel", small_caffemodel("V1"), read_all),
    "safetensors": ("net.safetensors", save({"a": np.ones((2, 3), "f4"), "b": np.arange(4)}), read_all),
    "npz": ("net.npz", small_npz(), read_all),
    "pth": ("net.pth", small_pth(), read_all),
    "pth-legacy": ("net.pth", small_pth(legacy=True), read_all),
    "tensorflow-v1": ("net.ckpt", v1(ARRAYS), read_all),
    "pickle-2": ("net.pdparams", pickle.dumps(ARRAYS, 2), read_all),
    "pickle-5": ("net.pdparams", pickle.dumps(ARRAYS, 5), read_all),
    "pdiparams": ("net.pdiparams", pdiparams(ARRAYS), read_all),
    "paddle-v2": ("net.tar.gz", v2_tar(ARRAYS), read_all),
    "paddle-v2-gz": ("net.tar.gz", v2_tar_gz(ARRAYS), read_all),
    "mxnet": ("net.params", params(ARRAYS), read_all),
}


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The file after one to four changes."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at, length = chance.randrange(len(changed) + 1), chance.choice((1, 1, 2, 8, 64))
        match chance.randrange(6):
            case 0:
                changed[at : at + length] = chance.randbytes(length)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[max(at - length, 0) : at]
            case 3:
                changed[at : at + 1] = bytes([chance.choice((0x00, 0x7F, 0x80, 0xFF))]) * length
            case 4:
                del changed[at:]
            case _:
                if at < len(changed):
                    changed[at] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("kind", VALID)
def test_a_valid_file_is_read(tmp_path: Path, kind: str) -> None:
    name, data, read = VALID[kind]
    path = tmp_path / name
    path.write_bytes(data)
    read(str(path))


@pytest.mark.parametrize("kind", VALID)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::RuntimeWarning")
def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    name, data, read = VALID[kind]
    chance, path = random.Random(f"{kind} 5"), tmp_path / name  # noqa: S311
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    messages: list[str] = []
    for _ in range(DAMAGED):
        path.write_bytes(damaged(data, chance))
        try:
            read(str(path))
        except InceptionLensError as error:
            messages.append(str(error))
    assert len(messages) > DAMAGED // 10
    assert not [line for line in messages if "\n" in line or len(line) > MAX_LINE_LENGTH]
    assert time.process_time() - begin < SECONDS
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MEGABYTES * 1_000  # kilobytes


HUGE = {
    "a.prototxt": b"layer { " * 10_000_000,
    "b.prototxt": b'name: "' + b"x" * 9_000_000,
    "c.onnx": b"\x3a\xff\xff\xff\x2f" + b"\x0a\x00" * 30_000_000,
    "d.onnx": b"\0" * 100_000_000,
    "e.caffemodel": b"\xa2\x06\xff\xff\xff\x2f" + b"\x0a\x00" * 10_000_000,
    "f.safetensors": b"\xff\xff\xff\x02\0\0\0\0" + b"{" * 50_000_000,
    "g.pth": b"PK\x03\x04" + b"\0" * 100_000_000,
    "h.npz": b"PK\x05\x06" * 20_000_000,
    "i.pb": b"\x0a\x80\xc2\xd7\x2f" + b"\x1a\x00" * 50_000_000,
    "j.pdmodel": b"\x0a\x80\xc2\xd7\x2f" + b"\x1a\x00" * 50_000_000,
    "k.cfg": b"[net]\n" * 300_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(HUGE[name])
    begin = time.process_time()
    with pytest.raises(InceptionLensError) as caught:
        (analyze if name.endswith(("onnx", "prototxt", "pb", "pdmodel", "cfg")) else read_all)(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < MAX_LINE_LENGTH
    assert time.process_time() - begin < SECONDS
