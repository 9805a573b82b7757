"""Comparison of two parts of networks: paired calls, and the changes from one part to the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.compare.alignment import Alignment, align
from inception_lens.analyses.compare.attributes import (
    CONSEQUENCES,
    ComparedCall,
    Difference,
    changes_no_value,
    differences,
    equivalent,
)
from inception_lens.analyses.compare.records import Change, PartComparison
from inception_lens.analyses.compare.structure import Fork, ForkTree, KindTable, leaves
from inception_lens.analyses.costs import Costs
from inception_lens.graph import CallFacts, Graph, Node
from inception_lens.ops import UNKNOWN_SIZE, Concat, Op

COMMUTATIVE = ("Add", "Mul", "Maximum", "Minimum")


class CountedGraph(msgspec.Struct, frozen=True):
    """A graph with its costs and lookups, shared by all parts of a comparison."""

    analysis: Analysis
    """The network and its costs."""
    nested: frozenset[str]
    """Concatenations whose only reader is a concatenation along the same axis; they are merged into it."""

    @classmethod
    def of(cls, network: Graph | Analysis) -> CountedGraph:
        """Count and index a graph."""
        analysis = analyze(network)
        return cls(analysis, _nested(analysis.graph))

    @property
    def graph(self) -> Graph:
        """The network."""
        return self.analysis.graph

    @property
    def costs(self) -> Costs:
        """Costs of its calls."""
        return self.analysis.costs

    def find(self, name: str) -> int | None:
        """The index of the call that produces a tensor; None for an input of the network."""
        i = self.graph.index.position[name]
        return i if i >= 0 else None

    def call(self, i: int) -> ComparedCall:
        """The call at index `i`, without its name."""
        facts = self.graph.facts[i]
        output = facts.outputs[0]
        shape = output.shape if output.has_shape else (UNKNOWN_SIZE,)
        return ComparedCall(facts.op, tuple([tensor.shape for tensor in facts.inputs]), shape)


def _nested(graph: Graph) -> frozenset[str]:
    joins = {node.name: node.op for node in graph.nodes if isinstance(node.op, Concat)}
    inside = {name for node in graph.nodes for name in node.inputs if name in joins and joins[name] == node.op}
    others = {name for node in graph.nodes for name in node.inputs if name in joins and joins[name] != node.op}
    return frozenset(inside - others - {output.node for output in graph.outputs})


class Pairing(msgspec.Struct, frozen=True):
    """The alignment of two parts."""

    alignment: Alignment
    """Pairs of node indices."""
    kinds_a: dict[int, int]
    """Number of each call's kind, by index in the first graph; equal calls of both graphs have equal numbers."""
    kinds_b: dict[int, int]
    """The same for the second graph."""
    in_branches: frozenset[int]
    """Indices in the first graph of the calls that are in a branch of a fork."""


def pair(a: CountedGraph, part_a: Sequence[int], b: CountedGraph, part_b: Sequence[int]) -> Pairing:
    """Align two parts; swapping them gives the mirrored result."""
    kinds = KindTable()
    left, right = ForkTree(a.graph, part_a, kinds, a.nested), ForkTree(b.graph, part_b, kinds, b.nested)
    if len(part_a) < len(part_b) or (len(part_a) == len(part_b) and _order(a, part_a) <= _order(b, part_b)):
        alignment = align(left.series, right.series, kinds)
    else:
        alignment = align(right.series, left.series, kinds).mirrored()
    _pair_nested(a, part_a, b, part_b, alignment.pairs)
    forks = [item for item in left.series if isinstance(item, Fork)]
    in_branches = frozenset([leaf.node for fork in forks for branch in fork.branches for leaf in leaves(branch)])
    return Pairing(alignment, left.kind_of, right.kind_of, in_branches)


def _pair_nested(
    a: CountedGraph, part_a: Sequence[int], b: CountedGraph, part_b: Sequence[int], pairs: dict[int, int]
) -> None:
    """Pair the nested concatenations that join paired calls."""
    if not a.nested or not b.nested:
        return
    joins: dict[tuple[int | None, ...], list[int]] = {}
    for j in part_b:
        if b.graph.nodes[j].name in b.nested:
            joins.setdefault(b.graph.index.reads(b.graph.nodes[j]), []).append(j)
    for i in part_a:
        if a.graph.nodes[i].name in a.nested:
            reads = [k if k < 0 else pairs.get(k) for k in a.graph.index.reads(a.graph.nodes[i])]
            found = joins.get(tuple(reads))
            if found:
                pairs[i] = found.pop(0)


