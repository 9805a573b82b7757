"""Datasets that are folders of image files."""

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
"""Names of subfolders with the parts of a dataset that has its own split."""
MAX_PIXELS = 178_956_970
"""Of an image; Pillow treats more as a decompression bomb."""


def folder(path: str, split: str) -> Listing:
    """A folder with a subfolder for each class, or with `train` and `val` (or `test`) folders that contain them.

    Without a split, a fifth of every class is the test part, drawn with seed 0.

    Raises:
        DataError: the folder does not exist, or does not have at least two classes.
    """
    root = _existing_folder(path)
    children = {child.name.lower(): child for child in root.iterdir() if child.is_dir()}
    train, test = (next((children[name] for name in names if name in children), None) for names in (TRAIN, TEST))
    parts = [train, test] if train and test else [root]
    classes = sorted({child.name for part in parts for child in part.iterdir() if _is_class(child)})
    if len(classes) < 2:
        raise DataError(
            f"{path}: {len(classes)} subfolders with images, but a dataset needs at least two, one for each class"
        )
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

    The official split trains on `trnid` and tests on `tstid`. PaddlePaddle's split trains on `tstid`, which has six
    times as many images, and tests on `valid` (python/paddle/v2/dataset/flowers.py).

    Raises:
        DataError: a file is missing or invalid.
    """
    root = _existing_folder(path)
    labels = [int(label) - 1 for label in _matrix(root / "imagelabels.mat", "labels")]
    sets = root / "setid.mat"
    train, test = ("tstid", "valid") if split == "paddle" else ("trnid", "tstid")
    parts = [[int(number) - 1 for number in _matrix(sets, key)] for key in (train, test)]
    if min(labels, default=0) < 0:
        raise DataError(f"{root / 'imagelabels.mat'}: a label is {min(labels) + 1}, but labels count from 1")
    unlabelled = [number + 1 for part in parts for number in part if not 0 <= number < len(labels)]
    if unlabelled:
        raise DataError(f"{sets}: image {unlabelled[0]} is not one of the {len(labels)} labelled images")
    files = [root / "jpg" / f"image_{number:05}.jpg" for number in range(1, len(labels) + 1)]
    classes = [str(number) for number in range(1, max(labels, default=0) + 2)]
    return _listing(f"flowers102:{root}", root, files, classes, labels, parts[0], parts[1], (train, test))


def open_image(path: str | Path, side: int) -> "Image":
    """Open an image file as RGB with its EXIF orientation applied; a JPEG may be reduced, but not below `side`.

    Raises:
        OSError, ValueError, SyntaxError: the image is broken; Pillow raises SyntaxError for a PNG.
    """
    pillow = require("PIL.Image", extra="train")
    operations = require("PIL.ImageOps", extra="train")
    with pillow.open(path) as file:
        if file.width * file.height > MAX_PIXELS:
            raise ValueError(f"{file.width}x{file.height} is more than {MAX_PIXELS:,} pixels")
        file.draft("RGB", (side, side))  # decodes a JPEG at 1/8, 1/4 or 1/2 size if that is large enough
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
            status = file.stat()
        except OSError:  # counts as broken when it is decoded
            digest.update(f"{file.relative_to(root)} missing\n".encode(errors="surrogateescape"))
            continue
        line = f"{file.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return Listing(
        source,
        digest.hexdigest(),
        tuple(classes),
        labels,
        train,
        test,
        [str(file.relative_to(root)) for file in files],
        lambda i, side: open_image(files[i], side),
    )


def _existing_folder(path: str) -> Path:
    root = Path(os.path.abspath(os.path.expanduser(path)))
    if not root.is_dir():
        raise DataError(f"{path}: not an existing folder")
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
    except Exception as error:  # scipy raises many kinds of errors for an invalid file
        raise DataError(f"{path}: not a MATLAB file: {error}") from None
    if key not in found:
        raise DataError(f"{path}: it has no array `{key}`")
    numbers: list[int] = found[key].ravel().tolist()
    return numbers
