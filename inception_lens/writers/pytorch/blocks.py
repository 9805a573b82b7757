"""A network as a tree of blocks: which parts of it can be a module of their own, and in which order they are called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import TensorType
from inception_lens.writers.pytorch.module_paths import ModulePath, module_paths
from inception_lens.writers.pytorch.module_table import torch_module
from inception_lens.writers.pytorch.modules import ModuleSpec

EXPRESSIONS = frozenset({"Add", "Concat", "Flatten", "Function"})
"""Modules without tensors that are better written as an expression where they are used."""


class Call(NamedTuple):
    """One call in a block's forward pass."""

    block: Block
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    whole: bool
    """Whether the block's whole forward pass is called, and not its own node alone."""


@dataclass(slots=True)
class Block:
    """A node, or nodes whose names begin alike, and what is known of them."""

    path: ModulePath
    module: ModuleSpec | None = None
    """What computes the block's own node."""
    node: Node | None = None
    parts: dict[str, Block] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    """All of its nodes, in the order of execution."""
    closed: bool = False
    """Whether one call can compute all of it: it has one output, and its inputs are there when its first node runs."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    """What its own node returns."""

    @property
    def is_expression(self) -> bool:
        """Whether it is written as an expression, without a module."""
        return not self.parts and self.module is not None and self.module.kind in EXPRESSIONS

    def calls(self) -> Iterator[Call]:
        """The calls of its forward pass."""
        done: set[str] = set()
        for node in self.nodes:
            if node.name not in done:
                call = self._call(node)
                done.update(each.name for each in call.block.nodes if call.whole or each is node)
                yield call

    def _call(self, node: Node) -> Call:
        block = self
        while block is self or not block.closed:
            if block.node is node:
                return Call(block, node.inputs, block.results, whole=False)
            block = next(part for part in block.parts.values() if node in part.nodes)
        return Call(block, block.inputs, block.outputs, whole=True)


class Network(NamedTuple):
    """A network's blocks, and which nodes run in one mode alone."""

    root: Block
    training: frozenset[str]
    evaluation: frozenset[str]
    types: Mapping[str, tuple[TensorType, ...]]


def blocks(graph: Graph, evaluation: Graph | None) -> Network:
    """The blocks of a graph, and of what is computed in evaluation mode instead."""
    nodes = {node.name: node for node in (*graph.nodes, *(evaluation.nodes if evaluation else ()))}
    types = {**(evaluation.types if evaluation else {}), **graph.types}
    names = {node.name for node in graph.nodes}
    other = {node.name for node in evaluation.nodes} if evaluation else names
    network = Network(Block(()), frozenset(names - other), frozenset(other - names), types)
    for name, path in module_paths(nodes).items():
        _insert(network.root, path, nodes[name], types)
    outputs = {output.node for each in (graph, evaluation) if each for output in each.outputs}
    place = {result: i for i, name in enumerate(nodes) for result in results(name, types)}
    _close(network, place, _readers(nodes.values(), outputs))
    return network


def main_part(graph: Graph) -> Graph:
    """What the first output of a training graph needs; any other graph as it is."""
    if graph.mode == "inference":
        return graph
    needed = {graph.outputs[0].node}
    for node in reversed(graph.nodes):
        if not needed.isdisjoint(results(node.name, graph.types)):
            needed.update(node.inputs)
            needed.add(node.name)
    nodes = tuple(node for node in graph.nodes if node.name in needed)
    return msgspec.structs.replace(graph, nodes=nodes, outputs=graph.outputs[:1])


def results(name: str, types: Mapping[str, tuple[TensorType, ...]]) -> tuple[str, ...]:
    """Names of what a node returns: its own, and `name:1` and so on for the outputs behind the first."""
    names = [name]
    while f"{name}:{len(names)}" in types:
        names.append(f"{name}:{len(names)}")
    return tuple(names)


def _insert(root: Block, path: ModulePath, node: Node, types: Mapping[str, tuple[TensorType, ...]]) -> None:
    root.nodes.append(node)
    block = root
    for end in range(1, len(path) + 1):
        block = block.parts.setdefault(path[end - 1], Block(path[:end]))
        block.nodes.append(node)
    block.node = node
    block.module = torch_module(node.op, tuple(types[name][0] for name in node.inputs))
    block.outputs = block.results = results(node.name, types)


def _readers(nodes: Iterable[Node], outputs: set[str]) -> dict[str, set[str]]:
    readers: dict[str, set[str]] = {name: {""} for name in outputs}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, set()).add(node.name)
    return readers


def _close(network: Network, place: Mapping[str, int], readers: Mapping[str, set[str]]) -> None:
    """Find the blocks that one call can compute."""
    pending = list(network.root.parts.values())
    while pending:
        block = pending.pop()
        pending += block.parts.values()
        own = {node.name for node in block.nodes}
        made = [name for node in block.nodes for name in results(node.name, network.types)]
        read = dict.fromkeys(name for node in block.nodes for name in node.inputs if name not in made)
        outputs = tuple(name for name in made if readers.get(name, set()) - own)
        first = min(place[name] for name in own)
        ready = all(place.get(name, -1) < first for name in read)
        phases = {(name in network.training, name in network.evaluation) for name in own}
        if not block.parts:
            block.closed, block.inputs = True, block.nodes[0].inputs
        elif len(outputs) == 1 and ready and len(phases) == 1:
            block.closed, block.inputs, block.outputs = True, tuple(read), outputs
