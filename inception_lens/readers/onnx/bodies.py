"""The nodes of graphs and functions of an ONNX model, read one after the other into a Graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import TensorType
from inception_lens.readers.files import errors_of
from inception_lens.readers.onnx.constant_folding import RESHAPES, fold
from inception_lens.readers.onnx.control_flow import CONTROL_FLOW
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.handlers import DOMAIN_HANDLERS
from inception_lens.readers.onnx.metadata import is_inplace, node_paths
from inception_lens.readers.onnx.protos import attributes_of, stored_tensor, subgraphs
from inception_lens.readers.onnx.sequences import SEQUENCES
from inception_lens.readers.onnx.values import Attribute, OnnxCall, OnnxValue, PendingCall

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, NodeProto

MAX_DEPTH = 32
"""Functions, branches and loops inside each other."""


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
    tensor_prefix: str
    """Path of the graph or function, before the names of its weights, which other graphs can have too."""
    depth: int
    absent: frozenset[str] = frozenset()
    """Inputs of the function that its call leaves out."""


class OnnxBodyReader:
    """Reads the nodes of graphs and of the functions of a model."""

    def __init__(self, functions: Iterable[FunctionProto]) -> None:
        self.functions = {(each.domain, each.name): each for each in functions}

    def read_nodes(
        self, builder: OnnxGraphBuilder, nodes: Iterable[NodeProto], scope: OnnxScope, names: Iterable[str]
    ) -> None:
        """Read nodes in their order, which is topological, and add their outputs to the scope.

        Args:
            builder: writes the nodes of the Graph.
            nodes: the nodes.
            scope: the names around them.
            names: those of the inputs and initializers of the graph or function.

        Raises:
            FormatError: a node is invalid.
        """
        produced = set(names)
        for node in nodes:
            builder.steps.take()
            call = self.resolve(builder, node, scope)
            for name in filter(None, node.output):
                if name in produced:
                    raise FormatError(f"`{call.name}` ({call.op}): output `{name}` is produced a second time")
                produced.add(name)
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
            inputs = ["" if each in scope.absent else each for each in node.input]
            for each in inputs:
                if each and each not in scope.values:
                    raise FormatError(f"input `{each}` is not produced by any node before it")
            return OnnxCall(
                node.op_type,
                name,
                tuple(scope.values[each] if each else None for each in inputs),
                attributes_of(node.attribute, scope.attributes),
                tuple(node.output),
                tuple(scope.declared.get(each) for each in node.output),
                scope.opset if node.domain in ("", "ai.onnx") else 1,
                tuple(scope.reads[each] if each else 0 for each in node.output),
                is_inplace(node),
                proto=node,
                tensor=f"{scope.tensor_prefix}{node.output[0] if node.output else ''}",
            )

    def expand(
        self, builder: OnnxGraphBuilder, node: NodeProto, call: OnnxCall, scope: OnnxScope
    ) -> Sequence[OnnxValue] | None:
        """The outputs of a call of a function of the model, or of a call with graphs in its attributes; else None."""
        function = self.functions.get((node.domain, node.op_type))
        if function is not None:
            return self.expand_function(builder, function, call, scope)
        if call.op in CONTROL_FLOW and node.domain in ("", "ai.onnx"):
            with errors_of(call.name, call.op):
                return CONTROL_FLOW[call.op](builder, call, partial(self.read_body, call, scope))
        return None

    def read_body(
        self,
        call: OnnxCall,
        scope: OnnxScope,
        builder: OnnxGraphBuilder,
        attribute: str,
        inputs: Sequence[OnnxValue | None] = (),
        path: str = "",
    ) -> list[OnnxValue]:
        """The outputs of the graph in an attribute of a call, which can read all names around it.

        Args:
            call: the call.
            scope: the names around it.
            builder: writes the nodes.
            attribute: the attribute's name.
            inputs: the inputs of the graph.
            path: the names of nodes begin with it, after that of the call.

        Raises:
            FormatError: there is no such graph, it has another number of inputs, or its nodes are invalid.
        """
        graph = call.graph(attribute)
        if len(graph.input) != len(inputs):
            raise FormatError(f"`{attribute}` has {len(graph.input)} inputs; expected {len(inputs)}")
        tensors = f"{call.tensor}/{attribute}/"
        values = scope.values | {each.name: stored_tensor(each, f"{tensors}{each.name}") for each in graph.initializer}
        values |= {info.name: value for info, value in zip(graph.input, inputs, strict=True) if value is not None}
        inner = scope._replace(
            values=values,
            reads=count_reads(graph) + scope.reads,
            prefix=f"{call.name}/{path}",
            tensor_prefix=tensors,
            depth=_deeper(scope),
        )
        self.read_nodes(builder, graph.node, inner, [each.name for each in (*graph.input, *graph.initializer)])
        return body_outputs([each.name for each in graph.output], values)

    def expand_function(
        self, builder: OnnxGraphBuilder, function: FunctionProto, call: OnnxCall, scope: OnnxScope
    ) -> list[OnnxValue]:
        """The outputs of a function, whose nodes get the path of the call."""
        values = {name: value for name, value in zip(function.input, call.inputs, strict=False) if value is not None}
        attributes = {**attributes_of(function.attribute_proto, {}), **call.attributes}
        reads = Counter(name for node in function.node for name in node.input) + Counter(function.output)
        opset = next((each.version for each in function.opset_import if each.domain in ("", "ai.onnx")), scope.opset)
        path = f"{function.domain}.{function.name}/"
        absent = frozenset(function.input) - values.keys()
        inner = OnnxScope(values, reads, {}, attributes, opset, f"{call.name}/", path, _deeper(scope), absent)
        self.read_nodes(builder, function.node, inner, function.input)
        return body_outputs(function.output, values)


def body_outputs(names: Iterable[str], values: Mapping[str, OnnxValue]) -> list[OnnxValue]:
    """The outputs of a graph or a function among its values.

    Raises:
        FormatError: one is not there.
    """
    names = list(names)
    for name in names:
        if name not in values:
            raise FormatError(f"graph output `{name}` is not produced by any node")
    return [values[name] for name in names]


def run_handler(builder: OnnxGraphBuilder, domain: str, call: OnnxCall) -> list[OnnxValue]:
    """The outputs of a call: a Constant, an array that is known while reading, or nodes.

    Raises:
        FormatError: the call violates the specification.
        GraphError: an operation cannot take its inputs.
    """
    handlers = DOMAIN_HANDLERS.get(domain, {})
    if call.op == "Constant" and handlers:
        return builder.constant(call)
    try:
        handler = handlers.get(call.op)
        if handlers and (known := fold(call)) is not None:
            return [known if handler is None else _known_output(builder, call, known, handler)]
        takes_any = call.op in SEQUENCES or call.op == "Identity"
        if handler is None or not (takes_any or all(value.type for value in call.present_inputs())):
            return builder.unknown(call)
        outputs = handler(builder, call)
    except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
        raise FormatError(f"its inputs or attributes are invalid: {str(error)[:80]}") from None
    for i in range(len(outputs), len(call.outputs)):  # such as statistics that a norm returns after its output
        if call.reads[i]:
            outputs.append(builder.further_output(call, i, outputs[0]))
    return outputs


def _known_output(builder: OnnxGraphBuilder, call: OnnxCall, known: OnnxValue, handler: OnnxHandler) -> OnnxValue:
    """A known output; where it follows from weights, its node is written when it is read as a tensor."""
    if not any(value.may_be_learned for value in call.present_inputs()):
        return known

    @cache
    def write() -> str:
        with errors_of(call.name, call.op):
            return builder.node(handler(builder, call)[0])

    if call.op in RESHAPES and call.input(0).is_weight:
        return msgspec.structs.replace(handler(builder, call)[0], array=known.array)
    return msgspec.structs.replace(known, pending=PendingCall("", write))


def count_reads(graph: GraphProto) -> Counter[str]:
    """How often each tensor of a graph is read: by its nodes, by graphs inside them, and as an output."""
    counts: Counter[str] = Counter(output.name for output in graph.output)
    for each in subgraphs(graph):
        for node in each.node:
            counts.update(node.input)
    return counts


def _deeper(scope: OnnxScope) -> int:
    if scope.depth >= MAX_DEPTH:
        raise FormatError(f"more than {MAX_DEPTH} functions, branches or loops inside each other")
    return scope.depth + 1
