"""Valid files of every format, written by this package if it has a writer, and random mutations of them."""

from __future__ import annotations

import io
import lzma
import pickle
import random
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import inception_lens as il
from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.lens import source_of
from inception_lens.ops import AvgPool2d, BatchNorm2d, Concat, Conv2d, Flatten, Linear, MaxPool2d, ReLU, TensorType
from inception_lens.writers.caffe.prototxt import to_prototxt
from inception_lens.writers.onnx.model import to_onnx
from inception_lens.writers.toml import to_toml
from inception_lens.writers.weights.conversion import state_tensors
from tests.attack.harness import SEED
from tests.readers.caffe.binary_nets import STORED_NETS, binary
from tests.readers.caffe.test_detectors import each_layer, faster_rcnn, segnet
from tests.readers.darknet.darknet_configs import small as small_config
from tests.readers.paddle.programs import small_pir, small_program
from tests.readers.tensorflow.graph_defs import small_graph
from tests.readers.weights.checkpoints import v1, write_v2
from tests.readers.weights.paddle_files import pdiparams, v2_tar, v2_tar_gz
from tests.readers.weights.test_mxnet import params

KERAS_FILES = Path(__file__).parents[1] / "readers/keras/files"

HOSTILE_TEXT = [
    "\0", "\ufeff", "\u202e", "\ud800", "\U0001f600", "\u0301" * 30, "</script>", "%s%n{}", "\x1b[2J", "9" * 400,
    "-1", "0", "1e999", "nan", "inf", "0x7fffffff", "1_000_000_000_000", "true", "[[[[", "{" * 50, '"""', "\\", "'",
    "\r\n", "=", "#", "[a.b]", "a.b.c = 1\n", "2147483648", "18446744073709551616", "../../etc/passwd", "/dev/zero",
]  # fmt: skip
EDGE_BYTES = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff" * 9 + b"\x01", b"\x00" * 64, b"PK\x03\x04", b"\x80\x02."]
EDGE_SIZES = [0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]


@cache
def small() -> Graph:
    """A network with a branch, of operations that every format supports."""
    net = Writer([Input("data", TensorType((1, 3, 16, 16)))])
    x = net.add("stem/conv", Conv2d(8, (3, 3), padding=(1, 1)), "data")
    x = net.add("stem/relu", ReLU(), net.add("stem/bn", BatchNorm2d(), x))
    a = net.add("mixed/1x1", Conv2d(4, (1, 1)), x)
    b = net.add("mixed/3x3", Conv2d(4, (3, 3), padding=(1, 1)), net.add("mixed/3x3_reduce", Conv2d(2, (1, 1)), x))
    x = net.add("mixed/output", Concat(), a, b)
    x = net.add("pool", AvgPool2d((2, 2), (2, 2)), net.add("max", MaxPool2d((2, 2), (2, 2)), x))
    return net.graph([Output(net.add("fc", Linear(10), net.add("flatten", Flatten(), x)))])


@cache
def arrays() -> dict[str, Any]:
    """Weights of `small` by parameter name."""
    generator = np.random.default_rng(SEED)
    return {target.key: generator.random(target.shape, "f4") for target in state_tensors(small()).values()}


