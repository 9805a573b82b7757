"""Functions of a GraphDef's library, expanded where they are called: TensorFlow 2 keeps whole networks in them.

Field numbers are those of TensorFlow's `function.proto` and `op_def.proto`. Inside a function, `node:name:i` is output
`i` of those that the operation calls `name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.readers import wire_format as wire
from inception_lens.readers.tensorflow.graph_def import MAX_NODES, read_node
from inception_lens.readers.tensorflow.nodes import GraphDefNode

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
MAX_DEPTH = 32
"""Calls of functions inside each other."""

SECOND_OUTPUTS = {"batch_mean": 1, "batch_variance": 2, "indices": 1, "output_true": 1, "idx": 1}
"""Names of outputs that are not the first of their operation, and their positions."""

FUNCTION_SIGNATURE, FUNCTION_NODE, FUNCTION_RESULT = 1, 3, 4
SIGNATURE_NAME, SIGNATURE_INPUT, SIGNATURE_OUTPUT = 1, 2, 3


class GraphDefFunction(NamedTuple):
    """A function of the library."""

    arguments: tuple[str, ...]
    nodes: tuple[GraphDefNode, ...]
    results: tuple[str, ...]
    """The tensors that it returns, as nodes of the function name them."""


def read_functions(data: memoryview, library: Iterable[wire.WireField]) -> dict[str, GraphDefFunction]:
    """The functions of a library by name, from their messages.

    Raises:
        FormatError: there are more than MAX_NODES nodes, or a function is damaged.
    """
    found: dict[str, GraphDefFunction] = {}
    total = 0
    for message in library:
        name, found[name] = _read_function(data, message)
        total += len(found[name].nodes)
        if total > MAX_NODES:
            raise FormatError(f"more than {MAX_NODES:,} nodes in functions")
    return found


def _read_function(data: memoryview, message: wire.WireField) -> tuple[str, GraphDefFunction]:
    name = ""
    arguments: list[str] = []
    outputs: list[str] = []
    nodes: list[GraphDefNode] = []
    results: dict[str, str] = {}
    for field in wire.limited_fields(data, message.start, message.end):
        if field.kind != wire.BYTES:
            continue
        inner = list(wire.limited_fields(data, field.start, field.end)) if field.number != FUNCTION_NODE else []
        if field.number == FUNCTION_SIGNATURE:
            for each in inner:
                if each.number == SIGNATURE_NAME:
                    name = wire.decode_text(data, each)
                elif each.number in (SIGNATURE_INPUT, SIGNATURE_OUTPUT) and each.kind == wire.BYTES:
                    texts = _texts(data, list(wire.limited_fields(data, each.start, each.end)))
                    (arguments if each.number == SIGNATURE_INPUT else outputs).append(texts.get(1, ""))
        elif field.number == FUNCTION_NODE:
            nodes.append(read_node(data, field))
        elif field.number == FUNCTION_RESULT:
            texts = _texts(data, inner)
            results[texts.get(1, "")] = texts.get(2, "")
    return name, GraphDefFunction(tuple(arguments), tuple(nodes), tuple(results.get(each, "") for each in outputs))


def _texts(data: memoryview, fields: list[wire.WireField]) -> dict[int, str]:
    """The first two fields of a message, if they are texts."""
    return {each.number: wire.decode_text(data, each) for each in fields if each.number < 3 and each.kind == wire.BYTES}


def expand(
    nodes: Mapping[str, GraphDefNode], functions: Mapping[str, GraphDefFunction], outputs: Sequence[str]
) -> tuple[dict[str, GraphDefNode], list[str]]:
    """The nodes, with those of a function in the place of its call, and what the outputs are then called.

    Raises:
        FormatError: functions call each other more than MAX_DEPTH deep, or there are more than MAX_NODES nodes.
    """
    expander = _Expander(functions)
    expander.add(nodes.values(), {}, "", 0)
    aliases = expander.aliases
    found = {
        name: node._replace(inputs=tuple(_resolve(each, aliases) for each in node.inputs))
        for name, node in expander.nodes.items()
    }
    return found, [_resolve(each, aliases) for each in outputs]


class _Expander:
    def __init__(self, functions: Mapping[str, GraphDefFunction]) -> None:
        self.functions = functions
        self.nodes: dict[str, GraphDefNode] = {}
        self.aliases: dict[str, str] = {}
        """The tensor that each output of an expanded call is."""
        self.steps = 0

    def add(self, nodes: Iterable[GraphDefNode], arguments: Mapping[str, str], prefix: str, depth: int) -> None:
        """Add nodes, whose names get the prefix and whose inputs may be arguments."""
        if depth > MAX_DEPTH:
            raise FormatError(f"more than {MAX_DEPTH} functions inside each other")
        for node in nodes:
            self.steps += 1
            inputs = tuple(_tensor(name, arguments, prefix) if prefix else name for name in node.inputs)
            name = prefix + node.name
            function = self.functions.get(node.text("f", "") if node.op in CALLS else node.op)
            if function is None:
                self.nodes[name] = node._replace(name=name, inputs=inputs)
            else:
                given = dict(zip(function.arguments, inputs, strict=False))
                self.add(function.nodes, given, f"{name}/", depth + 1)
                for i, result in enumerate(function.results):
                    self.aliases[f"{name}:{i}" if i else name] = _tensor(result, given, f"{name}/")
            if self.steps + len(self.aliases) > MAX_NODES:
                raise FormatError(f"more than {MAX_NODES:,} nodes, with functions expanded")


def _tensor(name: str, arguments: Mapping[str, str], prefix: str) -> str:
    """The name in the whole graph of a tensor in a function."""
    node, _, rest = name.partition(":")
    if node in arguments and rest in ("", "0"):
        return arguments[node]
    output, _, number = rest.rpartition(":")
    i = SECOND_OUTPUTS.get(output, 0) + (int(number) if number.isdecimal() else 0)
    return f"{prefix}{node}:{i}" if i else f"{prefix}{node}"


def _resolve(tensor: str, aliases: Mapping[str, str]) -> str:
    for _ in range(MAX_DEPTH):
        if tensor not in aliases:
            break
        tensor = aliases[tensor]
    return tensor
