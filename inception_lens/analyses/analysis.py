"""The Analysis of a graph: layers, totals and modules, as values and as the JSON of `summary`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from inception_lens.analyses.costs import Costs, CostSums, cost_sums, costs, nonzero_params
from inception_lens.analyses.memory import Memory, memory
from inception_lens.analyses.modules import TreeRow, grouped, summed, tree
from inception_lens.analyses.receptive_field import ReceptiveField, receptive_fields
from inception_lens.analyses.records import Group, JsonResult, Layer, Totals
from inception_lens.analyses.weight_sizes import WeightSize, total_size, weight_sizes
from inception_lens.graph import Graph
from inception_lens.ops import Op, Unknown

if TYPE_CHECKING:
    import pandas

SCHEMA = "inception-lens/analysis/1"


class Analysis(JsonResult, frozen=True, dict=True):
    """All numbers of a graph: columns with one entry per node, and the rows and sums computed from them.

    Each property is computed on first access.
    """

    graph: Graph
    """The analysed graph."""

    @cached_property
    def costs(self) -> Costs:
        """Parameters, multiply-accumulates and FLOPs of every call."""
        return costs(self.graph)

    @cached_property
    def cost_sums(self) -> CostSums:
        """The sums of `costs`, without its columns."""
        return cost_sums(self.graph)

    @cached_property
    def nonzero(self) -> tuple[int, ...]:
        """Elements of the parameters of every call that are not zero; empty if the model is not pruned."""
        return nonzero_params(self.graph)

    @property
    def nonzero_total(self) -> int | UnsetType:
        """As `totals.params_nonzero`."""
        if not self.nonzero:
            return UNSET
        unused = [self.graph.nonzero.get(tensor.role, tensor.elements) for tensor in self.graph.unused]
        return sum(self.nonzero) + sum(unused)

    @cached_property
    def weight_sizes(self) -> tuple[WeightSize, ...]:
        """Bytes of the tensors of every call."""
        return weight_sizes(self.graph, self.costs)

    @cached_property
    def memory(self) -> Memory:
        """Activation memory of every call."""
        return memory(self.graph)

    @cached_property
    def fields(self) -> tuple[ReceptiveField | None, ...]:
        """Receptive field of every call."""
        return receptive_fields(self.graph)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """One row per call, in the order of execution."""
        return tuple([self._layer(i) for i in range(len(self.graph.nodes))])

    @cached_property
    def params(self) -> int:
        """Learned elements of the whole network, without an analysis of its memory; as `totals.params`."""
        return self.cost_sums.params + sum([tensor.elements for tensor in self.graph.unused])

    @cached_property
    def macs(self) -> int:
        """Known multiply-accumulates of the whole network, without an analysis of its memory; as `totals.macs`."""
        return self.cost_sums.macs

    @cached_property
    def totals(self) -> Totals:
        """Sums over the whole network."""
        graph, sums, memory = self.graph, self.cost_sums, self.memory
        unused_trainable = sum(tensor.elements for tensor in graph.unused if tensor.role not in graph.frozen)
        trainable = sums.params_trainable + unused_trainable
        size = total_size(graph, sums)
        totals = Totals(
            params=self.params,
            params_trainable=trainable,
            params_used=sums.params,
            buffers=sums.buffers,
            macs=sums.macs,
            flops=sums.flops,
            weight_bytes=size.parameters,
            buffer_bytes=size.buffers,
            activation_bytes=sum(filter(None, memory.activation_bytes)),
            peak_activation_bytes=max([size or 0 for size in memory.live_bytes], default=0),
            activations_exact=None not in (*memory.activation_bytes, *memory.live_bytes),
            exact=sums.exact,
            macs_exact=sums.macs_exact,
            params_exact=sums.params_exact,
            params_nonzero=self.nonzero_total,
        )
        if graph.mode == "inference":
            return totals
        return msgspec.structs.replace(
            totals,
            backward_macs=sum(filter(None, self.costs.backward_macs)),
            gradient_bytes=size.trainable,
            optimizer_bytes=size.trainable,
            optimizer_bytes_adam=2 * size.trainable,
            saved_activation_bytes=sum(filter(None, memory.saved_activation_bytes)),
            saved_exact=None not in memory.saved_activation_bytes,
        )

    @property
    def is_run(self) -> bool:
        """Whether the calls are those of a forward pass, and not the modules of a model without inputs."""
        return all(_is_run(node.op) for node in self.graph.nodes)

    @property
    def peak_layer(self) -> Layer:
        """The layer during which most activation memory is known to be alive."""
        live = [size or 0 for size in self.memory.live_bytes]
        return self.layers[live.index(max(live))]

    @cached_property
    def uncounted(self) -> tuple[Layer, ...]:
        """Layers whose cost is unknown."""
        return tuple(layer for layer in self.layers if layer.flops is None)

    def by_module(self, depth: int = 1) -> tuple[Group, ...]:
        """The layers grouped by the first `depth` parts of their names, in the order of execution.

        Raises:
            GraphError: `depth` is less than 1.
        """
        return grouped(self.layers, depth)

    def tree(self, depth: int | None = 1, sort: Callable[[Group], Any] | None = None) -> tuple[TreeRow, ...]:
        """The modules as the lines of a tree with `depth` levels; None shows all levels.

        A module with a single part is shown as that part. `sort` is a key that orders the parts of each module.

        Raises:
            GraphError: `depth` is less than 1.
        """
        return tree(self.layers, depth, sort)

    @cached_property
    def whole(self) -> Group:
        """The network as one group."""
        return summed(self.graph.name, self.layers)

    def to_builtins(self) -> dict[str, Any]:
        """The keys of `summary --format json`, schema `inception-lens/analysis/1`."""
        return {
            **head(self.graph, SCHEMA),
            "totals": self.totals,
            "layers": self.layers,
            "uncounted": [{"name": layer.name, "op": layer.op} for layer in self.uncounted],
        }

    def __repr__(self) -> str:
        totals = self.totals
        params, macs = ("" if exact else ">= " for exact in (totals.params_exact, totals.macs_exact))
        return f"<Analysis of {self.graph.name!r}: {params}{totals.params:,} parameters, {macs}{totals.macs:,} MACs>"

    if TYPE_CHECKING:  # attached by `lens.notebook`

        def _repr_html_(self) -> str: ...

    def to_pandas(self) -> pandas.DataFrame:
        """The layers as a DataFrame: one row per layer, with the fields of `Layer` as columns."""
        import pandas

        return pandas.DataFrame([msgspec.to_builtins(layer) for layer in self.layers])

    def _layer(self, i: int) -> Layer:
        graph, node, field, costs, memory = self.graph, self.graph.nodes[i], self.fields[i], self.costs, self.memory
        inputs, output = graph.input_types(node), graph.types[node.name][0]
        window = node.op.window(inputs[0].shape, output.shape) if node.op.category in ("conv", "pool") else None
        training = graph.mode == "training"
        is_run = _is_run(node.op)
        weights = costs.params[i], costs.params_trainable[i], self.weight_sizes[i].parameters
        params, trainable, weight_bytes = (size if size or costs.params_exact[i] else None for size in weights)
        return Layer(
            name=node.name,
            op=node.op.kind,
            category=node.op.category,
            role=node.role,
            label=node.op.label,
            inputs=node.inputs,
            input_shapes=tuple([tensor.sizes for tensor in inputs]),
            output_shape=output.sizes if is_run else None,
            has_batch=node.name not in graph.index.independent,
            kernel=window.kernel if window else None,
            stride=window.stride if window else None,
            params=params,
            params_trainable=trainable,
            params_exact=costs.params_exact[i],
            buffers=costs.buffers[i],
            macs=costs.macs[i],
            flops=costs.flops[i],
            weight_bytes=weight_bytes,
            activation_bytes=memory.activation_bytes[i] if is_run else None,
            live_bytes=memory.live_bytes[i] if is_run else None,
            receptive_field=max(field.size) if field else None,
            receptive_field_detail=field,
            backward_macs=costs.backward_macs[i] if training else UNSET,
            saved_activation_bytes=memory.saved_activation_bytes[i] if training else UNSET,
            params_nonzero=self.nonzero[i] if self.nonzero else UNSET,
        )


def _is_run(op: Op) -> bool:
    return not isinstance(op, Unknown) or op.is_run


def analyze(network: Graph | Analysis) -> Analysis:
    """Analyse a graph: costs, memory and receptive fields of every call. An Analysis is returned as it is."""
    return network if isinstance(network, Analysis) else Analysis(network)


def head(graph: Graph, schema: str) -> dict[str, Any]:
    """The keys that every JSON result about a network starts with: schema, model and inputs."""
    return {
        "schema": schema,
        "model": msgspec.structs.asdict(graph.metadata) | {"mode": graph.mode, "dtype": graph.dtype},
        "inputs": [{"name": i.name, "shape": i.type.shape, "dtype": i.type.dtype} for i in graph.inputs],
    }