@cache
def valid_files() -> dict[str, list[bytes]]:
    """Contents of valid files, by file suffix."""
    from safetensors.numpy import save

    configs = [source_of(name) for name in ("googlenet", "inception_v3", "resnet50")]
    tomls = [to_toml(found.config, found.base) for found in configs]
    tomls.append('base = "googlenet@torchvision"\nclasses = 10\n\n[modules.inception_3a]\n5x5_reduce = 24\n')
    prototxts = [
        to_prototxt(il.load("googlenet")),
        to_prototxt(il.load("lenet")),
        faster_rcnn(),
        segnet(),
        each_layer(),
    ]
    return {
        ".toml": [text.encode() for text in tomls],
        ".prototxt": [text.encode() for text in prototxts],
        ".onnx": [to_onnx(small()), to_onnx(small(), arrays()), to_onnx(il.load("lenet"))],
        ".pb": [small_graph()],
        ".pdmodel": [small_program()],
        ".cfg": [small_config().encode()],
        ".json": [small_pir(), keras_file("VGG16.json")],
        ".keras": [keras_file("keras3.keras")],
        ".h5": [keras_file("keras2.weights.h5"), keras_file("keras2_legacyweights.h5")],
        ".caffemodel": [binary(text) for text in STORED_NETS],
        ".safetensors": [save(arrays()), save({"a": np.zeros((0, 3), "f2")}, metadata={"format": "pt"})],
        ".npz": [_npz(np.savez), _npz(np.savez_compressed)],
        ".pth": [_checkpoint(zipped=True), _checkpoint(zipped=False)],
        ".pt": [_checkpoint(zipped=True)],
        ".pt2": [_exported()],
        ".jit": [_scripted()],
        **_of_other_frameworks(),
    }


def keras_file(name: str) -> bytes:
    """A file that Keras wrote."""
    return lzma.decompress((KERAS_FILES / f"{name}.xz").read_bytes())


def _of_other_frameworks() -> dict[str, list[bytes]]:
    """Weights of TensorFlow, Paddle and MXNet, and of NumPy alone."""
    first = next(iter(arrays().values()))
    with tempfile.TemporaryDirectory() as folder:
        index = write_v2(Path(folder), arrays(), {next(iter(arrays())): [[(0, 3)] + [None] * 3, [(3, 5)] + [None] * 3]})
        bundle = index.with_name("m.index").read_bytes()
    npy = io.BytesIO()
    np.save(npy, first)
    return {
        ".index": [bundle],
        ".ckpt": [v1(arrays())],
        ".pdparams": [pickle.dumps(arrays(), 2), pickle.dumps({"model": arrays()}, 4)],
        ".pdiparams": [pdiparams(arrays())],
        ".gz": [v2_tar(arrays()), v2_tar_gz(arrays())],
        ".params": [params(arrays())],
        ".npy": [npy.getvalue()],
    }


def _npz(save: Any) -> bytes:
    file = io.BytesIO()
    save(file, **arrays())
    return file.getvalue()


def _checkpoint(*, zipped: bool) -> bytes:
    import torch

    file = io.BytesIO()
    tensors = {name: torch.from_numpy(array) for name, array in arrays().items()}
    torch.save({"model": tensors, "epoch": 3}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _exported() -> bytes:
    import torch
    from torch import nn

    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()
    file = io.BytesIO()
    torch.export.save(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), file)
    return file.getvalue()


def _scripted() -> bytes:
    import torch
    from torch import nn

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
        torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval()), file)
    return file.getvalue()


def with_members(archive: bytes, changed: Mapping[str, bytes]) -> bytes:
    """A zip archive with new contents for the members whose names end with a key of `changed`."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            found = [data for end, data in changed.items() if name.endswith(end)]
            new.writestr(name, found[0] if found else old.read(name))
    return file.getvalue()


def mutate(data: bytes, rng: random.Random, *, text: bool) -> bytes:
    """The file after one to four random edits, such as truncation, bit flips and extreme sizes."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice((1, 2, 8, 64, 1024)))
        match rng.randrange(9 if text else 8):
            case 0:
                del changed[at:]
            case 1:
                del changed[at:end]
            case 2:
                changed[at:at] = changed[at:end] * rng.choice((1, 3, 50))
            case 3:
                changed[at:end] = bytes(rng.randrange(256) for _ in range(end - at))
            case 4 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 5:
                changed[at : at + 8] = rng.choice(EDGE_SIZES).to_bytes(8, rng.choice(("little", "big")))
            case 6:
                changed[at:at] = rng.choice(EDGE_BYTES)
            case 7:
                other = rng.randrange(len(changed) + 1)
                changed[at:end] = changed[other : other + end - at]
            case _:
                changed[at : at + rng.choice((0, 1, 4))] = rng.choice(HOSTILE_TEXT).encode(errors="surrogatepass")
    return bytes(changed)
