"""A cache of decoded images: one file per dataset, which later runs map into memory."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import torch
from torch import Tensor

from inception_lens.errors import DataError
from inception_lens.files import flush_folder
from inception_lens.readers.files import JSON_ERRORS
from inception_lens.training.data.dataset import BrokenImage, Dataset, Listing, ProgressCallback, statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

IMAGES, RECORD = "images.npy", "about.json"
MAX_BROKEN_SHOWN = 5


class CacheRecord(msgspec.Struct, frozen=True):
    """Everything of a cached dataset except its images; its fields are those of a Dataset."""

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
    """The cache of the user: $INCEPTION_LENS_CACHE, or `inception-lens` in $XDG_CACHE_HOME or ~/.cache."""
    if folder := os.environ.get("INCEPTION_LENS_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inception-lens"


class Cache:
    """Decoded datasets, each in a folder that is created atomically."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    def dataset(
        self, listing: Listing, side: int, broken_limit: int = 50, progress: ProgressCallback | None = None
    ) -> Dataset:
        """The cached dataset; it is decoded first if it is not in the cache or its source has changed.

        Raises:
            DataError: more images than the limit are broken, or the cache cannot be written.
        """
        kind = listing.source.partition(":")[0]
        folder = self.folder / f"{kind}-{side}-{sha256(listing.source.encode()).hexdigest()[:16]}"
        record = _read_record(folder)
        if record is None or record.fingerprint != listing.fingerprint:
            try:
                self._build(listing, side, broken_limit, progress, folder)
            except OSError as error:
                raise DataError(f"{error.filename or folder}: {error.strerror or error}") from None
            record = _read_record(folder)
        if record is None:
            raise DataError(f"{folder}: another process changed it; try again")
        images = _mapped(folder / IMAGES)
        if len(images) != len(record.labels):
            raise DataError(f"{folder}: it is damaged; remove it")
        return _dataset(record, images)

    def in_memory(self, listing: Listing, side: int) -> Dataset:
        """The dataset, decoded without the cache."""
        rows = [resize_and_crop(listing.read(i, side), side, listing.channels) for i in range(len(listing.labels))]
        images = torch.from_numpy(np.stack(rows))
        return _dataset(_record(listing, images, range(len(rows)), []), images)

    def _build(
        self, listing: Listing, side: int, broken_limit: int, progress: ProgressCallback | None, folder: Path
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=self.folder))
        try:
            broken = _decode(listing, side, broken_limit, progress, building / IMAGES)
            intact = [i for i in range(len(listing.labels)) if i not in broken]
            reasons = [(listing.names[i], reason) for i, reason in sorted(broken.items())]
            record = _record(listing, _mapped(building / IMAGES), intact, reasons)
            if not record.train or not record.test:
                raise DataError(f"{listing.source}: too many images are broken: no training or no test image is left")
            (building / RECORD).write_bytes(msgspec.json.encode(record))
            flush_folder(building)
            old = Path(f"{building}.old")
            if folder.exists():
                os.replace(folder, old)
            try:
                os.replace(building, folder)
            except OSError:  # another process was faster
                if _read_record(folder) is None:
                    raise
            shutil.rmtree(old, ignore_errors=True)
        finally:
            shutil.rmtree(building, ignore_errors=True)


def resize_and_crop(image: "Image", side: int, channels: int = 3) -> "NDArray[np.uint8]":
    """The central square of the image, resized to `side`: bytes, `(side, side, channels)`."""
    from PIL.Image import Resampling

    image = image.convert("L" if channels == 1 else "RGB")
    if image.size != (side, side):
        scale = side / min(image.size)
        width, height = (max(round(size * scale), side) for size in image.size)
        # Only the part that becomes the central square is resized.
        left, top = (image.width * (1 - side / width) / 2, image.height * (1 - side / height) / 2)
        image = image.resize((side, side), Resampling.BILINEAR, (left, top, image.width - left, image.height - top))
    array = np.asarray(image, dtype=np.uint8)
    return array[..., None] if channels == 1 else array


def _decode(
    listing: Listing, side: int, broken_limit: int, progress: ProgressCallback | None, target: Path
) -> dict[int, str]:
    """Decode all images but the broken ones into a file; returns the reason for each broken one."""
    count = len(listing.labels)
    shape = (count, side, side, listing.channels)
    broken: dict[int, str] = {}
    done = 0
    _reserve(target, int(np.prod(shape)))
    images = np.lib.format.open_memmap(target, "w+", np.uint8, shape)  # type: ignore[no-untyped-call]

    def decode(i: int) -> str | None:
        try:
            images[i] = resize_and_crop(listing.read(i, side), side, listing.channels)
        except Exception as error:  # Pillow's plugins raise many kinds of errors
            return str(getattr(error, "strerror", None) or error) or type(error).__name__
        return None

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # of Pillow, about unusual but intact files
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
    """Fail if the disk is too full: writing to a memory-mapped file would kill the process with a signal."""
    free = shutil.disk_usage(target.parent).free
    if free < size + (16 << 20):
        raise DataError(f"{target.parent.parent}: the decoded images need {size:,} bytes, {free:,} are free")


def _compact(target: Path, intact: Sequence[int]) -> None:
    """Remove the broken images from the file."""
    images = np.lib.format.open_memmap(target, "r+")  # type: ignore[no-untyped-call]
    for to, i in enumerate(intact):
        if to != i:
            images[to] = images[i]
    compacted = target.with_suffix(".compact")
    out = np.lib.format.open_memmap(compacted, "w+", np.uint8, (len(intact), *images.shape[1:]))  # type: ignore[no-untyped-call]
    out[:] = images[: len(intact)]
    out.flush()
    del images, out
    os.replace(compacted, target)


def _too_many(listing: Listing, broken: dict[int, str], limit: int) -> str:
    shown = "; ".join(f"{listing.names[i]}: {reason}" for i, reason in list(broken.items())[:MAX_BROKEN_SHOWN])
    return f"{listing.source}: more than {limit} images are broken, such as {shown}"


def _record(listing: Listing, images: Tensor, intact: Sequence[int], broken: list[tuple[str, str]]) -> CacheRecord:
    numbers = {i: new for new, i in enumerate(intact)}
    train, test = ([numbers[i] for i in part if i in numbers] for part in (listing.train, listing.test))
    mean, std = statistics(images, torch.tensor(train)) if train else ((0.5,), (0.5,))
    labels = [int(listing.labels[i]) for i in intact]
    return CacheRecord(listing.source, listing.fingerprint, listing.classes, labels, train, test, mean, std, broken)


def _read_record(folder: Path) -> CacheRecord | None:
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=CacheRecord)
    except (OSError, *JSON_ERRORS):
        return None


def _mapped(path: Path) -> Tensor:
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: it is damaged; remove it: {error}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch has no read-only tensors; nothing here writes
        return torch.from_numpy(images)


def _dataset(record: CacheRecord, images: Tensor) -> Dataset:
    return Dataset(
        record.source,
        record.fingerprint,
        record.classes,
        images,
        torch.tensor(record.labels),
        torch.tensor(record.train),
        torch.tensor(record.test),
        record.mean,
        record.std,
        tuple(BrokenImage(*each) for each in record.broken),
    )
