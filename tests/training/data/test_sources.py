"""Each source reads small files of its true format, which these tests write."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inception_lens.errors import ConfigError, DataError, InceptionLensError, MissingExtraError
from inception_lens.training.data.cache import Cache, fitted
from inception_lens.training.data.dataset import Dataset, stratified
from inception_lens.training.data.sources import open_dataset


def opened(data: str, side: int = 8, **options: Any) -> Dataset:
    return open_dataset(data, side, **options)


def solid(path: Path, color: tuple[int, int, int], size: tuple[int, int] = (20, 12), **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path, **options)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten red and ten blue images, of several formats."""
    for i in range(10):
        solid(tmp_path / "photos" / "red" / f"{i}.{('jpg', 'png')[i % 2]}", (200, 0, 0))
        solid(tmp_path / "photos" / "blue" / f"{i}.{('jpg', 'bmp')[i % 2]}", (0, 0, 200), (12, 30))
    return tmp_path / "photos"


def test_digits_are_the_real_ones() -> None:
    found = opened("digits", 32)
    assert found.images.shape == (1797, 32, 32, 1)
    assert (len(found.train), len(found.test)) == (1437, 360)
    assert not set(found.train.tolist()) & set(found.test.tolist())
    counts = found.labels[found.test].bincount()
    assert counts.min() >= 35
    assert found.labels[:10].tolist() == list(range(10))


def test_unshuffled_digits_evaluate_on_the_last_360() -> None:
    assert opened("digits:unshuffled", 8).test.tolist() == list(range(1437, 1797))


def test_a_folder_of_classes(photos: Path) -> None:
    found = opened(f"folder:{photos}")
    assert found.classes == ("blue", "red")
    assert found.images.shape == (20, 8, 8, 3)
    assert (len(found.train), len(found.test)) == (16, 4)
    assert found.labels[found.test].bincount().tolist() == [2, 2]
    for image, label in zip(found.images, found.labels, strict=True):
        assert image[..., 2 if label == 0 else 0].float().mean() > 190


def test_a_folder_that_is_split_already(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("val", 2)):
        for name in ("cat", "dog"):
            for i in range(count):
                solid(tmp_path / part / name / f"{i}.png", (i, 0, 0))
    found = opened(f"folder:{tmp_path}")
    assert (len(found.train), len(found.test)) == (6, 4)
    assert found.classes == ("cat", "dog")


def test_flowers_and_both_of_their_splits(tmp_path: Path) -> None:
    from scipy.io import savemat

    labels = [1, 2, 3, 1, 2, 3, 1, 2, 3]
    for number in range(1, 10):
        solid(tmp_path / "jpg" / f"image_{number:05}.jpg", (25 * number, 0, 0))
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([labels], dtype=np.uint8)})
    sets = {"trnid": [[1, 2, 3]], "valid": [[4, 5]], "tstid": [[6, 7, 8, 9]]}
    savemat(tmp_path / "setid.mat", {name: np.array(numbers, dtype=np.uint16) for name, numbers in sets.items()})
    official = opened(f"flowers102:{tmp_path}")
    assert official.train.tolist() == [0, 1, 2]
    assert official.test.tolist() == [5, 6, 7, 8]
    assert official.labels.tolist() == [label - 1 for label in labels]
    swapped = opened(f"flowers102:{tmp_path}", split="paddle")
    assert (swapped.train.tolist(), swapped.test.tolist()) == ([5, 6, 7, 8], [3, 4])
    assert swapped.images[8, 0, 0, 0] > swapped.images[0, 0, 0, 0] + 100
    (tmp_path / "setid.mat").write_bytes(b"not a MATLAB file")
    with pytest.raises(DataError, match=r"setid\.mat: no MATLAB file"):
        opened(f"flowers102:{tmp_path}")


