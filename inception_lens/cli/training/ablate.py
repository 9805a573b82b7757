"""`inception-lens ablate`: whether a design choice costs accuracy, by training each alternative."""

from __future__ import annotations

import contextlib
import datetime
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from inception_lens.analyses import machines
from inception_lens.cli.output import OutputTarget, as_json, emit, output_options
from inception_lens.cli.training import options as training_options
from inception_lens.errors import ConfigError, TrainingError, require
from inception_lens.training.ablation import COMPARISONS, FIGURE_2A, Ablation, Arm, summarize_runs, width_arms
from inception_lens.training.ablation_table import ablation_table, subtitle

if TYPE_CHECKING:
    from inception_lens.training.recipe import Recipe


FILES = {"json": "json", "md": "markdown", "svg": "svg"}
"""Suffixes and formats of the results in the folder."""

HELP = """Train each alternative of a design choice with the same data, recipe and seeds, and compare the results.

\b
inception-lens ablate                                the paper's claim, on digits
inception-lens ablate --compare kernel --seeds 0,1
inception-lens ablate --widths 0.125,0.25,0.5

The folder has a run for each arm and seed, ablation.json, ablation.md and ablation.svg.
"""


@click.command("ablate", help=HELP)
@click.argument("model", type=training_options.TrainableType(), required=False)
@click.option(
    "--compare",
    "compared",
    type=click.Choice(list(COMPARISONS)),
    help="reduction: 1x1 reductions or only pool projections; aux: auxiliary heads or none; kernel: 5x5, two 3x3 or "
    "one 3x3; norm: batch norm, LRN or none; pool: average pooling or a fully connected layer.  [default: reduction]",
)
@click.option("--widths", metavar="A,B,...", help="Compare width multipliers instead.")
@click.option("--figure-2a", is_flag=True, help="Of reduction: add the module without pool projections.")
@click.option("--seeds", metavar="A,B,...", default="0,1,2", show_default=True)
@training_options.recipe_options
@click.option("--out", metavar="DIR", help="Folder of all runs.  [default: runs/ablation-NAME]")
@click.option("--resume", is_flag=True, help="Continue the ablation in DIR; finished runs are kept.")
@training_options.cache_option
@output_options("svg")
def command(
    compared: str | None,
    widths: str | None,
    figure_2a: bool,
    seeds: str,
    out: str | None,
    resume: bool,
    cache: Path | None,
    outputs: Sequence[OutputTarget],
    **given: Unpack[training_options.RecipeOptions],
) -> int:
    """Run the command; its help is `HELP`."""
    require("torch", extra="train")
    from inception_lens.training.run.folder import RunFolder

    if widths and compared:
        raise ConfigError("--widths and --compare exclude each other")
    name = "width" if widths else compared or "reduction"
    arms = width_arms(widths) if widths else COMPARISONS[name]
    if figure_2a:
        if name != "reduction":
            raise ConfigError("--figure-2a needs --compare reduction")
        arms = (*arms, FIGURE_2A)
    if given["seed"] is not None:
        raise ConfigError("--seed: use --seeds for an ablation, such as --seeds 0,1,2")
    folder = Path(out or f"runs/ablation-{name}")
    if folder.exists() and not resume:
        raise TrainingError(f"{folder} exists: add --resume to continue it, or choose another --out")
    recipe = training_options.recipe_from_options(given)
    numbers = _seeds(seeds)
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for the result
        code = _run(arms, numbers, recipe, folder, cache)
    if code:
        return code
    summaries = {arm.name: [RunFolder(_path(folder, arm, seed)).summary() for seed in numbers] for arm in arms}
    first = summaries[arms[0].name][0]
    _write(summarize_runs(name, numbers, summaries), folder, f"{first.device}, torch {first.torch}", outputs)
    return 0


def _run(arms: Sequence[Arm], seeds: Sequence[int], recipe: Recipe, folder: Path, cache: Path | None) -> int:
    """Train each arm with each seed; returns the exit code of the first run that is stopped, or 0."""
    from inception_lens.cli.training.networks import image_side
    from inception_lens.cli.training.runs import TrainingRun

    for arm in arms:  # an invalid network is reported before hours of training
        image_side(_recipe_of_arm(recipe, arm, seeds[0]))
    # By seed first, so that half of the runs already compare the arms.
    for seed in seeds:
        for arm in arms:
            own, name = _recipe_of_arm(recipe, arm, seed), f"{arm.name}, seed {seed}"
            code = TrainingRun(own, _path(folder, arm, seed), True, cache, name=name).run()
            if code:
                return code
    return 0


def _path(folder: Path, arm: Arm, seed: int) -> Path:
    return folder / arm.name / f"seed-{seed}"


def _recipe_of_arm(recipe: Recipe, arm: Arm, seed: int) -> Recipe:
    from inception_lens.training.recipe_file import with_changes

    return with_changes(recipe, {**arm.recipe, "network": arm.network}).replace(seed=seed)


def _seeds(text: str) -> list[int]:
    parts = text.split(",")
    valid = all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts)
    if not valid or len(set(parts)) < len(parts):
        raise ConfigError(f"--seeds {text}: give distinct integers, such as 0,1,2")
    return [int(part) for part in parts]


def _write(result: Ablation, folder: Path, device: str, outputs: Sequence[OutputTarget]) -> None:
    from inception_lens.renderers.plots.ablation import ablation_figure
    from inception_lens.renderers.plots.figure import figure_bytes

    date, command = datetime.date.today().isoformat(), shlex.join(["inception-lens", *sys.argv[1:]])
    table = ablation_table(result, f"{date}, {machines.host()}, {device}: {command}")
    files = [OutputTarget(format_, str(folder / f"ablation.{suffix}")) for suffix, format_ in FILES.items()]
    emit(
        [*files, *outputs],
        lambda: as_json(result),
        lambda _: table,
        lambda _: figure_bytes(ablation_figure(result.arms, f"{result.name} on {subtitle(result)}"), "svg"),
    )
