"""The Analysis of a graph: its layers, totals and modules, as plain values and as the JSON of `summary`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from inception_lens.analyses.costs import Costs, costs
from inception_lens.analyses.memory import Memory, memory
from inception_lens.analyses.receptive_field import Field, receptive_fields
from inception_lens.errors import GraphError
from inception_lens.graph import Graph
from inception_lens.ops import BYTES_PER_ELEMENT, Category, Shape

if TYPE_CHECKING:
    import pandas

SCHEMA = "inception-lens/analysis/1"
EVERY_LEVEL = 1_000_000
"""A depth that no name reaches."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One call and all that is known of it. Sizes are elements or bytes; None means that nobody knows."""

    name: str
    op: str
    category: Category
    label: str
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    kernel: tuple[int, ...] | None
    stride: tuple[int, ...] | None
    params: int
    params_trainable: int
    buffers: int
    macs: int | None
    flops: int | None
    weight_bytes: int
    activation_bytes: int
    live_bytes: int
    receptive_field: int | None
    """The longer side, in input pixels."""
    field: Field | None
    backward_macs: int | UnsetType | None = UNSET
    saved_activation_bytes: int | UnsetType = UNSET


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A module: exactly the sum of its layers."""

    name: str
    layers: tuple[Layer, ...]
    params: int
    params_trainable: int
    buffers: int
    macs: int
    flops: int
    weight_bytes: int
    activation_bytes: int
    live_bytes: int
    """The largest of its layers': memory at one time does not add up."""
    output_shape: Shape
    receptive_field: int | None
    exact: bool
    """Whether every layer's cost is known; where not, the sums say at least."""
    backward_macs: int | UnsetType = UNSET
    saved_activation_bytes: int | UnsetType = UNSET

    @property
    def category(self) -> Category | None:
        """What kind of work it does, norm and activation behind it aside; None for a module of several kinds."""
        found = {layer.category for layer in self.layers}
        found = found - {"activation", "norm", "shape"} or found
        return found.pop() if len(found) == 1 else None