@pytest.mark.parametrize("kind", ["cifar10", "cifar100"])
def test_cifar_in_its_binary_version(tmp_path: Path, kind: str) -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (12, 3, 32, 32), dtype=np.uint8)
    labels = np.arange(12, dtype=np.uint8) % 3
    label_columns = labels[:, None] if kind == "cifar10" else np.stack([9 * np.ones_like(labels), labels], 1)
    records = np.concatenate([label_columns, images.reshape(12, -1)], 1).astype(np.uint8)
    if kind == "cifar10":
        files = {f"data_batch_{i + 1}.bin": records[2 * i : 2 * i + 2] for i in range(5)} | {
            "test_batch.bin": records[10:]
        }
        names = "batches.meta.txt"
    else:
        files, names = {"train.bin": records[:10], "test.bin": records[10:]}, "fine_label_names.txt"
    for name, part in files.items():
        part.tofile(tmp_path / name)
    (tmp_path / names).write_text("airplane\nbird\ncat\n\n")
    found = opened(f"{kind}:{tmp_path}", 32)
    assert torch.equal(found.images, torch.from_numpy(images.transpose(0, 2, 3, 1).copy()))
    assert found.labels.tolist() == labels.tolist()
    assert found.classes == ("airplane", "bird", "cat")
    assert (found.train.tolist(), found.test.tolist()) == (list(range(10)), [10, 11])
    (tmp_path / next(iter(files))).write_bytes(b"x" * 100)
    with pytest.raises(DataError, match="100 bytes are not records of"):
        opened(f"{kind}:{tmp_path}", 32)


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")],
)
def test_npz_that_is_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    images, labels = np.full((6, 8, 8), 7, np.uint8), np.array([[0], [1]] * 3)
    arrays: Any = dict(zip(names, (images[:4], labels[:4], images[4:], labels[4:]), strict=True))
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    found = opened(f"npz:{tmp_path / 'a.npz'}")
    assert (found.images.shape, len(found.train), len(found.test)) == ((6, 8, 8, 1), 4, 2)
    assert set(found.images.flatten().tolist()) == {7}


def test_npz_that_is_not_split(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((10, 4, 4, 3), np.uint8), labels=np.arange(10) % 2)
    found = opened(f"npz:{tmp_path / 'a.npz'}")
    assert sorted(found.labels[found.test].tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros(3)}, "it holds x, but none of"),
        ({"images": np.zeros((4, 2, 2), np.float32), "labels": np.arange(4)}, "images of float32"),
        ({"images": np.zeros((4, 2, 2, 5), np.uint8), "labels": np.arange(4)}, "4x2x2x5"),
        ({"images": np.zeros((4, 2, 2), np.uint8), "labels": np.arange(3)}, "4 images and 3 labels"),
        ({"images": np.zeros((4, 2, 2), np.uint8), "labels": np.array([0, 1, -1, 0])}, "whole numbers from 0"),
        ({"images": np.array([None]), "labels": np.arange(1)}, "no NumPy archive"),
    ],
)
def test_npz_of_another_kind_is_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=said):
        opened(f"npz:{tmp_path / 'a.npz'}")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 half a zip", b"\x93NUMPY"])
def test_npz_that_is_none_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.npz"):
        opened(f"npz:{tmp_path / 'a.npz'}")


class FakeSplit:
    """A split of a dataset as Hugging Face's library has it."""

    def __init__(self, count: int) -> None:
        self.features = {"picture": type("Image", (), {})(), "label": type("ClassLabel", (), {"names": ["a", "b"]})()}
        self._fingerprint = f"fingerprint{count}"
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, key: str | int) -> Any:
        if key == "label":
            return [i % 2 for i in range(self.count)]
        assert isinstance(key, int)
        return {"picture": Image.new("L", (9, 9), 20 * key), "label": key % 2}


def test_the_hub_s_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("datasets")
    module.__dict__["load_dataset"] = lambda name: {"train": FakeSplit(6), "validation": FakeSplit(4)}
    monkeypatch.setitem(sys.modules, "datasets", module)
    found = opened("hf:someone/photos")
    assert (found.classes, len(found.train), len(found.test)) == (("a", "b"), 6, 4)
    assert found.images[5, 0, 0].tolist() == [100] * 3
    module.__dict__["load_dataset"] = lambda name: {"train": SimpleNamespace(features={"text": "string"})}
    with pytest.raises(DataError, match="no column of images"):
        opened("hf:someone/text")


def test_the_hub_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises((MissingExtraError, ImportError)):
        opened("hf:someone/photos")


