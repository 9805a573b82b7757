"""`--data KIND:PLACE`: the kinds of sources, and how a dataset is opened."""

from collections.abc import Callable
from pathlib import Path

from inception_lens.errors import ConfigError, DataError, suggest
from inception_lens.training.data import arrays as array_sources
from inception_lens.training.data import hub as hub_source
from inception_lens.training.data import image_folders
from inception_lens.training.data.cache import Cache
from inception_lens.training.data.dataset import Dataset, Listing, ProgressCallback

SourceReader = Callable[[str, str], Listing]
"""From the text after the colon and the name of a split to a listing."""

SOURCES: dict[str, SourceReader] = {
    "digits": array_sources.digits,
    "folder": image_folders.folder,
    "flowers102": image_folders.flowers102,
    "cifar10": array_sources.cifar10,
    "cifar100": array_sources.cifar100,
    "npz": array_sources.npz,
    "hf": hub_source.hub,
}
IN_MEMORY = ("digits", "synthetic")
"""Kinds that are not cached, because they are decoded faster than a cache is read."""


def open_dataset(
    data: str,
    side: int,
    *,
    split: str = "auto",
    cache: Path | None = None,
    classes: int = 1000,
    broken_limit: int = 50,
    progress: ProgressCallback | None = None,
) -> Dataset:
    """Open a source. Its images are decoded once, to squares of `side` pixels, and cached.

    Args:
        data: the source, such as `digits:unshuffled` or `folder:PATH`.
        side: height and width of the stored images, in pixels.
        split: name of the split, for a source that has several.
        cache: folder of the cache; None: that of the user.
        classes: number of classes of synthetic images.
        broken_limit: largest number of broken images.
        progress: called while images are decoded.

    Raises:
        ConfigError: the source or the split is unknown.
        DataError: images are missing, too many are broken, or a part of the split is empty.
    """
    kind, _, rest = data.partition(":")
    if split != "auto" and kind != "flowers102":
        raise ConfigError(f"--split {split}: only flowers102 has several splits, not `{kind}`")
    if kind == "synthetic":
        return array_sources.synthetic(rest, side, classes)
    if kind not in SOURCES:
        raise ConfigError(f"`{kind}` is not a kind of dataset{suggest(kind, [*SOURCES, 'synthetic'])}")
    if kind != "digits" and not rest:
        raise ConfigError(
            f"`{data}` has no {'name' if kind == 'hf' else 'path'}: {kind}:{'NAME' if kind == 'hf' else 'PATH'}"
        )
    listing = SOURCES[kind](rest, split)
    if not listing.train or not listing.test:
        raise DataError(f"{data}: {len(listing.train)} training images and {len(listing.test)} test images")
    store = Cache(cache)
    if kind in IN_MEMORY:
        return store.in_memory(listing, side)
    return store.dataset(listing, side, broken_limit, progress)
