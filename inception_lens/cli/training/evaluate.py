"""`inception-lens evaluate`: the accuracy of a trained network, from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inception_lens.cli import options
from inception_lens.cli.output import write
from inception_lens.cli.training import options as training_options
from inception_lens.errors import require
from inception_lens.renderers.escape import printable

if TYPE_CHECKING:
    from inception_lens.training.evaluation import Evaluation


@click.command("evaluate")
@training_options.run_options
@click.option("--data", metavar="DATA", help="Another dataset than the run's; classes are matched by name.")
@click.option("--all", "everything", is_flag=True, help="Evaluate on all images of DATA, not only the test images.")
@click.option("--ten-crop", is_flag=True, help="Predict the mean over ten crops of each image.")
@training_options.cache_option
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@options.output_option
def command(
    run: Path,
    data: str | None,
    everything: bool,
    best: bool,
    ten_crop: bool,
    device: str | None,
    cache: Path | None,
    format_: str,
    output: str | None,
) -> None:
    """Evaluate the network of a run or of one of its checkpoints: top-1, top-5, and accuracy by class."""
    require("torch", extra="train")
    from inception_lens.cli.training.runs import dataset_of, open_trained

    network, step = open_trained(run, best, device)
    recipe = network.recipe.replace(data=data, split="auto") if data else network.recipe
    dataset = dataset_of(recipe, cache)
    result = network.evaluate(dataset, everything=everything, crops=10 if ten_crop else None)
    render = _json if format_ == "json" else _text
    write(render(result, network.data.classes, dataset.source, step), output)


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
    by_class = zip(result.per_class, classes, strict=False)
    lowest = sorted((value, name) for value, name in by_class if value is not None)[:5]
    loss = "?" if result.loss is None else f"{result.loss:.4f}"
    lines = (
        f"accuracy {100 * result.top1:.2f} %, top-5 {100 * result.top5:.2f} %, loss {loss}: "
        f"{result.images:,} images of {source}, step {step}",
        "lowest classes: " + ", ".join(f"{name} {100 * value:.1f} %" for value, name in lowest),
    )
    return "".join(f"{printable(line)}\n" for line in lines)
