"""Files of Keras are listed by layers, without following links."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from inception_lens.errors import FormatError
from inception_lens.readers.keras import archive
from inception_lens.readers.weights import keras
from inception_lens.readers.weights.files import read_weights
from tests.readers.keras.keras_files import Layer, hdf5, keras_archive, write_legacy

LAYER = Layer("conv", "conv2d", {"kernel": np.arange(8, dtype="f4").reshape(1, 1, 2, 4), "bias": np.ones(4, "f4")})
CONFIG = {"class_name": "Sequential", "config": {"name": "s", "layers": []}}


def written(folder: Path, data: bytes, name: str = "w.h5") -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def saved(file: Any) -> None:
    file.create_group("vars")
    file["layers/conv2d/vars/0"] = LAYER.variables["kernel"]
    file["layers/conv2d/vars/1"] = LAYER.variables["bias"]
    file["layers/functional/layers/batch_normalization_2/vars/0"] = np.zeros(3, "f2")
    file["optimizer/vars/0"] = 1


def test_a_legacy_file_is_listed(tmp_path: Path) -> None:
    weights = read_weights(written(tmp_path, hdf5(lambda file: write_legacy(file, [LAYER]))))
    assert weights.format == "keras"
    assert [(t.name, t.shape, t.dtype, t.bytes) for t in weights.tensors] == [
        ("conv/conv/kernel:0", (1, 1, 2, 4), "float32", 32),
        ("conv/conv/bias:0", (4,), "float32", 16),
    ]
    assert [(layer.name, [name for name, _ in layer.tensors]) for layer in weights.keras] == [
        ("conv", ["kernel", "bias"])
    ]
    assert (weights.read(weights.tensors[0]) == LAYER.variables["kernel"]).all()


def test_the_weights_of_a_whole_model_are_below_a_group(tmp_path: Path) -> None:
    def write(file: Any) -> None:
        file.attrs["model_config"] = '{"class_name": "Sequential", "config": []}'
        write_legacy(file.create_group("model_weights"), [LAYER])
        file["optimizer_weights/w"] = 1.0

    weights = read_weights(written(tmp_path, hdf5(write)))
    assert [tensor.name for tensor in weights.tensors] == ["conv/conv/kernel:0", "conv/conv/bias:0"]
    assert weights.read(weights.tensors[1]).tolist() == [1] * 4


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_saved_layers_are_listed_and_the_optimizer_is_not(tmp_path: Path, suffix: str) -> None:
    data = hdf5(saved)
    data = keras_archive(CONFIG, data) if suffix == ".keras" else data
    weights = read_weights(written(tmp_path, data, f"w{suffix}"))
    assert [(layer.model, layer.kind, layer.place) for layer in weights.keras] == [
        ("layers", "conv2d", 0),
        ("layers/functional/layers", "batch_normalization", 2),
    ]
    assert [tensor.dtype for tensor in weights.tensors] == ["float32", "float32", "float16"]
    assert (weights.read(weights.tensors[0]) == LAYER.variables["kernel"]).all()


def test_lists_of_names_can_be_in_several_attributes(tmp_path: Path) -> None:
    layers = [Layer(f"layer_{i:05}_{'x' * 60}", "dense", {"kernel": np.zeros((1, 1), "f4")}) for i in range(1_200)]

    def write(file: Any) -> None:
        for layer in layers:
            file[f"{layer.name}/k"] = layer.variables["kernel"]
            file[layer.name].attrs["weight_names"] = [b"k"]
        names = np.asarray([layer.name.encode() for layer in layers])
        for i, part in enumerate(np.array_split(names, 2)):  # as keras/src/legacy/saving/legacy_h5_format.py
            file.attrs[f"layer_names{i}"] = part

    assert len(read_weights(written(tmp_path, hdf5(write))).keras) == 1_200


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    values = np.array([1.0, -2.5], "f4")

    def write(file: Any) -> None:  # ml_dtypes' bfloat16 is an opaque type of two bytes
        file["layers/dense/vars/0"] = (values.view("u4") >> 16).astype("u2").view("V2")
        file["layers/dense/vars/0"].attrs["dtype"] = "bfloat16"

    weights = read_weights(written(tmp_path, hdf5(write)))
    assert [tensor.dtype for tensor in weights.tensors] == ["bfloat16"]
    assert weights.read(weights.tensors[0]).tolist() == [1.0, -2.5]


def test_links_and_data_in_other_files_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    other.write_bytes(hdf5(saved))

    def external(file: Any) -> None:
        file.create_dataset("layers/dense/vars/0", (2,), "f4", external=[(str(tmp_path / "other.h5"), 0, 8)])

    def virtual(file: Any) -> None:
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(str(other), "layers/conv2d/vars/1", (4,))
        file.create_virtual_dataset("layers/dense/vars/0", layout)

    def link(file: Any) -> None:
        file["layers/dense/vars/0"] = h5py.ExternalLink(str(other), "layers/conv2d/vars/1")

    def soft(file: Any) -> None:
        saved(file)
        file["layers/dense"] = h5py.SoftLink("/layers/conv2d")

    for write, reason in (
        (external, "tensor in this file"),
        (virtual, "tensor in this file"),
        (link, "a link"),
        (soft, "a link"),
    ):
        with pytest.raises(FormatError, match=reason):
            read_weights(written(tmp_path, hdf5(write)))


def test_groups_inside_themselves_and_many_groups_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def loop(file: Any) -> None:
        saved(file)
        file["layers/again"] = file["layers"]

    path = written(tmp_path, hdf5(loop))
    with pytest.raises(FormatError, match="more than 32 groups inside each other"):
        read_weights(path)
    monkeypatch.setattr(keras, "MAX_TENSORS", 4)
    with pytest.raises(FormatError, match="more than 4 groups and tensors"):
        read_weights(written(tmp_path, hdf5(saved)))


def test_other_files_are_refused(tmp_path: Path) -> None:
    def weightless(file: Any) -> None:
        file["data"] = np.zeros(3)

    cases = [
        (hdf5(weightless), "holds no weights of a Keras model"),
        (keras_archive(CONFIG, hdf5(saved), zipfile.ZIP_DEFLATED), "is compressed in the archive"),
        (keras_archive(CONFIG, b"none"), "is damaged"),
        (keras_archive({"class_name": "Mine", "config": {}}, hdf5(saved)), "of the class `Mine`"),
        (hdf5(saved)[:2_000], "is damaged"),
    ]
    for data, reason in cases:
        with pytest.raises(FormatError, match=reason):
            read_weights(written(tmp_path, data))


def test_the_position_of_a_member_is_that_of_its_own_header(tmp_path: Path) -> None:
    """The extra field of the header before the data may have another length than that in the central directory."""
    data = keras_archive(CONFIG, hdf5(saved))
    at = data.index(b"PK\3\4", data.index(b"config.json"))
    length = struct.unpack_from("<H", data, at + 28)[0]
    assert length == 0
    assert len(read_weights(written(tmp_path, data)).tensors) == 3


def test_a_heap_that_would_keep_the_library_busy_forever_is_refused(tmp_path: Path) -> None:
    """A free object of size 0 in a global heap, which holds texts: HDF5's library would never pass it."""

    def write(file: Any) -> None:
        saved(file)
        file["layers/conv2d/vars"].attrs["name"] = "conv"

    data = bytearray(hdf5(write))
    at = data.index(b"GCOL") + 16
    while data[at : at + 2] != b"\0\0":
        at += 16 + -(-int.from_bytes(data[at + 8 : at + 16], "little") // 8) * 8
    data[at + 8 : at + 16] = bytes(8)
    with pytest.raises(FormatError, match="is damaged: an object of the heap at byte"):
        read_weights(written(tmp_path, bytes(data)))


def test_what_is_not_a_tensor_in_a_group_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def named_type(file: Any) -> None:
        file["layers/dense/vars/0"] = np.dtype("f4")

    def no_group(file: Any) -> None:
        file.attrs["layer_names"] = [b"conv"]
        file["conv"] = 1

    def opaque(file: Any) -> None:
        file["layers/dense/vars/0"] = np.zeros(2, "V4")

    for write, reason in ((named_type, "neither a group nor a tensor"), (no_group, "`conv` is not a group")):
        with pytest.raises(FormatError, match=reason):
            read_weights(written(tmp_path, hdf5(write)))
    weights = read_weights(written(tmp_path, hdf5(opaque)))
    with pytest.raises(FormatError, match="data of an opaque type"):
        weights.read(weights.tensors[0])
    monkeypatch.setattr(archive, "MAX_ATTRIBUTE_SIZE", 4)
    with pytest.raises(FormatError, match="the attribute `layer_names` has"):
        read_weights(written(tmp_path, hdf5(lambda file: write_legacy(file, [LAYER]))))


def test_archives_without_their_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = keras_archive(CONFIG, hdf5(saved))
    for missing, reason in (("config.json", "no member `config.json`"), ("model.weights.h5", "no member `model.w")):
        path = tmp_path / "w.keras"
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                if name != missing:
                    new.writestr(name, old.read(name))
        with pytest.raises(FormatError, match=reason):
            read_weights(str(path))
    monkeypatch.setattr(archive, "MAX_CONFIG_SIZE", 10)
    with pytest.raises(FormatError, match="its configuration has"):
        read_weights(written(tmp_path, whole))
