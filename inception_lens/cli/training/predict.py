"""`inception-lens predict`: what a trained network sees in images."""

from __future__ import annotations

from pathlib import Path

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import require
from inception_lens.renderers.escape import printable


@click.command("predict")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN|STATE")
@click.argument("images", type=click.Path(), nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="K", help="Classes to name.")
@click.option("--best", is_flag=True, help="The best state of the run, not the last.")
@click.option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1.  [default: the run's]")
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
    """Name the likeliest classes of image files, by the network of a run or of one of its states."""
    require("torch", extra="train")
    import msgspec

    from inception_lens.cli.training.runs import trained

    network, _ = trained(run, best, device)
    answers = network.predict(images, top)
    if format_ == "json":
        record = [
            {"image": image, "classes": [answer._asdict() for answer in row]}
            for image, row in zip(images, answers, strict=True)
        ]
        write(msgspec.json.encode(record).decode() + "\n", output)
        return
    lines = []
    for image, row in zip(images, answers, strict=True):
        classes = ", ".join(f"{answer.label} {100 * answer.probability:.1f} %" for answer in row)
        lines.append(f"{printable(image)}: {printable(classes)}\n")
    write("".join(lines), output)
