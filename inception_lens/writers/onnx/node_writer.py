"""The ONNX operators of one node of a graph, while they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from inception_lens.graph import Graph, Node, output_names
from inception_lens.ops import Shape
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.readers.onnx.metadata import INPLACE_KEY

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from onnx import NodeProto, TensorProto


class OnnxNodeWriter:
    """Collects the operators of one node, and the constants that they read.

    A handler of an operation adds the operators; the last one has the node's name and outputs.
    """

    def __init__(self, graph: Graph, node: Node, names: UniqueNames) -> None:
        self.graph, self.node, self.names = graph, node, names
        self.inputs = list(node.inputs)
        """Names of the tensors that the node reads."""
        self.tensors = {tensor.role: name for name, tensor in graph.tensors(node)}
        """Names of the node's parameters and buffers, by their roles."""
        self.operators: list[NodeProto] = []
        """The operators written so far."""
        self.constants: dict[str, TensorProto] = {}
        """Initialisers that are not weights, by name."""

    @property
    def shape(self) -> Shape:
        """Shape of the first input."""
        return self.graph.input_shapes(self.node)[0]

    @property
    def dtype(self) -> str:
        """Type of the first input."""
        return self.graph.input_types(self.node)[0].dtype

    @property
    def output_shape(self) -> Shape:
        """Shape of the first output."""
        return self.graph.types[self.node.name][0].shape

    def weights(self, *roles: str) -> list[str]:
        """Names of the node's tensors with these roles, as far as it has them."""
        return [self.tensors[role] for role in roles if role in self.tensors]

    def add(
        self, operator: str, inputs: Sequence[str], suffix: str = "", outputs: int = 1, **attributes: object
    ) -> str:
        """Write one operator and return the name of its first output.

        Args:
            operator: its type.
            inputs: names of tensors; empty for an optional input that is left out.
            suffix: appended to the node's name; empty for the operator that computes the node's outputs.
            outputs: their number.
            **attributes: its attributes; those that are None are left out.
        """
        from onnx import helper

        name = self.names.take(f"{self.node.name}/{suffix}") if suffix else self.node.name
        proto = helper.make_node(operator, list(inputs), output_names(name, outputs), name)
        for key, value in sorted(attributes.items()):
            if value is not None:
                proto.attribute.append(helper.make_attribute(key, value))
        if not suffix and getattr(self.node.op, "inplace", False):
            entry = proto.metadata_props.add()
            entry.key, entry.value = INPLACE_KEY, "true"
        self.operators.append(proto)
        return name

    def integers(self, suffix: str, values: int | Sequence[int]) -> str:
        """Write an integer or a vector of integers that an operator reads as an input, and return its name."""
        return self._constant(suffix, values, "int64")

    def number(self, suffix: str, value: float, dtype: str = "") -> str:
        """Write a number of a dtype, by default that of the first input, that an operator reads; return its name."""
        return self._constant(suffix, value, dtype or self.dtype)

    def cast(self, x: str, dtype: str, suffix: str) -> str:
        """The tensor called `x` in a dtype: the tensor itself, or the output of a new `Cast`."""
        if self.graph.types[x][0].dtype == dtype:
            return x
        return self.add("Cast", [x], suffix, to=onnx_dtype_number(dtype))

    def filled(self, suffix: str, value: float, shape: Shape) -> str:
        """Write a tensor of one value, which readers do not take for a weight since an operator computes it.

        Returns:
            The name of the tensor, which has the dtype of the node's first input.
        """
        from onnx import helper

        tensor = helper.make_tensor("value", onnx_dtype_number(self.dtype), [1], [value])
        return self.add("ConstantOfShape", [self.integers(f"{suffix}.shape", shape)], suffix, value=tensor)

    def _constant(self, suffix: str, values: ArrayLike, dtype: str) -> str:
        import numpy as np
        from onnx import helper, numpy_helper

        name = self.names.take(f"{self.node.name}.{suffix}")
        kind = helper.tensor_dtype_to_np_dtype(onnx_dtype_number(dtype))  # NumPy itself has no bfloat16
        self.constants[name] = numpy_helper.from_array(np.array(values, kind), name)
        return name


OnnxWriter = Callable[[Any, OnnxNodeWriter], None]
"""Writes the operators of one operation; raises a FormatError with the reason if ONNX cannot express it."""
