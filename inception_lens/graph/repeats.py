"""Blocks that a network repeats: the nodes of one copy, from which another is written without inferring it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inception_lens.graph.facts import CallFacts
from inception_lens.graph.nodes import Node
from inception_lens.ops import Op, TensorType


class WrittenBlock(NamedTuple):
    """A block in the graph that is being written."""

    name: str
    x: str
    """The name of its input."""
    first: int
    """The position of its first node."""
    end: int
    """The position after its last node."""
    last: str
    """The name of its output."""


class RepeatedBlock(NamedTuple):
    """The nodes of a block without the block's name and without the name of its input.

    Numbers below are positions in the block; -1 is its input, so that they index a list that ends with it.
    """

    suffixes: tuple[str, ...]
    """What follows the block's name in the name of each node."""
    ops: tuple[Op, ...]
    reads: tuple[tuple[int, ...], ...]
    """For each node, the numbers of the nodes that it reads."""
    facts: tuple[CallFacts, ...]
    outputs: tuple[tuple[TensorType, ...], ...]
    """The types of the outputs of each node."""
    last: int
    """The number of the node that is the block's output."""

    @classmethod
    def of(cls, block: WrittenBlock, nodes: Sequence[Node], facts: Sequence[CallFacts]) -> RepeatedBlock | None:
        """A written block; None if a copy would need more than another name and another input.

        That is so if a node is not named after the block, reads another tensor or one of several outputs, or names its
        parameters or its dtype; and if the block's output is its input.
        """
        nodes, facts = nodes[block.first : block.end], facts[block.first : block.end]
        numbers = {block.x: -1, **{node.name: i for i, node in enumerate(nodes)}}
        for node, each in zip(nodes, facts, strict=True):
            below = node.name == block.name or node.name.startswith(f"{block.name}/")
            if not below or node.parameters or node.dtype or len(each.outputs) > 1:
                return None
            if not numbers.keys() >= set(node.inputs):
                return None
        if numbers.get(block.last, -1) < 0:
            return None
        return cls(
            tuple([node.name[len(block.name) :] for node in nodes]),
            tuple([node.op for node in nodes]),
            tuple([tuple([numbers[read] for read in node.inputs]) for node in nodes]),
            tuple(facts),
            tuple([each.outputs for each in facts]),
            numbers[block.last],
        )

    def nodes(self, name: str, x: str) -> list[Node]:
        """The nodes of a copy called `name` that reads `x`."""
        names = [name + suffix for suffix in self.suffixes]
        names.append(x)
        return [
            Node(each, op, (names[reads[0]],) if len(reads) == 1 else tuple([names[i] for i in reads]))
            for each, op, reads in zip(names, self.ops, self.reads, strict=False)
        ]


class Repeats:
    """The blocks of a graph that is being written; only one that comes again is looked at more closely."""

    def __init__(self) -> None:
        self._written: dict[object, WrittenBlock] = {}
        self._found: dict[object, RepeatedBlock | None] = {}

    def add(self, place: object, block: WrittenBlock) -> None:
        """Note where a block is; `place` decides all of it but its name and the name of its input."""
        self._written.setdefault(place, block)

    def find(self, place: object, nodes: Sequence[Node], facts: Sequence[CallFacts]) -> RepeatedBlock | None:
        """The block that was written for an equal `place`, among the nodes so far; None if it cannot be copied."""
        block = self._written.get(place)
        if block is None:
            return None
        if place not in self._found:
            self._found[place] = RepeatedBlock.of(block, nodes, facts)
        return self._found[place]
