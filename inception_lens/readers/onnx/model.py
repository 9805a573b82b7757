"""ONNX models: a file to a Graph, by this project's own shape rules, without the numbers of its weights.

What counts as learned: an initialiser that a convolution, a linear layer, an embedding, a norm or a recurrent layer
reads as its weight, or that takes part in arithmetic as a tensor of several floating-point numbers; each once, however
many calls read it. Statistics of batch norms are buffers. Integers, single numbers, and what the graph makes with
Constant are constants, but that a Constant in a weight's place is one. Numbers in other files are not looked for.

`If` is read where its condition follows from the shapes, by the branch that is taken. A `Loop`, a `Scan` and any other
`If` is listed as an operation that nobody knows, and what stands inside counts nothing. Functions of the model are read
as what they are made of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from inception_lens.errors import FormatError, GraphError, require, suggest
from inception_lens.graph import Graph, Input, Metadata, Mode, Output
from inception_lens.ops import Shape, TensorType, Unknown, format_shape
from inception_lens.readers.files import display_path, map_file, one_line
from inception_lens.readers.onnx.dtypes import onnx_dtype
from inception_lens.readers.onnx.layers import LAYERS
from inception_lens.readers.onnx.lookups import LOOKUPS
from inception_lens.readers.onnx.protos import (
    attribute_value,
    common_dtype,
    constant,
    declared_type,
    sparse_tensor,
    stored_tensor,
)
from inception_lens.readers.onnx.run import (
    MAX_NODES,
    UNKNOWN_TYPE,
    OnnxGraphBuilder,
    at_node,
    copied_initializers,
    count_reads,
    node_paths,
    tensor_kinds,
)
from inception_lens.readers.onnx.shapes import SHAPES
from inception_lens.readers.onnx.stripping import strip_tensor_data
from inception_lens.readers.onnx.unweighted import PLAIN
from inception_lens.readers.onnx.values import INPLACE_KEY, OnnxCall, OnnxValue, fold
from inception_lens.readers.onnx.windows import WINDOWS

HANDLERS = {**WINDOWS, **LAYERS, **PLAIN, **SHAPES, **LOOKUPS}
DOMAINS = ("", "ai.onnx", "com.microsoft")
"""Of which HANDLERS knows operators, the last where they are called as the first's."""
DEEPEST = 32
LARGEST_MODEL = 2**40
UNREAD = ("Loop", "Scan", "If", "SequenceMap")


class OnnxScope(NamedTuple):
    """The names of one graph or function body, and those around it."""

    values: dict[str, OnnxValue]
    used: Counter[str]
    declared: Mapping[str, TensorType]
    attributes: Mapping[str, Any]
    """Of the function's call, for what refers to them."""
    opset: int
    prefix: str
    depth: int


InputShapes = Mapping[str, Any]
"""Shapes of inputs by name, or anything that has a `shape` and a `dtype`."""


def read_onnx(path: str, inputs: InputShapes | Shape | None = None, mode: Mode = "inference") -> Graph:
    """Read a model; a first axis without a size is a batch of 1, and all other free sizes must be given in `inputs`.

    Raises:
        FormatError: it is no ONNX model, or says what ONNX could not do, or has sizes that nobody gave.
        MissingExtraError: the package `onnx` is not installed.
    """
    onnx = require("onnx", extra="onnx")
    data = map_file(path, "an ONNX model")
    try:
        model = onnx.ModelProto.FromString(strip_tensor_data(data))
        if not model.HasField("graph") or not model.graph.node:
            raise FormatError("no ONNX model: it has no graph")
        _check_texts(model)
        return _Reading(model, display_path(path)).graph(inputs, mode)
    except (FormatError, GraphError) as error:
        raise FormatError(f"{display_path(path)}: {one_line(error)}") from None
    except (require("google.protobuf.message", extra="onnx").DecodeError, UnicodeDecodeError):
        raise FormatError(f"{display_path(path)}: no ONNX model: its parts are not what they should be") from None


