"""Datasets of the Hugging Face Hub, or local ones that its library reads. Needs the extra `hub`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inception_lens.errors import DataError, require
from inception_lens.training.data.dataset import Listing, stratified

if TYPE_CHECKING:
    from PIL.Image import Image

TEST_SPLITS = ("test", "validation", "valid", "val")


def hub(name: str, split: str) -> Listing:
    """The dataset `name`, with its `train` split and its `test` or `validation` split.

    Without the latter, a fifth of every class is the test part, drawn with seed 0. The columns of images and labels are
    found by their types.

    Raises:
        MissingExtraError: the library is not installed.
        DataError: the dataset cannot be loaded, or a split or column is missing.
    """
    library = require("datasets", extra="hub")
    try:
        found = library.load_dataset(name)
    except Exception as error:  # the library raises many kinds of errors
        raise DataError(f"hf:{name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    if "train" not in found:
        raise DataError(f"hf:{name}: it has no split `train`, only {', '.join(found)}")
    train = found["train"]
    image_column, label_column = _columns(name, train.features)
    parts = [train, *[found[part] for part in TEST_SPLITS if part in found][:1]]
    labels = [int(label) for part in parts for label in part[label_column]]
    if min(labels, default=0) < 0:
        raise DataError(f"hf:{name}: column `{label_column}` has images without a label")
    halves: tuple[Sequence[int], Sequence[int]] = stratified(labels)
    if len(parts) == 2:
        halves = range(len(train)), range(len(train), len(labels))
    rows = [(part, i) for part in parts for i in range(len(part))]

    def read(i: int, side: int) -> "Image":
        part, row = rows[i]
        image: Image = part[row][image_column].convert("RGB")
        return image

    return Listing(
        f"hf:{name}",
        "-".join(part._fingerprint for part in parts),
        tuple(train.features[label_column].names),
        labels,
        *halves,
        [f"row {i}" for i in range(len(rows))],
        read,
    )


def _columns(name: str, features: Mapping[str, object]) -> tuple[str, str]:
    images = [column for column, kind in features.items() if type(kind).__name__ == "Image"]
    labels = [column for column, kind in features.items() if type(kind).__name__ == "ClassLabel"]
    if not images or not labels:
        shown = ", ".join(f"{column} ({type(kind).__name__})" for column, kind in features.items())
        raise DataError(f"hf:{name}: it needs a column of type Image and one of type ClassLabel, but has {shown}")
    preferred = [column for column in labels if column in ("label", "fine_label")]
    return images[0], (preferred or labels)[0]
