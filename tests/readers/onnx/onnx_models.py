"""ONNX models as tests need them, and what a network that is built from their Graph computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inception_lens.errors import GraphError
from inception_lens.graph import Graph
from inception_lens.ops import Shape, Stored, Unknown
from inception_lens.pytorch.build.network import build
from inception_lens.readers.onnx.inputs import InputShapes
from inception_lens.readers.onnx.model import read_onnx

Array = NDArray[Any]
FLOAT = TensorProto.FLOAT


def weight(name: str, *shape: int, value: float | None = None) -> onnx.TensorProto:
    numbers = np.full(shape, value, "f4") if value is not None else np.arange(np.prod(shape), dtype="f4").reshape(shape)
    return numpy_helper.from_array(numbers, name)


def ints(name: str, *numbers: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(numbers, "int64"), name)


def scalar(name: str, number: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(number, "int64"), name)


def node(op: str, inputs: str, outputs: str = "y", **attributes: Any) -> onnx.NodeProto:
    """A node; `_` is an input or an output that is left out."""
    read, written = (["" if each == "_" else each for each in text.split()] for text in (inputs, outputs))
    return helper.make_node(op, read, written, **attributes)


def info(name: str, *shape: int | str | None, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    weights: Sequence[Any] = (),
    x: Sequence[int | str | None] = (1, 8, 12, 10),
    *,
    opset: int = 20,
    outputs: Sequence[str] = ("y",),
    functions: Sequence[onnx.FunctionProto] = (),
    dtype: int = FLOAT,
    **fields: Any,
) -> onnx.ModelProto:
    """A model from `x` to `y`."""
    ends = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(nodes, "hand", [info("x", *x, dtype=dtype)], ends, list(weights), **fields)
    domains = {"": opset, "local": 1, "com.microsoft": 1}
    opsets = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=10)


def read(folder: Path, made: onnx.ModelProto, inputs: InputShapes | Shape | None = None) -> Graph:
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return read_onnx(str(path), inputs)


def onnxruntime_outputs(made: onnx.ModelProto, x: Array) -> list[Array]:
    """What onnxruntime computes for the input `x`."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return [
        np.asarray(each) for each in onnxruntime.InferenceSession(made.SerializeToString(), options).run(None, {"x": x})
    ]


def kinds(graph: Graph) -> str:
    """The operations of a graph without stored tensors; unknown ones start with `?`."""
    operations = [each.op for each in graph.nodes if not isinstance(each.op, Stored)]
    return " ".join(f"?{op.kind}" if isinstance(op, Unknown) else op.kind for op in operations)


def unknown(graph: Graph) -> list[str]:
    """The operations whose MACs or shapes are unknown."""
    return [
        each.op.kind
        for each in graph.nodes
        if isinstance(each.op, Unknown) or not all(kind.is_known for kind in graph.types[each.name])
    ]


def compute(graph: Graph, arrays: Mapping[str, Array]) -> tuple[Array, ...] | None:
    """Outputs of the network that is built from a graph, with weights and inputs by their names in the ONNX model.

    None where PyTorch has no module for the graph, or no kernel for its dtypes.
    """
    try:
        network = build(graph).eval()
        parameters = dict(network.named_parameters()) | dict(network.named_buffers())
        for each in graph.nodes:
            shapes = graph.input_shapes(each)
            roles = [tensor.role for tensor in (*each.op.parameters(*shapes), *each.op.buffers(*shapes))]
            for role, name in zip(roles, each.parameters, strict=False):
                fill(parameters[f"{each.name.replace('/', '.')}.{role}"], arrays[name])
        with torch.no_grad():
            result = network(*[torch.tensor(arrays[given.name]) for given in graph.inputs])
    except (GraphError, RuntimeError, TypeError, IndexError):
        return None
    return tuple(each.numpy() for each in (result if isinstance(result, tuple) else (result,)))


def fill(parameter: torch.Tensor, array: Array) -> None:
    """Copy a weight, which ONNX can have transposed or with axes of 1."""
    tensor = torch.tensor(array)
    if tensor.ndim == 2 and tensor.T.shape == parameter.shape != tensor.shape:
        tensor = tensor.T
    with torch.no_grad():
        parameter.copy_(tensor.reshape(parameter.shape))
