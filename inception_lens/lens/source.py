"""Where a network comes from, and how its Graphs are loaded: a Graph, a config, or a file that holds a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import msgspec

from inception_lens.architectures.network import Network
from inception_lens.errors import ConfigError, ShapeError, UnknownModelError, require, suggest
from inception_lens.graph import Graph, Inputs, Metadata, Mode
from inception_lens.lens.files import READERS
from inception_lens.lens.inputs import image_shape, with_inputs
from inception_lens.readers.formats import FileFormat

if TYPE_CHECKING:
    from torch.nn import Module

    from inception_lens.readers.tensors import Array


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