def test_synthetic_images_have_the_network_s_size_and_classes() -> None:
    found = opened("synthetic:50", 24, classes=7)
    assert found.images.shape == (50, 24, 24, 3)
    assert found.labels.max() < 7
    assert len(found.test) == 10


@pytest.mark.parametrize(
    ("data", "error", "said"),
    [
        ("digts", ConfigError, "did you mean `digits`"),
        ("digits:shuffled", ConfigError, "digits or digits:unshuffled"),
        ("folder", ConfigError, "where? folder:PATH"),
        ("hf:", ConfigError, "where? hf:NAME"),
        ("folder:/nonesuch", DataError, "there is no such folder"),
        ("folder:{tmp}", DataError, "0 sub-folders with images"),
        ("flowers102:{tmp}", DataError, "imagelabels.mat: No such file"),
        ("cifar10:{tmp}", DataError, "data_batch_1.bin: No such file"),
        ("npz:{tmp}/a.npz", DataError, "No such file"),
        ("synthetic:many", ConfigError, "a number of images"),
    ],
)
def test_what_is_not_there_is_one_line(tmp_path: Path, data: str, error: type[InceptionLensError], said: str) -> None:
    with pytest.raises(error, match=said.replace("?", r"\?")) as caught:
        opened(data.format(tmp=tmp_path))
    assert "\n" not in str(caught.value)


def test_broken_images_are_listed_and_left_out(photos: Path) -> None:
    whole = (photos / "red" / "0.jpg").read_bytes()
    (photos / "red" / "0.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "blue" / "1.bmp").write_bytes(b"")
    found = opened(f"folder:{photos}")
    assert sorted(name for name, _ in found.broken) == ["blue/1.bmp", "red/0.jpg"]
    assert len(found.images) == len(found.labels) == 18
    assert found.labels.bincount().tolist() == [9, 9]
    assert len(found.train) + len(found.test) == 18
    for image, label in zip(found.images, found.labels, strict=True):
        assert image[..., 2 if label == 0 else 0].float().mean() > 190
    (photos / "red" / "2.jpg").write_bytes(b"JFIF")
    with pytest.raises(DataError, match="more than 2 images are broken, such as "):
        opened(f"folder:{photos}", broken_limit=2)


def test_images_are_decoded_once_and_again_when_the_source_changes(photos: Path, tmp_path: Path) -> None:
    decoded: list[int] = []

    def look() -> Dataset:
        decoded.clear()
        return opened(f"folder:{photos}", cache=tmp_path / "cache", progress=lambda done, of: decoded.append(done))

    first = look()
    assert decoded == [20]
    assert torch.equal(look().images, first.images)
    assert decoded == []
    solid(photos / "red" / "1.png", (0, 255, 0))
    changed = look()
    assert decoded == [20]
    assert changed.fingerprint != first.fingerprint
    assert not torch.equal(changed.images, first.images)
    assert len(list((tmp_path / "cache").iterdir())) == 1  # the old one is gone, nothing half made is left


def test_a_damaged_cache_is_told(photos: Path, tmp_path: Path) -> None:
    opened(f"folder:{photos}", cache=tmp_path / "cache")
    (images,) = (tmp_path / "cache").glob("*/images.npy")
    images.write_bytes(images.read_bytes()[:-100])
    with pytest.raises(DataError, match="it is damaged; remove it"):
        opened(f"folder:{photos}", cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_one_line(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        opened(f"folder:{photos}", cache=tmp_path / "file")


def test_no_room_for_the_cache_is_told_before_it_is_filled(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="need 3,840 bytes, 1,000 are free"):
        opened(f"folder:{photos}", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_the_cache_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INCEPTION_LENS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache().folder == tmp_path / "inception-lens"


def test_the_middle_is_kept_without_squeezing() -> None:
    image = Image.new("RGB", (30, 10), (0, 0, 0))
    image.paste((255, 255, 255), (10, 0, 20, 10))
    assert fitted(image, 10).min() == 255


def test_a_split_by_classes_is_always_the_same() -> None:
    labels = [0] * 10 + [1] * 3 + [2]
    train, test = stratified(labels)
    assert (train, test) == stratified(labels)
    assert sorted(train + test) == list(range(14))
    assert [sum(labels[i] == c for i in test) for c in range(3)] == [2, 1, 0]
