"""What the tests of `compare` share."""

import itertools
from collections.abc import Iterable

import msgspec

from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.compare.comparison import compare
from inception_lens.analyses.compare.records import Change, Comparison
from inception_lens.graph import Graph, Node, Output
from inception_lens.lens import source_of


def against(
    a: str, b: str, set_a: dict[str, object] | None = None, set_b: dict[str, object] | None = None
) -> Comparison:
    """Two networks of the catalogue, with their heads."""
    of_a, of_b = (source_of(name, keys).both_modes() for name, keys in ((a, set_a), (b, set_b)))
    return compare(of_a[0], of_b[0], (of_a[1], of_b[1]))


def changed(changes: Iterable[Change], attribute: str) -> list[tuple[str | None, object, object]]:
    """Every change of an attribute: the call and both values."""
    return [
        (change.a or change.b, each.a, each.b)
        for change in changes
        for each in change.what
        if each.attribute == attribute
    ]


def alone(changes: Iterable[Change], kind: str, op: str) -> list[str | None]:
    """Calls of an operation that one network alone has."""
    return [
        change.a or change.b for change in changes if change.kind == kind and op in (change.what[0].a, change.what[0].b)
    ]


def head_changes(comparison: Comparison) -> list[Change]:
    """What differs in all heads."""
    return [change for head in comparison.heads for change in head.changes]


def renamed(graph: Graph) -> Graph:
    """The same network with every call and input called by a number."""
    number = itertools.count()
    new: dict[str, str] = {given.name: f"x{next(number)}" for given in graph.inputs}
    for node in graph.nodes:
        new[node.name] = f"node/{next(number) * 7919 % 1_000_003}"
    return Graph.of(
        [msgspec.structs.replace(given, name=new[given.name]) for given in graph.inputs],
        [Node(new[node.name], node.op, tuple(new[name] for name in node.inputs)) for node in graph.nodes],
        [Output(new[output.node], output.loss_weight) for output in graph.outputs],
        graph.mode,
    )


def check_sums(a: Graph, b: Graph, comparison: Comparison) -> None:
    """The deltas add up to the difference of the two Analyses, in every way that they are told."""
    totals_a, totals_b = analyze(a).totals, analyze(b).totals
    trunk = comparison.trunk
    in_heads = [sum(head.params for head in comparison.heads), sum(head.macs for head in comparison.heads)]
    training = a.mode == "training"
    expected = [totals_b.params - totals_a.params, totals_b.macs - totals_a.macs]
    assert [trunk.params + training * in_heads[0], trunk.macs + training * in_heads[1]] == expected
    assert (comparison.b.params - comparison.a.params, comparison.b.macs - comparison.a.macs) == (
        trunk.params,
        trunk.macs,
    )
    for change in (*comparison.changes, *head_changes(comparison)):
        assert (sum(each.params for each in change.what), sum(each.macs for each in change.what)) == (
            change.params,
            change.macs,
        )


def as_set(comparison: Comparison) -> set[Change]:
    """All changes, in no order."""
    return {*comparison.changes, *head_changes(comparison)}
