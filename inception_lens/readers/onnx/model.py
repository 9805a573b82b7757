"""ONNX models: a file to a Graph, by this project's own shape rules and without the data of its weights.

Read: the operators in `handlers.py`, with the semantics of the ONNX operator specification (onnx.ai/onnx/operators) at
the model's opset, or of onnxruntime's documentation of its own operators; functions of the model, which are expanded;
and `If`, where the condition follows from shapes, by the branch that is taken. Any other operator, `Loop`, `Scan` and
`SequenceMap` are Unknown, and what is inside them is not counted. Data in other files are never opened.

Parameters are initializers that a convolution, a linear layer, an embedding, a norm or a recurrent layer reads as its
weight, or that arithmetic reads as a tensor of several floating-point numbers; each counts once, with the bytes of the
dtype in which the file stores it. The statistics of batch norms are buffers. Integers that are not quantized weights,
single numbers, scales and zero points of quantization, and Constants are constants, except for a Constant in the place
of a weight.

Limits: MAX_DEPTH, `graph_builder.MAX_STEPS`, and those of `stripping.py` and `tensors.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph, Input, Metadata, Mode, Output
from inception_lens.ops import Shape, TensorType, Unknown
from inception_lens.readers.files import display_path, errors_in, errors_of, map_file
from inception_lens.readers.onnx.constant_folding import fold
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder
from inception_lens.readers.onnx.handlers import DOMAIN_HANDLERS
from inception_lens.readers.onnx.inputs import InputShapes, input_types
from inception_lens.readers.onnx.metadata import copied_initializers, is_inplace, node_paths, tensor_kinds
from inception_lens.readers.onnx.protos import (
    attributes_of,
    common_dtype,
    constant,
    declared_type,
    sparse_tensor,
    stored_tensor,
)
from inception_lens.readers.onnx.stripping import strip_tensor_data
from inception_lens.readers.onnx.values import Attribute, OnnxCall, OnnxValue
from inception_lens.readers.shapes import UNKNOWN_TYPE

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, ModelProto, NodeProto

MAX_DEPTH = 32
"""Functions and branches inside each other."""


class OnnxScope(NamedTuple):
    """The names of one graph or function body, with those around it."""

    values: dict[str, OnnxValue]
    reads: Counter[str]
    """How often each tensor is read."""
    declared: Mapping[str, TensorType]
    """Types that the file declares."""
    attributes: Mapping[str, Attribute]
    """Of the call of the function, to which attributes of its nodes may refer."""
    opset: int
    prefix: str
    """Path of the function's call, before the names of its nodes."""
    depth: int


