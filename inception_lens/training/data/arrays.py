"""Datasets that are arrays of numbers."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from inception_lens.errors import ConfigError, DataError, require
from inception_lens.training.data.dataset import Dataset, Listing, stratified
from inception_lens.training.randomness import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

UNSHUFFLED_TEST_IMAGES = 360
"""The last digits, most of which are by other writers than the rest."""
SYNTHETIC_IMAGES = 2048
NPZ_NAMES = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("images", "labels"),
)
"""Names of the arrays in files of Keras and of MedMNIST, and of a dataset without a split."""


def digits(variant: str, split: str) -> Listing:
    """The 1,797 digits of 8x8 pixels in scikit-learn (E. Alpaydin and C. Kaynak, UCI, 1998).

    A stratified fifth is the test part, drawn by scikit-learn with seed 0; of `unshuffled`, the last 360.

    Raises:
        ConfigError: the variant is unknown.
    """
    if variant not in ("", "stratified", "unshuffled"):
        raise ConfigError(f"`digits:{variant}` is unknown: use digits or digits:unshuffled")
    found = require("sklearn.datasets", extra="train").load_digits()
    labels: list[int] = found.target.tolist()
    numbers = list(range(len(labels)))
    if variant == "unshuffled":
        train, test = numbers[:-UNSHUFFLED_TEST_IMAGES], numbers[-UNSHUFFLED_TEST_IMAGES:]
    else:
        split_in_two = require("sklearn.model_selection", extra="train").train_test_split
        train, test = split_in_two(numbers, test_size=0.2, stratify=labels, random_state=0)
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    source = "digits:unshuffled" if variant == "unshuffled" else "digits"
    return _listing(source, _digest(images, labels), images, [str(n) for n in range(10)], labels, train, test)


def cifar10(path: str, split: str) -> Listing:
    """CIFAR-10, binary version: `data_batch_1.bin` to `5`, `test_batch.bin`, `batches.meta.txt` (A. Krizhevsky, 2009).

    Raises:
        DataError: a file is missing or invalid.
    """
    train = [f"data_batch_{i}.bin" for i in range(1, 6)]
    return _cifar("cifar10", path, train, "test_batch.bin", "batches.meta.txt", label_bytes=1)


def cifar100(path: str, split: str) -> Listing:
    """CIFAR-100, binary version, with fine labels: `train.bin`, `test.bin`, `fine_label_names.txt`.

    Raises:
        DataError: a file is missing or invalid.
    """
    return _cifar("cifar100", path, ["train.bin"], "test.bin", "fine_label_names.txt", label_bytes=2)


EXPECTED_NAMES = " or ".join(", ".join(names) for names in NPZ_NAMES)


def npz(path: str, split: str) -> Listing:
    """A NumPy archive of images, bytes `(N, H, W)` or `(N, H, W, channels)`, and labels, with names as in `NPZ_NAMES`.

    Raises:
        DataError: it cannot be read, or an array is invalid.
    """
    where = Path(os.path.abspath(os.path.expanduser(path)))
    try:
        with open(where, "rb") as file, np.load(file, allow_pickle=False) as archive:
            names = next((names for names in NPZ_NAMES if set(names) <= set(archive.files)), None)
            if names is None:
                raise DataError(f"{path}: it has the arrays {', '.join(archive.files)}, but needs {EXPECTED_NAMES}")
            arrays = [archive[name] for name in names]
    except DataError:
        raise
    except Exception as error:  # zipfile and zlib raise many kinds of errors; a file with one array is not an archive
        reason = getattr(error, "strerror", None) or f"not a NumPy archive: {error}"
        raise DataError(f"{path}: {reason}") from None
    images = np.concatenate([_channels_last(array, path) for array in arrays[::2]])
    labels = np.concatenate([array.reshape(-1) for array in arrays[1::2]])
    if len(images) != len(labels) or not np.issubdtype(labels.dtype, np.integer) or labels.min(initial=0) < 0:
        raise DataError(
            f"{path}: {len(images)} images and {len(labels)} labels, but each image needs a label, an integer from 0"
        )
    listed: list[int] = labels.tolist()
    halves: tuple[Sequence[int], Sequence[int]] = stratified(listed)
    if len(arrays) == 4:
        halves = range(len(arrays[0])), range(len(arrays[0]), len(images))
    classes = [str(label) for label in range(max(listed, default=0) + 1)]
    return _listing(f"npz:{where}", _digest(images, listed), images, classes, listed, *halves)


def synthetic(number: str, side: int, classes: int) -> Dataset:
    """Noise with random labels, for speed measurements; `synthetic:10000` is 10,000 images.

    Raises:
        ConfigError: the number of images is invalid.
    """
    if number and not (number.isascii() and number.isdecimal() and 2 <= int(number) <= 10_000_000):
        raise ConfigError(f"`synthetic:{number}`: the colon is followed by a number of images, such as synthetic:4096")
    count = int(number or SYNTHETIC_IMAGES)
    draw = generator(0, "synthetic")
    images = torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=draw)
    labels = torch.randint(0, classes, (count,), generator=draw)
    order = torch.arange(count)
    test = max(count // 5, 1)
    names = tuple(str(label) for label in range(classes))
    half = (0.5,) * 3
    return Dataset(f"synthetic:{count}", f"{side}", names, images, labels, order[:-test], order[-test:], half, half)


def _cifar(kind: str, path: str, train: Sequence[str], test: str, names: str, label_bytes: int) -> Listing:
    root = Path(os.path.abspath(os.path.expanduser(path)))
    record = label_bytes + 3 * 32 * 32
    parts = []
    for name in (*train, test):
        try:
            data = np.fromfile(root / name, dtype=np.uint8)
        except OSError as error:
            raise DataError(f"{root / name}: {error.strerror or error}") from None
        if not len(data) or len(data) % record:
            raise DataError(f"{root / name}: {len(data)} bytes, but CIFAR's binary version has {record} per image")
        parts.append(data.reshape(-1, record))
    records = np.concatenate(parts)
    labels: list[int] = records[:, label_bytes - 1].tolist()
    images = records[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    known = _lines(root / names)
    classes = known if len(known) > max(labels) else [str(label) for label in range(max(labels) + 1)]
    count = len(records) - len(parts[-1])
    split = range(count), range(count, len(records))
    return _listing(f"{kind}:{root}", _digest(records, labels), images, classes, labels, *split)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return []


def _channels_last(images: "NDArray[np.uint8]", path: str) -> "NDArray[np.uint8]":
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8 or 0 in images.shape:
        raise DataError(
            f"{path}: images of {images.dtype} and shape {'x'.join(map(str, images.shape))}, but they must be uint8, "
            "(N, H, W) or (N, H, W, 1 or 3)"
        )
    return images


def _digest(images: "NDArray[np.uint8]", labels: Sequence[int]) -> str:
    digest = hashlib.sha256(repr((images.shape, list(labels))).encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def _listing(
    source: str,
    fingerprint: str,
    images: "NDArray[np.uint8]",
    classes: Sequence[str],
    labels: Sequence[int],
    train: Sequence[int],
    test: Sequence[int],
) -> Listing:
    pillow = require("PIL.Image", extra="train")

    def read(i: int, side: int) -> "Image":
        image = np.ascontiguousarray(images[i])
        opened: Image = pillow.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        return opened

    channels = int(images.shape[-1])
    names = [f"image {i}" for i in range(len(labels))]
    return Listing(source, fingerprint, tuple(classes), labels, train, test, names, read, channels)
