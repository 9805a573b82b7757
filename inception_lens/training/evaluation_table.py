"""The table of an evaluation: the accuracy of each class."""

from collections.abc import Sequence

from inception_lens.tables.table import Column, Row, Table
from inception_lens.training.run.records import Evaluation

COLUMNS = (
    Column(key="images", title="images", kind="count"),
    Column(key="accuracy", title="accuracy", kind="accuracy"),
    Column(key="confused_with", title="most confused with", priority=1),
    Column(key="confusions", title="times", kind="count", priority=1),
)


def evaluation_table(
    evaluation: Evaluation, classes: Sequence[str], source: str, step: int, lowest: int | None = None
) -> Table:
    """A row for each class with images.

    Args:
        evaluation: the result.
        classes: names of the classes.
        source: the dataset.
        step: training steps of the network.
        lowest: number of classes to show, those with the lowest accuracies; None: all.
    """
    names = [*classes, *(str(i) for i in range(len(classes), len(evaluation.confusion)))]
    known = [i for i, accuracy in enumerate(evaluation.per_class) if accuracy is not None]
    shown = known if lowest is None else sorted(known, key=lambda i: (evaluation.per_class[i], names[i]))[:lowest]
    loss = "?" if evaluation.loss is None else f"{evaluation.loss:.4f}"
    omitted = (
        (f"the {len(shown)} of {len(known)} classes with the lowest accuracies",) if len(shown) < len(known) else ()
    )
    return Table(
        title=f"Accuracy {100 * evaluation.top1:.2f} %, top-5 {100 * evaluation.top5:.2f} %, loss {loss}",
        subtitle=f"{evaluation.images:,} images of {source}, step {step}",
        label=Column(key="class", title="class"),
        columns=COLUMNS,
        rows=tuple([_row(i, evaluation, names) for i in shown]),
        totals=(Row("all", (evaluation.images, evaluation.top1, "", "")),),
        notes=omitted,
    )


def _row(i: int, evaluation: Evaluation, names: Sequence[str]) -> Row:
    row = evaluation.confusion[i]
    errors = [0 if k == i else count for k, count in enumerate(row)]
    worst = max(range(len(row)), key=errors.__getitem__)
    confused_with = names[worst] if errors[worst] else ""
    return Row(names[i], (sum(row), row[i] / sum(row), confused_with, errors[worst]))
