"""Each source reads small files of its format, which these tests write."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from inception_lens.errors import ConfigError, DataError, InceptionLensError, MissingExtraError
from inception_lens.training.data.cache import Cache, resize_and_crop
from inception_lens.training.data.dataset import Dataset, stratified
from inception_lens.training.data.sources import open_dataset


def open_small(data: str, side: int = 8, **options: Any) -> Dataset:
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


def test_digits_are_those_of_scikit_learn() -> None:
    found = open_small("digits", 32)
    assert found.images.shape == (1797, 32, 32, 1)
    assert (len(found.train), len(found.test)) == (1437, 360)
    assert not set(found.train.tolist()) & set(found.test.tolist())
    counts = found.labels[found.test].bincount()
    assert counts.min() >= 35
    assert found.labels[:10].tolist() == list(range(10))


def test_unshuffled_digits_evaluate_on_the_last_360() -> None:
    assert open_small("digits:unshuffled", 8).test.tolist() == list(range(1437, 1797))


def test_a_folder_of_classes(photos: Path) -> None:
    found = open_small(f"folder:{photos}")
    assert found.classes == ("blue", "red")
    assert found.images.shape == (20, 8, 8, 3)
    assert (len(found.train), len(found.test)) == (16, 4)
    assert found.labels[found.test].bincount().tolist() == [2, 2]
    for image, label in zip(found.images, found.labels, strict=True):
        assert image[..., 2 if label == 0 else 0].float().mean() > 190


def test_a_folder_with_its_own_split(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("val", 2)):
        for name in ("cat", "dog"):
            for i in range(count):
                solid(tmp_path / part / name / f"{i}.png", (i, 0, 0))
    found = open_small(f"folder:{tmp_path}")
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
    official = open_small(f"flowers102:{tmp_path}")
    assert official.train.tolist() == [0, 1, 2]
    assert official.test.tolist() == [5, 6, 7, 8]
    assert official.labels.tolist() == [label - 1 for label in labels]
    swapped = open_small(f"flowers102:{tmp_path}", split="paddle")
    assert (swapped.train.tolist(), swapped.test.tolist()) == ([5, 6, 7, 8], [3, 4])
    assert swapped.images[8, 0, 0, 0] > swapped.images[0, 0, 0, 0] + 100
    (tmp_path / "setid.mat").write_bytes(b"not a MATLAB file")
    with pytest.raises(DataError, match=r"setid\.mat: not a MATLAB file"):
        open_small(f"flowers102:{tmp_path}")


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
    found = open_small(f"{kind}:{tmp_path}", 32)
    assert torch.equal(found.images, torch.from_numpy(images.transpose(0, 2, 3, 1).copy()))
    assert found.labels.tolist() == labels.tolist()
    assert found.classes == ("airplane", "bird", "cat")
    assert (found.train.tolist(), found.test.tolist()) == (list(range(10)), [10, 11])
    (tmp_path / next(iter(files))).write_bytes(b"x" * 100)
    with pytest.raises(DataError, match=r"100 bytes, but CIFAR's binary version has 307[34] per image"):
        open_small(f"{kind}:{tmp_path}", 32)


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")],
)
def test_npz_with_its_own_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    images, labels = np.full((6, 8, 8), 7, np.uint8), np.array([[0], [1]] * 3)
    arrays: Any = dict(zip(names, (images[:4], labels[:4], images[4:], labels[4:]), strict=True))
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    found = open_small(f"npz:{tmp_path / 'a.npz'}")
    assert (found.images.shape, len(found.train), len(found.test)) == ((6, 8, 8, 1), 4, 2)
    assert set(found.images.flatten().tolist()) == {7}


def test_npz_without_a_split(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((10, 4, 4, 3), np.uint8), labels=np.arange(10) % 2)
    found = open_small(f"npz:{tmp_path / 'a.npz'}")
    assert sorted(found.labels[found.test].tolist()) == [0, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3)}, "it has the arrays x, but needs x_train, y_train"),
        ({"images": np.zeros((4, 2, 2), np.float32), "labels": np.arange(4)}, "images of float32"),
        ({"images": np.zeros((4, 2, 2, 5), np.uint8), "labels": np.arange(4)}, "4x2x2x5"),
        ({"images": np.zeros((4, 2, 2), np.uint8), "labels": np.arange(3)}, "4 images and 3 labels"),
        ({"images": np.zeros((4, 2, 2), np.uint8), "labels": np.array([0, 1, -1, 0])}, "an integer from 0"),
        ({"images": np.array([None]), "labels": np.arange(1)}, "not a NumPy archive"),
    ],
)
def test_npz_with_other_arrays_is_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        open_small(f"npz:{tmp_path / 'a.npz'}")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 half a zip", b"\x93NUMPY"])
def test_a_file_that_is_not_npz_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.npz"):
        open_small(f"npz:{tmp_path / 'a.npz'}")


class FakeSplit:
    """A split of a dataset, with the interface of Hugging Face's library."""

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


