"""Recipes as TOML files, and the changes to them that the command line makes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from inception_lens.errors import ConfigError
from inception_lens.readers.config import overlay, read_toml, with_location
from inception_lens.training.recipe import Recipe


def read_recipe(path: str) -> Recipe:
    """Read a recipe; what the file leaves out is as `Recipe()` has it.

    Raises:
        ConfigError: the file cannot be read, is no TOML, or says something impossible; with the line where it is known.
    """
    given, text = read_toml(path)
    try:
        return changed(Recipe(), given)
    except ConfigError as error:
        raise with_location(error, path, text) from None


def changed(recipe: Recipe, changes: Mapping[str, Any], *, lax: bool = False) -> Recipe:
    """The recipe with some keys replaced, table by table; the keys of `network` are added to those that it has.

    `lax` reads text as what a key needs.

    Raises:
        ConfigError: a key that is not there, or a value of the wrong kind.
    """
    network = changes.get("network", {})
    if not isinstance(network, Mapping):
        raise ConfigError(f"`network` is {network!r}, but it is a table of keys", key="network")
    rest = {key: value for key, value in changes.items() if key != "network"}
    recipe = overlay(recipe, rest, lax=lax).replace(network={**recipe.network, **network})
    recipe.check()
    return recipe


def settings(pairs: Mapping[str, str]) -> dict[str, Any]:
    """`{"optimizer.momentum": "0.8"}` as the nested tables that `changed` takes."""
    nested: dict[str, Any] = {}
    for key, value in pairs.items():
        *tables, last = key.split(".")
        table = nested
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = value.split(",") if last in ("area", "aspect") else value
    return nested


def to_toml(recipe: Recipe) -> str:
    """The whole recipe as TOML that reads back equal."""
    import tomlkit

    return tomlkit.dumps(msgspec.to_builtins(recipe))
