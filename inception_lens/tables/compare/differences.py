"""Differences between two networks in words: equal changes are one statement, with what they cost together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from inception_lens.analyses.compare.attributes import CONSEQUENCES, Difference, changes_no_value
from inception_lens.analyses.compare.records import Change, PartComparison
from inception_lens.analyses.components import connected_components
from inception_lens.graph import Graph, Node
from inception_lens.tables.compare.sentences import ChangedAttribute, general_sentence, sentence
from inception_lens.tables.compare.wording import described, noun, number_word, plural

MAX_GROUPS = 4
"""Statements about one attribute of one kind of call; of more than these, one general statement is made."""
MAX_CALLS = 6
"""Consecutive calls in one network only that are described one by one; more are described by their module."""


class WordedDifference(msgspec.Struct, frozen=True):
    """One statement about a difference, the calls that it is about, and what it costs: B minus A."""

    words: str
    calls: tuple[str, ...]
    """Names of the calls, in the network that has them."""
    params: int
    """Difference in learned elements."""
    macs: int
    """Difference in multiply-accumulates, as far as it is known."""
    exact: bool = True
    """Whether all MACs are known."""
    params_exact: bool = True
    """Whether all parameters are known."""
    equivalent: bool = False
    """Whether both networks compute the same values on this input."""
    only_a: str = ""
    """The norm or bias that A only has, if the statement is about one."""
    only_b: str = ""
    """The same of B."""

    @property
    def where(self) -> str:
        """The calls: at most two, or the first and the last."""
        names = list(dict.fromkeys(self.calls))
        return ", ".join(names) if len(names) <= 2 else f"{names[0]} ... {names[-1]}"


def worded_differences(part: PartComparison, a: Graph, b: Graph) -> list[WordedDifference]:
    """All statements about a part: the most expensive first, those without effect on this input last."""
    found = [*_of_pairs(part, a.index.nodes, b.index.nodes)]
    for graph, kind in ((a, "removed"), (b, "added")):
        nodes = graph.index.nodes
        changes = [each for each in part.changes if each.kind == kind and _name(each) in nodes and not each.unused]
        found += _of_one_network(changes, graph)
    return sorted(_exchanges(found), key=lambda each: (each.equivalent, -abs(each.macs), -abs(each.params)))


def _name(change: Change) -> str:
    return (change.b if change.a is None else change.a) or ""


def _of_pairs(part: PartComparison, a: Mapping[str, Node], b: Mapping[str, Node]) -> Iterator[WordedDifference]:
    """Differences of paired calls: a statement for each kind of call, attribute and pair of values."""
    groups: dict[tuple[str, str], dict[tuple[str, str, bool], list[ChangedAttribute]]] = {}
    for change in part.changes:
        node_a, node_b = a.get(change.a or ""), b.get(change.b or "")
        if node_a and node_b and changes_no_value(node_a.op) and change.equivalent:
            continue
        if not change.unused and change.kind != "changed" and (node_a or node_b):
            continue
        for each in _independent(change):
            kind = noun(node_a.op) if node_a else "tensor" if change.unused else "input"
            if each.attribute == "op" and node_a and node_b:
                each = msgspec.structs.replace(each, a=described(node_a.op), b=described(node_b.op))
            a_text, b_text = (str(each.a is None), "") if change.unused else (str(each.a), str(each.b))
            by_values = groups.setdefault((kind, each.attribute), {})
            item = ChangedAttribute(change, each, node_a, node_b)
            by_values.setdefault((a_text, b_text, change.equivalent), []).append(item)
    for (kind, attribute), by_values in groups.items():
        if len(by_values) <= MAX_GROUPS:
            yield from [_statement(sentence(kind, items, part), items) for items in by_values.values()]
        else:
            items = [item for items in by_values.values() for item in items]
            yield _statement(general_sentence(kind, attribute, len(items)), items)


def _independent(change: Change) -> list[Difference]:
    """The differences that do not follow from another one of the same call, or that have a cost themselves."""
    what = {each.attribute: each for each in change.what}
    following: set[str] = (
        set(CONSEQUENCES) if what.keys() - set(CONSEQUENCES) else {"output_shape"} if len(what) > 1 else set()
    )
    if {"kernel", "padding"} <= what.keys() and _keep_size(what["kernel"], what["padding"]):
        following.add("padding")
    if "rounding" in what and "same" in (what["rounding"].a, what["rounding"].b):
        following.add("padding")  # the sentence about the rounding includes it
    if "op" in what:
        following |= {"kernel", "stride"}
    return [each for key, each in what.items() if key not in following or each.params or each.macs]


def _keep_size(kernel: Difference, padding: Difference) -> bool:
    """Whether both calls pad by as much as keeps the size of the map."""
    sides = ((kernel.a, padding.a), (kernel.b, padding.b))
    return all(tuple(pads) == tuple([side // 2 for side in kernels]) for kernels, pads in sides)


def _statement(words: str, items: Sequence[ChangedAttribute]) -> WordedDifference:
    changes = [item.change for item in items]
    first = items[0].difference
    is_bias = first.attribute == "bias"
    return WordedDifference(
        words,
        tuple([_name(change) for change in changes]),
        sum([item.difference.params for item in items]),
        sum([item.difference.macs for item in items]),
        exact=all(change.macs is not None for change in changes),
        params_exact=all(change.params_exact for change in changes),
        equivalent=all(change.equivalent or change.unused for change in changes),
        only_a="bias" if is_bias and first.a else "",
        only_b="bias" if is_bias and first.b else "",
    )


def _of_one_network(changes: Sequence[Change], graph: Graph) -> Iterator[WordedDifference]:
    """Calls without a partner: a statement for runs of calls with the same operations."""
    nodes = graph.index.nodes
    groups: dict[tuple[str, ...], list[list[Change]]] = {}
    for run in _runs(changes, nodes):
        if all(changes_no_value(nodes[_name(change)].op) for change in run):
            continue
        ordered = sorted([nodes[_name(change)] for change in run], key=lambda node: node.role == "finish")
        operations = tuple([described(node.op) for node in ordered])
        if len(run) > MAX_CALLS:
            operations = (*operations, _name(run[0]))  # a long run is a statement of its own
        groups.setdefault(operations, []).append(run)
    for operations, runs in groups.items():
        members = [change for run in runs for change in run]
        first = nodes[_name(runs[0][0])]
        norm = described(first.op) if len(runs[0]) == 1 and first.op.category == "norm" else ""
        named = members if len(runs[0]) > MAX_CALLS else [run[0] for run in runs]
        yield WordedDifference(
            _words_of_runs(runs, operations, graph),
            tuple([_name(change) for change in named]),
            sum([change.params for change in members]),
            sum([change.macs or 0 for change in members]),
            exact=all(change.macs is not None for change in members),
            params_exact=all(change.params_exact for change in members),
            equivalent=all(change.equivalent for change in members),
            only_a=norm if members[0].kind == "removed" else "",
            only_b=norm if members[0].kind == "added" else "",
        )


def _words_of_runs(runs: Sequence[Sequence[Change]], operations: Sequence[str], graph: Graph) -> str:
    nodes = graph.index.nodes
    run, n = runs[0], len(runs)
    first = nodes[_name(run[0])]
    removed = run[0].kind == "removed"
    missing = "missing" if removed else "added"
    if first.op.kind == "Softmax" and first.name in [output.node for output in graph.outputs]:
        return "no softmax at the end: the output is logits" if removed else "a softmax at the end, not logits"
    if len(run) > MAX_CALLS:
        modules = list(dict.fromkeys([_name(change).partition("/")[0] for change in run]))
        subject = f"{modules[0]} is" if len(modules) == 1 else f"{number_word(len(modules))} modules are"
        return f"{subject} {missing}: {number_word(len(run))} calls"
    thing, *rest = operations
    if first.role == "finish" and not rest:
        return f"{'no ' if removed else ''}{thing} {_place(runs, nodes)}"
    with_rest = f" with {' and '.join(dict.fromkeys(rest))}" if rest else ""
    subject = f"{number_word(n)} {plural(thing)}{with_rest} are" if n > 1 else f"one {thing}{with_rest} is"
    return f"{subject} {missing}"


def _place(runs: Sequence[Sequence[Change]], nodes: Mapping[str, Node]) -> str:
    """Where the first calls of the runs are: after which kind of call."""
    read = [name for run in runs for name in nodes[_name(run[0])].inputs]
    kinds = {noun(nodes[name].op) if name in nodes else "input" for name in read}
    kind = kinds.pop() if len(kinds) == 1 else "call"
    return f"after {number_word(len(runs))} {plural(kind)}" if len(runs) > 1 else f"after the {kind}"


def _runs(changes: Iterable[Change], nodes: Mapping[str, Node]) -> list[list[Change]]:
    """Calls that read one another, each run in the order of execution; norms and activations only are no run."""
    by_name = {_name(change): change for change in changes}
    found = []
    for names in connected_components(by_name, lambda name: nodes[name].inputs):
        run = [by_name[name] for name in names]
        light = all(nodes[name].role == "finish" for name in names)
        found += [[change] for change in run] if light else [run]
    return found


def _exchanges(found: list[WordedDifference]) -> list[WordedDifference]:
    """Norms and biases of one network that replace those of the other, in one statement."""
    only_a = [each for each in found if each.only_a and not each.equivalent]
    only_b = [each for each in found if each.only_b and not each.equivalent]
    norms = [each for each in (*only_a, *only_b) if (each.only_a or each.only_b) != "bias"]
    if not (only_a and only_b and norms):
        return found
    only_b.sort(key=lambda each: each.only_b == "bias")
    had = " and ".join(sorted({each.only_a for each in only_a}, key=lambda name: name == "bias"))
    has = [f"bias in {number_word(len(each.calls))} calls" if each.only_b == "bias" else each.words for each in only_b]
    joined = WordedDifference(
        f"{' and '.join(has)} instead of {had}",
        only_b[0].calls,
        sum([each.params for each in (*only_a, *only_b)]),
        sum([each.macs for each in (*only_a, *only_b)]),
        exact=all(each.exact for each in (*only_a, *only_b)),
        params_exact=all(each.params_exact for each in (*only_a, *only_b)),
    )
    return [joined, *[each for each in found if each not in only_a and each not in only_b]]
