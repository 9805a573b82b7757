"""Sources that are folders of image files."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inception_lens.errors import DataError, require
from inception_lens.training.data.dataset import Listing, stratified

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
TRAIN, TEST = ("train", "training"), ("val", "valid", "validation", "test")
"""Names of sub-folders that hold the parts of a dataset that is split already."""
LARGEST = 178_956_970
"""Pixels of an image; more are taken for an attack, as Pillow does."""


def folder(path: str, split: str) -> Listing:
    """A folder with a sub-folder per class; or with `train` and `val` (or `test`), which have those.

    Without these, a fifth of every class evaluates, drawn with seed 0.

    Raises:
        DataError: it is not there, or has no such sub-folders.
    """
    root = _existing(path)
    children = {child.name.lower(): child for child in root.iterdir() if child.is_dir()}
    train, test = (next((children[name] for name in names if name in children), None) for names in (TRAIN, TEST))
    parts = [train, test] if train and test else [root]
    classes = sorted({child.name for part in parts for child in part.iterdir() if _is_class(child)})
    if len(classes) < 2:
        raise DataError(f"{path}: {len(classes)} sub-folders with images; there is one for each class, two or more")
    files: list[Path] = []
    labels: list[int] = []
    sizes: list[int] = []
    for part in parts:
        for label, name in enumerate(classes):
            found = sorted(_images(part / name))
            files += found
            labels += [label] * len(found)
        sizes.append(len(files))
    if len(parts) == 2:
        train_images: Sequence[int] = range(sizes[0])
        test_images: Sequence[int] = range(sizes[0], sizes[1])
    else:
        train_images, test_images = stratified(labels)
    return _listing(f"folder:{root}", root, files, classes, labels, train_images, test_images)


def flowers102(path: str, split: str) -> Listing:
    """Oxford Flowers-102 as published: `jpg/`, `imagelabels.mat` with labels from 1, `setid.mat`.

    The official split trains on `trnid` and evaluates on `tstid`. PaddlePaddle's trains on `tstid`, which holds six
    times as many images, and evaluates on `valid` (python/paddle/v2/dataset/flowers.py).

    Raises:
        DataError: a file is not there, or is not what it should be.
    """
    root = _existing(path)
    labels = [int(label) - 1 for label in _matrix(root / "imagelabels.mat", "labels")]
    sets = root / "setid.mat"
    train, test = ("tstid", "valid") if split == "paddle" else ("trnid", "tstid")
    parts = [[int(number) - 1 for number in _matrix(sets, key)] for key in (train, test)]
    strange = [number + 1 for part in parts for number in part if not 0 <= number < len(labels)]
    if strange or min(labels, default=0) < 0:
        raise DataError(f"{sets}: there is no image {strange[0] if strange else 0} among {len(labels)} labels")
    files = [root / "jpg" / f"image_{number:05}.jpg" for number in range(1, len(labels) + 1)]
    classes = [str(number) for number in range(1, max(labels, default=0) + 2)]
    return _listing(f"flowers102:{root}", root, files, classes, labels, parts[0], parts[1], (train, test))


def opened(path: str | Path, side: int) -> "Image":
    """Open an image file as RGB, upright, at least as large as `side` where it is.

    Raises:
        OSError, ValueError, SyntaxError: it is broken; SyntaxError is Pillow's for a PNG.
    """
    pillow = require("PIL.Image", extra="train")
    operations = require("PIL.ImageOps", extra="train")
    with pillow.open(path) as file:
        if file.width * file.height > LARGEST:
            raise ValueError(f"{file.width}x{file.height} pixels are too many")
        file.draft("RGB", (side, side))  # a JPEG is decoded at an eighth, a quarter or half where that is enough
        image: Image = operations.exif_transpose(file).convert("RGB")
    return image


def _listing(
    source: str,
    root: Path,
    files: Sequence[Path],
    classes: Sequence[str],
    labels: Sequence[int],
    train: Sequence[int],
    test: Sequence[int],
    extra: tuple[str, ...] = (),
) -> Listing:
    digest = hashlib.sha256(repr((classes, labels, list(train), list(test), extra)).encode())
    for file in files:
        try:
            found = file.stat()
        except OSError:  # counted among the broken ones when it is decoded
            digest.update(f"{file.relative_to(root)} missing\n".encode(errors="surrogateescape"))
            continue
        line = f"{file.relative_to(root)} {found.st_size} {found.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return Listing(
        source,
        digest.hexdigest(),
        tuple(classes),
        labels,
        train,
        test,
        [str(file.relative_to(root)) for file in files],
        lambda i, side: opened(files[i], side),
    )


def _existing(path: str) -> Path:
    root = Path(os.path.abspath(os.path.expanduser(path)))
    if not root.is_dir():
        raise DataError(f"{path}: there is no such folder")
    return root


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".") and next(_images(path), None) is not None


def _images(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _matrix(path: Path, key: str) -> Sequence[int]:
    scipy_io = require("scipy.io", extra="train")
    try:
        with open(path, "rb") as file:
            found = scipy_io.loadmat(file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # scipy raises many kinds at a file that is none of MATLAB's
        raise DataError(f"{path}: no MATLAB file: {error}") from None
    if key not in found:
        raise DataError(f"{path}: it holds no `{key}`")
    numbers: list[int] = found[key].ravel().tolist()
    return numbers
