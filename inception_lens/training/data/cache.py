"""Images are decoded once, into one file of bytes that every later run maps into its memory."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
from torch import Tensor

from inception_lens.errors import DataError
from inception_lens.files import flush_folder
from inception_lens.readers.files import JSON_ERRORS
from inception_lens.training.data.dataset import Broken, Dataset, Listing, Progress, statistics

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES, ABOUT = "images.npy", "about.json"
BROKEN_SHOWN = 5


class About(msgspec.Struct, frozen=True):
    """What stands beside the images of a cached dataset."""

    source: str
    fingerprint: str
    classes: tuple[str, ...]
    labels: list[int]
    train: list[int]
    test: list[int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    broken: list[tuple[str, str]]


def default_folder() -> Path:
    """The user's cache: $INCEPTION_LENS_CACHE, or `inception-lens` in $XDG_CACHE_HOME or ~/.cache."""
    if named := os.environ.get("INCEPTION_LENS_CACHE"):
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inception-lens"


class Cache:
    """Decoded datasets in one folder, each in a folder of its own that is there whole or not at all."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    def dataset(self, listing: Listing, side: int, broken_limit: int = 50, progress: Progress | None = None) -> Dataset:
        """The dataset from the cache; it is decoded where it is not there, or its source has changed since.

        Raises:
            DataError: more images than the limit are broken, or the cache cannot be written.
        """
        kind = listing.source.partition(":")[0]
        place = self.folder / f"{kind}-{side}-{sha256(listing.source.encode()).hexdigest()[:16]}"
        about = _about(place)
        if about is None or about.fingerprint != listing.fingerprint:
            try:
                self._build(listing, side, broken_limit, progress, place)
            except OSError as error:
                raise DataError(f"{error.filename or place}: {error.strerror or error}") from None
            about = _about(place)
        if about is None:
            raise DataError(f"{place}: it was changed while it was read; try again")
        images = _mapped(place / IMAGES)
        if len(images) != len(about.labels):
            raise DataError(f"{place}: it is damaged; remove it")
        return _dataset(about, images)

    def in_memory(self, listing: Listing, side: int) -> Dataset:
        """The dataset without a file."""
        rows = [fitted(listing.read(i, side), side, listing.channels) for i in range(len(listing.labels))]
        images = torch.from_numpy(np.stack(rows))
        about = _told(listing, images, range(len(rows)), [])
        return _dataset(about, images)

    def _build(self, listing: Listing, side: int, broken_limit: int, progress: Progress | None, place: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=self.folder))
        try:
            broken = _decode(listing, side, broken_limit, progress, building / IMAGES)
            whole = [i for i in range(len(listing.labels)) if i not in broken]
            told = [(listing.names[i], reason) for i, reason in sorted(broken.items())]
            about = _told(listing, _mapped(building / IMAGES), whole, told)
            if not about.train or not about.test:
                raise DataError(f"{listing.source}: too few images are whole to train and evaluate")
            (building / ABOUT).write_bytes(msgspec.json.encode(about))
            flush_folder(building)
            old = Path(f"{building}.old")
            if place.exists():
                os.replace(place, old)
            try:
                os.replace(building, place)
            except OSError:  # another process was first
                if _about(place) is None:
                    raise
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(building, ignore_errors=True)


def fitted(image: "Image", side: int, channels: int = 3) -> "np.ndarray[Any, Any]":
    """The image with its shorter side resized to `side` and its middle cut out: bytes, `(side, side, channels)`."""
    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (side, side):
        scale = side / min(image.size)
        width, height = (max(round(size * scale), side) for size in image.size)
        # The part of the original that becomes the middle, so that nothing else is resized.
        left, top = (image.width * (1 - side / width) / 2, image.height * (1 - side / height) / 2)
        image = image.resize((side, side), _bilinear(), (left, top, image.width - left, image.height - top))
    array = np.asarray(image, dtype=np.uint8)
    return array[..., None] if channels == 1 else array


def _bilinear() -> Any:
    from PIL.Image import Resampling

    return Resampling.BILINEAR


def _decode(listing: Listing, side: int, broken_limit: int, progress: Progress | None, target: Path) -> dict[int, str]:
    """Decode every image into a file, broken ones left out; return these and why."""
    count = len(listing.labels)
    shape = (count, side, side, listing.channels)
    broken: dict[int, str] = {}
    done = 0
    _reserve(target, int(np.prod(shape)))
    images = np.lib.format.open_memmap(target, "w+", np.uint8, shape)  # type: ignore[no-untyped-call]

    def decode(i: int) -> str | None:
        try:
            images[i] = fitted(listing.read(i, side), side, listing.channels)
        except Exception as error:  # Pillow's plugins raise whatever they meet
            return str(getattr(error, "strerror", None) or error) or type(error).__name__
        return None

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow's, on files that are odd and yet whole
        for i, reason in enumerate(pool.map(decode, range(count))):
            if reason is not None:
                broken[i] = reason
                if len(broken) > broken_limit:
                    pool.shutdown(cancel_futures=True)
                    raise DataError(_too_many(listing, broken, broken_limit))
            done += 1
            if progress and (done % 64 == 0 or done == count):
                progress(done, count)
    images.flush()
    if broken:
        _compact(target, [i for i in range(count) if i not in broken])
    return broken


def _reserve(target: Path, size: int) -> None:
    """Fail where the disk has no room: a mapped file would be killed by a signal in the middle."""
    free = shutil.disk_usage(target.parent).free
    if free < size + (16 << 20):
        raise DataError(f"{target.parent.parent}: the decoded images need {size:,} bytes, {free:,} are free")


def _compact(target: Path, whole: Sequence[int]) -> None:
    """Move the whole images together, over the broken ones."""
    images = np.lib.format.open_memmap(target, "r+")  # type: ignore[no-untyped-call]
    for to, i in enumerate(whole):
        if to != i:
            images[to] = images[i]
    compacted = target.with_suffix(".compact")
    out = np.lib.format.open_memmap(compacted, "w+", np.uint8, (len(whole), *images.shape[1:]))  # type: ignore[no-untyped-call]
    out[:] = images[: len(whole)]
    out.flush()
    del images, out
    os.replace(compacted, target)


def _too_many(listing: Listing, broken: dict[int, str], limit: int) -> str:
    shown = "; ".join(f"{listing.names[i]}: {reason}" for i, reason in list(broken.items())[:BROKEN_SHOWN])
    return f"{listing.source}: more than {limit} images are broken, such as {shown}"


def _told(listing: Listing, images: Tensor, whole: Sequence[int], broken: list[tuple[str, str]]) -> About:
    place = {i: new for new, i in enumerate(whole)}
    train, test = ([place[i] for i in part if i in place] for part in (listing.train, listing.test))
    mean, std = statistics(images, torch.tensor(train)) if train else ((0.5,), (0.5,))
    labels = [int(listing.labels[i]) for i in whole]
    return About(listing.source, listing.fingerprint, listing.classes, labels, train, test, mean, std, broken)


def _about(place: Path) -> About | None:
    try:
        return msgspec.json.decode((place / ABOUT).read_bytes(), type=About)
    except (OSError, *JSON_ERRORS):
        return None


def _mapped(path: Path) -> Tensor:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: it is damaged; remove it: {error}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has no tensors that cannot be written; nothing here writes
        return torch.from_numpy(images)


def _dataset(about: About, images: Tensor) -> Dataset:
    return Dataset(
        about.source,
        about.fingerprint,
        about.classes,
        images,
        torch.tensor(about.labels),
        torch.tensor(about.train),
        torch.tensor(about.test),
        about.mean,
        about.std,
        tuple(Broken(*each) for each in about.broken),
    )
