"""ONNX models: a file to a Graph, by this project's own shape rules and without the data of its weights.

Read: the operators in `handlers.py`, with the semantics of the ONNX operator specification (onnx.ai/onnx/operators) at
the model's opset, or of onnxruntime's documentation of its own operators; functions of the model, which are expanded;
and graphs inside nodes, as `control_flow.py` describes. Any other operator is Unknown. Data in other files are never
opened.

Parameters are initializers that a convolution, a linear layer, an embedding, a norm or a recurrent layer reads as its
weight, or that arithmetic reads as a tensor of several floating-point numbers; each counts once, with the bytes of the
dtype in which the file stores it. The statistics of batch norms are buffers. Integers that are not quantized weights,
single numbers, scales and zero points of quantization, and Constants are constants, except for a Constant in the place
of a weight; scales that arithmetic reads are buffers. In a file without such initializers, whose layers read Constants
as their weights, Constants count as they do.

Limits: `bodies.MAX_DEPTH`, `graph_builder.MAX_STEPS`, and those of `stripping.py` and `tensors.py`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph, Input, Metadata, Mode, Output
from inception_lens.ops import Shape
from inception_lens.readers.files import display_path, errors_in, map_file
from inception_lens.readers.onnx.bodies import OnnxBodyReader, OnnxScope, body_outputs, count_reads
from inception_lens.readers.onnx.constant_weights import has_constant_weights
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder
from inception_lens.readers.onnx.inputs import InputShapes, read_inputs
from inception_lens.readers.onnx.metadata import copied_initializers, tensor_kinds
from inception_lens.readers.onnx.protos import common_dtype, declared_type, sparse_tensor, stored_tensor
from inception_lens.readers.onnx.stripping import strip_tensor_data
from inception_lens.readers.onnx.values import OnnxValue

if TYPE_CHECKING:
    from onnx import ModelProto


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
        if not model.graph.node and not model.graph.output:
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
        self.values: dict[str, OnnxValue] = {}

    def graph(self, inputs: InputShapes | Shape | None, mode: Mode) -> Graph:
        """The whole model as a Graph; as `read_onnx`."""
        graph = self.model.graph
        kinds, stored = tensor_kinds(graph), self.initializers()
        free = [each for each in graph.input if each.name not in stored]
        given, reads = read_inputs(free, inputs), count_reads(graph)
        given = {name: each for name, each in given.items() if name in reads}
        named = [Input(name, each.type) for name, each in given.items() if 0 not in each.type.shape]
        builder = OnnxGraphBuilder(named, kinds, has_constant_weights(graph))
        nodes = {each.name for each in named}
        self.values = dict(stored)
        for name, each in given.items():
            node = name if name in nodes else ""
            self.values[name] = OnnxValue(each.type if each.type.has_shape else None, node=node, array=each.array)
        declared = {each.name: kind for each in (*graph.value_info, *graph.output) if (kind := declared_type(each))}
        own = [(kind, given[each.name].type) for each in free if each.name in given and (kind := declared_type(each))]
        if any(kind.shape != other.shape for kind, other in own):
            declared = {}  # of inputs of other shapes
        scope = OnnxScope(self.values, reads, declared, {}, self.opsets.get("ai.onnx", 1), "", "", 0)
        names = (*stored, *(each.name for each in free))
        OnnxBodyReader(self.model.functions).read_nodes(builder, graph.node, scope, names)
        ends = body_outputs([each.name for each in graph.output], self.values)
        outputs = dict.fromkeys(Output(node) for node in builder.output_nodes(ends))
        made = builder.writer.graph(outputs, mode, Metadata(graph.name or "model", self.path, "onnx"))
        dtype = common_dtype((*stored.values(), *builder.constants))
        return msgspec.structs.replace(made, dtype=dtype, dtypes=builder.other_dtypes(made, dtype))

    def initializers(self) -> dict[str, OnnxValue]:
        """Weights by name, including inputs that the exporter recorded as weights: a model without its data."""
        graph = self.model.graph
        tensors = [*map(stored_tensor, graph.initializer), *map(sparse_tensor, graph.sparse_initializer)]
        stored = {each.weight: each for each in tensors}
        if len(stored) < len(tensors):
            name, _ = Counter(each.weight for each in tensors).most_common(1)[0]
            raise FormatError(f"initializer `{name}` is stored a second time")
        for name, source in copied_initializers(graph).items():
            stored[name] = msgspec.structs.replace(stored[name], weight=source)
        kinds = tensor_kinds(graph)
        for each in graph.input:
            if each.name in kinds and each.name not in stored and (kind := declared_type(each)):
                stored[each.name] = OnnxValue(kind, weight=each.name)
        return stored
