"""Options that say how a network is trained, and the recipe that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
"""Options with a name of their own, and the keys of a recipe that they set."""


class TrainableType(options.ModelType):
    """A catalogue name or a file, never code: a run's folder keeps it, and must not name what would be executed."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value


def recipe_options(command: options.Command) -> options.Command:
    """Add the options that make a recipe."""
    for option in reversed(
        [
            click.option(
                "--data",
                metavar="DATA",
                help="digits, digits:unshuffled, folder:PATH, flowers102:PATH, cifar10:PATH, cifar100:PATH, npz:PATH, "
                "hf:NAME, synthetic.  [default: digits]",
            ),
            click.option("--split", type=click.Choice(["official", "paddle"]), help="Of flowers102."),
            click.option("--recipe", metavar="FILE", help="A TOML file of everything here and more: examples/*.toml."),
            click.option("--epochs", type=click.IntRange(1), metavar="N"),
            click.option("--batch", type=click.IntRange(1), metavar="N", help="Images in a step, over all processes."),
            click.option("--learning-rate", type=float, metavar="RATE", help="The highest that the schedule reaches."),
            click.option("--seed", type=click.IntRange(0), metavar="S", help="[default: 0]"),
            click.option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:1.  [default: auto]"),
            click.option(
                "--option",
                "changes",
                metavar="KEY=VALUE",
                multiple=True,
                help="Change one key of the recipe: schedule.name=cosine, engine.compile=true. Repeatable.",
            ),
            options.set_option,
        ]
    ):
        command = option(command)
    return command


def anything(given: Mapping[str, Any]) -> bool:
    """Whether any of the options was given."""
    return any(value not in (None, ()) for value in given.values())


def recipe_of(given: Mapping[str, Any]) -> Recipe:
    """The recipe that the options make: a file's or the defaults, with what the command line changes.

    Digits without a MODEL are trained as `examples/digits.toml` says.

    Raises:
        ConfigError: a key or a value is wrong.
    """
    from inception_lens.training.recipe import DIGITS, Recipe
    from inception_lens.training.recipe_file import changed, read_recipe, settings

    if given["recipe"]:
        recipe = read_recipe(given["recipe"])
    else:
        digits = (given["data"] or "digits").partition(":")[0] == "digits"
        recipe = (DIGITS if not given["model"] else DIGITS.replace(network={})) if digits else Recipe()
    pairs = {SHORT[name]: str(given[name]) for name in SHORT if given.get(name) is not None}
    pairs |= _pairs("--option", given["changes"])
    recipe = changed(recipe, settings(pairs), lax=True)
    network = recipe.network | _pairs("--set", given["settings"])
    return recipe.replace(model=given["model"] or recipe.model, network=network)


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    from inception_lens.errors import ConfigError

    try:
        return options.parse_settings(given)
    except ConfigError as error:
        raise ConfigError(str(error).replace("--set", option, 1)) from None
