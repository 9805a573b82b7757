"""`inception-lens ablate`: whether a choice costs accuracy, by training both ways."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inception_lens.cli.output import write
from inception_lens.cli.training import options as training_options
from inception_lens.errors import ConfigError, TrainingError, require
from inception_lens.training import ablation
from inception_lens.training.ablation import COMPARISONS, FIGURE_2A, Ablation, Arm

if TYPE_CHECKING:
    from inception_lens.training.recipe import Recipe


HELP = """Train each arm of a choice on the same data, recipe and seeds, and say what the choice costs.

\b
inception-lens ablate                                the article's claim, on digits
inception-lens ablate --compare kernel --seeds 0,1
inception-lens ablate --widths 0.125,0.25,0.5

The folder holds a run for each arm and seed, ablation.json, ablation.md and ablation.svg.
"""


@click.command("ablate", help=HELP)
@click.argument("model", type=training_options.TrainableType(), required=False)
@click.option(
    "--compare",
    "compared",
    type=click.Choice(list(COMPARISONS)),
    help="reduction: 1x1 reductions or none, pools projected; aux: auxiliary heads; kernel: 5x5, two 3x3 or 3x3; "
    "norm: batch norm, LRN or none; pool: average pooling or a fully connected map.  [default: reduction]",
)
@click.option("--widths", metavar="A,B,...", help="Compare these width multipliers instead.")
@click.option("--figure-2a", is_flag=True, help="With reduction: the module without projected pools as well.")
@click.option("--seeds", metavar="A,B,...", default="0,1,2", show_default=True)
@training_options.recipe_options
@click.option("--out", metavar="DIR", help="The folder of all runs.  [default: runs/ablation-NAME]")
@click.option("--resume", is_flag=True, help="Go on with the ablation in DIR; runs that are done stay as they are.")
@click.option("--cache", metavar="DIR", help="Where decoded images are kept.  [default: ~/.cache/inception-lens]")
def command(
    compared: str | None,
    widths: str | None,
    figure_2a: bool,
    seeds: str,
    out: str | None,
    resume: bool,
    cache: str | None,
    **given: object,
) -> int:
    """Run the command."""
    require("torch", extra="train")
    if widths and compared:
        raise ConfigError("--widths and --compare exclude each other")
    name = "width" if widths else compared or "reduction"
    arms = ablation.width_arms(widths) if widths else COMPARISONS[name]
    if figure_2a:
        if name != "reduction":
            raise ConfigError("--figure-2a is an arm of --compare reduction alone")
        arms = (*arms, FIGURE_2A)
    if given.get("seed") is not None:
        raise ConfigError("--seed: an ablation takes --seeds, such as 0,1,2")
    folder = Path(out or f"runs/ablation-{name}")
    if folder.exists() and not resume:
        raise TrainingError(f"{folder} is there already: add --resume to go on with it, or take another --out")
    recipe = training_options.recipe_of(given)
    return _run(name, arms, _seeds(seeds), recipe, folder, Path(cache) if cache else None)


def _run(name: str, arms: tuple[Arm, ...], seeds: list[int], recipe: Recipe, folder: Path, cache: Path | None) -> int:
    from inception_lens.cli.training.runs import Run
    from inception_lens.training.run.folder import RunFolder

    runs = [(arm, seed, folder / arm.name / f"seed-{seed}") for arm in arms for seed in seeds]
    for arm in arms:  # a network that is none is told before hours of training
        _check(_armed(recipe, arm, seeds[0]))
    # By seeds first, so that a look at half of the runs compares the arms.
    for arm, seed, path in sorted(runs, key=lambda run: seeds.index(run[1])):
        code = Run(_armed(recipe, arm, seed), path, True, cache, name=f"{arm.name}, seed {seed}").run()
        if code:
            return code
    summaries = {arm.name: [RunFolder(path).finished() for a, _, path in runs if a is arm] for arm in arms}
    first = next(iter(summaries.values()))[0]
    _write(ablation.gathered(name, seeds, summaries), folder, f"{first.device}, torch {first.torch}")
    return 0


def _armed(recipe: Recipe, arm: Arm, seed: int) -> Recipe:
    from inception_lens.training.recipe_file import changed

    return changed(recipe, {**arm.recipe, "network": arm.network}).replace(seed=seed)


def _check(recipe: Recipe) -> None:
    from inception_lens.cli.training.networks import image_side

    image_side(recipe)


def _seeds(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and len(part) < 16 for part in parts) or len(set(parts)) < len(
        parts
    ):
        raise ConfigError(f"--seeds {text}: whole numbers that differ, such as 0,1,2")
    return [int(part) for part in parts]


def _write(found: Ablation, folder: Path, device: str) -> None:
    import msgspec

    from inception_lens.renderers.ablation import ablation_figure, ablation_markdown, ablation_text
    from inception_lens.renderers.plots.figure import drawn

    report = ablation_markdown(
        found,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {device}",
        date=datetime.date.today().isoformat(),
        command=shlex.join(["inception-lens", *sys.argv[1:]]),
    )
    json = msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    write(json, str(folder / "ablation.json"))
    write(report, str(folder / "ablation.md"))
    write(drawn(ablation_figure(found), "svg"), str(folder / "ablation.svg"))
    write(ablation_text(found), None)
