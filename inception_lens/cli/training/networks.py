"""From a recipe to the graphs of its network."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from inception_lens.errors import ConfigError
from inception_lens.lens import runs_code, source_of
from inception_lens.rewrites.factorized import five_by_five
from inception_lens.rewrites.plan import rewritten
from inception_lens.training.data.paths import absolute

if TYPE_CHECKING:
    from inception_lens.architectures.network import Network
    from inception_lens.training.networks import Networks
    from inception_lens.training.recipe import Recipe


def image_side(recipe: Recipe) -> tuple[int, int]:
    """The longer side of the network's input in pixels, and the number of its classes.

    Raises:
        ConfigError: the model is code.
    """
    _refuse_code(recipe.model)
    graph = source_of(recipe.model, recipe.network).graph()
    return max(graph.inputs[0].type.shape[2:]), graph.types[graph.outputs[0].node][0].shape[-1]


def networks_of(recipe: Recipe, classes: int) -> Networks:
    """The graphs of a recipe's network; `classes` is the number of classes unless the recipe sets it.

    Raises:
        ConfigError: the model is code.
    """
    _refuse_code(recipe.model)
    from inception_lens.training.networks import Networks

    source = source_of(recipe.model, recipe.network)
    if source.configurable:
        source = source_of(recipe.model, {"classes": classes} | recipe.network)
    inference, training = source.both_modes()
    if recipe.rewrite == "3x3-pairs":
        inference, training = (rewritten(each, five_by_five(each)) for each in (inference, training))
    return Networks(training, inference, source.initialisation)


def self_contained(recipe: Recipe) -> Recipe:
    """The recipe as a run folder stores it: the contents of a config instead of its name, and absolute paths.

    Raises:
        ConfigError: the model is code.
    """
    _refuse_code(recipe.model)
    recipe = recipe.replace(data=absolute(recipe.data))
    source = source_of(recipe.model, recipe.network)
    if not source.configurable:
        return recipe.replace(model=os.path.abspath(recipe.model))
    if source.base == recipe.model:
        return recipe
    return recipe.replace(model=source.base, network=_differences(source.config, source_of(source.base).config))


def _refuse_code(model: str) -> None:
    """Raise a ConfigError if the model is code: neither a recipe nor a run folder may execute code."""
    if runs_code(model):
        raise ConfigError(f"`{model}` is code: a model to train must be a catalogue name, a config or a model file")


def _differences(config: Network, base: Network) -> dict[str, object]:
    """The keys of a config that differ from those of its base; removed rows are `none`."""
    found: dict[str, object] = {}
    old, new = msgspec.to_builtins(base), msgspec.to_builtins(config)
    for key, value in new.items():
        if value == old[key]:
            continue
        if isinstance(value, dict):
            rows = {name: row for name, row in value.items() if old[key].get(name) != row}
            removed = dict.fromkeys((name for name in old[key] if name not in value), "none")
            found[key] = {**(value if removed or list(value) != list(old[key]) else rows), **removed}
        else:
            found[key] = value
    return found
