"""A network as a tree of blocks: which groups of nodes can be modules of their own, and the order of their calls."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from inception_lens.graph import Graph, Node, output_names
from inception_lens.ops import TensorType
from inception_lens.writers.pytorch.module_paths import ModulePath, module_paths
from inception_lens.writers.pytorch.module_table import torch_module
from inception_lens.writers.pytorch.modules import ModuleSpec

EXPRESSIONS = frozenset({"Add", "Concat", "Flatten", "Function"})
"""Modules without tensors that read better as an expression where they are used."""

TensorTypes = Mapping[str, tuple[TensorType, ...]]
"""As `Graph.types`."""


class BlockCall(NamedTuple):
    """One call in a block's forward pass."""

    block: ModuleBlock
    """The block that is called: a part of the calling block, or the calling block itself for its own node."""
    inputs: tuple[str, ...]
    """Names of the tensors that it reads."""
    outputs: tuple[str, ...]
    """Names of the tensors that it returns."""
    entire: bool
    """Whether the call runs all nodes of the called block, not only its own node."""


@dataclass(slots=True)
class ModuleBlock:
    """A node, or the nodes whose names share a prefix."""

    path: ModulePath
    """Where the module is in the network."""
    module: ModuleSpec | None = None
    """The module of the block's own node."""
    node: Node | None = None
    """The node that has the block's path as its name, if there is one."""
    parts: dict[str, ModuleBlock] = field(default_factory=dict)
    """The blocks directly below this one, by the last part of their paths."""
    nodes: list[Node] = field(default_factory=list)
    """The block's own node and those of its parts, in the order of execution."""
    closed: bool = False
    """Whether one call can compute all nodes: they have one output that is read outside, and all inputs from outside
    are available when the first node runs."""
    inputs: tuple[str, ...] = ()
    """Names of the tensors that a closed block reads from outside."""
    outputs: tuple[str, ...] = ()
    """Names of the tensors that a closed block returns."""

    @property
    def is_expression(self) -> bool:
        """Whether the block is written as an expression instead of a module."""
        return not self.parts and self.module is not None and self.module.kind in EXPRESSIONS

    def calls(self, types: TensorTypes) -> Iterator[BlockCall]:
        """The calls of the block's forward pass."""
        done: set[str] = set()
        for node in self.nodes:
            if node.name not in done:
                call = self._call(node, types)
                done.update(each.name for each in call.block.nodes if call.entire or each is node)
                yield call

    def _call(self, node: Node, types: TensorTypes) -> BlockCall:
        """The outermost call that computes `node`: of a closed part, or of the node alone."""
        block = self
        while block is self or not block.closed:
            if block.node is node:
                return BlockCall(block, node.inputs, _outputs(node, types), entire=False)
            block = next(part for part in block.parts.values() if node in part.nodes)
        return BlockCall(block, block.inputs, block.outputs, entire=True)

    def walk(self) -> Iterator[ModuleBlock]:
        """The block and all blocks within it."""
        yield self
        for part in self.parts.values():
            yield from part.walk()


class BlockTree(NamedTuple):
    """A network's blocks, and the nodes that run in only one mode."""

    root: ModuleBlock
    """The network itself, with an empty path."""
    training: frozenset[str]
    """Names of the nodes that run only in training mode."""
    evaluation: frozenset[str]
    """Names of the nodes that run only in evaluation mode."""
    types: TensorTypes
    """Of the nodes of both modes."""


def block_tree(graph: Graph, evaluation: Graph | None) -> BlockTree:
    """The blocks of a graph and of the graph that evaluation mode computes instead.

    Raises:
        GraphError: as `module_paths` and `torch_module`.
    """
    nodes = {node.name: node for node in (*graph.nodes, *(evaluation.nodes if evaluation else ()))}
    types = {**(evaluation.types if evaluation else {}), **graph.types}
    names = {node.name for node in graph.nodes}
    other = {node.name for node in evaluation.nodes} if evaluation else names
    tree = BlockTree(ModuleBlock(()), frozenset(names - other), frozenset(other - names), types)
    for name, path in module_paths(nodes).items():
        _insert(tree.root, path, nodes[name], types)
    graph_outputs = {output.node for each in (graph, evaluation) if each for output in each.outputs}
    position = {output: i for i, node in enumerate(nodes.values()) for output in _outputs(node, types)}
    _close(tree, position, _readers(nodes.values(), graph_outputs))
    return tree


def evaluation_part(graph: Graph) -> Graph:
    """The nodes that the first output of a training graph needs; an inference graph is returned as it is."""
    if graph.mode == "inference":
        return graph
    needed = {graph.index.producer[graph.outputs[0].node]}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(graph.index.producer[name] for name in node.inputs)
    kept = [(node, facts) for node, facts in zip(graph.nodes, graph.facts, strict=True) if node.name in needed]
    nodes, facts = zip(*kept, strict=True)
    return msgspec.structs.replace(graph, nodes=nodes, facts=facts, outputs=graph.outputs[:1])


def _outputs(node: Node, types: TensorTypes) -> tuple[str, ...]:
    return output_names(node.name, len(types[node.name]))


def _insert(root: ModuleBlock, path: ModulePath, node: Node, types: TensorTypes) -> None:
    root.nodes.append(node)
    block = root
    for end in range(1, len(path) + 1):
        block = block.parts.setdefault(path[end - 1], ModuleBlock(path[:end]))
        block.nodes.append(node)
    block.node = node
    block.module = torch_module(node.op, tuple(types[name][0] for name in node.inputs))
    block.outputs = _outputs(node, types)


def _readers(nodes: Iterable[Node], graph_outputs: set[str]) -> dict[str, set[str]]:
    """For each tensor the names of the nodes that read it, and an empty name if it is an output of the network."""
    readers: dict[str, set[str]] = {name: {""} for name in graph_outputs}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, set()).add(node.name)
    return readers


def _close(tree: BlockTree, position: Mapping[str, int], readers: Mapping[str, set[str]]) -> None:
    """Find the blocks that one call can compute."""
    for block in tree.root.walk():
        if block is tree.root:
            continue
        own = {node.name for node in block.nodes}
        produced = [name for node in block.nodes for name in _outputs(node, tree.types)]
        read = dict.fromkeys(name for node in block.nodes for name in node.inputs if name not in produced)
        outputs = tuple(name for name in produced if readers.get(name, set()) - own)
        first = min(position[name] for name in own)
        ready = all(position.get(name, -1) < first for name in read)
        modes = {(name in tree.training, name in tree.evaluation) for name in own}
        if not block.parts:
            block.closed, block.inputs = True, block.nodes[0].inputs
        elif len(outputs) == 1 and ready and len(modes) == 1:
            block.closed, block.inputs, block.outputs = True, tuple(read), outputs