def test_datasets_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("datasets")
    module.__dict__["load_dataset"] = lambda name: {"train": FakeSplit(6), "validation": FakeSplit(4)}
    monkeypatch.setitem(sys.modules, "datasets", module)
    found = open_small("hf:someone/photos")
    assert (found.classes, len(found.train), len(found.test)) == (("a", "b"), 6, 4)
    assert found.images[5, 0, 0].tolist() == [100] * 3
    module.__dict__["load_dataset"] = lambda name: {"train": SimpleNamespace(features={"text": "string"})}
    with pytest.raises(DataError, match="it needs a column of type Image"):
        open_small("hf:someone/text")


def test_the_hub_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises((MissingExtraError, ImportError)):
        open_small("hf:someone/photos")


def test_synthetic_images_have_the_size_and_classes_of_the_network() -> None:
    found = open_small("synthetic:50", 24, classes=7)
    assert found.images.shape == (50, 24, 24, 3)
    assert found.labels.max() < 7
    assert len(found.test) == 10


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ("digts", ConfigError, "did you mean `digits`"),
        ("digits:shuffled", ConfigError, "digits or digits:unshuffled"),
        ("folder", ConfigError, "`folder` has no path: folder:PATH"),
        ("hf:", ConfigError, "`hf:` has no name: hf:NAME"),
        ("folder:/nonesuch", DataError, "not an existing folder"),
        ("folder:{tmp}", DataError, "0 subfolders with images"),
        ("flowers102:{tmp}", DataError, "imagelabels.mat: No such file"),
        ("cifar10:{tmp}", DataError, "data_batch_1.bin: No such file"),
        ("npz:{tmp}/a.npz", DataError, "No such file"),
        ("synthetic:many", ConfigError, "a number of images"),
    ],
)
def test_a_missing_or_unknown_source_is_reported_in_one_line(
    tmp_path: Path, data: str, error: type[InceptionLensError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        open_small(data.format(tmp=tmp_path))
    assert "\n" not in str(caught.value)


def test_broken_images_are_listed_and_left_out(photos: Path) -> None:
    contents = (photos / "red" / "0.jpg").read_bytes()
    (photos / "red" / "0.jpg").write_bytes(contents[: len(contents) // 2])
    (photos / "blue" / "1.bmp").write_bytes(b"")
    found = open_small(f"folder:{photos}")
    assert sorted(name for name, _ in found.broken) == ["blue/1.bmp", "red/0.jpg"]
    assert len(found.images) == len(found.labels) == 18
    assert found.labels.bincount().tolist() == [9, 9]
    assert len(found.train) + len(found.test) == 18
    for image, label in zip(found.images, found.labels, strict=True):
        assert image[..., 2 if label == 0 else 0].float().mean() > 190
    (photos / "red" / "2.jpg").write_bytes(b"JFIF")
    with pytest.raises(DataError, match="more than 2 images are broken, such as "):
        open_small(f"folder:{photos}", broken_limit=2)


def test_images_are_decoded_once_and_again_when_the_source_changes(photos: Path, tmp_path: Path) -> None:
    decoded: list[int] = []

    def open_again() -> Dataset:
        decoded.clear()
        return open_small(f"folder:{photos}", cache=tmp_path / "cache", progress=lambda done, of: decoded.append(done))

    first = open_again()
    assert decoded == [20]
    assert torch.equal(open_again().images, first.images)
    assert decoded == []
    solid(photos / "red" / "1.png", (0, 255, 0))
    changed = open_again()
    assert decoded == [20]
    assert changed.fingerprint != first.fingerprint
    assert not torch.equal(changed.images, first.images)
    assert len(list((tmp_path / "cache").iterdir())) == 1  # the old dataset and temporary folders are removed


def test_a_damaged_cache_is_reported(photos: Path, tmp_path: Path) -> None:
    open_small(f"folder:{photos}", cache=tmp_path / "cache")
    (images,) = (tmp_path / "cache").glob("*/images.npy")
    images.write_bytes(images.read_bytes()[:-100])
    with pytest.raises(DataError, match="it is damaged; remove it"):
        open_small(f"folder:{photos}", cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_reported(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file"):
        open_small(f"folder:{photos}", cache=tmp_path / "file")


def test_a_full_disk_is_reported_before_the_cache_is_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match="need 3,840 bytes, 1,000 are free"):
        open_small(f"folder:{photos}", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_the_cache_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INCEPTION_LENS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache().folder == tmp_path / "inception-lens"


def test_the_central_square_is_kept_without_distortion() -> None:
    image = Image.new("RGB", (30, 10), (0, 0, 0))
    image.paste((255, 255, 255), (10, 0, 20, 10))
    assert resize_and_crop(image, 10).min() == 255


def test_a_stratified_split_is_deterministic() -> None:
    labels = [0] * 10 + [1] * 3 + [2] + [3] * 2
    train, test = stratified(labels)
    assert (train, test) == stratified(labels)
    assert sorted(train + test) == list(range(16))
    assert [sum(labels[i] == c for i in test) for c in range(4)] == [2, 1, 0, 1]
