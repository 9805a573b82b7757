"""A graph as an ONNX model that reads back equal: with weights, or with inputs in their places.

Operators are those of version 20, which every runtime of today knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph, Node, tensor_names
from inception_lens.ops import BYTES_PER_ELEMENT, Parameter, Shape, TensorType, format_shape
from inception_lens.readers.onnx.dtypes import ONNX_DTYPES
from inception_lens.writers.onnx.layers import LAYERS
from inception_lens.writers.onnx.parts import Parts
from inception_lens.writers.onnx.unweighted import PLAIN
from inception_lens.writers.weights.conversion import state_names

OPSET = 20
IR_VERSION = 10
SIGNATURE = "pkg.torch.export.graph_signature.InputSpec.kind"
LARGEST = 2**31 - 2**20
"""Bytes; a protocol buffer has fewer than 2^31."""

NODES = {**LAYERS, **PLAIN}
"""By the operation's class; what is not here, ONNX has no operator for, or the graph does not say all of it."""

NUMBERS = {name: number for number, name in ONNX_DTYPES.items()}

Arrays = Mapping[str, Any]
"""NumPy arrays by the names of `build(graph).state_dict()`."""


def to_onnx(graph: Graph, weights: Arrays | None = None) -> bytes:
    """Write a graph; without `weights` it holds the structure alone, and every tensor is an input that waits for one.

    Raises:
        FormatError: ONNX has no operator for a node; the message names it. Or the weights are too large for one file.
        GraphError: as `state_names`, of weights.
        MissingExtraError: the package `onnx` is not installed.
    """
    onnx = require("onnx", extra="onnx")
    writing = _Writing(graph, weights, onnx)
    size = sum(prod(target.shape) for target in writing.targets.values()) * BYTES_PER_ELEMENT[graph.dtype]
    if size > LARGEST:
        raise FormatError(f"`{graph.name}` has {size:,} bytes of weights: one ONNX file holds fewer than 2^31")
    model = onnx.helper.make_model(
        writing.graph_proto(),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="inception-lens",
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _Writing:
    def __init__(self, graph: Graph, weights: Arrays | None, onnx: Any) -> None:
        self.graph, self.weights, self.onnx = graph, weights, onnx
        self.targets = state_names(graph) if weights is not None else {}
        self.dense: dict[str, Any] = {}
        self.inputs: dict[str, Any] = {}

    def graph_proto(self) -> Any:
        nodes = [proto for node in self.graph.nodes for proto in self.node(node)]
        outputs = dict.fromkeys(output.node for output in self.graph.outputs)
        return self.onnx.helper.make_graph(
            nodes,
            self.graph.name,
            [*(self.info(given.name, given.type) for given in self.graph.inputs), *self.inputs.values()],
            [self.info(name, self.graph.types[name][0]) for name in outputs],
            initializer=list(self.dense.values()),
        )

    def info(self, name: str, kind: TensorType) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, self.number(kind.dtype), kind.shape)

    @staticmethod
    def number(dtype: str) -> int:
        if dtype not in NUMBERS:
            raise FormatError(f"ONNX has no tensors of {dtype}")
        return NUMBERS[dtype]

    def node(self, node: Node) -> list[Any]:
        """The operators of one node, the last under its own name; tensors that it owns become initialisers."""
        writer = NODES.get(type(node.op).__name__)
        if writer is None:
            raise self.refusal(node, f"has no operator for {node.op.kind}")
        tensors: tuple[Parameter, ...] = ()
        if node.op.has_weights:
            shapes = self.graph.input_shapes(node)
            tensors = (*node.op.parameters(*shapes), *node.op.buffers(*shapes))
        names = tuple(tensor_names(node, tensors))
        for name, tensor in zip(names, tensors, strict=True):
            self.initialise(name, node, tensor)
        parts = Parts(self.graph, node, dict(zip([t.role for t in tensors], names, strict=True)), self)
        try:
            writer(parts)
        except FormatError as error:
            raise self.refusal(node, str(error)) from None
        return parts.protos

    def refusal(self, node: Node, why: str) -> FormatError:
        return FormatError(f"ONNX cannot express `{self.graph.name}`: at `{node.name}` ({node.op.label}) it {why}")

    def initialise(self, name: str, node: Node, tensor: Parameter) -> None:
        """Write a tensor of the model once: its numbers, or zeros."""
        if name in self.dense or name in self.inputs:
            return
        if self.weights is None:
            dtype = getattr(node.op, "dtype", "") or self.graph.dtype
            kind = "PARAMETER" if tensor in node.op.parameters(*self.graph.input_shapes(node)) else "BUFFER"
            self.inputs[name] = self.fed(name, tensor.shape, dtype, kind)
            return
        key = self.targets[node.name, tensor.role].key
        if key not in self.weights:
            raise FormatError(f"the weights lack `{key}`")
        numbers = self.weights[key]
        if tuple(numbers.shape) != tensor.shape:
            raise FormatError(
                f"the weights have `{key}` of {format_shape(tuple(numbers.shape))}, not {format_shape(tensor.shape)}"
            )
        self.dense[name] = self.onnx.numpy_helper.from_array(numbers, name)

    def fed(self, name: str, shape: Shape, dtype: str, kind: str) -> Any:
        """A weight as an input of the model, marked as PyTorch's exporter marks those."""
        info = self.info(name, TensorType(shape, dtype))
        entry = info.metadata_props.add()
        entry.key, entry.value = SIGNATURE, kind
        return info

    def constant(self, name: str, numbers: Any) -> None:
        """Write a number or a shape that an operator reads as an input."""
        self.dense[name] = self.onnx.numpy_helper.from_array(numbers, name)