def _check_texts(message: Any) -> None:
    """Raise a FormatError where a name is no text: the parser hands such a one out as bytes."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        if field.type == field.TYPE_MESSAGE:
            for each in values:
                _check_texts(each)
        elif field.type == field.TYPE_STRING and any(isinstance(each, bytes) for each in values):
            raise FormatError(f"no ONNX model: a `{field.name}` is no text")


class _Reading:
    def __init__(self, model: Any, path: str) -> None:
        self.model, self.path = model, path
        self.opsets = {each.domain or "ai.onnx": each.version for each in model.opset_import}
        self.functions = {(each.domain, each.name): each for each in model.functions}
        self.calls = 0

    def graph(self, inputs: InputShapes | Shape | None, mode: Mode) -> Graph:
        graph = self.model.graph
        stored = {each.name: stored_tensor(each) for each in graph.initializer}
        stored |= {each.values.name: sparse_tensor(each) for each in graph.sparse_initializer}
        for name, source in copied_initializers(graph).items():
            stored[name] = msgspec.structs.replace(stored[name], weight=source)
        used, told = count_reads(graph), tensor_kinds(graph)
        for each in graph.input:  # weights that wait to be given: the structure of a model alone
            if each.name in told and each.name not in stored and (kind := declared_type(each)):
                stored[each.name] = OnnxValue(kind, weight=each.name)
        free = [each for each in graph.input if each.name not in stored]
        given = _settle(free, inputs)
        run = OnnxGraphBuilder([Input(each.name, given[each.name]) for each in free if each.name in used], told)
        values = {**stored, **{each.name: run.value(each.name) for each in free if each.name in used}}
        declared = {each.name: kind for each in (*graph.value_info, *graph.output) if (kind := declared_type(each))}
        opset = self.opsets.get("ai.onnx", 1)
        self.nodes(run, graph.node, OnnxScope(values, used, declared, {}, opset, "", 0))
        outputs = [Output(self.output(run, values, each.name)) for each in graph.output]
        name = graph.name or "model"
        made = run.writer.graph(dict.fromkeys(outputs), mode, Metadata(name, self.path, "onnx"))
        return msgspec.structs.replace(made, dtype=common_dtype(stored.values()))

    @staticmethod
    def output(run: OnnxGraphBuilder, values: Mapping[str, OnnxValue], name: str) -> str:
        if name not in values:
            raise FormatError(f"its output `{name}` is made by nobody")
        return run.tensor(values[name])

    def nodes(self, run: OnnxGraphBuilder, nodes: Any, scope: OnnxScope) -> None:
        for node in nodes:
            self.calls += 1
            if self.calls > MAX_NODES:
                raise FormatError(f"more than {MAX_NODES:,} calls, its functions written out")
            call = self.call(run, node, scope)
            try:
                made = self.run(run, node, call, scope)
            except (FormatError, GraphError) as error:
                raise error if getattr(error, "told", False) else _told(at_node(error, call)) from None
            except (ValueError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError) as error:
                raise _told(at_node(FormatError(f"its attributes make no sense: {str(error)[:80]}"), call)) from None
            scope.values.update(
                {name: value for name, value in zip(call.outputs, made, strict=False) if name},
            )

    def call(self, run: OnnxGraphBuilder, node: Any, scope: OnnxScope) -> OnnxCall:
        for name in node.input:
            if name and name not in scope.values:
                raise FormatError(f"`{node.name or node.op_type}` reads `{name}`, which nobody makes before it")
        domain = node.domain or "ai.onnx"
        module, whole = (scope.prefix + each for each in node_paths(node))
        return OnnxCall(
            node.op_type,
            whole if module in run.names else module,
            tuple(scope.values[each] if each else None for each in node.input),
            {each.name: attribute_value(each, scope.attributes) for each in node.attribute},
            tuple(node.output),
            tuple(scope.declared.get(each) for each in node.output),
            scope.opset if domain == "ai.onnx" else 1,
            tuple(scope.used[each] for each in node.output),
            any(told.key == INPLACE_KEY and told.value == "true" for told in node.metadata_props),
        )

    def run(self, run: OnnxGraphBuilder, node: Any, call: OnnxCall, scope: OnnxScope) -> list[OnnxValue]:
        if (node.domain, node.op_type) in self.functions:
            return self.function(run, self.functions[node.domain, node.op_type], call, scope)
        if call.op == "Constant" and node.domain in DOMAINS:
            return [constant(call, node.output[0])]
        if call.op == "If" and (taken := call.given(0).numbers) is not None:
            branch = call.attributes["then_branch" if bool(taken.reshape(-1)[0]) else "else_branch"]
            return self.inside(run, branch, call, scope)
        if (numbers := fold(call)) is not None:
            return [numbers]
        handler = HANDLERS.get(call.op) if node.domain in DOMAINS else None
        mystery = any(value is not None and value.type is None for value in call.inputs)
        if handler is None or call.op in UNREAD or mystery:
            return run.unknown(call)
        made = handler(run, call)
        for i in range(len(made), len(call.outputs)):  # statistics that a norm returns beside its output
            if call.used[i]:
                declared = (call.declared[i] or UNKNOWN_TYPE,)
                made.append(run.add(f"{call.name}/output_{i}", Unknown(call.op, declared), run.tensor(made[0])))
        return made

    def inside(self, run: OnnxGraphBuilder, graph: Any, call: OnnxCall, scope: OnnxScope) -> list[OnnxValue]:
        """A branch, which reads what stands around it."""
        deeper = self.deeper(scope)
        values = scope.values | {each.name: stored_tensor(each) for each in graph.initializer}
        inner = scope._replace(
            values=values, used=count_reads(graph) + scope.used, prefix=f"{call.name}/", depth=deeper
        )
        self.nodes(run, graph.node, inner)
        return [values[each.name] for each in graph.output if each.name in values]

    def function(self, run: OnnxGraphBuilder, function: Any, call: OnnxCall, scope: OnnxScope) -> list[OnnxValue]:
        """A function of the model, written out under the name of its call."""
        deeper = self.deeper(scope)
        values = {name: value for name, value in zip(function.input, call.inputs, strict=False) if value is not None}
        defaults = {each.name: attribute_value(each, {}) for each in function.attribute_proto}
        used = Counter(name for node in function.node for name in node.input) + Counter(function.output)
        opset = next((each.version for each in function.opset_import if each.domain in ("", "ai.onnx")), scope.opset)
        inner = OnnxScope(values, used, {}, {**defaults, **call.attributes}, opset, f"{call.name}/", deeper)
        self.nodes(run, function.node, inner)
        return [values[name] for name in function.output if name in values]

    @staticmethod
    def deeper(scope: OnnxScope) -> int:
        if scope.depth >= DEEPEST:
            raise FormatError(f"more than {DEEPEST} functions or branches in each other")
        return scope.depth + 1


def _told(error: FormatError) -> FormatError:
    error.told = True  # type: ignore[attr-defined]  # the innermost call is named, and those around it are not
    return error


def _settle(free: list[Any], inputs: InputShapes | Shape | None) -> dict[str, TensorType]:
    """Types of the inputs, those that a caller gives first."""
    names = [each.name for each in free]
    if inputs is not None and not isinstance(inputs, Mapping):
        inputs = {names[0]: inputs} if names else {}
    given = {name or (names[0] if names else ""): value for name, value in (inputs or {}).items()}
    if strange := sorted(set(given) - set(names)):
        raise FormatError(f"it has no input `{strange[0]}`{suggest(strange[0], names)}")
    return {each.name: _input(each, given.get(each.name)) for each in free}


def _input(info: Any, given: Any) -> TensorType:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type"):
        raise FormatError(f"its input `{info.name}` is no tensor")
    dtype = getattr(given, "dtype", None) or onnx_dtype(kind.elem_type)
    dims = list(kind.shape.dim)
    if given is not None:
        sizes = tuple(getattr(given, "shape", given))
        if kind.HasField("shape") and len(sizes) == len(dims) - 1 and len(dims) > 2:
            sizes = (1, *sizes)
        if kind.HasField("shape") and len(sizes) != len(dims):
            raise FormatError(f"its input `{info.name}` has {len(dims)} axes, not {len(sizes)}, {format_shape(sizes)}")
        return TensorType(sizes, str(dtype))
    sizes = tuple(dim.dim_value if dim.HasField("dim_value") else 0 for dim in dims)
    if sizes and sizes[0] < 1:
        sizes = (1, *sizes[1:])
    if not kind.HasField("shape") or any(not 1 <= size <= LARGEST_MODEL for size in sizes):
        free = ", ".join(dim.dim_param or "?" for dim in dims if not dim.dim_value) or "all"
        example = "x".join(str(size) if size > 0 else "128" for size in sizes) or "1x128"
        raise FormatError(
            f"its input `{info.name}` leaves sizes free ({free}): give them, --input {info.name}={example}"
        )
    return TensorType(sizes, str(dtype))
