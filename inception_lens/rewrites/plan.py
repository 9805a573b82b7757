"""The plan of a rewrite, and the single pass over a graph that carries it out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Node, Output, Writer
from inception_lens.ops import Declared, Unknown, format_shape
from inception_lens.rewrites.structure import GraphStructure

NOTHING: Mapping[str, str] = MappingProxyType({})


class Site(NamedTuple):
    """One place of a graph that a rewrite changes."""

    name: str
    """The node that names the site."""
    what: str
    """The change in a few words."""
    nodes: tuple[str, ...]
    """The nodes of the graph that are part of the site."""
    replaced: tuple[tuple[str, tuple[Node, ...]], ...] = ()
    """Nodes with their replacements, whose inputs are names of the original graph."""
    bypassed: tuple[tuple[str, str], ...] = ()
    """Tensors, each with the tensor that its readers read instead."""
    channels: tuple[int, ...] = ()
    """Input and output channels of a reduction."""

    @property
    def names(self) -> frozenset[str]:
        """Names of the site's nodes before and after the rewrite."""
        return frozenset(self.nodes).union(node.name for _, nodes in self.replaced for node in nodes)


class SkippedSite(NamedTuple):
    """A place that resembles a site of the rewrite but does not fit it."""

    name: str
    """The node that names the place."""
    reason: str
    """Why the rewrite does not fit."""


class Plan(NamedTuple):
    """Every site of one rewrite in one graph; no two sites replace the same node."""

    sites: tuple[Site, ...]
    """The places to change."""
    skipped: tuple[SkippedSite, ...] = ()
    """The places that do not fit."""
    matched: Mapping[str, str] = NOTHING
    """Convolutions of residual connections, each with the tensor whose channels it must match."""
    outputs: tuple[Output, ...] = ()
    """The outputs to keep; empty keeps all."""


def planned(structure: GraphStructure, find: Callable[[GraphStructure, Node], Site | SkippedSite | None]) -> Plan:
    """The plan of a rewrite that `find` describes node by node; a GraphError of `find` is the reason to skip a node."""
    sites: list[Site] = []
    skipped: list[SkippedSite] = []
    for node in structure.graph.nodes:
        try:
            found = find(structure, node)
        except GraphError as error:
            found = SkippedSite(node.name, str(error))
        if isinstance(found, Site):
            sites.append(found)
        elif found:
            skipped.append(found)
    return Plan(tuple(sites), tuple(skipped))


def rewritten(graph: Graph, plan: Plan) -> Graph:
    """Change every site of `plan` in one pass and drop the nodes that are no longer read.

    Raises:
        GraphError: the network after a site cannot take its new output, or contains an operation without a shape rule.
    """
    if not plan.sites:
        return graph
    replaced = {name: nodes for site in plan.sites for name, nodes in site.replaced}
    bypassed = {name: instead for site in plan.sites for name, instead in site.bypassed}
    renamed: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        for new in replaced.get(node.name, (node,)):
            inputs = tuple([renamed.get(name, name) for name in new.inputs])
            nodes.append(new if inputs == new.inputs else msgspec.structs.replace(new, inputs=inputs))
        if node.name in bypassed:
            renamed[node.name] = renamed.get(bypassed[node.name], bypassed[node.name])
    left = plan.outputs or graph.outputs
    outputs = [Output(renamed.get(output.node, output.node), output.loss_weight) for output in left]
    return written(graph, _read(graph, nodes, outputs), outputs, plan.matched)


def written(
    graph: Graph, nodes: Iterable[Node], outputs: Iterable[Output], matched: Mapping[str, str] = NOTHING
) -> Graph:
    """A graph of `nodes` and `outputs` with everything else from `graph`; shapes are inferred again.

    Args:
        graph: the original graph.
        nodes: the new nodes.
        outputs: the new outputs.
        matched: as in `Plan`.

    Raises:
        GraphError: the nodes are not a valid graph, or an operation without a shape rule gets another input.
    """
    writer = Writer(graph.inputs)
    for node in nodes:
        if node.name in matched:
            channels = writer.shape(matched[node.name])[1]
            if channels != graph.types[matched[node.name]][0].shape[1]:
                node = msgspec.structs.replace(node, op=msgspec.structs.replace(node.op, out_channels=channels))
        writer.write(node)
        old = graph.index.nodes.get(node.name)
        if old is not None and isinstance(old.op, Unknown | Declared):
            for name, shape in zip(node.inputs, graph.input_shapes(old), strict=True):
                if writer.shape(name) != shape:
                    raise GraphError(
                        f"the output shape of `{node.name}` ({node.op.kind}) is unknown for an input "
                        f"`{name}` of {format_shape(writer.shape(name))}"
                    )
    new = writer.graph(outputs, graph.mode, graph.metadata)
    fields = ("dtype", "dtypes", "unused", "frozen", "kept")
    return msgspec.structs.replace(new, **{name: getattr(graph, name) for name in fields})


def _read(graph: Graph, nodes: Sequence[Node], outputs: Sequence[Output]) -> list[Node]:
    """The nodes without those that were read in `graph` and are not read any more."""
    # The nodes are not a graph yet, so that there is no index of them.
    known = {node.name for node in nodes}

    def producer(tensor: str) -> str:
        return tensor if tensor in known else tensor.rpartition(":")[0]

    before = {graph.index.producer[output.node] for output in graph.outputs}
    unread_before = {name for name, readers in graph.index.readers.items() if not readers} - before
    read = {producer(output.node) for output in outputs}
    kept = []
    for node in reversed(nodes):
        if node.name in read or node.name in unread_before:
            kept.append(node)
            read.update(map(producer, node.inputs))
    return kept[::-1]
