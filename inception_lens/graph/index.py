"""Lookups by name in a graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from inception_lens.graph.nodes import Input, Node, output_names
from inception_lens.ops import TensorType


class GraphIndex(msgspec.Struct, frozen=True):
    """Lookups by name in a graph; a tensor is named as in `Node.inputs`."""

    nodes: dict[str, Node]
    """The node of each name, in the order of execution."""
    producer: dict[str, str]
    """For each tensor, the node or graph input that produces it: `lstm` for `lstm:1`, an input for itself."""
    position: dict[str, int]
    """For each tensor, the position of its producer in `Graph.nodes`; -1 for a graph input."""
    readers: dict[str, tuple[int, ...]]
    """For each node and graph input, the positions of the nodes that read any of its outputs, ascending. A node that
    reads it twice is listed twice; an output of the graph is not a reader."""
    independent: frozenset[str]
    """Tensors that are not computed from an input of the graph, such as parameters: their first axis is not a batch."""

    @classmethod
    def of(
        cls, inputs: Iterable[Input], nodes: Sequence[Node], types: Mapping[str, tuple[TensorType, ...]]
    ) -> GraphIndex:
        """Index the parts of a graph: one pass over its nodes."""
        producer = {given.name: given.name for given in inputs}
        position = dict.fromkeys(producer, -1)
        readers: dict[str, list[int]] = {name: [] for name in producer}
        independent: set[str] = set()
        by_name: dict[str, Node] = {}
        for i, node in enumerate(nodes):
            name, reads = node.name, node.inputs
            by_name[name] = node
            for read in reads:
                readers[producer[read]].append(i)
            readers[name] = []
            producer[name], position[name] = name, i
            count = len(types[name])
            if count > 1:
                for output in output_names(name, count):
                    producer[output], position[output] = name, i
            if not reads or (independent and independent.issuperset(reads)):
                independent.update(output_names(name, count))
        return cls(
            by_name, producer, position, {name: tuple(found) for name, found in readers.items()}, frozenset(independent)
        )

    def reads(self, node: Node) -> tuple[int, ...]:
        """The positions of the nodes that produce the inputs of `node`, in their order; -1 for a graph input."""
        return tuple([self.position[name] for name in node.inputs])
