"""An ONNX graph while it is read: names, weights, and the nodes that its calls become."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from inception_lens.errors import FormatError, GraphError
from inception_lens.graph import Input, Node, Writer, output_name
from inception_lens.ops import Op, Shape, Stored, TensorType, Unknown
from inception_lens.ops.special import TensorKind
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue

UNKNOWN_TYPE = TensorType(())
"""Stands for the type of a tensor that nobody can tell; what reads it is an Unknown too."""
MAX_NODES = 50_000


class OnnxGraphBuilder:
    """The graph that is written, and what is shared by everything in the model."""

    def __init__(self, inputs: Sequence[Input], tensor_kinds: Mapping[str, TensorKind]) -> None:
        """Begin with the inputs; `kinds` is what the exporter says of its tensors, where it does."""
        self.kinds = tensor_kinds
        self.writer = Writer(inputs)
        self.names = UniqueNames(given.name for given in inputs)
        self.stored: dict[tuple[str, Shape], str] = {}
        self.shapes: dict[str, Shape] = {}
        """Of each initialiser as its first reader reads it: another reading of it counts nothing again."""
        self.calls = 0

    def unique(self, name: str) -> str:
        """The name, with a number behind it where it is taken, and without what would make it an output's."""
        name = re.sub(r":(?=\d+$)", "_", name) or "node"
        return self.names.take(name)

    def add(self, name: str, op: Op, *inputs: str, parameters: tuple[str, ...] = ()) -> OnnxValue:
        """Write a node and return its first output.

        Raises:
            FormatError: there are more than any model has.
        """
        self.calls += 1
        if self.calls > MAX_NODES:
            raise FormatError(f"more than {MAX_NODES:,} calls")
        name = self.unique(name)
        if parameters:
            shapes = [self.writer.shape(each) for each in inputs]
            roles = [tensor.role for tensor in (*op.parameters(*shapes), *op.buffers(*shapes))]
            parameters = () if parameters == tuple(f"{name}.{role}" for role in roles) else parameters
        self.writer.write(Node(name, op, inputs, parameters))
        return self.value(name)

    def value(self, node: str) -> OnnxValue:
        """The value that is a node's output or an input."""
        return OnnxValue(self.writer.tensor_type(node), node=node)

    def outputs(self, value: OnnxValue, count: int) -> list[OnnxValue]:
        """The first `count` outputs of the node that makes `value`."""
        return [value, *(self.value(output_name(value.node, i)) for i in range(1, count))]

    def tensor(self, value: OnnxValue) -> str:
        """The node of a value: a weight or a constant that is read as a tensor becomes one of its own."""
        if value.node:
            return value.node
        if value.pending is not None:
            written: str = value.pending.write()
            return written
        assert value.type is not None
        name = value.weight or "constant"
        path = name.replace(".", "/")  # of a module's tensor, so that it stands with its module
        key = (name if value.weight else f"constant {len(self.stored)}", value.shape)
        if key in self.stored:
            return self.stored[key]
        kind = self.tensor_kind(value)
        parameters = (name,) if kind != "constant" else ()
        made = self.add(path, Stored(value.shape, value.dtype, kind), parameters=parameters)
        self.stored[key] = made.node
        return str(made.node)

    @staticmethod
    def is_node(value: OnnxValue, node: str) -> bool:
        """Whether the value is what that node makes."""
        return value.node == node and not value.pending

    def tensor_kind(self, value: OnnxValue) -> TensorKind:
        """Whether a tensor that is no layer's weight is a parameter all the same, and whether it counts here.

        Where the exporter says what it is, that is it. Else it is one where it is an initialiser of several
        floating-point numbers: integers are indices, single numbers are factors, zeros and numbers like minus infinity
        are masks, and what stands in the graph as a Constant was written in the source.
        """
        told = self.kinds.get(value.weight)
        learned = value.is_weight and not value.constant and "float" in value.dtype
        if not learned or (value.type and value.type.elements <= 1) or told == "constant" or _is_mask(value):
            return "constant"
        first = self.shapes.setdefault(value.weight, value.shape) == value.shape
        return (told or "parameter") if first else "constant"

    def shared(self, value: OnnxValue, shape: Shape) -> bool:
        """Whether a layer may have the weight in `shape` as its own, which an earlier reader did not see in another."""
        return value.is_weight and self.shapes.setdefault(value.weight, shape) == shape

    def unknown(self, call: OnnxCall, shapes: Sequence[TensorType] = ()) -> list[OnnxValue]:
        """Write an Unknown, its outputs as the rule or else the file tells them."""
        declared = [*shapes] or [each or UNKNOWN_TYPE for each in call.declared] or [UNKNOWN_TYPE]
        told = [bool(shapes) or each is not None for each in call.declared or (None,)]
        inputs = [self.tensor(value) for value in call.inputs if value is not None and self.readable(value)]
        first = self.add(call.name, Unknown(call.op, tuple(declared)), *inputs)
        made = self.outputs(first, len(declared))
        return [
            value if is_told else OnnxValue(None, node=value.node) for value, is_told in zip(made, told, strict=False)
        ]

    @staticmethod
    def readable(value: OnnxValue) -> bool:
        """Whether an operation that nobody knows reads the value as a tensor, and not as a number or an index."""
        return bool(value.node) or value.pending is not None or (value.is_weight and not value.constant)


