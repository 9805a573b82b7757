"""The structure of a network without its names: a tree of series of calls and of forks whose branches join again.

A call on every path from the input to the output is an item of the series. The calls between two such calls are a fork,
whose branches are series of their own. A fork of one branch and a shortcut is a plain series, so that a residual
network is aligned by its main chain. The time is linear in the number of calls and in the nesting depth of forks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log2
from typing import Any

import msgspec

from inception_lens.analyses.components import connected_components
from inception_lens.graph import CallFacts, Graph
from inception_lens.ops import Op, Shape

MAX_DEPTH = 40
"""Nesting depth of forks beyond which calls are kept in the order of execution."""

_WEIGHTS = {"weights": 8, "pool": 6, "merge": 4, "unknown": 4, "shape": 1}
"""How strongly two equal calls indicate equal positions; norms, activations and the rest weigh 2."""


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One call."""

    node: int
    """Index of the node in the graph."""
    kind: int
    """Number of its kind; equal for calls of the same operation on the same shapes."""


class Fork(msgspec.Struct, frozen=True, gc=False):
    """Branches that read the same tensor, and the call that joins them."""

    branches: tuple[Series, ...]
    """The branches, in the order of execution."""
    join: Leaf | None
    """None at the end of the network or of a branch."""
    kind: int
    """Number of its kind; equal for forks of the same branches in any order."""


Series = tuple[Leaf | Fork, ...]
"""Items in the order of execution; each is on every path through the series."""

Bag = dict[object, int]
"""Features of a part of a network with their weights; the overlap of two bags is their similarity."""


class KindTable:
    """Numbers the kinds of calls and forks of both graphs of a comparison, and holds the features of each kind."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._by_facts: dict[CallFacts, int] = {}
        self.bags: list[Bag] = []
        self.groups: list[str] = []
        """By kind: only kinds of the same group can be paired; a fork has the group of its join."""
        self.operations: list[Op | None] = []

    def leaf(self, facts: CallFacts, side: int) -> int:
        """Number the kind of a call; `side` is the longest side of the network's input."""
        number = self._by_facts.get(facts)
        if number is None:
            plain = without_inplace(facts.op)
            inputs, output = tuple([tensor.shape for tensor in facts.inputs]), facts.outputs[0].shape
            number = self._numbers.get((plain, inputs, output))
            if number is None:
                group = _group(plain)
                number = self._new((plain, inputs, output), _bag(plain, group, inputs, output, side), group, plain)
            self._by_facts[facts] = number
        return number

    def fork(self, branches: Sequence[Series], join: Leaf | None) -> int:
        """Number the kind of a fork."""
        key = (tuple(sorted(tuple([item.kind for item in branch]) for branch in branches)), join and join.kind)
        number = self._numbers.get(key)
        if number is None:
            items = [item for branch in branches for item in branch]
            group = self.groups[join.kind] if join else ""
            number = self._new(key, self.bag([*items, join] if join else items), group)
        return number

    def bag(self, items: Iterable[Leaf | Fork]) -> Bag:
        """The features of all `items` together."""
        bag: Counter[object] = Counter()
        for item in items:
            bag.update(self.bags[item.kind])
        return bag

    def _new(self, key: object, bag: Bag, group: str, op: Op | None = None) -> int:
        self._numbers[key] = len(self.bags)
        self.operations.append(op)
        self.bags.append(bag)
        self.groups.append(group)
        return len(self.bags) - 1


def without_inplace(op: Op) -> Op:
    """The operation with `inplace` cleared: where a result is written is not a difference between networks."""
    return msgspec.structs.replace(op, inplace=False) if getattr(op, "inplace", False) else op


def _group(op: Op) -> str:
    if op.category in ("conv", "linear"):
        return "weights"
    return op.kind if op.kind == "Softmax" or op.category == "unknown" else op.category


def _bag(op: Op, group: str, inputs: tuple[Shape, ...], output: Shape, side: int) -> Bag:
    weight = _WEIGHTS.get(group, _WEIGHTS.get(op.category, 2))
    window = op.window(inputs[0], output) if inputs and op.has_window else None
    scale = round(log2(side / max(*output[2:], 1))) if len(output) > 2 else None
    channels = output[1] if len(output) > 1 else None
    look = (window.kernel, window.stride) if window else None
    keys = (group, op.kind, (group, "channels", channels), (group, "scale", scale), op)
    # Kernels weigh more than widths: a narrower variant of a network changes all widths.
    return {**dict.fromkeys(keys, weight), (group, "look", look): 2 * weight, (op, inputs, output): weight}


