"""`inception-lens predict`: the classes that a trained network predicts for images."""

from __future__ import annotations

from pathlib import Path

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.cli.training import options as training_options
from inception_lens.errors import require
from inception_lens.renderers.escape import printable


@click.command("predict")
@training_options.run_options
@click.argument("images", type=click.Path(), nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="K", help="Classes per image.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options.output_option
def command(
    run: Path,
    images: tuple[str, ...],
    top: int,
    best: bool,
    device: str | None,
    format_: str,
    output: str | None,
) -> None:
    """Predict the most probable classes of image files with the network of a run or of one of its checkpoints."""
    require("torch", extra="train")
    import msgspec

    from inception_lens.cli.training.runs import open_trained

    network, _ = open_trained(run, best, device)
    predictions = network.predict(images, top)
    if format_ == "json":
        record = [
            {"image": image, "classes": [prediction._asdict() for prediction in row]}
            for image, row in zip(images, predictions, strict=True)
        ]
        write(msgspec.json.encode(record).decode() + "\n", output)
        return
    lines = []
    for image, row in zip(images, predictions, strict=True):
        classes = ", ".join(f"{each.label} {100 * each.probability:.1f} %" for each in row)
        lines.append(f"{printable(image)}: {printable(classes)}\n")
    write("".join(lines), output)
