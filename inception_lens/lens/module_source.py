"""A model of PyTorch as the source of a network: its Graphs are traced."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from inception_lens.errors import TraceError, UnknownValueError, require
from inception_lens.graph import Graph, Inputs, Mode
from inception_lens.lens.inputs import unnamed
from inception_lens.lens.source import Source

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.nn import Module

    from inception_lens.pytorch.models import Ready
    from inception_lens.readers.tensors import Array


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
