"""What a rewrite is going to change, and the one pass over a graph that changes it."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node, Output, Writer
from inception_lens.ops import Declared, Shape, Unknown, format_shape

NOTHING: Mapping[str, str] = MappingProxyType({})


class Site(NamedTuple):
    """One place of a graph that a rewrite changes."""

    name: str
    """The node that people would call it by."""
    what: str
    """What stands there and what comes in its place, in a few words."""
    nodes: tuple[str, ...]
    """The nodes of the graph that take part."""
    replaced: tuple[tuple[str, tuple[Node, ...]], ...] = ()
    """Nodes, each with those that are written in its place; these read by the names of the graph as it was."""
    bypassed: tuple[tuple[str, str], ...] = ()
    """Tensors, each with the one that its readers read instead."""
    channels: tuple[int, ...] = ()
    """Of a reduction: of the map that it reads, and its own."""

    @property
    def names(self) -> frozenset[str]:
        """Nodes of the site before and after: in each of the two graphs, some of them are there."""
        return frozenset(self.nodes).union(node.name for _, nodes in self.replaced for node in nodes)


class SkippedSite(NamedTuple):
    """A place that looks like a site of the rewrite, and why it is none."""

    name: str
    reason: str


class Plan(NamedTuple):
    """Every site of one rewrite in one graph; no node is replaced by two of them."""

    sites: tuple[Site, ...]
    skipped: tuple[SkippedSite, ...] = ()
    matched: Mapping[str, str] = NOTHING
    """Convolutions, each with the tensor whose channels it has to match when these change: a residual connection."""
    outputs: tuple[Output, ...] = ()
    """Those that are left of the network's; empty: all of them."""


def rewritten(graph: Graph, plan: Plan) -> Graph:
    """The graph with every site of `plan` changed: one pass, and what nobody reads any more is gone.

    Raises:
        GraphError: the network behind a site cannot take what the rewrite makes of it, or nobody knows what it does.
    """
    if not plan.sites:
        return graph
    replaced = {name: nodes for site in plan.sites for name, nodes in site.replaced}
    bypassed = {name: instead for site in plan.sites for name, instead in site.bypassed}
    renamed: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        for new in replaced.get(node.name, (node,)):
            nodes.append(_reading(new, renamed))
        if node.name in bypassed:
            renamed[node.name] = renamed.get(bypassed[node.name], bypassed[node.name])
    left = plan.outputs or graph.outputs
    outputs = [Output(renamed.get(output.node, output.node), output.loss_weight) for output in left]
    return written(graph, _read(graph, nodes, outputs), outputs, plan.matched)


def written(
    graph: Graph, nodes: Iterable[Node], outputs: Iterable[Output], matched: Mapping[str, str] = NOTHING
) -> Graph:
    """Other nodes and outputs, with all else that `graph` says; shapes are inferred anew, `matched` as in `Plan`.

    Raises:
        GraphError: the nodes do not make a graph, or nobody knows what one of them makes of another input.
    """
    writer = Writer(graph.inputs)
    rigid = {node.name: node for node in graph.nodes if isinstance(node.op, Unknown | Declared)}
    for node in nodes:
        if node.name in matched:
            channels = writer.shape(matched[node.name])[1]
            if channels != graph.types[matched[node.name]][0].shape[1]:
                node = msgspec.structs.replace(node, op=msgspec.structs.replace(node.op, out_channels=channels))
        writer.write(node)
        if node.name in rigid:
            _check_known(node, graph.input_shapes(rigid[node.name]), writer)
    new = writer.graph(outputs, graph.mode, graph.about)
    return msgspec.structs.replace(new, dtype=graph.dtype, unused=graph.unused, frozen=graph.frozen)


def _check_known(node: Node, before: Sequence[Shape], writer: Writer) -> None:
    """Raise a GraphError where an operation without a shape rule gets inputs of other shapes than `before`."""
    for name, shape in zip(node.inputs, before, strict=True):
        if writer.shape(name) != shape:
            raise GraphError(
                f"nobody knows what `{node.name}` ({node.op.kind}) makes of {format_shape(writer.shape(name))}, "
                f"which `{name}` would become"
            )


def _reading(node: Node, renamed: Mapping[str, str]) -> Node:
    if renamed.keys().isdisjoint(node.inputs):
        return node
    return msgspec.structs.replace(node, inputs=tuple([renamed.get(name, name) for name in node.inputs]))


def producer(name: str, known: Container[str]) -> str:
    """Which of the `known` nodes and inputs makes the tensor called `name`: `lstm:1` is the second output of `lstm`."""
    return name if name in known else name.rpartition(":")[0]


def readers(nodes: Sequence[Node], outputs: Iterable[Output]) -> Counter[str]:
    """How often each node, or input, is read: by other nodes or by the caller."""
    known = {node.name for node in nodes}
    count = Counter([output.node for output in outputs])
    for node in nodes:
        count.update(node.inputs)
    for name in [name for name in count if ":" in name and name not in known]:
        count[producer(name, known)] += count.pop(name)
    return count


def _read(graph: Graph, nodes: Sequence[Node], outputs: Sequence[Output]) -> list[Node]:
    """The nodes without those that something read in `graph`, and nothing reads now."""
    count = readers(nodes, outputs)
    unread_before = {node.name for node in graph.nodes} - readers(graph.nodes, graph.outputs).keys()
    known = {node.name for node in nodes}
    kept = []
    for node in reversed(nodes):
        if count[node.name] or node.name in unread_before:
            kept.append(node)
        else:
            count.subtract([producer(name, known) for name in node.inputs])
    return kept[::-1]
