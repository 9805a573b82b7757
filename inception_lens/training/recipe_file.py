"""Recipes as TOML files, and the changes that the command line makes to them."""

from collections.abc import Mapping

import msgspec

from inception_lens.errors import ConfigError
from inception_lens.readers.config import overlay, read_toml, with_location
from inception_lens.training.recipe import Recipe


def read_recipe(path: str) -> Recipe:
    """Read a recipe; keys that the file omits have their defaults.

    Raises:
        ConfigError: the file cannot be read or is not TOML, or a value is wrong; with its line if that is known.
    """
    tables, text = read_toml(path)
    try:
        return with_changes(Recipe(), tables)
    except ConfigError as error:
        raise with_location(error, path, text) from None


def with_changes(recipe: Recipe, changes: Mapping[str, object], *, lax: bool = False) -> Recipe:
    """The recipe with other values of some keys, given as nested tables; the keys of `network` are merged.

    `lax` converts text to the type of a key.

    Raises:
        ConfigError: a key is unknown, or a value has the wrong type.
    """
    network = changes.get("network", {})
    if not isinstance(network, Mapping):
        raise ConfigError(f"`network` is {network!r}, but must be a table", key="network")
    rest = {key: value for key, value in changes.items() if key != "network"}
    recipe = overlay(recipe, rest, lax=lax).replace(network={**recipe.network, **network})
    recipe.check()
    return recipe


def nested_settings(pairs: Mapping[str, str]) -> dict[str, object]:
    """`{"optimizer.momentum": "0.8"}` as the nested tables that `with_changes` takes.

    Raises:
        ConfigError: a key is both a value and a table.
    """
    nested: dict[str, object] = {}
    for key, value in pairs.items():
        *tables, last = key.split(".")
        table = nested
        for name in tables:
            inner = table.setdefault(name, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"`{name}` is {inner!r}, but `{key}` needs a table")
            table = inner
        table[last] = value.split(",") if last in ("area", "aspect") else value
    return nested


def to_toml(recipe: Recipe) -> str:
    """All keys of the recipe as TOML, from which `read_recipe` reads an equal one."""
    import tomlkit

    return tomlkit.dumps(msgspec.to_builtins(recipe))
