"""What a comparison says, in words: equal changes as one statement, with what they cost together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from inception_lens.analyses.compare.attributes import CONSEQUENCES, Difference, changes_no_value
from inception_lens.analyses.compare.records import Change, PartComparison
from inception_lens.analyses.components import connected_components
from inception_lens.graph import Graph, Node
from inception_lens.ops import format_shape
from inception_lens.renderers.compare_values import (
    ATTRIBUTES,
    VERBS,
    article,
    described,
    noun,
    number,
    plural,
    shown,
)
from inception_lens.renderers.escape import printable

MAX_GROUPS = 4
"""Statements that one attribute of one kind of call is told in, before they are told as one."""
MAX_CALLS = 6
"""Calls without a partner that are told by what they are; more of them are told by where they stand."""


class Fact(msgspec.Struct, frozen=True):
    """One statement, the calls that it is about, and what it costs: B less A."""

    words: str
    calls: tuple[str, ...]
    params: int
    macs: int
    unknown: bool = False
    """Whether nobody knows all of the MACs."""
    alike: bool = False
    """Whether it changes nothing on this input."""
    lost: str = ""
    """For a statement about norms or biases: what A alone has."""
    gained: str = ""
    """And what B alone has."""

    @property
    def where(self) -> str:
        """The calls, the first and the last of many."""
        names = [printable(call) for call in dict.fromkeys(self.calls)]
        return ", ".join(names) if len(names) <= 2 else f"{names[0]} ... {names[-1]}"


class _Item(msgspec.Struct, frozen=True):
    """One difference of one change."""

    change: Change
    difference: Difference
    node_a: Node | None
    node_b: Node | None


def facts(part: PartComparison, a: Graph, b: Graph) -> list[Fact]:
    """All statements on a part, the most costly first, what changes nothing on this input last."""
    nodes_a, nodes_b = a.index.nodes, b.index.nodes
    found = [*_changed(part, nodes_a, nodes_b)]
    for graph, nodes, kind in ((a, nodes_a, "removed"), (b, nodes_b, "added")):
        alone = [change for change in part.changes if change.kind == kind and _name(change) in nodes]
        found += _alone([change for change in alone if not change.unused], graph, nodes)
    return sorted(_exchanged(found), key=lambda fact: (fact.alike, -abs(fact.macs), -abs(fact.params)))


def _name(change: Change) -> str:
    return (change.b if change.a is None else change.a) or ""


def _changed(part: PartComparison, a: Mapping[str, Node], b: Mapping[str, Node]) -> Iterator[Fact]:
    """Differences of pairs: those of one attribute and equal values in one statement."""
    groups: dict[tuple[str, str], dict[tuple[str, str, bool], list[_Item]]] = {}
    for change in part.changes:
        node_a, node_b = a.get(change.a or ""), b.get(change.b or "")
        if node_a and node_b and changes_no_value(node_a.op) and change.equivalent:
            continue
        if change.unused or change.kind == "changed" or not (node_a or node_b):
            for each in _worth_telling(change):
                kind = noun(node_a.op) if node_a else "tensor" if change.unused else "input"
                if each.attribute == "op" and node_a and node_b:
                    each = msgspec.structs.replace(each, a=described(node_a.op), b=described(node_b.op))
                values = (str(each.a is None), "") if change.unused else (str(each.a), str(each.b))
                groups.setdefault((kind, each.attribute), {}).setdefault((*values, change.equivalent), []).append(
                    _Item(change, each, node_a, node_b)
                )
    for (kind, _), by_values in groups.items():
        if len(by_values) <= MAX_GROUPS:
            yield from (_fact(kind, items, part, same=True) for items in by_values.values())
        else:
            yield _fact(kind, [item for items in by_values.values() for item in items], part, same=False)


def _worth_telling(change: Change) -> list[Difference]:
    """What a person would name: not what follows from another attribute of the same call and costs nothing itself."""
    what = {each.attribute: each for each in change.what}
    following = set(CONSEQUENCES) if what.keys() - set(CONSEQUENCES) else {"output_shape"} if len(what) > 1 else set()
    if {"kernel", "padding"} <= what.keys() and _keep_size(what["kernel"], what["padding"]):
        following.add("padding")
    if "rounding" in what and "same" in (what["rounding"].a, what["rounding"].b):
        following.add("padding")  # told with it
    if "op" in what:
        following |= {"kernel", "stride"}
    return [each for key, each in what.items() if key not in following or each.params or each.macs]


def _keep_size(kernel: Difference, padding: Difference) -> bool:
    """Whether either call pads as much as keeps the size of its map."""
    sides = ((kernel.a, padding.a), (kernel.b, padding.b))
    return all(tuple(pads) == tuple([side // 2 for side in kernels]) for kernels, pads in sides)


def _fact(kind: str, items: Sequence[_Item], part: PartComparison, *, same: bool) -> Fact:
    changes = [item.change for item in items]
    first = items[0].difference
    words = _sentence(kind, items, part) if same else _summary(kind, first.attribute, len(items))
    return Fact(
        words,
        tuple([_name(change) for change in changes]),
        sum([item.difference.params for item in items]),
        sum([item.difference.macs for item in items]),
        unknown=any(change.macs is None for change in changes),
        alike=all(change.equivalent or change.unused for change in changes),
        lost="bias" if first.attribute == "bias" and first.a else "",
        gained="bias" if first.attribute == "bias" and first.b else "",
    )


def _summary(kind: str, attribute: str, n: int) -> str:
    what = {"out_channels": "widths", "in_channels": "input widths", "output_shape": "output sizes"}
    return f"{number(n)} {plural(kind)} have other {what.get(attribute, plural(attribute))}"


def _sentence(kind: str, items: Sequence[_Item], part: PartComparison) -> str:
    first, n = items[0].difference, len(items)
    attribute = first.attribute
    a, b = shown(attribute, first.a), shown(attribute, first.b)
    several = n > 1
    op = items[0].node_a.op if items[0].node_a else None
    one = described(op) if op and op.category in ("conv", "pool") and attribute != "kernel" else kind
    subject = f"{number(n)} {plural(kind)}" if several else f"the {one}"
    have, are = ("have", "are") if several else ("has", "is")
    match attribute:
        case "kernel" if kind == "convolution":
            branches = all(item.change.a in part.in_branches for item in items)
            thing = "branch" if branches else kind
            return f"{number(n)} {a} {plural(thing)} are {b}" if several else f"the {a} {thing} is {b}"
        case "kernel":
            return f"{subject} {are} {b} instead of {a}"
        case "op":
            return f"{number(n)} {plural(a)} are {plural(b)}" if several else f"the {a} is {article(b)}"
        case "p":
            return f"{subject if several else kind.lower()} of {b} instead of {a}"
        case "groups":
            ways = ["dense" if groups == 1 else f"in {groups:,} groups" for groups in (first.a, first.b)]
            return f"{subject} {are} {ways[1]} instead of {ways[0]}"
        case "rounding" if kind == "convolution":
            pads_a, pads_b = (_padding(items[0], side) for side in ("a", "b"))
            return f"{subject} {'pad' if several else 'pads'} {pads_b} instead of {pads_a}"
        case "rounding":
            words = f"{subject} {'round' if several else 'rounds'} {b} instead of {a}"
            return words + _sizes(items[0])
        case "position":
            return f"{subject} {'stand' if several else 'stands'} behind {b} instead of {a}"
        case "inputs":
            return f"{subject} {'read' if several else 'reads'} other calls"
        case "input_order":
            return f"{subject} {'read' if several else 'reads'} the same calls in another order"
        case "params":
            return f"{subject} {'share' if several else 'shares'} parameters with others, or no longer do"
        case "output" if first.a and first.b:
            return f"its result is number {first.b[0] + 1} of those handed out, not {first.a[0] + 1}"
        case "output":
            result = f"{number(n)} results are" if several else "its result is"
            return f"{result} handed out {'too' if first.b else 'no more'}"
        case "attached_to":
            return f"the head reads {b} instead of {a}"
        case "loss_weight":
            return f"the head's loss counts {b} instead of {a}"
        case "shape" if first.a is None or first.b is None:
            return f"a further input of {b if first.a is None else a} {'is read' if first.a is None else 'is gone'}"
        case "unused":
            return f"{number(n)} tensors that no call reads are declared by {'B' if first.a is None else 'A'} alone"
        case "shape" | "dtype" | "mode" | "params_dtype":
            what = {"shape": "input", "dtype": "input's dtype", "mode": "mode", "params_dtype": "parameters' dtype"}
            return f"the {what[attribute]} is {b} instead of {a}"
    if attribute in VERBS:
        return f"{subject} {VERBS[attribute][not first.b][several]}"
    told = ATTRIBUTES.get(attribute, f"{attribute} {{}}").format(b)
    return f"{subject} {have} {told} instead of {a}"


def _sizes(item: _Item) -> str:
    """What becomes of the map, where its size differs."""
    for each in item.change.what:
        if each.attribute == "output_shape" and each.a[2:] != each.b[2:]:
            return (
                f": {format_shape(each.b[2:])}, not {format_shape(each.a[2:])}, behind {printable(item.change.a or '')}"
            )
    return ""


def _padding(item: _Item, side: str) -> str:
    """The padding of a convolution as its place of the map has it, such as `SAME, 2 before and 3 behind,`."""
    rule = next(each for each in item.change.what if each.attribute == "rounding")
    pads = next((each for each in item.change.what if each.attribute == "padding"), None)
    value = getattr(pads, side)[0] if pads else None
    told = (
        "" if value is None else f"{value[0]} before and {value[1]} behind" if isinstance(value, tuple) else f"{value}"
    )
    return f"SAME ({told})" if getattr(rule, side) == "same" and told else told or "explicitly"


def _alone(changes: Sequence[Change], graph: Graph, nodes: Mapping[str, Node]) -> Iterator[Fact]:
    """Calls that one network alone has: runs of them that are alike in one statement."""
    runs: dict[tuple[str, ...], list[list[Change]]] = {}
    for run in _runs(changes, nodes):
        if all(changes_no_value(nodes[_name(change)].op) for change in run):
            continue
        ordered = sorted([nodes[_name(change)] for change in run], key=lambda node: node.role == "finish")
        what = tuple([described(node.op) for node in ordered])
        if len(run) > MAX_CALLS:
            what = (*what, _name(run[0]))  # one of its kind
        runs.setdefault(what, []).append(run)
    for what, alike in runs.items():
        members = [change for run in alike for change in run]
        first = nodes[_name(alike[0][0])]
        kind = members[0].kind
        words = _lone_words(alike, what, nodes, {output.node for output in graph.outputs})
        is_norm = len(alike[0]) == 1 and first.op.category == "norm"
        yield Fact(
            words,
            tuple([_name(change) for change in (members if len(alike[0]) > MAX_CALLS else [run[0] for run in alike])]),
            sum(change.params for change in members),
            sum(change.macs or 0 for change in members),
            unknown=any(change.macs is None for change in members),
            alike=all(change.equivalent for change in members),
            lost=described(first.op) if is_norm and kind == "removed" else "",
            gained=described(first.op) if is_norm and kind == "added" else "",
        )


def _lone_words(
    alike: Sequence[Sequence[Change]], what: Sequence[str], nodes: Mapping[str, Node], ends: set[str]
) -> str:
    run, n = alike[0], len(alike)
    first = nodes[_name(run[0])]
    gone = run[0].kind == "removed"
    if first.op.kind == "Softmax" and first.name in ends:
        return "no softmax at the end: it answers in logits" if gone else "a softmax at the end, not logits"
    if len(run) > MAX_CALLS:
        modules = list(dict.fromkeys([_name(change).partition("/")[0] for change in run]))
        whole = f"{printable(modules[0])}" if len(modules) == 1 else f"{number(len(modules))} modules"
        return (
            f"{whole} {'is' if len(modules) == 1 else 'are'} {'missing' if gone else 'added'}: {number(len(run))} calls"
        )
    thing, *rest = what
    thing = plural(thing) if n > 1 else thing
    with_rest = f" with {' and '.join(dict.fromkeys(rest))}" if rest else ""
    if first.role == "finish" and not rest:
        behind = {
            noun(nodes[name].op) if name in nodes else "input" for r in alike for name in nodes[_name(r[0])].inputs
        }
        things = behind.pop() if len(behind) == 1 else "call"
        place = f"behind {number(n)} {plural(things)}" if n > 1 else f"behind the {things}"
        return f"no {what[0]} {place}" if gone else f"{what[0]} {place}"
    subject = f"{number(n)} {thing}" if n > 1 else f"one {thing}"
    return f"{subject}{with_rest} {'are' if n > 1 else 'is'} {'missing' if gone else 'added'}"


def _runs(changes: Iterable[Change], nodes: Mapping[str, Node]) -> list[list[Change]]:
    """Calls without a partner that read one another, each run in the order of execution."""
    by_name = {_name(change): change for change in changes}
    runs = connected_components(by_name, lambda name: nodes[name].inputs)
    apart = []  # a norm and an activation are no run: each is told by itself
    for run in [[by_name[name] for name in names] for names in runs]:
        light = all(nodes[_name(change)].role == "finish" for change in run)
        apart += [[change] for change in run] if light else [run]
    return apart


def _exchanged(found: list[Fact]) -> list[Fact]:
    """Norms and biases that stand in for each other, in one statement."""
    lost = [fact for fact in found if fact.lost and not fact.alike]
    gained = [fact for fact in found if fact.gained and not fact.alike]
    norms = [fact for fact in (*lost, *gained) if (fact.lost or fact.gained) != "bias"]
    if not (lost and gained and norms):
        return found
    gained.sort(key=lambda fact: fact.gained == "bias")
    had = " and ".join(sorted({fact.lost for fact in lost}, key=lambda each: each == "bias"))
    has = [f"bias in {number(len(each.calls))} calls" if each.gained == "bias" else each.words for each in gained]
    joined = Fact(
        f"{' and '.join(has)} instead of {had}",
        gained[0].calls,
        sum(fact.params for fact in (*lost, *gained)),
        sum(fact.macs for fact in (*lost, *gained)),
        unknown=any(fact.unknown for fact in (*lost, *gained)),
    )
    return [joined, *(fact for fact in found if fact not in lost and fact not in gained)]