def _order(network: CountedGraph, part: Sequence[int]) -> bytes:
    """A sort key of parts of one length that does not depend on names; equal only for equal parts."""
    place = {i: at for at, i in enumerate(part)}
    nodes, index = [network.graph.nodes[i] for i in part], network.graph.index
    calls = [(node.op.kind, node.op, [place.get(read) for read in index.reads(node)]) for node in nodes]
    return msgspec.json.encode(calls)


class Comparer:
    """Derives the changes between two parts from their alignment."""

    def __init__(self, a: CountedGraph, part_a: Sequence[int], b: CountedGraph, part_b: Sequence[int]) -> None:
        self.a, self.b, self.part_a, self.part_b = a, b, part_a, part_b
        self.pairing = pair(a, part_a, b, part_b)
        self.pairs, self.moved = self.pairing.alignment.pairs, self.pairing.alignment.moved
        self._differences: dict[tuple[CallFacts, CallFacts], tuple[tuple[Difference, ...], bool]] = {}
        self.partner = {j: i for i, j in self.pairs.items()}
        self.sources_a = _Sources(a, part_a, {i: i for i in self.pairs if i not in self.moved})
        self.sources_b = _Sources(b, part_b, {j: i for j, i in self.partner.items() if i not in self.moved})

    def part(self, extra: Iterable[Change] = ()) -> PartComparison:
        """The comparison, with `extra` changes before those of the calls."""
        names_a, names_b = self.a.graph.nodes, self.b.graph.nodes
        ordered = sorted(self.pairs.items())
        return PartComparison(
            pairs=tuple([(names_a[i].name, names_b[j].name) for i, j in ordered]),
            only_a=tuple([names_a[i].name for i in self.part_a if i not in self.pairs]),
            only_b=tuple([names_b[j].name for j in self.part_b if j not in self.partner]),
            changes=(*extra, *self._changes()),
            in_branches=frozenset([names_a[i].name for i in self.pairing.in_branches]),
        )

    def _changes(self) -> Iterator[Change]:
        """Changes in the order of execution of A; an added call comes after the pair that precedes it in B."""
        added: dict[int, list[int]] = {}
        before = -1
        for j in self.part_b:
            if j in self.partner:
                before = self.partner[j]
            else:
                added.setdefault(before, []).append(j)
        for i in (-1, *self.part_a):
            if i in self.pairs:
                change = self._changed(i, self.pairs[i])
                if change:
                    yield change
            elif i >= 0:
                yield _alone(self.a, i).mirrored()
            yield from (_alone(self.b, j) for j in added.get(i, ()))

    def _changed(self, i: int, j: int) -> Change | None:
        a, b = self.a, self.b
        same = self.pairing.kinds_a[i] == self.pairing.kinds_b[j]
        params = b.costs.params[j] - a.costs.params[i]
        macs_a, macs_b = a.costs.macs[i], b.costs.macs[j]
        macs = None if macs_a is None or macs_b is None else macs_b - macs_a
        what, alike = ((), False) if same else self._unlike(i, j)
        if not (params or macs) and all(each.attribute in CONSEQUENCES for each in what):
            what = ()  # only its inputs differ, and that is reported where it begins
        context = tuple(self._context(i, j))
        if params and not what:
            context += (Difference("params", a.costs.params[i], b.costs.params[j]),)
        if not what and not context:
            return None
        return Change(
            kind="changed",
            a=a.graph.nodes[i].name,
            b=b.graph.nodes[j].name,
            what=_attributed((*what, *context), a, i, b, j, params, macs),
            params=params,
            macs=macs,
            params_exact=a.costs.params_exact[i] and b.costs.params_exact[j],
            equivalent=changes_no_value(a.graph.nodes[i].op) or (alike and not context),
        )

    def _unlike(self, i: int, j: int) -> tuple[tuple[Difference, ...], bool]:
        """The differences of two calls of different kinds, and whether they compute the same values."""
        key = self.a.graph.facts[i], self.b.graph.facts[j]
        found = self._differences.get(key)
        if found is None:
            a, b = self.a.call(i), self.b.call(j)
            found = self._differences[key] = differences(a, b), equivalent(a, b)
        return found

    def _context(self, i: int, j: int) -> Iterator[Difference]:
        """Differences outside of the operation: its position, its inputs, and whether it is trained."""
        a, b = self.a, self.b
        node_a, node_b = a.graph.nodes[i], b.graph.nodes[j]
        if i in self.moved:
            yield Difference("position", node_a.inputs, node_b.inputs)
        else:
            yield from self._inputs(node_a, node_b)
        frozen_a, frozen_b = (x.costs.params[k] - x.costs.params_trainable[k] for x, k in ((a, i), (b, j)))
        if bool(frozen_a) != bool(frozen_b):
            yield Difference("params_trainable", a.costs.params_trainable[i], b.costs.params_trainable[j])

    def _inputs(self, a: Node, b: Node) -> Iterator[Difference]:
        reads_a, reads_b = self.sources_a.of(a), self.sources_b.of(b)
        if reads_a == reads_b or None in reads_a or None in reads_b:
            return
        if sorted(map(str, reads_a)) != sorted(map(str, reads_b)):
            yield Difference("inputs", a.inputs, b.inputs)
        elif not (a.op.kind in COMMUTATIVE and a.op == b.op and getattr(a.op, "scale", 1) == 1):
            yield Difference("input_order", a.inputs, b.inputs)