class ForkTree:
    """A graph, or a part of it, as a tree of series and forks."""

    def __init__(
        self, graph: Graph, part: Sequence[int], kinds: KindTable, nested: frozenset[str] = frozenset()
    ) -> None:
        """Build the tree of the calls at the indices `part`; calls in `nested` are replaced by their inputs."""
        self.graph, self.kinds = graph, kinds
        side = max([max(given.type.shape[2:], default=1) for given in graph.inputs], default=1)
        self.kind_of = {i: kinds.leaf(graph.facts[i], side) for i in part}
        self._leaves = {i: Leaf(i, kind) for i, kind in self.kind_of.items()}
        self._reads: dict[int, list[int | None]] = {}
        self._readers: dict[int, list[int]] = {i: [] for i in part}
        for i in part:
            reads = [j if j in self.kind_of else None for j in graph.index.reads(graph.nodes[i])]
            if nested:  # nested calls that come earlier are resolved already
                inner = [self._reads[j] if j is not None and graph.nodes[j].name in nested else [j] for j in reads]
                reads = [j for several in inner for j in several]
            self._reads[i] = reads
        part = [i for i in part if graph.nodes[i].name not in nested]
        for i in part:
            read = self._reads[i]
            for producer in read:
                if producer is not None:
                    self._readers[producer].append(i)
        for output in graph.outputs:
            producer = graph.index.position[output.node]
            if producer in self._readers:
                self._readers[producer].append(len(graph.nodes))
        self.series = self._series(part, 0)

    def _series(self, part: list[int], depth: int) -> Series:
        """The calls of `part`, which exchange tensors with the rest only at its ends, as a series."""
        if len(part) <= 1 or depth > MAX_DEPTH or self._is_chain(part):
            return tuple([self._leaves[i] for i in part])
        items: list[Leaf | Fork] = []
        between: list[int] = []
        passed = self._passed(part)
        for i in part:
            if i in passed:
                items += self._fork(between, self._leaves[i], depth)
                between = []
            else:
                between.append(i)
        if not passed and len(self._components(between)) == 1:  # cannot be decomposed: keep the order of execution
            return tuple([self._leaves[i] for i in between])
        return (*items, *self._fork(between, None, depth))

    def _is_chain(self, part: list[int]) -> bool:
        """Whether each call reads the one before it and nothing else, and is its only reader: the common branch."""
        return all(self._reads[i] == [before] and self._readers[before] == [i] for before, i in pairwise(part))

    def _passed(self, part: list[int]) -> set[int]:
        """The calls on every path through `part`.

        In a topological order these are the calls after which no tensor of an earlier call is read: `reach` is the
        last reader of everything before the current call.
        """
        place = {i: at for at, i in enumerate(part)}
        end = len(part)
        reach = max([at for at, i in enumerate(part) if any(read not in place for read in self._reads[i] or (None,))])
        passed = set()
        for at, i in enumerate(part):
            if reach <= at:
                passed.add(i)
            reach = max([reach, *[place.get(reader, end) for reader in self._readers[i] or (-1,)]])
        return passed

    def _fork(self, between: list[int], join: Leaf | None, depth: int) -> Iterable[Leaf | Fork]:
        """The calls between the previous item and `join`, and `join`: a fork, or a series if there is one branch."""
        branches = [self._series(branch, depth + 1) for branch in self._components(between)]
        if len(branches) > 1:
            return (Fork(tuple(branches), join, self.kinds.fork(branches, join)),)
        return (*(branches[0] if branches else ()), *((join,) if join else ()))

    def _components(self, calls: list[int]) -> list[list[int]]:
        return connected_components(calls, self._reads.__getitem__)


def leaves(items: Iterable[Any]) -> list[Leaf]:
    """Every call of a series, in the order of execution."""
    found: list[Leaf] = []
    for item in items:
        if isinstance(item, Fork):
            for branch in item.branches:
                found += leaves(branch)
            if item.join:
                found.append(item.join)
        else:
            found.append(item)
    return found
