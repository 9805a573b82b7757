"""What a written prototxt does not keep: the differences between a graph and the graph that is read back."""

from collections.abc import Iterator

from inception_lens.errors import FormatError, GraphError
from inception_lens.graph import Graph, Node
from inception_lens.readers.caffe.layers import NetState
from inception_lens.readers.caffe.prototxt import read_net
from inception_lens.readers.caffe.text_format import parse
from inception_lens.readers.files import one_line

KEPT = ("inputs", "outputs", "dtype", "dtypes", "unused", "frozen", "kept")
"""The parts of a graph, apart from its nodes, in which it can differ from another."""
MAX_VALUE_LENGTH = 120


def differences(graph: Graph, text: str) -> list[str]:
    """One line for each difference between a graph and the one in its prototxt; none if they are equal.

    Raises:
        FormatError: Caffe would refuse the prototxt.
    """
    shapes = {given.name: given.type.shape for given in graph.inputs}
    try:
        again = read_net(parse(text), shapes, graph.mode, NetState())
    except (FormatError, GraphError) as error:
        raise FormatError(f"Caffe cannot express `{graph.name}`: {error}") from None
    return [one_line(line) for line in _lines(graph, again)] if again != graph else []


def _lines(graph: Graph, again: Graph) -> Iterator[str]:
    theirs = again.index.nodes
    for node in graph.nodes:
        if node.name not in theirs:
            yield f"{node.name}: not kept"
        elif theirs[node.name] != node:
            yield f"{node.name}: {_change(node, theirs[node.name])}"
    for name in theirs.keys() - graph.index.nodes.keys():
        yield f"{name}: added"
    for part in KEPT:
        before, after = getattr(graph, part), getattr(again, part)
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
