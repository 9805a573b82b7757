"""`inception-lens train`: train a network, in one process or in as many as torchrun starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inception_lens.cli.training import options as training_options
from inception_lens.errors import require

if TYPE_CHECKING:
    from inception_lens.training.recipe import Recipe


HELP = """Train MODEL, a name of the catalogue or a config; with digits and no MODEL, a small GoogLeNet.

\b
inception-lens train                                  digits, in two minutes on two cores
inception-lens train googlenet@torchvision --data folder:photos --recipe examples/modern.toml
torchrun --nproc-per-node 8 -m inception_lens train googlenet --data flowers102:flowers

The run's folder holds config.toml, metrics.jsonl, summary.json, checkpoints/, curves and a page. Whatever ends a
run, the same command with --resume goes on with it.
"""


@click.command("train", help=HELP)
@click.argument("model", type=training_options.TrainableType(), required=False)
@training_options.recipe_options
@click.option("--out", metavar="DIR", help="The run's folder.  [default: runs/MODEL-DATA-SEED]")
@click.option("--resume", is_flag=True, help="Go on with the run in DIR from its last saved state.")
@click.option("--cache", metavar="DIR", help="Where decoded images are kept.  [default: ~/.cache/inception-lens]")
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard's event files into the run's folder as well.")
def command(out: str | None, resume: bool, cache: str | None, tensorboard: bool, **given: object) -> int:
    """Run the command."""
    require("torch", extra="train")
    from inception_lens.cli.training.runs import Run

    recipe = training_options.recipe_of(given)
    folder = Path(out or _default_folder(recipe))
    if recipe is None or (resume and not training_options.anything(given)):
        from inception_lens.training.run.folder import RunFolder

        if (folder / "config.toml").exists():
            recipe = RunFolder(folder).recipe()
    return Run(recipe, folder, resume=resume, cache=Path(cache) if cache else None, tensorboard=tensorboard).run()


def _default_folder(recipe: Recipe) -> str:
    import re

    name = re.sub(r"[^\w.@-]+", "-", f"{Path(recipe.model).stem}-{recipe.data.partition('/')[0]}".strip("-"))
    return f"runs/{name}-{recipe.seed}"
