"""Paddle's weight files: .pdiparams with and without a program, pickles, and the archives of Paddle v2."""

import collections
import gzip
import io
import pickle
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inception_lens.errors import FormatError
from inception_lens.readers.tensors import WeightFile
from inception_lens.readers.weights.files import read_weights
from inception_lens.readers.weights.paddle import pdiparams as pdiparams_reader
from inception_lens.readers.weights.paddle import v2
from tests.readers.caffe.caffe_models import field
from tests.readers.weights.paddle_files import (
    TENSORS,
    lod_tensor,
    pdiparams,
    pdmodel,
    pir,
    v2_parameter,
    v2_tar,
    v2_tar_gz,
)


def check(weights: WeightFile, expected: dict[str, Any]) -> None:
    assert {tensor.name for tensor in weights.tensors} == set(expected)
    for tensor in weights.tensors:
        found, array = weights.read(tensor), expected[tensor.name]
        assert (tensor.shape, tensor.dtype, tensor.bytes) == (array.shape, str(array.dtype), array.nbytes)
        assert (found.dtype, found.shape) == (array.dtype, array.shape)
        assert (found == array).all()


INFO = pickle.dumps({name: {"structured_name": f"net.{name}", "trainable": True} for name in TENSORS}, 2)


@pytest.mark.parametrize(
    ("suffix", "program", "name"),
    [
        ("", b"", lambda name: str(sorted(TENSORS).index(name))),
        (".pdmodel", pdmodel([*TENSORS]), str),
        (".json", pir([*TENSORS]), str),
        (".pdiparams.info", INFO, lambda name: f"net.{name}"),
    ],
)
def test_a_pdiparams_has_the_names_of_the_file_next_to_it(
    tmp_path: Path, suffix: str, program: bytes, name: Callable[[str], str]
) -> None:
    """Names are sorted as text: conv2d_10 is before conv2d_2."""
    (tmp_path / "net.pdiparams").write_bytes(pdiparams(TENSORS))
    if suffix:
        (tmp_path / f"net{suffix}").write_bytes(program)
    weights = read_weights(str(tmp_path / "net.pdiparams"))
    assert weights.format == "paddle"
    check(weights, {name(each): array for each, array in TENSORS.items()})


def test_names_of_attributes_replace_those_of_a_program(tmp_path: Path) -> None:
    (tmp_path / "net.pdiparams").write_bytes(pdiparams(TENSORS))
    (tmp_path / "net.pdmodel").write_bytes(pdmodel([*TENSORS]))
    (tmp_path / "net.pdiparams.info").write_bytes(pickle.dumps({"steps": {"structured_name": "count"}}, 2))
    names = {name: name if name != "steps" else "count" for name in TENSORS}
    check(read_weights(str(tmp_path / "net.pdiparams")), {names[name]: array for name, array in TENSORS.items()})


def test_levels_of_detail_are_skipped(tmp_path: Path) -> None:
    data = lod_tensor(np.ones(2, "f4")) + lod_tensor(np.zeros(3, "f4"), [b"12345678", b""]) + lod_tensor(np.ones(1))
    (tmp_path / "w.pdiparams").write_bytes(data)
    check(
        read_weights(str(tmp_path / "w.pdiparams")),
        {"0": np.ones(2, "f4"), "1": np.zeros(3, "f4"), "2": np.ones(1)},
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pdiparams(TENSORS)[:-1], "tensor 5 of 1 exceeds the file"),
        (pdiparams(TENSORS) + bytes(30), "tensor 6 at byte"),
        (bytes(16) + b"\x04\0\0\0" + field(1, 99) + field(2, 1) + bytes(4), "or is of an unknown dtype"),
        (bytes(16) + b"\x16\0\0\0" + field(1, 5) + field(2, 2**62) + field(2, 2**62) + bytes(99), "invalid shape"),
        (bytes(4) + b"\xff" * 8 + bytes(99), "tensor 1 at byte"),
    ],
)
def test_a_damaged_pdiparams_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "w.pdiparams").write_bytes(data)
    with pytest.raises(FormatError, match=message) as caught:
        read_weights(str(tmp_path / "w.pdiparams"))
    assert str(caught.value).startswith(str(tmp_path))


def test_the_number_of_tensors_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdiparams_reader, "MAX_TENSORS", 4)
    (tmp_path / "w.pdiparams").write_bytes(pdiparams(TENSORS))
    with pytest.raises(FormatError, match="has more than 4 tensors"):
        read_weights(str(tmp_path / "w.pdiparams"))


