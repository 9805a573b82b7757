"""Whether a file stores its weights as Constant nodes, as Paddle2ONNX and spox write them, and not as initializers."""

from __future__ import annotations

from itertools import chain
from math import prod
from typing import TYPE_CHECKING

from inception_lens.readers.onnx.dtypes import ONNX_DTYPES
from inception_lens.readers.onnx.protos import subgraphs

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto, TensorProto

WEIGHTED = {
    "BatchNormalization", "Conv", "ConvTranspose", "GRU", "Gemm", "GroupNormalization", "InstanceNormalization", "LSTM",
    "LayerNormalization", "MatMul", "RMSNormalization", "RNN",
}  # fmt: skip
"""Layers that read their weights as inputs after the first."""


def has_constant_weights(graph: GraphProto) -> bool:
    """Whether a layer reads a Constant as its weight, and no initializer holds several floating-point numbers."""
    graphs = list(subgraphs(graph))
    initializers = [tensor for each in graphs for tensor in each.initializer]
    initializers += [tensor.values for each in graphs for tensor in each.sparse_initializer]
    if any(map(_holds_floats, initializers)):
        return False
    stored = {each.name for each in initializers}
    weights: set[str] = set()  # Constants, and what is computed from them and from nothing that is an input
    for node in chain.from_iterable(each.node for each in graphs):
        if node.op_type in WEIGHTED and weights.intersection(node.input[1:]):
            return True
        inputs = set(filter(None, node.input))
        if node.op_type == "Constant":
            (weights if _is_several_floats(node) else stored).update(node.output)
        elif inputs & weights and not inputs - weights - stored:
            weights.update(node.output)
    return False


def _is_several_floats(node: NodeProto) -> bool:
    return any(
        len(each.floats) > 1 or _holds_floats(each.t) or _holds_floats(each.sparse_tensor.values)
        for each in node.attribute
    )


def _holds_floats(tensor: TensorProto) -> bool:
    return "float" in ONNX_DTYPES.get(tensor.data_type, "") and prod(tensor.dims) > 1
