"""`--data`: the word before the colon says how images are stored, what stands behind it where."""

from collections.abc import Callable
from pathlib import Path

from inception_lens.errors import ConfigError, DataError, suggest
from inception_lens.training.data import arrays as array_sources
from inception_lens.training.data import hub as hub_source
from inception_lens.training.data import image_folders
from inception_lens.training.data.cache import Cache
from inception_lens.training.data.dataset import Dataset, Listing, Progress

Source = Callable[[str, str], Listing]
"""From what stands behind the colon, and the split that is asked for, to the listing."""

SOURCES: dict[str, Source] = {
    "digits": array_sources.digits,
    "folder": image_folders.folder,
    "flowers102": image_folders.flowers102,
    "cifar10": array_sources.cifar10,
    "cifar100": array_sources.cifar100,
    "npz": array_sources.npz,
    "hf": hub_source.hub,
}
IN_MEMORY = ("digits", "synthetic")
"""Sources whose images are made faster than a cache is read."""


def open_dataset(
    data: str,
    side: int,
    *,
    split: str = "auto",
    cache: Path | None = None,
    classes: int = 1000,
    broken_limit: int = 50,
    progress: Progress | None = None,
) -> Dataset:
    """Open a source; its images are decoded once, to squares of `side`, and kept in the cache.

    Args:
        data: the source, such as `digits:unshuffled` or `folder:PATH`.
        side: height and width at which images are kept, pixels.
        split: of a source that has several.
        cache: the folder of the cache; None is the user's own.
        classes: of synthetic images.
        broken_limit: how many images may be broken.
        progress: told about the decoding.

    Raises:
        ConfigError: there is no such source or split.
        DataError: the images are not there, too many are broken, or there are too few.
    """
    kind, _, rest = data.partition(":")
    if split != "auto" and kind != "flowers102":
        raise ConfigError(f"--split {split}: flowers102 alone has several splits, not `{kind}`")
    if kind == "synthetic":
        return array_sources.synthetic(rest, side, classes)
    if kind not in SOURCES:
        raise ConfigError(f"`{kind}` is no source of data{suggest(kind, [*SOURCES, 'synthetic'])}")
    if kind not in ("digits",) and not rest:
        raise ConfigError(f"`{data}`: where? {kind}:{'NAME' if kind == 'hf' else 'PATH'}")
    listing = SOURCES[kind](rest, split)
    if not listing.train or not listing.test:
        raise DataError(f"{data}: {len(listing.train)} images to train on and {len(listing.test)} to evaluate")
    store = Cache(cache)
    if kind in IN_MEMORY:
        return store.in_memory(listing, side)
    return store.dataset(listing, side, broken_limit, progress)
