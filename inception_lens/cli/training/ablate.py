"""`inception-lens ablate`: whether a design choice costs accuracy, by training each alternative."""

from __future__ import annotations

import datetime
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from inception_lens.analyses import machines
from inception_lens.cli.output import write
from inception_lens.cli.training import options as training_options
from inception_lens.errors import ConfigError, TrainingError, require
from inception_lens.training import ablation
from inception_lens.training.ablation import COMPARISONS, FIGURE_2A, Ablation, Arm

if TYPE_CHECKING:
    from inception_lens.training.recipe import Recipe


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
def command(
    compared: str | None,
    widths: str | None,
    figure_2a: bool,
    seeds: str,
    out: str | None,
    resume: bool,
    cache: Path | None,
    **given: Unpack[training_options.RecipeOptions],
) -> int:
    """Run the command; its help is `HELP`."""
    require("torch", extra="train")
    if widths and compared:
        raise ConfigError("--widths and --compare exclude each other")
    name = "width" if widths else compared or "reduction"
    arms = ablation.width_arms(widths) if widths else COMPARISONS[name]
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
    return _run(name, arms, _seeds(seeds), recipe, folder, cache)


def _run(name: str, arms: tuple[Arm, ...], seeds: list[int], recipe: Recipe, folder: Path, cache: Path | None) -> int:
    from inception_lens.cli.training.networks import image_side
    from inception_lens.cli.training.runs import TrainingRun
    from inception_lens.training.run.folder import RunFolder

    runs = [(arm, seed, folder / arm.name / f"seed-{seed}") for arm in arms for seed in seeds]
    for arm in arms:  # an invalid network is reported before hours of training
        image_side(_recipe_of_arm(recipe, arm, seeds[0]))
    # By seed first, so that half of the runs already compare the arms.
    for arm, seed, path in sorted(runs, key=lambda run: seeds.index(run[1])):
        code = TrainingRun(_recipe_of_arm(recipe, arm, seed), path, True, cache, name=f"{arm.name}, seed {seed}").run()
        if code:
            return code
    summaries = {arm.name: [RunFolder(path).summary() for a, _, path in runs if a is arm] for arm in arms}
    first = next(iter(summaries.values()))[0]
    _write(ablation.summarize_runs(name, seeds, summaries), folder, f"{first.device}, torch {first.torch}")
    return 0


def _recipe_of_arm(recipe: Recipe, arm: Arm, seed: int) -> Recipe:
    from inception_lens.training.recipe_file import with_changes

    return with_changes(recipe, {**arm.recipe, "network": arm.network}).replace(seed=seed)


def _seeds(text: str) -> list[int]:
    parts = text.split(",")
    valid = all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts)
    if not valid or len(set(parts)) < len(parts):
        raise ConfigError(f"--seeds {text}: give distinct integers, such as 0,1,2")
    return [int(part) for part in parts]


def _write(found: Ablation, folder: Path, device: str) -> None:
    import msgspec

    from inception_lens.renderers.ablation import ablation_figure, ablation_markdown, ablation_text
    from inception_lens.renderers.plots.figure import figure_bytes

    report = ablation_markdown(
        found,
        machine=f"{machines.host()}, {device}",
        date=datetime.date.today().isoformat(),
        command=shlex.join(["inception-lens", *sys.argv[1:]]),
    )
    json = msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    write(json, str(folder / "ablation.json"))
    write(report, str(folder / "ablation.md"))
    write(figure_bytes(ablation_figure(found), "svg"), str(folder / "ablation.svg"))
    write(ablation_text(found), None)
