"""What a caller gives as a model, resolved once."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, get_args

import msgspec

from inception_lens.architectures import catalogue
from inception_lens.architectures.network import Network
from inception_lens.errors import (
    ConfigError,
    FormatError,
    ShapeError,
    TraceError,
    UnknownModelError,
    UnknownValueError,
    require,
    suggest,
)
from inception_lens.graph import Graph, Inputs, Metadata, Mode
from inception_lens.lens.files import READERS
from inception_lens.lens.inputs import image_shape, unnamed, with_inputs
from inception_lens.lens.mistakes import not_a_file, not_a_model
from inception_lens.readers.formats import PROGRAMS, FileFormat, detect_format, format_of_suffix

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.nn import Module

    from inception_lens.pytorch.models import Ready
    from inception_lens.readers.tensors import Array

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


class Source(ABC):
    """Where a network comes from, and how its Graphs are loaded."""

    initialisation: str = "pytorch"
    """Whose initialisation draws the weights of the built network: a name of the catalogue, or `pytorch`."""
    own_mode: Mode | None = None
    """The mode of a Graph; None for a model that is loaded in either mode."""
    configurable: bool = False
    """Whether it has a `config`."""
    base: str = ""
    """The catalogue's name of the network that its config varies; empty if there is none."""

    @staticmethod
    def of(
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
                raise ConfigError(
                    f"`{weights}`: weights are for a PyTorch callable; the cost of others is known without"
                )
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

    def graph(
        self,
        mode: Mode | None = None,
        inputs: Inputs | None = None,
        *,
        batch: int | None = None,
        dtype: str | None = None,
    ) -> Graph:
        """Load the network; the arguments and errors are those of `inception_lens.load`."""
        if mode not in (None, *get_args(Mode)):
            raise ConfigError(f"`{mode}` is not a mode{suggest(str(mode), get_args(Mode))}")
        graph = self._load(mode, inputs, batch)
        return graph if dtype is None else graph.with_dtype(dtype)

    def overview(
        self,
        mode: Mode | None = None,
        inputs: Inputs | None = None,
        *,
        batch: int | None = None,
        dtype: str | None = None,
    ) -> Graph:
        """As `graph`, except that a PyTorch model without inputs is the Graph of its modules, with unknown costs."""
        return self.graph(mode, inputs, batch=batch, dtype=dtype)

    def both_modes(
        self, inputs: Inputs | None = None, *, batch: int | None = None, dtype: str | None = None
    ) -> tuple[Graph, Graph]:
        """The network in inference and in training mode; a Graph is the same in both."""
        inference = self.graph("inference", inputs, batch=batch, dtype=dtype)
        return inference, self.graph("training", inputs, batch=batch, dtype=dtype)

    def module_graphs(
        self, mode: Mode | None, inputs: Inputs | None = None, *, batch: int | None = None, dtype: str | None = None
    ) -> tuple[Graph, Graph | None]:
        """The graphs that `pytorch.build` takes: what the module computes, and what in evaluation mode instead."""
        return self.graph(mode, inputs, batch=batch, dtype=dtype), None

    def module(self, graph: Graph, inputs: Inputs | None) -> tuple[Module, Inputs | None]:
        """A PyTorch module that computes `graph`, without weights unless it has its own, and its arguments.

        The arguments are None for tensors of the graph's input types.
        """
        torch = require("torch", extra="torch")
        from inception_lens.pytorch.build.network import build

        with torch.device("meta"):
            return build(graph), None

    def tensors(self, graph: Graph) -> dict[str, Array]:
        """The parameters and buffers of `graph` by their `state_dict` keys: the model's own, or drawn by PyTorch."""
        torch = require("torch", extra="torch")
        from inception_lens.pytorch.build.network import build
        from inception_lens.pytorch.build.weights import arrays_of

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return arrays_of(build(graph, initialisation=self.initialisation), graph)

    def exported_onnx(self, graph: Graph, inputs: Inputs | None, batch: int | None) -> bytes | None:
        """The model written by PyTorch's own exporter, if it is a PyTorch model in its own dtype; otherwise None.

        Raises:
            FormatError: PyTorch cannot export it.
        """
        return None

    @property
    def config(self) -> Network:
        """The config, with the overrides.

        Raises:
            UnknownModelError: the model has none.
        """
        raise UnknownModelError(f"{self._title} has no config")

    @property
    @abstractmethod
    def _title(self) -> str:
        """How error messages name the model."""

    @abstractmethod
    def _load(self, mode: Mode | None, inputs: Inputs | None, batch: int | None) -> Graph:
        """Load the network; its dtype is set afterwards."""


class GraphSource(Source):
    """A Graph: it stays in its own mode unless another is requested."""

    def __init__(self, graph: Graph, settings: Mapping[str, object]) -> None:
        if settings:
            raise ConfigError(f"a Graph has no keys to override: {', '.join(settings)}")
        self._graph, self.own_mode, self.initialisation = graph, graph.mode, graph.name

    def both_modes(
        self, inputs: Inputs | None = None, *, batch: int | None = None, dtype: str | None = None
    ) -> tuple[Graph, Graph]:
        graph = self.graph(None, inputs, batch=batch, dtype=dtype)
        return graph, graph

    @property
    def _title(self) -> str:
        return f"the Graph `{self._graph.name}`"

    def _load(self, mode: Mode | None, inputs: Inputs | None, batch: int | None) -> Graph:
        graph = self._graph if inputs is None else with_inputs(self._graph, inputs)
        if mode not in (None, graph.mode):
            graph = msgspec.structs.replace(graph, mode=mode)
        return graph if batch is None else graph.with_batch(batch)


class ConfigSource(Source):
    """A config: an object, a network of the catalogue, or a TOML file."""

    configurable = True

    def __init__(self, config: Network, metadata: Metadata, base: str, settings: Mapping[str, object]) -> None:
        if settings:
            from inception_lens.readers.config import override

            config = override(config, settings)
        self._config, self._metadata = config, metadata
        self.base, self.initialisation = base, base or "pytorch"

    @property
    def config(self) -> Network:
        return self._config

    def module_graphs(
        self, mode: Mode | None, inputs: Inputs | None = None, *, batch: int | None = None, dtype: str | None = None
    ) -> tuple[Graph, Graph | None]:
        if mode == "inference":
            return self.graph(mode, inputs, batch=batch, dtype=dtype), None
        inference, training = self.both_modes(inputs, batch=batch, dtype=dtype)
        return training, inference

    @property
    def _title(self) -> str:
        return f"`{self._metadata.name}`"

    def _load(self, mode: Mode | None, inputs: Inputs | None, batch: int | None) -> Graph:
        config, samples = self._config, 1
        if inputs is not None:
            samples, *image = image_shape(inputs)
            config = config.replace(input=tuple(image))
        try:
            graph = config.graph(mode or "inference", samples, self._metadata)
        except ShapeError as error:
            where = self._metadata.description if self._metadata.source == "config" else ""
            raise ShapeError(f"{where}: {error}" if where else str(error)) from None
        return graph if batch is None else graph.with_batch(batch)


class FileSource(Source):
    """A file that holds a complete network."""

    def __init__(self, path: str, format_: FileFormat, settings: Mapping[str, object]) -> None:
        self._path, self._format, self._settings = path, format_, settings

    @property
    def _title(self) -> str:
        return f"the file `{self._path}`"

    def _load(self, mode: Mode | None, inputs: Inputs | None, batch: int | None) -> Graph:
        graph = READERS[self._format](self._path, self._settings, inputs, mode or "inference")
        return graph if batch is None else graph.with_batch(batch)


class ModuleSource(Source):
    """A model of PyTorch: a module, an exported program, the path of one, or a callable."""

    def __init__(
        self,
        model: str | Module | ExportedProgram,
        arguments: Mapping[str, object],
        weights: str | os.PathLike[str] | None = None,
    ) -> None:
        require("torch", extra="torch")
        self._model, self._arguments, self._weights = model, arguments, weights
        self._reads_values = False

    @cached_property
    def ready(self) -> Ready:
        """The module, what it is called and the inputs that it declares.

        A callable is called once, and again for a module that needs the values of its weights.
        """
        from inception_lens.pytorch.models import ready

        return ready(self._model, self._arguments, self._weights)

    def both_modes(
        self, inputs: Inputs | None = None, *, batch: int | None = None, dtype: str | None = None
    ) -> tuple[Graph, Graph]:
        """The module in inference and in training mode, or in inference mode twice if it cannot be trained."""
        inference = self.graph("inference", inputs, batch=batch, dtype=dtype)
        try:
            return inference, self.graph("training", inputs, batch=batch, dtype=dtype)
        except TraceError:
            return inference, inference

    def overview(
        self,
        mode: Mode | None = None,
        inputs: Inputs | None = None,
        *,
        batch: int | None = None,
        dtype: str | None = None,
    ) -> Graph:
        if inputs is not None or self.ready.declared_inputs is not None:
            return self.graph(mode, inputs, batch=batch, dtype=dtype)
        from inception_lens.pytorch.trace.module_tree import module_tree

        graph = module_tree(self.ready.module, mode or "inference", self.ready.metadata)
        return graph if dtype is None else graph.with_dtype(dtype)

    def module(self, graph: Graph, inputs: Inputs | None) -> tuple[Module, Inputs | None]:
        if self._reads_values:
            self.ready = self.ready.with_values()
        return self.ready.module, self.ready.inputs(unnamed(inputs))

    def tensors(self, graph: Graph) -> dict[str, Array]:
        from inception_lens.pytorch.build.weights import arrays_of

        self.ready = self.ready.with_values()
        return arrays_of(self.ready.module, graph)

    def exported_onnx(self, graph: Graph, inputs: Inputs | None, batch: int | None) -> bytes | None:
        from inception_lens.pytorch.exporter import export_onnx
        from inception_lens.pytorch.trace.model_index import ModelIndex
        from inception_lens.pytorch.trace.traced_tensor import DTYPE_NAMES

        self.ready = self.ready.with_values()
        if DTYPE_NAMES[ModelIndex(self.ready.module).dtype] != graph.dtype:
            return None
        return export_onnx(self.ready.module, graph, self.ready.inputs(unnamed(inputs)), batch)

    @property
    def _title(self) -> str:
        return f"`{self._model}`" if isinstance(self._model, str) else f"a {type(self._model).__name__}"

    def _load(self, mode: Mode | None, inputs: Inputs | None, batch: int | None) -> Graph:
        from inception_lens.pytorch.torchscript import is_frozen, with_frozen_weights
        from inception_lens.pytorch.trace.forward_pass import trace

        def traced(found: Ready, *, values: bool = False) -> Graph:
            given = found.inputs(unnamed(inputs))
            graph = trace(
                found.module,
                given,
                mode=mode or "inference",
                batch=batch,
                metadata=found.metadata,
                shortcuts=not values,
                values=values,
            )
            return with_frozen_weights(graph) if is_frozen(found.module) else graph

        try:
            return traced(self.ready)
        except UnknownValueError:
            if not self.ready.again:
                raise
        self._reads_values = True
        while self.ready.again:
            try:
                return traced(self.ready, values=True)
            except TraceError as error:
                if not isinstance(error, UnknownValueError) and "meta" not in str(error):
                    raise
            self.ready = self.ready.with_more_values()
        return traced(self.ready)


def _named(text: str, path: bool, settings: Mapping[str, object]) -> Source:
    """The source of a name, a path or a callable; `path` is true for a path object, which is never a name."""
    if runs_code(text):
        return ModuleSource(text, settings)
    is_path = path or os.sep in text or os.path.splitext(text)[1] != ""
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