class _Sources:
    """The inputs of the calls of a part as pairs, looking through unpaired calls that only finish or reshape."""

    def __init__(self, network: CountedGraph, part: Sequence[int], pairs: dict[int, int]) -> None:
        self.network, self.pairs = network, pairs
        self._known: dict[str, object] = {given.name: f"input {k}" for k, given in enumerate(network.graph.inputs)}

    def of(self, node: Node) -> list[object]:
        """One entry per input: the pair and its output, or None where it is ambiguous."""
        return [source for name in node.inputs for source in self._parts(name, node.op)]

    def _parts(self, name: str, reader: Op) -> list[object]:
        """Sources of one input; an unpaired concatenation nested in another is replaced by its inputs."""
        i = self.network.find(name)
        if i is not None and i not in self.pairs and isinstance(reader, Concat):
            node = self.network.graph.nodes[i]
            if node.op == reader:
                return [source for inner in node.inputs for source in self._parts(inner, reader)]
        return [self.source(name)]

    def source(self, name: str) -> object:
        passed = []
        while name not in self._known:
            passed.append(name)
            i = self.network.graph.index.position[name]
            node = self.network.graph.nodes[i]
            if i in self.pairs:
                self._known[name] = (self.pairs[i], name.removeprefix(node.name))
            elif node.role not in ("finish", "layout"):
                self._known[name] = None
            else:
                name = node.inputs[0]
        found = self._known[name]
        self._known.update(dict.fromkeys(passed, found))
        return found


def _alone(network: CountedGraph, i: int) -> Change:
    """The change that adds a call of B."""
    node = network.graph.nodes[i]
    return Change(
        kind="added",
        a=None,
        b=node.name,
        what=(Difference("op", None, node.op.kind, network.costs.params[i], network.costs.macs[i] or 0),),
        params=network.costs.params[i],
        macs=network.costs.macs[i],
        params_exact=network.costs.params_exact[i],
        equivalent=changes_no_value(node.op) or node.name in network.nested,
    )


def _attributed(
    what: Sequence[Difference], a: CountedGraph, i: int, b: CountedGraph, j: int, params: int, macs: int | None
) -> tuple[Difference, ...]:
    """Attribute the change in cost: a bias gets its own elements, the first other difference the rest."""
    shares: dict[str, Any] = {"bias": _bias(b.graph.facts[j]) - _bias(a.graph.facts[i])} if len(what) > 1 else {}
    biases = sum([shares[each.attribute] for each in what if each.attribute in shares])
    main = next((each for each in what if each.attribute not in shares), what[0])
    costs = [(params - biases, macs or 0) if each is main else (shares.get(each.attribute, 0), 0) for each in what]
    return tuple([Difference(each.attribute, each.a, each.b, *cost) for each, cost in zip(what, costs, strict=True)])


def _bias(facts: CallFacts) -> int:
    return sum([tensor.elements for tensor in facts.parameters if tensor.role == "bias"])