@pytest.mark.parametrize(
    ("suffix", "program", "message"),
    [
        (".pdmodel", pdmodel(["a"]), "has 5 tensors, and its program 1 parameters"),
        (".pdmodel", b"\xff", "not a protocol buffer"),
        (".json", b"{}", "is not a Paddle program"),
        (".json", b"[" * 9_000, "is not a Paddle program"),
        (".json", pir(["a"]).replace(b"[0, 1, 1,", b"[0, NaN,"), "is not a Paddle program"),
    ],
)
def test_a_program_that_does_not_fit_is_refused(tmp_path: Path, suffix: str, program: bytes, message: str) -> None:
    (tmp_path / "net.pdiparams").write_bytes(pdiparams(TENSORS))
    (tmp_path / f"net{suffix}").write_bytes(program)
    with pytest.raises(FormatError, match=message):
        read_weights(str(tmp_path / "net.pdiparams"))


V2: dict[str, Any] = {
    "___conv_0__.w0": np.arange(24, dtype="f4").reshape(2, 3, 2, 2),
    "___conv_0__.wbias": np.arange(2, dtype="f4"),
    "___fc_layer_0__.w0": np.arange(6, dtype="f4").reshape(2, 3),
}
V2_READ = {
    "___conv_0__.w0": np.arange(24, dtype="f4"),  # its sizes are not in the file
    "___conv_0__.wbias": np.arange(2, dtype="f4").reshape(1, 2),
    "___fc_layer_0__.w0": np.arange(6, dtype="f4").reshape(2, 3),
}


@pytest.mark.parametrize("name", ["params_pass_0.tar.gz", "params.tar", "params.pt"])
@pytest.mark.parametrize("write", [v2_tar, v2_tar_gz])
def test_an_archive_of_paddle_v2_is_read(tmp_path: Path, name: str, write: Callable[[Any], bytes]) -> None:
    (tmp_path / name).write_bytes(write(V2))
    weights = read_weights(str(tmp_path / name))
    assert weights.format == "paddle v2"
    check(weights, V2_READ)


def test_sizes_that_do_not_fit_the_values_are_not_used(tmp_path: Path) -> None:
    (tmp_path / "w.tar").write_bytes(v2_tar(V2, {"___fc_layer_0__.w0": (2, 4)}))
    found = {tensor.name: tensor.shape for tensor in read_weights(str(tmp_path / "w.tar")).tensors}
    assert found["___fc_layer_0__.w0"] == (6,)


def tar_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


GOOD = v2_parameter(np.ones(3))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar_of(), "it has no members"),
        (gzip.compress(b"", mtime=0), "it has no members"),
        (gzip.compress(tar_of(a=GOOD), mtime=0)[:40] + b"\xff" * 40, "is damaged or not a tar archive"),
        (tar_of(a=b"short"), "`a` is not a parameter of Paddle v2"),
        (tar_of(a=GOOD[:-1]), "`a` is not a parameter of Paddle v2"),
        (tar_of(a=b"\1" + GOOD[1:]), "`a` is not a parameter of Paddle v2"),
        (tar_of(a=GOOD).replace(b"00000000034\0", b"7777777777\0\0"), "is truncated or not a tar archive"),
        (tar_of(a=GOOD).replace(b"00000000034\0", b"0000000003x\0"), "no size at byte 124"),
        (gzip.compress(bytes(512) + tar_of(a=GOOD), mtime=0), "it has no members"),
        (v2_tar(V2) + bytes(60_000), "bytes after its members"),
        (gzip.compress(b"a" * 20_000_000, mtime=0), "expands to more than 10,000,000 bytes"),
    ],
)
def test_another_or_a_damaged_archive_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "w.tar.gz").write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_weights(str(tmp_path / "w.tar.gz"))


def test_a_folder_in_an_archive_is_skipped_and_the_number_of_members_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    (tmp_path / "w.tar").write_bytes(buffer.getvalue()[:512] + v2_tar(V2))
    check(read_weights(str(tmp_path / "w.tar")), V2_READ)
    monkeypatch.setattr(v2, "MAX_MEMBERS", 3)
    with pytest.raises(FormatError, match="is truncated or not"):
        read_weights(str(tmp_path / "w.tar"))


