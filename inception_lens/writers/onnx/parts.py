"""The operators of one node, while they are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from inception_lens.graph import Graph, Node, output_name
from inception_lens.ops import Shape
from inception_lens.readers.onnx.metadata import INPLACE_KEY


class Files(Protocol):
    """What a node needs of the model that it is written into."""

    onnx: Any

    def constant(self, name: str, numbers: Any) -> None:
        """Write an initialiser that is no weight."""

    @staticmethod
    def number(dtype: str) -> int:
        """ONNX's number of a dtype."""


class Parts:
    """The operators of one node, while they are written."""

    def __init__(self, graph: Graph, node: Node, tensors: dict[str, str], files: Files) -> None:
        self.graph, self.node, self.op, self.tensors, self.files = graph, node, node.op, tensors, files
        self.protos: list[Any] = []
        self.inputs = list(node.inputs)

    @property
    def shape(self) -> Shape:
        """Shape of the first input."""
        return self.graph.input_shapes(self.node)[0]

    def weights(self, *roles: str) -> list[str]:
        """Names of the node's own tensors, those of these roles that it has."""
        return [self.tensors[role] for role in roles if role in self.tensors]

    def add(self, kind: str, inputs: Sequence[str], suffix: str = "", outputs: int = 1, **attributes: Any) -> str:
        """Write one operator: without a `suffix` it is the node itself."""
        name = f"{self.node.name}/{suffix}" if suffix else self.node.name
        made = [output_name(name, i) for i in range(outputs)]
        given = {key: value for key, value in attributes.items() if value is not None}
        proto = self.files.onnx.helper.make_node(kind, list(inputs), made, name, **given)
        if not suffix and getattr(self.op, "inplace", False):
            entry = proto.metadata_props.add()
            entry.key, entry.value = INPLACE_KEY, "true"
        self.protos.append(proto)
        return name

    def integers(self, suffix: str, numbers: Sequence[int]) -> str:
        """Write whole numbers that an operator reads as an input, and return their name."""
        import numpy as np

        name = f"{self.node.name}.{suffix}"
        self.files.constant(name, np.array(numbers, "int64"))
        return name

    def number(self, suffix: str, value: float) -> str:
        """Write one floating-point number that an operator reads as an input, and return its name."""
        import numpy as np

        name, dtype = f"{self.node.name}.{suffix}", self.graph.input_types(self.node)[0].dtype
        self.files.constant(name, np.array(value, dtype if dtype in ("float16", "float64") else "float32"))
        return name
