"""What a written file does not keep: the differences between a graph and the graph that is read back."""

from collections.abc import Iterable, Iterator

from inception_lens.graph import Graph, Node
from inception_lens.readers.files import one_line

KEPT = ("inputs", "outputs", "dtype", "dtypes", "unused", "frozen", "kept")
"""The parts of a graph, apart from its nodes, in which it can differ from another."""
MAX_VALUE_LENGTH = 120


def graph_differences(graph: Graph, again: Graph) -> list[str]:
    """One line for each difference between a graph and the one that was read back; none if they are equal."""
    return [one_line(line) for line in _lines(graph, again)] if again != graph else []


def grouped(lines: Iterable[str]) -> list[str]:
    """Equal differences of several nodes as one line, which names the first node and counts the others."""
    names: dict[str, list[str]] = {}
    for line in lines:
        name, _, difference = line.partition(": ")
        names.setdefault(difference, []).append(name)
    return [
        f"{found[0]}{f' and {len(found) - 1:,} more' if len(found) > 1 else ''}: {difference}"
        for difference, found in names.items()
    ]


def _lines(graph: Graph, again: Graph) -> Iterator[str]:
    theirs = again.index.nodes
    for node in graph.nodes:
        if node.name not in theirs:
            yield f"{node.name}: not kept"
        elif theirs[node.name] != node:
            yield f"{node.name}: {_change(node, theirs[node.name])}"
    for name in theirs:
        if name not in graph.index.nodes:
            yield f"{name}: added"
    for part in KEPT:
        before, after = getattr(graph, part), getattr(again, part)
        if part == "outputs" and [each.node for each in graph.outputs] == [each.node for each in again.outputs]:
            before, after = ([each.loss_weight for each in given.outputs] for given in (graph, again))
            part = "weights of the losses"
        if before != after:
            yield f"{part}: {_value(after)} instead of {_value(before)}"


def _change(before: Node, after: Node) -> str:
    if type(before.op) is not type(after.op):
        return f"{after.op.kind} ({after.op.label}) instead of {before.op.kind} ({before.op.label})"
    pairs: list[tuple[str, object, object]] = [(name, before.op, after.op) for name in before.op.__struct_fields__]
    pairs += [(name, before, after) for name in ("inputs", "parameters", "dtype")]
    changed = [(name, getattr(a, name), getattr(b, name)) for name, a, b in pairs]
    return ", ".join(f"{name} {_value(b)} instead of {_value(a)}" for name, a, b in changed if a != b)


def _value(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:MAX_VALUE_LENGTH]}..."
