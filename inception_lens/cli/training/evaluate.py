"""`inception-lens evaluate`: the accuracy of a trained network, from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.cli.training import options as training_options
from inception_lens.errors import require

if TYPE_CHECKING:
    from inception_lens.tables.table import Table
    from inception_lens.training.run.records import Evaluation

MAX_CLASSES = 10
"""Rows in a terminal; other formats have all classes."""


@click.command("evaluate")
@training_options.run_options
@click.option("--data", metavar="DATA", help="Another dataset than the run's; classes are matched by name.")
@click.option("--all", "everything", is_flag=True, help="Evaluate on all images of DATA, not only the test images.")
@click.option("--ten-crop", is_flag=True, help="Predict the mean over ten crops of each image.")
@training_options.cache_option
@output_options()
def command(
    run: Path,
    data: str | None,
    everything: bool,
    best: bool,
    ten_crop: bool,
    device: str | None,
    cache: Path | None,
    outputs: Sequence[OutputTarget],
) -> None:
    """Evaluate the network of a run or of one of its checkpoints: top-1, top-5, and accuracy by class."""
    require("torch", extra="train")
    from inception_lens.cli.training.runs import dataset_of, open_trained
    from inception_lens.training.evaluation_table import evaluation_table

    network, step = open_trained(run, best, device)
    recipe = network.recipe.replace(data=data, split="auto") if data else network.recipe
    dataset = dataset_of(recipe, cache)
    result = network.evaluate(dataset, everything=everything, crops=10 if ten_crop else None)
    classes = network.data.classes

    def table(format_: str) -> Table:
        lowest = MAX_CLASSES if format_ == "table" else None
        return evaluation_table(result, classes, dataset.source, step, lowest)

    emit(outputs, lambda: as_json(_record(result, classes, dataset.source, step)), table)


def _record(evaluation: Evaluation, classes: Sequence[str], source: str, step: int) -> dict[str, object]:
    return {
        "accuracy": evaluation.top1,
        "top5": evaluation.top5,
        "loss": evaluation.loss,
        "images": evaluation.images,
        "step": step,
        "data": source,
        "per_class": dict(zip(classes, evaluation.per_class, strict=False)),
        "confusion": evaluation.confusion,
    }