class Row(msgspec.Struct, frozen=True):
    """One line of a tree of modules."""

    level: int
    """How deep it stands; 0 for what has no module above it."""
    label: str
    """The part of its name that the line above does not say."""
    group: Group

    @property
    def description(self) -> str:
        """What the module does, in the labels of its operations; empty where they are many."""
        told = [layer for layer in self.group.layers if layer.category not in ("activation", "shape")]
        told = [layer for layer in told if layer.op != "BatchNorm2d"] or list(self.group.layers)
        labels = [layer.label.removeprefix(f"{self.label} ") for layer in told if layer.label.lower() != self.label]
        return ", ".join(labels) if len(labels) <= 3 else ""


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a whole network; the last five are there in training mode."""

    params: int
    """Declared by the network, shared tensors once."""
    params_trainable: int
    params_used: int
    """Read by this forward pass."""
    buffers: int
    macs: int
    flops: int
    weight_bytes: int
    buffer_bytes: int
    activation_bytes: int
    peak_activation_bytes: int
    exact: bool
    backward_macs: int | UnsetType = UNSET
    gradient_bytes: int | UnsetType = UNSET
    optimizer_bytes: int | UnsetType = UNSET
    """State of SGD with momentum: one number per trainable parameter."""
    optimizer_bytes_adam: int | UnsetType = UNSET
    """State of Adam: two."""
    saved_activation_bytes: int | UnsetType = UNSET


class Analysis(msgspec.Struct, frozen=True, dict=True):
    """All numbers of a graph: columns with one entry per node, and the rows and sums made of them."""

    graph: Graph
    costs: Costs
    memory: Memory
    fields: tuple[Field | None, ...]

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """One row per call, in the order of execution."""
        return tuple([self._layer(i) for i in range(len(self.graph.nodes))])

    @cached_property
    def totals(self) -> Totals:
        """Sums over the whole network."""
        graph, costs, memory = self.graph, self.costs, self.memory
        unused = sum(tensor.elements for tensor in graph.unused)
        unused_trainable = sum(tensor.elements for tensor in graph.unused if tensor.role not in graph.frozen)
        used, trainable = sum(costs.params), sum(costs.params_trainable) + unused_trainable
        element = BYTES_PER_ELEMENT[graph.dtype]
        totals = Totals(
            params=used + unused,
            params_trainable=trainable,
            params_used=used,
            buffers=sum(costs.buffers),
            macs=sum(filter(None, costs.macs)),
            flops=sum(filter(None, costs.flops)),
            weight_bytes=(used + unused) * element,
            buffer_bytes=sum(costs.buffers) * element,
            activation_bytes=sum(memory.activation_bytes),
            peak_activation_bytes=max(memory.live_bytes, default=0),
            exact=None not in costs.flops,
        )
        if graph.mode == "inference":
            return totals
        return msgspec.structs.replace(
            totals,
            backward_macs=sum(filter(None, costs.backward_macs)),
            gradient_bytes=trainable * element,
            optimizer_bytes=trainable * element,
            optimizer_bytes_adam=2 * trainable * element,
            saved_activation_bytes=sum(memory.saved_bytes),
        )

    @property
    def peak_layer(self) -> Layer:
        """The layer during which most activation memory is alive."""
        live = self.memory.live_bytes
        return self.layers[live.index(max(live))]

    @cached_property
    def uncounted(self) -> tuple[Layer, ...]:
        """Layers whose cost nobody knows."""
        return tuple(layer for layer in self.layers if layer.flops is None)

    def by_module(self, depth: int = 1) -> tuple[Group, ...]:
        """The layers grouped by the first `depth` parts of their names, in the order of execution.

        Raises:
            GraphError: `depth` is less than 1.
        """
        if depth < 1:
            raise GraphError(f"a depth of {depth}: modules have a depth of at least 1")
        return tuple([summed(name, layers) for name, layers in _modules(self.layers, depth).items()])

    def tree(self, depth: int | None = 1, sort: Callable[[Group], Any] | None = None) -> tuple[Row, ...]:
        """The modules as the lines of a tree, `depth` levels of it open; None opens all.

        A module with one part alone stands in the tree as that part. `sort` orders the parts of each module.

        Raises:
            GraphError: `depth` is less than 1.
        """
        if depth is not None and depth < 1:
            raise GraphError(f"a depth of {depth}: modules have a depth of at least 1")
        return tuple(_rows(self.layers, "", 0, 1, depth or EVERY_LEVEL, sort))

    @cached_property
    def whole(self) -> Group:
        """The network as one group."""
        return summed(self.graph.name, self.layers)

    def to_json(self, indent: int = 2) -> str:
        """The JSON of `summary --format json`: exact integers, schema `inception-lens/analysis/1`."""
        graph = self.graph
        record = {
            "schema": SCHEMA,
            "model": {
                "name": graph.name,
                "description": graph.about.description,
                "source": graph.about.source,
                "mode": graph.mode,
                "dtype": graph.dtype,
            },
            "inputs": [{"name": i.name, "shape": i.type.shape, "dtype": i.type.dtype} for i in graph.inputs],
            "totals": self.totals,
            "layers": self.layers,
            "uncounted": [{"name": layer.name, "op": layer.op} for layer in self.uncounted],
        }
        return msgspec.json.format(msgspec.json.encode(record), indent=indent).decode()

    def _repr_html_(self) -> str:
        from inception_lens.renderers.html import summary_fragment

        return summary_fragment(self)

    def to_pandas(self) -> pandas.DataFrame:
        """The layers as a table, one row each, with the fields of `Layer` as columns."""
        import pandas

        return pandas.DataFrame([msgspec.to_builtins(layer) for layer in self.layers])

    def _layer(self, i: int) -> Layer:
        graph, node = self.graph, self.graph.nodes[i]
        shapes = tuple([graph.types[name][0].shape for name in node.inputs])
        output = graph.types[node.name][0].shape
        windowed = node.op.category in ("conv", "pool")
        window = node.op.window(shapes[0], output) if windowed else None
        field = self.fields[i]
        training: dict[str, Any] = {}
        if graph.mode == "training":
            training["backward_macs"] = self.costs.backward_macs[i]
            training["saved_activation_bytes"] = self.memory.saved_bytes[i]
        return Layer(
            name=node.name,
            op=node.op.kind,
            category=node.op.category,
            label=node.op.label,
            inputs=node.inputs,
            input_shapes=shapes,
            output_shape=output,
            kernel=window.kernel if window else None,
            stride=window.stride if window else None,
            params=self.costs.params[i],
            params_trainable=self.costs.params_trainable[i],
            buffers=self.costs.buffers[i],
            macs=self.costs.macs[i],
            flops=self.costs.flops[i],
            weight_bytes=self.costs.params[i] * BYTES_PER_ELEMENT[graph.dtype],
            activation_bytes=self.memory.activation_bytes[i],
            live_bytes=self.memory.live_bytes[i],
            receptive_field=max(field.size) if field else None,
            field=field,
            **training,
        )


def _modules(layers: Iterable[Layer], depth: int) -> dict[str, list[Layer]]:
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault("/".join(layer.name.split("/", depth)[:depth]), []).append(layer)
    return groups


def _rows(
    layers: Iterable[Layer], above: str, level: int, part: int, depth: int, sort: Callable[[Group], Any] | None
) -> Iterator[Row]:
    """The rows of layers whose names agree in all but their part number `part` and those behind it."""
    groups = [summed(name, members) for name, members in _modules(layers, part).items()]
    for group in sorted(groups, key=sort) if sort else groups:
        name, deep, parts = group.name, part, _modules(group.layers, part + 1)
        while depth > deep and len(parts) == 1 and name not in parts:
            (name,), deep = parts, deep + 1
            parts = _modules(group.layers, deep + 1)
        label = name.removeprefix(f"{above}/") if name != above else group.layers[0].op
        yield Row(level, label, msgspec.structs.replace(group, name=name))
        if deep < depth and len(parts) > 1:
            yield from _rows(group.layers, name, level + 1, deep + 1, depth, sort)


def summed(name: str, layers: Iterable[Layer]) -> Group:
    """The Group called `name` that holds `layers`."""
    layers = tuple(layers)
    last = layers[-1]
    training: dict[str, Any] = {}
    if last.backward_macs is not UNSET:
        training["backward_macs"] = sum([layer.backward_macs or 0 for layer in layers])
        training["saved_activation_bytes"] = sum([layer.saved_activation_bytes or 0 for layer in layers])
    return Group(
        name=name,
        layers=layers,
        params=sum([layer.params for layer in layers]),
        params_trainable=sum([layer.params_trainable for layer in layers]),
        buffers=sum([layer.buffers for layer in layers]),
        macs=sum([layer.macs or 0 for layer in layers]),
        flops=sum([layer.flops or 0 for layer in layers]),
        weight_bytes=sum([layer.weight_bytes for layer in layers]),
        activation_bytes=sum([layer.activation_bytes for layer in layers]),
        live_bytes=max([layer.live_bytes for layer in layers]),
        output_shape=last.output_shape,
        receptive_field=max([layer.receptive_field or 0 for layer in layers]) or None,
        exact=None not in [layer.flops for layer in layers],
        **training,
    )


def analyze(graph: Graph) -> Analysis:
    """Analyse a graph: costs, memory and receptive fields of every call."""
    return Analysis(graph, costs(graph), memory(graph), receptive_fields(graph))
