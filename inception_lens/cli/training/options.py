"""Options of training, and the recipe that they define."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from inception_lens.cli import options

if TYPE_CHECKING:
    from inception_lens.training.recipe import Recipe

SHORT = {
    "data": "data",
    "split": "split",
    "epochs": "epochs",
    "batch": "batch",
    "seed": "seed",
    "learning_rate": "optimizer.learning_rate",
    "device": "engine.device",
}
"""Options that set one key of a recipe, and that key."""

cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of decoded images.  [default: ~/.cache/inception-lens]",
)


class TrainableType(options.ModelType):
    """A catalogue name or a file, but not code: a run folder stores it, and must not be able to execute code."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value


def recipe_options(command: options.Command) -> options.Command:
    """Add the options that define a recipe."""
    for option in reversed(
        [
            click.option(
                "--data",
                metavar="DATA",
                help="digits, digits:unshuffled, folder:PATH, flowers102:PATH, cifar10:PATH, cifar100:PATH, npz:PATH, "
                "hf:NAME, synthetic.  [default: digits]",
            ),
            click.option("--split", type=click.Choice(["official", "paddle"]), help="Of flowers102."),
            click.option("--recipe", metavar="FILE", help="TOML file with all settings, such as examples/*.toml."),
            click.option("--epochs", type=click.IntRange(1), metavar="N"),
            click.option("--batch", type=click.IntRange(1), metavar="N", help="Images per step, over all processes."),
            click.option("--learning-rate", type=float, metavar="RATE", help="The highest of the schedule."),
            click.option("--seed", type=click.IntRange(0), metavar="S", help="[default: 0]"),
            click.option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1.  [default: auto]"),
            click.option(
                "--option",
                "changes",
                metavar="KEY=VALUE",
                multiple=True,
                help="Change a key of the recipe: schedule.name=cosine, engine.compile=true. Repeatable.",
            ),
            options.set_option,
        ]
    ):
        command = option(command)
    return command


def run_options(command: options.Command) -> options.Command:
    """Add the argument and the options that select a trained network."""
    for option in (
        click.option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1.  [default: that of the run]"),
        click.option("--best", is_flag=True, help="Use the best checkpoint of the run, not the last one."),
        click.argument("run", type=click.Path(path_type=Path), metavar="RUN|CHECKPOINT"),
    ):
        command = option(command)
    return command


class RecipeOptions(TypedDict):
    """The values of `recipe_options` and of the argument MODEL."""

    model: str | None
    recipe: str | None
    data: str | None
    split: str | None
    epochs: int | None
    batch: int | None
    learning_rate: float | None
    seed: int | None
    device: str | None
    changes: tuple[str, ...]
    settings: tuple[str, ...]


def any_given(given: RecipeOptions) -> bool:
    """Whether any of the options was given."""
    return any(value not in (None, ()) for value in given.values())


def recipe_from_options(given: RecipeOptions) -> Recipe:
    """The recipe of a file, or the default one, with the changes of the other options.

    The default recipe of digits without a MODEL is `examples/digits.toml`.

    Raises:
        ConfigError: a key is unknown or a value is invalid.
    """
    from inception_lens.training.recipe import DIGITS, Recipe
    from inception_lens.training.recipe_file import nested_settings, read_recipe, with_changes

    if given["recipe"]:
        recipe = read_recipe(given["recipe"])
    else:
        digits = (given["data"] or "digits").partition(":")[0] == "digits"
        recipe = (DIGITS if not given["model"] else DIGITS.replace(network={})) if digits else Recipe()
    pairs = {SHORT[name]: str(value) for name, value in given.items() if name in SHORT and value is not None}
    pairs |= options.parse_settings(given["changes"], "--option")
    recipe = with_changes(recipe, nested_settings(pairs), lax=True)
    network = recipe.network | options.parse_settings(given["settings"])
    return recipe.replace(model=given["model"] or recipe.model, network=network)
