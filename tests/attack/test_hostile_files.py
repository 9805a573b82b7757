"""Malicious files: decompression bombs, code, links and impossible sizes; each is refused with one line, quickly."""

import gzip
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.attack.corpus import valid_files, with_members
from tests.attack.harness import check, check_refused, run_commands
from tests.readers.caffe.caffe_models import field, varint

TARGET = "hostile files"
MARK = "code-was-run"
LARGE = 100_000_000


class Program:
    """Pickles to code that makes the folder `mark`."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (str(self.mark),)


def zipped(**members: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return file.getvalue()


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def nested(depth: int) -> bytes:
    """Nested protocol buffer messages."""
    data = b""
    for _ in range(depth):
        data = field(7, data)
        if len(data) > 2_000_000:
            break
    return data


def safetensors(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


OTHER_WEIGHTS = (".index", ".ckpt", ".pdparams", ".pdiparams", ".gz", ".params", ".npy")
"""Suffixes of TensorFlow's, Paddle's, MXNet's and NumPy's weights."""

LAYER = 'layer {{ name: "{0}" type: "{1}" bottom: "data" top: "{0}" {2} }}\n'
NET = 'input: "data" input_shape {{ dim: 1 dim: 3 dim: 8 dim: 8 }}\n{}'
CONV = "convolution_param {{ num_output: {} kernel_size: {} stride: {} pad: {} }}"

TEXTS: dict[str, list[str]] = {
    ".toml": [
        "", " ", "base", "base = ", "base = 1", "base = []", 'base = "../../etc/passwd"', 'base = "os:system"',
        'base = "googlenet"\nclasses = 0', 'base = "googlenet"\nclasses = -5', 'base = "googlenet"\nclasses = 1e9',
        'base = "googlenet"\nclasses = 99999999999999999999', 'base = "googlenet"\nclasses = nan',
        'base = "googlenet"\nwidth = inf', 'base = "googlenet"\nwidth = 1e300', 'base = "googlenet"\nwidth = 0',
        'base = "googlenet"\ninput = [3, 100000000, 100000000]', 'base = "googlenet"\ninput = [3, 1, 1]',
        'base = "googlenet"\ninput = []', 'base = "googlenet"\ndropout = 7', 'base = "googlenet"\nnorm = "eval()"',
        'base = "googlenet"\n[modules.nowhere]\n1x1 = 3', 'base = "googlenet"\n[modules.inception_3a]\n1x1 = 0',
        'base = "googlenet"\nbase = "vgg16"', "a." * 5_000 + "b = 1", "a = " + "[" * 50_000, "a = " + "{b=" * 9_000,
        'base = """' + "x" * 1_000_000 + '"""', "x = 1\n" * 200_000, '"\\ud800" = 1', "\ufeffbase = 'googlenet'",
        'base = "googlenet\\u0000"', 'base = "inception_v3"\nMixed_5b = "1x1 999999999 | 3x3 9999999999"',
        'base = "inception_v3"\nMixed_5b = "' + "1x1 8 | " * 20_000 + '1x1 8"',
        'base = "inception_v3"\nMixed_5b = "' + "1x1 8 > " * 20_000 + '1x1 8"',
        'base = "inception_v3"\nMixed_5b = "((((((((("', "[[modules]]\n" * 1_000, "a = 1979-05-27T07:32:00Z",
    ],
    ".prototxt": [
        "", "{", "}", "layer", "layer {", "layer { }", "layer: 5", 'name: "x"', "a: 1 " * 100_000, "layer { " * 20_000,
        NET.format(""), NET.format(LAYER.format("c", "Convolution", "")), NET.format(LAYER.format("c", "Evil", "")),
        *(NET.format(LAYER.format("c", "Convolution", CONV.format(*numbers))) for numbers in (
            (0, 1, 1, 0), (-1, 1, 1, 0), (99999999999, 1, 1, 0), (8, 0, 1, 0), (8, 3, 0, 0), (8, 3, 1, -1), (8, 99, 1, 0),
            (8, 3, 99999999999999, 0), (8, 3, 1, 2**31), ("1e999", 1, 1, 0), ("nan", 1, 1, 0), ("0x", 1, 1, 0))),
        'input: "data" input_dim: 0', 'input: "data" input_shape { dim: 9999999999 dim: 9999999999 }',
        NET.format(LAYER.format("c", "ReLU", "") * 2), NET.format('layer { name: "\\377\\376" type: "ReLU" }'),
        NET.format(LAYER.format("p", "Python", 'python_param { module: "os" layer: "system" }')),
        NET.format(LAYER.format("s", "Split", "") + LAYER.format("s", "Concat", 'bottom: "s" bottom: "s" ' * 3_000)),
        NET.format("".join(LAYER.format(f"r{i}", "ReLU", "").replace('"data"', f'"r{i + 1}"') for i in range(50))),
    ],
}  # fmt: skip


def malicious(folder: Path) -> list[tuple[str, bytes]]:
    """Suffixes and contents."""
    program = pickle.dumps({"weight": Program(folder / MARK)})
    deep = b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b"."
    onnx = valid_files()[".onnx"][1]
    wide = {f"t{i}": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 2**62]} for i in range(3)}
    found = [
        (suffix, data)
        for suffix in (".h5", ".keras", ".onnx", ".caffemodel", ".safetensors", ".npz", ".pth", ".pt", ".bin", *OTHER_WEIGHTS)
        for data in (b"", b"\0", b"\xff" * 100, b"\0" * 1_000_000, b"PK\x03\x04", b"{}", b"<html>", b"PK\x05\x06" + b"\xff" * 18)
    ]  # fmt: skip
    found += [
        (suffix, data)
        for data in (program, deep, b"\x80\x02}q\0.", b"\x80\x04N.")
        for suffix in (".pth", ".bin", ".pdparams")
    ]
    found += [
        (".pth", zipped(archive__data=b"", **{"archive__data.pkl": program})),
        (".pt", zipped(**{"archive__data.pkl": program, "archive__version": b"3"})),
        (".pt", zipped(**{"archive__data.pkl": b"\x80\x02}." + b"\0" * 30_000_000})),
        (".npz", zipped(**{"a.npy": header("(1000000000, 1000000000)")})),
        (".npz", zipped(**{"a.npy": header("(-1,)")})),
        (".npz", zipped(**{"a.npy": header("(1,)", "'O'") + program})),
        (".npz", zipped(**{"a.npy": header("(1,)", "__import__('os').mkdir('x')")})),
        (".npz", zipped(**{"a.npy": header("(" * 5_000 + ")" * 5_000)})),
        (".npz", zipped(**{"a.npy": header("()", "[('a', '<f4'), ('b', 'O')]")})),
        (".npz", zipped(**{"../../evil.npy": header("(1,)") + b"\0" * 4})),
        (".npz", zipped(**{"not an array": b"hello"})),
        (".npz", zipped()),
        (".caffemodel", nested(3_000)),
        (".caffemodel", field(100, field(7, field(7, field(1, varint(2**62) * 3)) + field(5, b"\0" * 8)))),
        (".onnx", nested(3_000)),
        (".onnx", onnx.replace(b"stem.conv.weight", b"stem/conv\0weight")),
        (".onnx", onnx[: len(onnx) // 2]),
        (".onnx", onnx + onnx),
        (".pdparams", program[:-1] + b"\x96" + b"\xff" * 7 + b"\0."),
        (".pdparams", b"\x80\x04\x95" + b"\xff" * 7 + b"\0}."),
        (".gz", gzip.compress(bytes(50_000_000))),
        (".gz", gzip.compress(b"a" * 512 + bytes(50_000_000))),
        (".index.json", b'{"weight_map": {"a": "../../etc/passwd", "b": "/dev/zero"}}'),
        (".index.json", b'{"weight_map": ' + b"[" * 100_000),
        (".ckpt", b"\xff" * 40 + bytes.fromhex("57fb808b247547db")),
        (".params", (0x112).to_bytes(8, "little") + bytes(8) + b"\xff" * 8),
        (".safetensors", safetensors(b"{" * 50_000)),
        (".safetensors", safetensors(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}')),
        (".safetensors", safetensors(b'{"a":{"dtype":"EVIL","shape":[1],"data_offsets":[0,4]}}') + b"\0" * 4),
        (".safetensors", safetensors(str(wide).replace("'", '"').encode())),
        (".safetensors", struct.pack("<Q", 2**63)),
        (".safetensors", struct.pack("<Q", 100) + b"{}"),
    ]
    exported = valid_files()[".pt2"][0]
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        config = archive.read(next(name for name in archive.namelist() if name.endswith("weights_config.json")))
    config = config.replace(b'"use_pickle": false', b'"use_pickle": true')
    found += [
        (".pt2", b"PK"),
        (".pt2", with_members(exported, {"sample_inputs/model.pt": program})),
        (".pt2", with_members(exported, {"weights_config.json": config, "weight_0": program, "weight_1": program})),
        (".pt2", with_members(exported, {"model.json": b"{}"})),
        (".pt2", with_members(exported, {"model.json": b"[" * 100_000})),
    ]
    texts = [(suffix, text.encode(errors="surrogatepass")) for suffix, each in TEXTS.items() for text in each]
    return [*found, *texts]


def test_malicious_files(tmp_path: Path) -> None:
    calls = []
    for i, (suffix, data) in enumerate(malicious(tmp_path)):
        path = tmp_path / f"{i}{suffix}"
        path.write_bytes(data)
        if suffix in (".toml", ".prototxt", ".caffemodel", ".onnx", ".pt2"):
            calls.append(["summary", str(path)])
        if suffix not in (".toml", ".prototxt", ".pt2"):
            calls.append(["weights", str(path)])
            calls.append(["weights", str(path), "--into", "lenet", "-o", str(tmp_path / "out.safetensors")])
    for call, outcome in zip(calls, run_commands(calls), strict=True):
        check(TARGET, outcome, (call, Path(call[1]).read_bytes()[:200]))
    assert not (tmp_path / MARK).exists()
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("suffix", [*valid_files(), ".bin"])
def test_large_files(suffix: str, tmp_path: Path) -> None:
    """100 MB of zeros, of letters, and of a valid file with zeros after it are refused within the memory limit.

    An HDF5 file states where it ends, and may be followed by anything.
    """
    beginnings = [b"", b"a" * 1_000, *valid_files().get(suffix, [])[: suffix != ".h5"]]
    calls = []
    for i, beginning in enumerate(beginnings):
        path = tmp_path / f"large{i}{suffix}"
        with path.open("wb") as file:
            file.write(beginning)
            file.truncate(LARGE)
        calls.append(
            ["summary" if suffix in (".toml", ".prototxt", ".caffemodel", ".onnx", ".pt2") else "weights", str(path)]
        )
    path = tmp_path / f"letters{suffix}"
    path.write_bytes(b"a" * LARGE)
    calls.append([calls[0][0], str(path)])
    if suffix == ".onnx":
        calls += [["weights", path] for _, path in calls]
    for call, outcome in zip(calls, run_commands(calls), strict=True):
        check_refused("large files", outcome, call)


@pytest.mark.parametrize("suffix", [*valid_files(), ".bin", ".py", ""])
def test_paths_that_are_not_files(suffix: str, tmp_path: Path) -> None:
    folder, pipe, dangling, loop = (tmp_path / f"{name}{suffix}" for name in ("folder", "pipe", "dangling", "loop"))
    folder.mkdir()
    os.mkfifo(pipe)
    dangling.symlink_to(tmp_path / "missing")
    loop.symlink_to(loop)
    paths = [*map(str, (folder, pipe, dangling, loop)), f"{tmp_path}/{'x' * 300}{suffix}", f"{folder}/in/it{suffix}"]
    paths += [
        f"{tmp_path}/a\0b{suffix}",
        f"{tmp_path}/\udcff{suffix}",
        f"{tmp_path}/a\nb\x1b[31m{suffix}",
        f"-{suffix}x",
    ]
    calls = [[command, "--", path] for path in paths for command in ("summary", "weights")]
    calls += [["export", "--to", "torch", "--", path] for path in paths]
    for call, outcome in zip(calls, run_commands(calls), strict=True):
        check_refused("paths that are not files", outcome, call)


def test_external_data_is_not_opened(tmp_path: Path) -> None:
    import onnx

    for place in ("/etc/passwd", "../secret", "weights.bin", "/dev/zero", "\0", "file:///etc/passwd"):
        model = onnx.ModelProto.FromString(valid_files()[".onnx"][1])
        for tensor in model.graph.initializer:
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", place
        path = tmp_path / "external.onnx"
        path.write_bytes(model.SerializeToString())
        calls = [["summary", str(path)], ["weights", str(path)]]
        calls.append([*calls[1], "--into", str(path), "-o", str(tmp_path / "out.safetensors")])
        summary, listed, converted = run_commands(calls)
        assert check(TARGET, summary, place).code == check(TARGET, listed, place).code == 0
        check_refused(TARGET, converted, place)


def test_a_decompression_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    arrays: dict[str, Any] = {"conv1.weight": np.zeros(50_000_000, "f4")}
    np.savez_compressed(path, **arrays)
    assert path.stat().st_size < 1_000_000
    calls = [["weights", str(path)], ["weights", str(path), "--into", "lenet", "-o", str(tmp_path / "o.safetensors")]]
    for call, outcome in zip(calls, run_commands(calls), strict=True):
        check(TARGET, outcome, call)
