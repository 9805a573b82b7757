"""A graph as an ONNX model, with its weights or with an input in place of each, that reads back equal.

Not expressed: recurrent layers, operations that the graph does not define completely (constants, operations whose
outputs or cost it only declares, unknown operators), and data types that ONNX lacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING

from inception_lens.errors import FormatError, require
from inception_lens.graph import Graph, Node
from inception_lens.ops import BYTES_PER_ELEMENT, Parameter, TensorType, format_shape
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.writers.inexpressible import inexpressible
from inception_lens.writers.onnx.activations import ACTIVATION_WRITERS
from inception_lens.writers.onnx.arithmetic import ARITHMETIC_WRITERS
from inception_lens.writers.onnx.convolution import CONVOLUTION_WRITERS
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter
from inception_lens.writers.onnx.normalization import NORMALIZATION_WRITERS
from inception_lens.writers.onnx.pooling import POOLING_WRITERS
from inception_lens.writers.onnx.reshaping import RESHAPING_WRITERS
from inception_lens.writers.weights.conversion import state_tensors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto

OPSET = 20
"""Version of the operators; all current runtimes support it."""
LATER = {"GroupNormalization": 21, "Attention": 23, "RMSNormalization": 23}
"""Operators that later versions introduced or defined anew, and which these are."""
BFLOAT16_OPSET = 22
"""The version since which convolutions and pools take bfloat16."""
IR_VERSION = 10
"""Version of the file format."""
KIND_KEY = "pkg.torch.export.graph_signature.InputSpec.kind"
"""Metadata by which PyTorch's exporter marks the inputs that are weights."""
MAX_SIZE = 2**31 - 2**20
"""Bytes of weights in one file; a protocol buffer has fewer than 2^31."""

WRITERS = {
    **ACTIVATION_WRITERS,
    **ARITHMETIC_WRITERS,
    **CONVOLUTION_WRITERS,
    **NORMALIZATION_WRITERS,
    **POOLING_WRITERS,
    **RESHAPING_WRITERS,
}
"""By the operation's class; ONNX cannot express the others."""


def to_onnx(graph: Graph, weights: Mapping[str, NDArray[np.generic]] | None = None) -> bytes:
    """Write a graph.

    Args:
        graph: the network.
        weights: NumPy arrays by the names of `build(graph).state_dict()`. Without them the model holds only the
            structure, and every parameter and buffer is an input.

    Raises:
        FormatError: ONNX cannot express a node, which the message names; a weight is missing or has another shape; or
            the weights are too large for one file.
        GraphError: as `state_tensors`, if `weights` are given.
        MissingExtraError: the package `onnx` is not installed.
    """
    onnx = require("onnx", extra="onnx")
    writer = _OnnxModelWriter(graph, weights)
    size = sum(prod(target.shape) for target in writer.targets.values()) * BYTES_PER_ELEMENT[graph.dtype]
    if size > MAX_SIZE:
        raise FormatError(f"`{graph.name}` has {size:,} bytes of weights; one ONNX file holds less than 2^31")
    proto = writer.graph_proto()
    opset = max([OPSET, *[LATER.get(each.op_type, 0) for each in proto.node]])
    if any(each.dtype == "bfloat16" for types in graph.types.values() for each in types):
        opset = max(opset, BFLOAT16_OPSET)
    model = onnx.helper.make_model(
        proto,
        opset_imports=[onnx.helper.make_opsetid("", opset)],
        ir_version=IR_VERSION,
        producer_name="inception-lens",
    )
    data: bytes = model.SerializeToString(deterministic=True)
    return data


class _OnnxModelWriter:
    def __init__(self, graph: Graph, weights: Mapping[str, NDArray[np.generic]] | None) -> None:
        self.graph, self.weights = graph, weights
        self.targets = state_tensors(graph) if weights is not None else {}
        tensors = [name for node in graph.nodes for name, _ in graph.tensors(node)]
        self.names = UniqueNames((*graph.types, *tensors))
        self.initializers: dict[str, TensorProto] = {}
        self.weight_inputs: dict[str, ValueInfoProto] = {}

    def graph_proto(self) -> GraphProto:
        from onnx import helper

        operators = [operator for node in self.graph.nodes for operator in self.operators(node)]
        outputs = dict.fromkeys(output.node for output in self.graph.outputs)
        return helper.make_graph(
            operators,
            self.graph.name,
            [*(self.value_info(given.name, given.type) for given in self.graph.inputs), *self.weight_inputs.values()],
            [self.value_info(name, self.graph.types[name][0]) for name in outputs],
            initializer=list(self.initializers.values()),
        )

    def value_info(self, name: str, kind: TensorType) -> ValueInfoProto:
        from onnx import helper

        return helper.make_tensor_value_info(name, onnx_dtype_number(kind.dtype), kind.shape)

    def operators(self, node: Node) -> list[NodeProto]:
        """The operators of one node; its tensors and constants are added to the model."""
        write = WRITERS.get(type(node.op))
        if write is None:
            raise inexpressible("ONNX", self.graph, node, f"there is no operator for {node.op.kind}")
        for i, (name, tensor) in enumerate(self.graph.tensors(node)):
            if name not in self.initializers and name not in self.weight_inputs:
                self.add_tensor(name, node, tensor, i)
        writer = OnnxNodeWriter(self.graph, node, self.names)
        try:
            write(node.op, writer)
        except FormatError as error:
            raise inexpressible("ONNX", self.graph, node, str(error)) from None
        self.initializers |= writer.constants
        return writer.operators

    def add_tensor(self, name: str, node: Node, tensor: Parameter, i: int) -> None:
        """Add tensor number `i` of a node: with its values as an initializer, otherwise as an input of the model."""
        from onnx import numpy_helper

        if self.weights is None:
            dtype = getattr(node.op, "dtype", "") or self.graph.dtype
            info = self.value_info(name, TensorType(tensor.shape, dtype))
            entry = info.metadata_props.add()
            is_parameter = i < len(node.op.parameters(*self.graph.input_shapes(node)))
            entry.key, entry.value = KIND_KEY, "PARAMETER" if is_parameter else "BUFFER"
            self.weight_inputs[name] = info
            return
        key = self.targets[node.name, tensor.role].key
        if key not in self.weights:
            raise FormatError(f"the weights lack `{key}`")
        values = self.weights[key]
        if values.shape != tensor.shape:
            raise FormatError(
                f"the weights have `{key}` of {format_shape(values.shape)}, but the network needs "
                f"{format_shape(tensor.shape)}"
            )
        self.initializers[name] = numpy_helper.from_array(values, name)
