"""Configs by whatever name they are asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from inception_lens.architectures import catalogue
from inception_lens.architectures.network import Network
from inception_lens.errors import UnknownModelError, suggest
from inception_lens.graph import Graph, Metadata
from inception_lens.lens.files import FILES


class Configured(NamedTuple):
    """A config by whatever name it was asked for."""

    config: Network
    metadata: Metadata
    base: str
    """The catalogue's name of the network that it varies; empty for a config object."""


def configure(model: Any, overrides: Mapping[str, Any]) -> Configured:
    """The config that `model` names, with `overrides`.

    Raises:
        UnknownModelError: there is no such network, or it has no config.
        ConfigError: an override is wrong, or the config is.
    """
    found = _configured(model)
    if overrides:
        from inception_lens.readers.config import override

        found = found._replace(config=override(found.config, overrides))
    return found


def _configured(model: Any) -> Configured:
    if isinstance(model, Graph):
        raise UnknownModelError(f"`{model.name}` is a Graph: there is no config to change")
    if isinstance(model, Network):
        return Configured(model, Metadata(type(model).__name__.lower(), source="config"), "")
    if not isinstance(model, str | os.PathLike):
        raise UnknownModelError(f"{model!r} is no model: a name of the catalogue, a .toml file, a config or a Graph")
    path = os.fspath(model)
    if isinstance(model, os.PathLike) or path.endswith(".toml"):
        from inception_lens.readers.config import read_config

        config, base = read_config(path)
        shown = os.fsencode(path).decode(errors="backslashreplace")
        return Configured(config, Metadata(os.path.basename(shown).removesuffix(".toml"), shown, "config"), base)
    if os.sep in path or os.path.splitext(path)[1]:
        nearest = suggest(path, catalogue.names())
        kinds = ", ".join((".toml", *FILES))
        raise UnknownModelError(f"`{path}` is no file that can be read ({kinds}) and no name of the catalogue{nearest}")
    entry = catalogue.find(path)
    return Configured(entry.config, Metadata(entry.name, entry.description, "catalogue"), entry.name)
