"""The table of predictions: the most probable classes of each image."""

from collections.abc import Sequence

from inception_lens.tables.table import Column, Row, Table
from inception_lens.training.trained import Prediction

COLUMNS = (
    Column(key="rank", title="rank", kind="count"),
    Column(key="class", title="class"),
    Column(key="probability", title="probability", kind="accuracy"),
)


def prediction_table(images: Sequence[str], predictions: Sequence[Sequence[Prediction]]) -> Table:
    """A row for each predicted class of each image, the most probable class first."""
    rows = [
        Row(image if rank == 1 else "", (rank, prediction.label, prediction.probability), name=image)
        for image, row in zip(images, predictions, strict=True)
        for rank, prediction in enumerate(row, 1)
    ]
    return Table(title="Predictions", label=Column(key="image", title="image"), columns=COLUMNS, rows=tuple(rows))
