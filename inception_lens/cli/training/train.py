"""`inception-lens train`: train a network, in one process or in those that torchrun starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from inception_lens.cli.training import options as training_options
from inception_lens.errors import require

if TYPE_CHECKING:
    from inception_lens.training.recipe import Recipe


HELP = """Train MODEL, a catalogue name or a config; the default for digits is a small GoogLeNet.

\b
inception-lens train                                  digits: two minutes on two cores
inception-lens train googlenet@torchvision --data folder:photos --recipe examples/modern.toml
torchrun --nproc-per-node 8 -m inception_lens train googlenet --data flowers102:flowers

The run folder has config.toml, metrics.jsonl, summary.json, checkpoints/, figures and an HTML page. The same command
with --resume continues a run that was interrupted.
"""


@click.command("train", help=HELP)
@click.argument("model", type=training_options.TrainableType(), required=False)
@training_options.recipe_options
@click.option("--out", metavar="DIR", help="The run folder.  [default: runs/MODEL-DATA-SEED]")
@click.option("--resume", is_flag=True, help="Continue the run in DIR from its last checkpoint.")
@training_options.cache_option
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard event files into the run folder.")
def command(
    out: str | None,
    resume: bool,
    cache: Path | None,
    tensorboard: bool,
    **given: Unpack[training_options.RecipeOptions],
) -> int:
    """Run the command; its help is `HELP`."""
    require("torch", extra="train")
    from inception_lens.cli.training.runs import TrainingRun

    recipe = training_options.recipe_from_options(given)
    folder = Path(out or _default_folder(recipe))
    if resume and not training_options.any_given(given):
        from inception_lens.training.run.folder import RunFolder

        if (folder / "config.toml").exists():
            recipe = RunFolder(folder).recipe()
    return TrainingRun(recipe, folder, resume=resume, cache=cache, tensorboard=tensorboard).run()


def _default_folder(recipe: Recipe) -> str:
    import re

    name = re.sub(r"[^\w.@-]+", "-", f"{Path(recipe.model).stem}-{recipe.data.partition('/')[0]}".strip("-"))
    return f"runs/{name}-{recipe.seed}"
