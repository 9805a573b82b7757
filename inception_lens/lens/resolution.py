"""What a caller gives as a model, resolved to its source once."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from inception_lens.architectures import catalogue
from inception_lens.architectures.network import Network
from inception_lens.errors import ConfigError, FormatError, UnknownModelError
from inception_lens.graph import Graph, Metadata
from inception_lens.lens.files import READERS
from inception_lens.lens.mistakes import not_a_file, not_a_model
from inception_lens.lens.module_source import ModuleSource
from inception_lens.lens.source import ConfigSource, FileSource, GraphSource, Source
from inception_lens.readers.formats import PROGRAMS, FileFormat, detect_format, format_of_suffix

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.nn import Module

    Model = str | os.PathLike[str] | Network | Graph | Module | ExportedProgram
    """A name of the catalogue; the path of a `.toml` config, of a file that a reader knows (`files.py`), of an exported
    program (`.pt2`) or of a TorchScript archive; `package.module:callable` or `file.py:callable`; a config; a Graph; a
    module or an exported program of PyTorch."""

CALLABLE = re.compile(r"[^:]+:[A-Za-z_][\w.]*")
"""The form of `package.module:callable` and `file.py:callable`."""


def runs_code(model: str) -> bool:
    """Whether loading `model` runs code: that of a callable, or that of a program of PyTorch."""
    return is_callable(model) or is_program(model)


def is_program(model: str) -> bool:
    """Whether `model` is the path of an exported program or of a TorchScript archive, or would be by its suffix."""
    if os.path.isfile(model):
        with contextlib.suppress(FormatError):
            return detect_format(model) in PROGRAMS
    return format_of_suffix(model) in PROGRAMS


def is_callable(model: str) -> bool:
    """Whether `model` has the form of `package.module:callable` or `file.py:callable`."""
    return CALLABLE.fullmatch(model) is not None


def source_of(
    model: Model, overrides: Mapping[str, object] | None = None, weights: str | os.PathLike[str] | None = None
) -> Source:
    """Resolve a model, with changes to its config, or settings of its file, or arguments of its callable.

    `weights` is a file with the weights of a callable's module.

    Raises:
        UnknownModelError: the model is unknown.
        ConfigError: an override is wrong, or the config is, or the model does not take weights.
        FormatError: the file does not exist, or is a placeholder of another.
    """
    settings = overrides or {}
    if weights is not None:
        if not isinstance(model, str) or not is_callable(model):
            raise ConfigError(f"`{weights}`: weights are for a PyTorch callable; the cost of others is known without")
        return ModuleSource(model, settings, weights)
    if isinstance(model, Graph):
        return GraphSource(model, settings)
    if isinstance(model, Network):
        return ConfigSource(model, Metadata(type(model).__name__.lower(), source="config"), "", settings)
    if isinstance(model, str | os.PathLike):
        return _named(os.fspath(model), isinstance(model, os.PathLike), settings)
    torch = sys.modules.get("torch")  # without it nothing can be a module
    if torch is not None and isinstance(model, torch.nn.Module | torch.export.ExportedProgram):
        return ModuleSource(model, settings)
    raise UnknownModelError(not_a_model(model))


def _named(text: str, path: bool, settings: Mapping[str, object]) -> Source:
    """The source of a name, a path or a callable; `path` is true for a path object, which is never a name."""
    if runs_code(text):
        return ModuleSource(text, settings)
    is_path = path or os.sep in text or os.path.splitext(text)[1] != ""
    if is_path and os.path.isfile(inside := os.path.join(text, "saved_model.pb")):
        text = inside  # a SavedModel is known by its folder
    found = None
    if is_path and not text.endswith(".py") and (format_of_suffix(text) or os.path.lexists(text)):
        found = detect_format(text)
    if found in READERS:
        return FileSource(text, found, settings)
    if found is FileFormat.CONFIG or (path and found is None):
        from inception_lens.readers.config import read_config

        config, base = read_config(text)
        shown = os.fsencode(text).decode(errors="backslashreplace")
        metadata = Metadata(os.path.basename(shown).removesuffix(".toml"), shown, "config")
        return ConfigSource(config, metadata, base, settings)
    if is_path:
        raise UnknownModelError(not_a_file(text, found))
    entry = catalogue.find(text)
    return ConfigSource(entry.config, Metadata(entry.name, entry.description, "catalogue"), entry.name, settings)
