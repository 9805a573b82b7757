"""`inception-lens evaluate`: the figure of a run again, from its saved state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.errors import require
from inception_lens.renderers.escape import printable

if TYPE_CHECKING:
    from inception_lens.training.evaluation import Evaluation


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN|STATE")
@click.option("--data", metavar="DATA", help="Other images than the run's own; classes are matched by name.")
@click.option("--all", "everything", is_flag=True, help="All images of DATA, not only those kept for evaluation.")
@click.option("--best", is_flag=True, help="The best state of the run, not the last.")
@click.option("--ten-crop", is_flag=True, help="The mean over ten crops of each image.")
@click.option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1.  [default: the run's]")
@click.option("--cache", metavar="DIR", help="Where decoded images are kept.  [default: ~/.cache/inception-lens]")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options.output_option
def command(
    run: Path,
    data: str | None,
    everything: bool,
    best: bool,
    ten_crop: bool,
    device: str | None,
    cache: str | None,
    format_: str,
    output: str | None,
) -> None:
    """How often the network of a run, or of one of its states, is right: top-1, top-5, and by class."""
    require("torch", extra="train")
    from inception_lens.cli.training.runs import dataset_of, trained

    network, step = trained(run, best, device)
    asked = network.recipe.replace(data=data, split="auto") if data else network.recipe
    dataset = dataset_of(asked, Path(cache) if cache else None)
    result = network.evaluate(dataset, everything=everything, crops=10 if ten_crop else None)
    render = _json if format_ == "json" else _text
    write(render(result, network.about.classes, dataset.source, step), output)


def _json(result: Evaluation, classes: Sequence[str], source: str, step: int) -> str:
    import msgspec

    record = {
        "accuracy": result.top1,
        "top5": result.top5,
        "loss": result.loss,
        "images": result.images,
        "step": step,
        "data": source,
        "per_class": dict(zip(classes, result.per_class, strict=False)),
        "confusion": result.confusion,
    }
    return msgspec.json.encode(record).decode() + "\n"


def _text(result: Evaluation, classes: Sequence[str], source: str, step: int) -> str:
    named = zip(result.per_class, classes, strict=False)
    lowest = sorted((value, name) for value, name in named if value is not None)[:5]
    loss = "?" if result.loss is None else f"{result.loss:.4f}"
    lines = (
        f"accuracy {100 * result.top1:.2f} %, top-5 {100 * result.top5:.2f} %, loss {loss}: "
        f"{result.images:,} images of {source}, step {step}",
        "lowest by class: " + ", ".join(f"{name} {100 * value:.1f} %" for value, name in lowest),
    )
    return "".join(f"{printable(line)}\n" for line in lines)