ARRAYS: dict[str, Any] = {
    "conv.weight": np.arange(24, dtype="f4").reshape(2, 3, 2, 2),
    "bn._mean": np.arange(3, dtype="f8"),
    "scalar": np.array(7, "i4"),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(3, dtype=">f4"),
    "flags": np.array([True, False]),
    "half": np.ones((2, 1), "f2"),
    "empty": np.zeros((0, 3), "f4"),
    "large": np.arange(40_000, dtype="f4"),
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_the_arrays_of_a_pickle_are_read(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps({**ARRAYS, "StructuredToParameterName@@": {"a": "b"}}, protocol))
    weights = read_weights(str(tmp_path / "w.pdparams"))
    assert weights.format == "paddle"
    assert [tensor.name for tensor in weights.tensors] == [*ARRAYS]
    for tensor in weights.tensors:
        array = ARRAYS[tensor.name]
        assert (tensor.shape, tensor.dtype, tensor.bytes) == (array.shape, array.dtype.name, array.nbytes)
        assert (weights.read(tensor) == array).all()


class Pair:
    """Pickled as Paddle pickles a tensor in a nested dictionary: a call of tuple."""

    def __init__(self, name: str, array: Any) -> None:
        self.pair = (name, array)

    def __reduce__(self) -> tuple[object, tuple[object]]:
        return tuple, (self.pair,)


@pytest.mark.parametrize("protocol", [2, 4])
def test_the_pairs_of_a_nested_state_are_named_by_their_keys(tmp_path: Path, protocol: int) -> None:
    state = {name: Pair("variable", array) for name, array in ARRAYS.items()}
    held = {"model": collections.OrderedDict(state), "epoch": 3, "args": ("x", 1)}
    (tmp_path / "w.pdparams").write_bytes(pickle.dumps(held, protocol))
    weights = read_weights(str(tmp_path / "w.pdparams"))
    assert [tensor.name for tensor in weights.tensors] == [f"model.{name}" for name in ARRAYS]
    assert all((weights.read(t) == ARRAYS[t.name.removeprefix("model.")]).all() for t in weights.tensors)


def array_call(state: bytes) -> bytes:
    start = b"\x80\x02}X\1\0\0\0acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n\x85R"
    return start + state + b"bs."


DTYPE = b"cnumpy\ndtype\nX\2\0\0\0f4\x85R"


def test_the_pickle_of_an_array_of_python_2_is_read(tmp_path: Path) -> None:
    """Its data are a string of bytes."""
    array = np.array([1.5, -2.25, 3e30], "f4")
    state = b"(K\1K\3\x85" + DTYPE + b"\x89T\x0c\0\0\0" + array.tobytes() + b"t"
    (tmp_path / "w.pkl").write_bytes(array_call(state))
    weights = read_weights(str(tmp_path / "w.pkl"))
    assert (weights.format, weights.read(weights.tensors[0]).tolist()) == ("pickle", array.tolist())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps({"UnpackBigParamInfor@@": {}, "a": np.ones(2)}), "has arrays in parts, which are not read"),
        (pickle.dumps({"a": 3}), "holds no tensors"),
        (pickle.dumps({"a": np.ones(2)}) + b"\0", "has 1 bytes after its pickle"),
        (array_call(b"K\1"), "an array without shape, dtype and data"),
        (array_call(b"(K\1K\1\x85K\3\x89U\0t"), "an array without shape, dtype and data"),
        (array_call(b"(K\1]" + DTYPE + b"\x89U\0t"), "a shape or strides that are not"),
        (b"\x80\x02}X\1\0\0\0actorch._tensor\n_rebuild_from_type_v2\n(K\1K\1)tRs.", "that another function rebuilds"),
        (b"\x80\x02}X\1\0\0\0acos\nsystem\nX\1\0\0\0x\x85Rs.", "it would call `os.system`"),
    ],
)
def test_a_pickle_of_another_kind_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "w.pdparams").write_bytes(data)
    with pytest.raises(FormatError, match=re.escape(message)):
        read_weights(str(tmp_path / "w.pdparams"))


@pytest.mark.parametrize(
    "state",
    [b"(K\1K\1\x85" + DTYPE + b"\x89U\2xxt", b"(K\1K\1\x85" + DTYPE + b"\x89K\5t"],
)
def test_data_of_an_array_that_do_not_fill_it_are_refused_when_they_are_read(tmp_path: Path, state: bytes) -> None:
    (tmp_path / "w.pkl").write_bytes(array_call(state))
    weights = read_weights(str(tmp_path / "w.pkl"))
    with pytest.raises(FormatError, match="`a` cannot be read: its data do not fill its shape"):
        weights.read(weights.tensors[0])


def test_an_array_of_objects_is_listed_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "w.pkl").write_bytes(pickle.dumps([np.array([print, None]), np.ones(2)]))
    weights = read_weights(str(tmp_path / "w.pkl"))
    assert [(t.name, t.dtype, t.bytes, t.note) for t in weights.tensors] == [
        ("0", "object", None, "its dtype is not read"),
        ("1", "float64", 16, ""),
    ]
    with pytest.raises(FormatError, match="`0` cannot be read: its dtype is not read"):
        weights.read(weights.tensors[0])