def _is_mask(value: OnnxValue) -> bool:
    numbers = value.numbers
    return numbers is not None and bool(((numbers == 0) | (numbers <= -1e4)).all())


def tensor_kinds(graph: Any) -> dict[str, TensorKind]:
    """What PyTorch's exporter says of tensors: parameters and buffers by name, and what it worked out beforehand.

    That is learned where a weight, a bias, an embedding or a token is among what it was worked out of.
    """
    found: dict[str, TensorKind] = {}
    for info in (*graph.input, *graph.value_info):
        for told in info.metadata_props:
            if told.key.endswith("InputSpec.kind") and told.value in ("PARAMETER", "BUFFER"):
                found[info.name] = "parameter" if told.value == "PARAMETER" else "buffer"
            elif told.key.endswith("optimizer.folded_from"):
                learned = re.search(r"(weight|bias|embed|embedding|token)'", told.value)
                found[info.name] = "parameter" if learned else "constant"
    return found


def copied_initializers(graph: Any) -> dict[str, str]:
    """Initialisers that the exporter made of another one alone, such as its transpose, by name: the same numbers."""
    sizes = {each.name: prod(each.dims) for each in graph.initializer}
    found = {}
    for info in graph.value_info:
        for told in info.metadata_props:
            if told.key.endswith("optimizer.folded_from"):
                sources = re.findall(r"'([^']*)'", told.value)
                if len(sources) == 1 and sizes.get(sources[0]) == sizes.get(info.name, -1):
                    found[info.name] = sources[0]
    return found


def count_reads(graph: Any) -> Counter[str]:
    """How often each tensor of a graph is read, by calls, by the graphs inside them, and as an output."""
    counts: Counter[str] = Counter(output.name for output in graph.output)
    todo = [graph]
    while todo:
        for node in todo.pop().node:
            counts.update(node.input)
            for attribute in node.attribute:
                todo += [attribute.g] if attribute.HasField("g") else []
                todo += attribute.graphs
    return counts


def node_paths(node: Any) -> tuple[str, str]:
    """A node's name as a path, of its module alone and whole; PyTorch's exporters tell it, in the name or beside it."""
    scopes = next((p.value for p in node.metadata_props if p.key == "pkg.torch.onnx.name_scopes"), "")
    found = [part for part in re.findall(r"'([^']*)'", scopes) if part]
    if len(found) > 1:
        module = found[-2].replace(".", "/")
        return module, f"{module}/{found[-1]}"
    parts: list[str] = []
    for part in (found[0] if found else node.name).strip("/").split("/"):
        befores = (f"{'.'.join(parts[i:])}." for i in range(len(parts)))
        parts.append(part.removeprefix(next((each for each in befores if part.startswith(each)), "")))
    whole = "/".join(part for part in parts if part) or node.op_type.lower()
    module, _, last = whole.rpartition("/")
    return (module if module and re.fullmatch(rf"{re.escape(node.op_type)}(_\d+)?", last) else whole), whole


def at_node(error: GraphError | FormatError, call: OnnxCall) -> FormatError:
    """The error with the node's name and operation before it."""
    return FormatError(f"`{call.name}` ({call.op}): {error}")
