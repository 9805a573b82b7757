"""Comparison of two networks: the differences, call by call, and their costs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

import msgspec

from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.compare.attributes import Difference
from inception_lens.analyses.compare.parts import Comparer, CountedGraph
from inception_lens.analyses.compare.records import (
    Change,
    ChangeKind,
    ComparedNetwork,
    Comparison,
    Head,
    PartComparison,
    Shift,
)
from inception_lens.graph import Graph, Output

SOURCES_WITHOUT_LOSS = ("pytorch", "onnx", "tensorflow", "paddle", "darknet")
"""Sources whose models do not contain the loss, so that loss weights are unknown."""


def compare(
    a: Graph | Analysis, b: Graph | Analysis, heads: tuple[Graph | Analysis, Graph | Analysis] | None = None
) -> Comparison:
    """Compare two networks by their structure; names of calls and tensors make no difference.

    In training mode each output after the first has an auxiliary head: the calls that the first output does not need.
    At inference only outputs that one of the networks lacks have one. If there are none, the heads are those of
    `heads`, the same two networks in training mode. The deltas of `changes` add up to the difference of the two
    networks' totals without their heads, and the deltas of the heads to the difference of the heads' costs.
    """
    network_a, network_b = CountedGraph.of(a), CountedGraph.of(b)
    shared = min(
        [1 if graph.mode == "training" else len(graph.outputs) for graph in (network_a.graph, network_b.graph)]
    )
    (trunk_a, live_a), (trunk_b, live_b) = _parts(network_a, shared), _parts(network_b, shared)
    comparer = Comparer(network_a, trunk_a, network_b, trunk_b)
    trunk = comparer.part(_outside(network_a.graph, network_b.graph))
    outputs = _outputs(comparer, live_a, live_b)
    training_a, training_b, heads_a, heads_b = network_a, network_b, live_a, live_b
    if heads and not live_a and not live_b and _adds_outputs((network_a, network_b), heads):
        training_a = network_a if heads[0] is a else CountedGraph.of(heads[0])
        training_b = network_b if heads[1] is b else CountedGraph.of(heads[1])
        heads_a, heads_b = _parts(training_a, 1)[1], _parts(training_b, 1)[1]
    inputs = [(x.name, y.name) for x, y in zip(network_a.graph.inputs, network_b.graph.inputs, strict=False)]
    return Comparison(
        a=_side(network_a, trunk_a, len(heads_a)),
        b=_side(network_b, trunk_b, len(heads_b)),
        trunk=_with(trunk, outputs),
        heads=tuple(_heads(training_a, heads_a, training_b, heads_b, dict((*inputs, *trunk.pairs)))),
        shifts=tuple(_shifts(comparer)),
        training=(training_a.graph, training_b.graph),
    )


def _adds_outputs(networks: Sequence[CountedGraph], training: Sequence[Graph | Analysis]) -> bool:
    """Whether training has outputs that inference has not; a file has the same in both modes."""
    graphs = [each.graph if isinstance(each, Analysis) else each for each in training]
    return any(len(b.outputs) > len(a.graph.outputs) for a, b in zip(networks, graphs, strict=True))


Heads = dict[int, list[int]]
"""Indices of the calls of each head, by the index of its output."""


def _parts(network: CountedGraph, shared: int) -> tuple[list[int], Heads]:
    """The calls of a network without its heads, and the heads, of its outputs from number `shared` on."""
    graph = network.graph
    if len(graph.outputs) <= shared:
        return list(range(len(graph.nodes))), {}
    taken: set[int] = set()
    for output in graph.outputs[:shared]:
        taken |= _needed(network, output, taken)
    main, heads = set(taken), {}
    for k, output in enumerate(graph.outputs[shared:], shared):
        own = _needed(network, output, taken)
        taken |= own
        heads[k] = sorted(own)
    others = taken - main
    return [i for i in range(len(graph.nodes)) if i not in others], {k: own for k, own in heads.items() if own}


def _needed(network: CountedGraph, output: Output, known: set[int]) -> set[int]:
    """Indices of the calls that an output is computed from, except those in `known` and their own inputs."""
    found: set[int] = set()
    names = [output.node]
    while names:
        name = names.pop()
        i = network.find(name)
        if i is not None and i not in known and i not in found:
            found.add(i)
            names += network.graph.nodes[i].inputs
    return found


def _side(network: CountedGraph, trunk: Sequence[int], heads: int) -> ComparedNetwork:
    costs, graph = network.costs, network.graph
    unused = sum(tensor.elements for tensor in graph.unused)
    macs = [costs.macs[i] for i in trunk]
    params = sum([costs.params[i] for i in trunk]) + unused
    params_exact = all(costs.params_exact[i] for i in trunk)
    return ComparedNetwork(graph, params, sum(filter(None, macs)), None not in macs, params_exact, heads)


def _outside(a: Graph, b: Graph) -> Iterator[Change]:
    """Differences outside of the calls: inputs, mode, dtype, and tensors that no call reads."""
    for k, (given_a, given_b) in enumerate(zip_longest(a.inputs, b.inputs)):
        what = _unlike("shape", given_a and given_a.type.shape, given_b and given_b.type.shape)
        if given_a and given_b:
            what += _unlike("dtype", given_a.type.dtype, given_b.type.dtype)
            if k == 0:
                what += [*_unlike("params_dtype", a.dtype, b.dtype), *_unlike("mode", a.mode, b.mode)]
        if what:
            yield _change(given_a.name if given_a else None, given_b.name if given_b else None, *what)
    shapes_a, shapes_b = (Counter(tensor.shape for tensor in graph.unused) for graph in (a, b))
    more_a, more_b = shapes_a - shapes_b, shapes_b - shapes_a
    for graph, more, sign in ((a, more_a, -1), (b, more_b, 1)):
        for tensor in graph.unused:
            if more[tensor.shape]:
                more[tensor.shape] -= 1
                change = _change(None, tensor.role, Difference("unused", None, tensor.shape, tensor.elements))
                change = msgspec.structs.replace(change, params=tensor.elements, unused=True)
                yield change if sign > 0 else change.mirrored()


def _unlike(attribute: str, a: object, b: object) -> list[Difference]:
    return [] if a == b else [Difference(attribute, a, b)]


def _change(a: str | None, b: str | None, *what: Difference) -> Change:
    kind: ChangeKind = "added" if a is None else "removed" if b is None else "changed"
    return Change(kind=kind, a=a, b=b, what=what, params=0, macs=0)


def _outputs(comparer: Comparer, heads_a: Heads, heads_b: Heads) -> Iterator[Change]:
    """Pairs of calls that are outputs at different positions, or outputs of one network only."""
    places: tuple[dict[object, list[int]], ...] = ({}, {})
    sides = ((comparer.a, comparer.sources_a, heads_a), (comparer.b, comparer.sources_b, heads_b))
    for found, (network, sources, heads) in zip(places, sides, strict=True):
        for k, output in enumerate(network.graph.outputs):
            if k not in heads:
                found.setdefault(sources.source(output.node), []).append(k)
    in_a, in_b = places
    if None in in_a or None in in_b:  # an output comes from a call without a partner, which is reported already
        return
    for source in dict.fromkeys((*in_a, *in_b)):
        if isinstance(source, tuple) and in_a.get(source) != in_b.get(source):
            i = source[0]
            names = comparer.a.graph.nodes[i].name, comparer.b.graph.nodes[comparer.pairs[i]].name
            own, other = (places and tuple(places) for places in (in_a.get(source), in_b.get(source)))
            yield _change(*names, Difference("output", own, other))


def _with(part: PartComparison, more: Iterable[Change]) -> PartComparison:
    """The part with further changes merged into those of the same pairs."""
    more = list(more)
    if not more:
        return part
    changes = {(change.a, change.b): change for change in part.changes}
    for change in more:
        found = changes.get((change.a, change.b))
        both = msgspec.structs.replace(found, what=(*found.what, *change.what), equivalent=False) if found else change
        changes[change.a, change.b] = both
    return msgspec.structs.replace(part, changes=tuple(changes.values()))


def _shifts(comparer: Comparer) -> Iterator[Shift]:
    """Distance between the receptive fields of each pair, for pairs with equal jumps."""
    a, b = comparer.a, comparer.b
    fields_a, fields_b = a.analysis.fields, b.analysis.fields
    known: dict[object, tuple[float, ...]] = {}
    for i in sorted(comparer.pairs):
        j = comparer.pairs[i]
        field_a, field_b = fields_a[i], fields_b[j]
        if i in comparer.moved or not field_a or not field_b or field_a.jump != field_b.jump:
            continue
        pixels = tuple([y - x for x, y in zip(field_a.center, field_b.center, strict=True)])
        known[i] = pixels
        if any(pixels):
            node_a, node_b = a.graph.nodes[i], b.graph.nodes[j]
            sources = [source[0] for source in comparer.sources_a.of(node_a) if isinstance(source, tuple)]
            starts = pixels not in [known.get(source) for source in sources]
            yield Shift(node_a.name, node_b.name, pixels, starts)


def _heads(a: CountedGraph, heads_a: Heads, b: CountedGraph, heads_b: Heads, trunk: dict[str, str]) -> Iterator[Head]:
    for k, m in _matched(a, heads_a, b, heads_b, trunk):
        comparer = Comparer(a, heads_a.get(k, []), b, heads_b.get(m, []))
        output_a, output_b = (x.graph.outputs[n] if n else None for x, n in ((a, k), (b, m)))
        part = comparer.part()
        if output_a and output_b:
            what = []
            if not {a.graph.metadata.source, b.graph.metadata.source} & set(SOURCES_WITHOUT_LOSS):
                what += _unlike("loss_weight", output_a.loss_weight, output_b.loss_weight)
            what += _unlike("output", (k,), (m,))
            reads_a, reads_b = _attached(a, heads_a[k]), _attached(b, heads_b[m])
            if [trunk.get(name) for name in reads_a] != reads_b:
                what.append(Difference("attached_to", tuple(reads_a), tuple(reads_b)))
            part = _with(part, [_change(output_a.node, output_b.node, *what)] if what else [])
        ends = [output.node if output else None for output in (output_a, output_b)]
        yield Head(*msgspec.structs.astuple(part), *ends)


def _matched(
    a: CountedGraph, heads_a: Heads, b: CountedGraph, heads_b: Heads, trunk: dict[str, str]
) -> list[tuple[int, int]]:
    """Pair the heads attached to paired calls, then the others in order; 0 stands for a missing head."""
    rest_a, rest_b = list(heads_a), list(heads_b)
    matched = []
    for k in list(rest_a):
        reads = [trunk.get(name) for name in _attached(a, heads_a[k])]
        for m in rest_b:
            if _attached(b, heads_b[m]) == reads:
                matched.append((k, m))
                rest_a.remove(k)
                rest_b.remove(m)
                break
    matched += zip_longest(rest_a, rest_b, fillvalue=0)
    return sorted(matched, key=lambda pair: (pair[0] or len(a.graph.outputs), pair[1]))


def _attached(network: CountedGraph, head: Sequence[int]) -> list[str]:
    """The calls outside of the head that it reads, skipping the norms and activations that finish them."""
    graph, inside = network.graph, set(head)
    found = []
    for i in head:
        for name in graph.nodes[i].inputs:
            j = network.find(name)
            if j not in inside:
                while j is not None and graph.nodes[j].role in ("finish", "layout"):
                    name = graph.nodes[j].inputs[0]
                    j = network.find(name)
                found.append(name)
    return list(dict.fromkeys(found))