def read_onnx(path: str, inputs: InputShapes | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read a model.

    Args:
        path: the file.
        inputs: shapes of inputs, by name or of the first one; a batch without a size is 1, and other sizes that the
            file leaves open must be given.
        mode: recorded in the graph; an ONNX model computes the same in both.

    Raises:
        FormatError: the file is not an ONNX model, violates the specification, or leaves sizes open that are not given.
        MissingExtraError: the package `onnx` is not installed.
    """
    onnx = require("onnx", extra="onnx")
    protobuf = require("google.protobuf.message", extra="onnx")
    data = map_file(path, "an ONNX model")
    with errors_in(path):
        try:
            model = onnx.ModelProto.FromString(strip_tensor_data(data))
        except (protobuf.DecodeError, UnicodeDecodeError):
            raise FormatError("is not an ONNX model: its fields have other types") from None
        if not model.HasField("graph") or not model.graph.node:
            raise FormatError("is not an ONNX model: it has no graph")
        _check_texts(model)
        return OnnxModelReader(model, display_path(path)).graph(inputs, mode)


def _check_texts(message: Any) -> None:
    """Raise a FormatError where a string is not UTF-8: the parser returns it as bytes."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        if field.type == field.TYPE_MESSAGE:
            for each in values:
                _check_texts(each)
        elif field.type == field.TYPE_STRING and any(isinstance(each, bytes) for each in values):
            raise FormatError(f"is not an ONNX model: a `{field.name}` is not text")


class OnnxModelReader:
    """Reads a parsed model; after `graph`, `values` are the tensors of its outermost graph by name."""

    def __init__(self, model: ModelProto, path: str) -> None:
        self.model, self.path = model, path
        self.opsets = {each.domain or "ai.onnx": each.version for each in model.opset_import}
        self.functions = {(each.domain, each.name): each for each in model.functions}
        self.values: dict[str, OnnxValue] = {}

    def graph(self, inputs: InputShapes | Shape | None, mode: Mode) -> Graph:
        """The whole model as a Graph; as `read_onnx`."""
        graph = self.model.graph
        kinds, stored = tensor_kinds(graph), self.initializers()
        free = [each for each in graph.input if each.name not in stored]
        types, reads = input_types(free, inputs), count_reads(graph)
        used = [each.name for each in free if each.name in reads]
        builder = OnnxGraphBuilder([Input(name, types[name]) for name in used], kinds)
        self.values = {**stored, **{name: builder.value(name) for name in used}}
        declared = {each.name: kind for each in (*graph.value_info, *graph.output) if (kind := declared_type(each))}
        scope = OnnxScope(self.values, reads, declared, {}, self.opsets.get("ai.onnx", 1), "", 0)
        self.read_nodes(builder, graph.node, scope)
        for each in graph.output:
            if each.name not in self.values:
                raise FormatError(f"graph output `{each.name}` is not produced by any node")
        outputs = dict.fromkeys(Output(builder.node(self.values[each.name])) for each in graph.output)
        made = builder.writer.graph(outputs, mode, Metadata(graph.name or "model", self.path, "onnx"))
        dtype = common_dtype(stored.values())
        return msgspec.structs.replace(made, dtype=dtype, dtypes=builder.other_dtypes(made, dtype))

    def initializers(self) -> dict[str, OnnxValue]:
        """Weights by name, including inputs that the exporter recorded as weights: a model without its data."""
        graph = self.model.graph
        stored = {each.name: stored_tensor(each) for each in graph.initializer}
        stored |= {each.values.name: sparse_tensor(each) for each in graph.sparse_initializer}
        for name, source in copied_initializers(graph).items():
            stored[name] = msgspec.structs.replace(stored[name], weight=source)
        kinds = tensor_kinds(graph)
        for each in graph.input:
            if each.name in kinds and each.name not in stored and (kind := declared_type(each)):
                stored[each.name] = OnnxValue(kind, weight=each.name)
        return stored

    def read_nodes(self, builder: OnnxGraphBuilder, nodes: Iterable[NodeProto], scope: OnnxScope) -> None:
        """Read nodes in their order, which is topological, and add their outputs to the scope."""
        for node in nodes:
            builder.step()
            call = self.resolve(builder, node, scope)
            outputs = self.expand(builder, node, call, scope)
            if outputs is None:
                with errors_of(call.name, call.op):
                    outputs = run_handler(builder, node.domain, call)
            scope.values.update({name: value for name, value in zip(call.outputs, outputs, strict=False) if name})

    def resolve(self, builder: OnnxGraphBuilder, node: NodeProto, scope: OnnxScope) -> OnnxCall:
        """The call of a node: its inputs, its attributes, and a name from its module where that is free."""
        module, path = (scope.prefix + each for each in node_paths(node))
        name = path if module in builder.names else module
        with errors_of(name, node.op_type):
            for each in node.input:
                if each and each not in scope.values:
                    raise FormatError(f"input `{each}` is not produced by any node before it")
            return OnnxCall(
                node.op_type,
                name,
                tuple(scope.values[each] if each else None for each in node.input),
                attributes_of(node.attribute, scope.attributes),
                tuple(node.output),
                tuple(scope.declared.get(each) for each in node.output),
                scope.opset if node.domain in ("", "ai.onnx") else 1,
                tuple(scope.reads[each] if each else 0 for each in node.output),
                is_inplace(node),
            )

    def expand(
        self, builder: OnnxGraphBuilder, node: NodeProto, call: OnnxCall, scope: OnnxScope
    ) -> Sequence[OnnxValue] | None:
        """The outputs of a call of a function of the model, or of an `If` with a known condition; None for others."""
        function = self.functions.get((node.domain, node.op_type))
        if function is not None:
            return self.expand_function(builder, function, call, scope)
        if call.op == "If" and call.has_input(0) and (condition := call.input(0).array) is not None:
            branch = call.attributes.get("then_branch" if condition.reshape(-1)[0] else "else_branch")
            if isinstance(branch, type(self.model.graph)):
                return self.expand_branch(builder, branch, call, scope)
        return None

    def expand_branch(
        self, builder: OnnxGraphBuilder, graph: GraphProto, call: OnnxCall, scope: OnnxScope
    ) -> list[OnnxValue]:
        """The outputs of a branch, which can read all names around it."""
        values = scope.values | {each.name: stored_tensor(each) for each in graph.initializer}
        reads = count_reads(graph) + scope.reads
        inner = scope._replace(values=values, reads=reads, prefix=f"{call.name}/", depth=_deeper(scope))
        self.read_nodes(builder, graph.node, inner)
        return [values[each.name] for each in graph.output if each.name in values]

    def expand_function(
        self, builder: OnnxGraphBuilder, function: FunctionProto, call: OnnxCall, scope: OnnxScope
    ) -> list[OnnxValue]:
        """The outputs of a function, whose nodes get the path of the call."""
        values = {name: value for name, value in zip(function.input, call.inputs, strict=False) if value is not None}
        attributes = {**attributes_of(function.attribute_proto, {}), **call.attributes}
        reads = Counter(name for node in function.node for name in node.input) + Counter(function.output)
        opset = next((each.version for each in function.opset_import if each.domain in ("", "ai.onnx")), scope.opset)
        inner = OnnxScope(values, reads, {}, attributes, opset, f"{call.name}/", _deeper(scope))
        self.read_nodes(builder, function.node, inner)
        return [values[name] for name in function.output if name in values]


def run_handler(builder: OnnxGraphBuilder, domain: str, call: OnnxCall) -> list[OnnxValue]:
    """The outputs of a call: a Constant, an array that is known while reading, or nodes.

    Raises:
        FormatError: the call violates the specification.
        GraphError: an operation cannot take its inputs.
    """
    handlers = DOMAIN_HANDLERS.get(domain, {})
    if call.op == "Constant" and handlers:
        return [constant(call)]
    try:
        if handlers and (known := fold(call)) is not None:
            return [known]
        handler = handlers.get(call.op)
        if handler is None or any(value.type is None for value in call.present_inputs()):
            return builder.unknown(call)
        outputs = handler(builder, call)
    except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise FormatError(f"its inputs or attributes are invalid: {str(error)[:80]}") from None
    for i in range(len(outputs), len(call.outputs)):  # such as statistics that a norm returns after its output
        if call.reads[i]:
            op = Unknown(call.op, (call.declared[i] or UNKNOWN_TYPE,))
            outputs.append(builder.add(f"{call.name}/output_{i}", op, builder.node(outputs[0])))
    return outputs


def count_reads(graph: GraphProto) -> Counter[str]:
    """How often each tensor of a graph is read: by its nodes, by graphs inside them, and as an output."""
    counts: Counter[str] = Counter(output.name for output in graph.output)
    todo = [graph]
    while todo:
        for node in todo.pop().node:
            counts.update(node.input)
            for attribute in node.attribute:
                todo += [attribute.g] if attribute.HasField("g") else []
                todo += attribute.graphs
    return counts


def _deeper(scope: OnnxScope) -> int:
    if scope.depth >= MAX_DEPTH:
        raise FormatError(f"more than {MAX_DEPTH} functions or branches inside each other")
    return scope.depth + 1
