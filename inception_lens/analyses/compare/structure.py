"""The structure of a network without its names: series of calls, and forks into branches that meet again.

A call that every path from the input to the output passes stands alone in its series. What lies between two such calls
is a fork, whose branches are series of their own; a fork of one branch and a shortcut is a plain series, so that a
residual network is aligned as the chain that it adds to. Linear in the number of calls and in how deep forks nest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import log2
from typing import Any

import msgspec

from inception_lens.graph import Graph, Node
from inception_lens.ops import Op, Shape

DEEPEST = 40
"""How deep forks may nest; below it, calls stand in the order of execution."""

_WEIGHTS = {"weights": 8, "pool": 6, "merge": 4, "unknown": 4, "shape": 1}
"""How much two calls that are alike say about where they stand; the others, norms and activations, have 2."""


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One call."""

    node: int
    """Its place in the graph."""
    kind: int
    """Equal for calls of the same operation on the same shapes."""


class Fork(msgspec.Struct, frozen=True, gc=False):
    """Branches that read one tensor, and the call that they meet in."""

    branches: tuple[Series, ...]
    join: Leaf | None
    """None where the network ends, or a branch of it."""
    kind: int
    """Equal for forks of the same branches, in whatever order."""


Series = tuple[Leaf | Fork, ...]

Bag = dict[object, int]
"""What two parts of networks can have in common, and how much each says."""


class Kinds:
    """Numbers for what is equal, in both graphs of a comparison, and what each kind can have in common with others."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._plain: dict[Op, Op] = {}
        self.bags: list[Bag] = []
        self.groups: list[str] = []
        """What a call of the kind can stand for: another of the same group, and nothing else; a fork has its join's."""
        self.operations: list[Op | None] = []

    def leaf(self, op: Op, inputs: tuple[Shape, ...], output: Shape, side: int) -> int:
        """The kind of a call; `side` is the longest side of the network's input."""
        key = (op, inputs, output)
        number = self._numbers.get(key)
        if number is None:
            plain = self._plain.setdefault(op, without_inplace(op))
            number = self._numbers.get((plain, inputs, output))
            if number is None:
                group = _group(plain)
                number = self._new((plain, inputs, output), _bag(plain, group, inputs, output, side), group, plain)
            self._numbers[key] = number
        return number

    def fork(self, branches: Sequence[Series], join: Leaf | None) -> int:
        """The kind of a fork."""
        key = (tuple(sorted(tuple([item.kind for item in branch]) for branch in branches)), join and join.kind)
        number = self._numbers.get(key)
        if number is None:
            items = [item for branch in branches for item in branch]
            group = self.groups[join.kind] if join else ""
            number = self._new(key, self.bag([*items, join] if join else items), group)
        return number

    def bag(self, items: Iterable[Leaf | Fork]) -> Bag:
        """What all of `items` together can have in common with others."""
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
    """The operation as one that writes elsewhere: where it writes is no difference between networks."""
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
    # A branch is known by its kernels more than by its widths, which a narrower network has all changed.
    return {**dict.fromkeys(keys, weight), (group, "look", look): 2 * weight, (op, inputs, output): weight}


class Structure:
    """One graph, or a part of it, as a tree of series and forks."""

    def __init__(self, graph: Graph, part: Sequence[int], kinds: Kinds, nested: frozenset[str] = frozenset()) -> None:
        """Take the calls at the places `part` of `graph`, in order; those of `nested` are as good as what they read."""
        self.graph, self.kinds = graph, kinds
        side = max([max(given.type.shape[2:], default=1) for given in graph.inputs], default=1)
        place = {graph.nodes[i].name: i for i in part}
        self.kind_of = {i: self._kind(graph.nodes[i], side) for i in part}
        self._leaves = {i: Leaf(i, kind) for i, kind in self.kind_of.items()}
        self._reads: dict[int, list[int | None]] = {}
        self._readers: dict[int, list[int]] = {i: [] for i in part}
        for i in part:
            reads = producers(graph.nodes[i], place)
            if nested:  # earlier ones have been looked through already
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
            producer = place.get(output.node.partition(":")[0])
            if producer is not None:
                self._readers[producer].append(len(graph.nodes))
        self.series = self._series(part, 0)

    def _kind(self, node: Node, side: int) -> int:
        graph = self.graph
        return self.kinds.leaf(node.op, graph.input_shapes(node), graph.types[node.name][0].shape, side)

    def _series(self, part: list[int], depth: int) -> Series:
        """The calls of `part`, which read nothing of each other but through one another, as a series."""
        if len(part) <= 1 or depth > DEEPEST:
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
        if not passed and len(self._branches(between)) == 1:  # nothing to take apart: as they are executed
            return tuple([self._leaves[i] for i in between])
        return (*items, *self._fork(between, None, depth))

    def _passed(self, part: list[int]) -> set[int]:
        """The calls that every path through `part` passes.

        In an order of execution they are those that no earlier tensor is read behind.
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
        """What lies before `join`, and that call itself: a fork, or a series where there is but one branch."""
        branches = [self._series(branch, depth + 1) for branch in self._branches(between)]
        if len(branches) > 1:
            return (Fork(tuple(branches), join, self.kinds.fork(branches, join)),)
        return (*(branches[0] if branches else ()), *((join,) if join else ()))

    def _branches(self, between: list[int]) -> list[list[int]]:
        """The calls as sets that read nothing of one another."""
        parent = {i: i for i in between}

        def root(i: int) -> int:
            while parent[i] != i:
                parent[i] = i = parent[parent[i]]
            return i

        for i in between:
            for read in self._reads[i]:
                if read in parent:
                    parent[root(i)] = root(read)
        sets: dict[int, list[int]] = {}
        for i in between:
            sets.setdefault(root(i), []).append(i)
        return list(sets.values())


def producers(node: Node, place: dict[str, int]) -> list[int | None]:
    """Places of the calls that `node` reads; None for what `place` does not hold."""
    return [place.get(name if name in place else name.partition(":")[0]) for name in node.inputs]


def leaves(items: Iterable[Any]) -> list[Leaf]:
    """All calls of a series, in the order of execution."""
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
