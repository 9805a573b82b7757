"""`inception-lens predict`: the classes that a trained network predicts for images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.cli.training import options as training_options
from inception_lens.errors import require


@click.command("predict")
@training_options.run_options
@click.argument("images", type=click.Path(), nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="K", help="Classes per image.")
@output_options()
def command(
    run: Path,
    images: tuple[str, ...],
    top: int,
    best: bool,
    device: str | None,
    outputs: Sequence[OutputTarget],
) -> None:
    """Predict the most probable classes of image files with the network of a run or of one of its checkpoints."""
    require("torch", extra="train")
    from inception_lens.cli.training.runs import open_trained
    from inception_lens.training.prediction_table import prediction_table

    network, _ = open_trained(run, best, device)
    predictions = network.predict(images, top)
    record = [
        {"image": image, "classes": [prediction._asdict() for prediction in row]}
        for image, row in zip(images, predictions, strict=True)
    ]
    emit(outputs, lambda: as_json(record), lambda _: prediction_table(images, predictions))
