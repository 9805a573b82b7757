"""The Graph of a Darknet config while its layers are read."""

from __future__ import annotations

from collections.abc import Callable

from inception_lens.errors import FormatError
from inception_lens.graph import Input, Node, Writer
from inception_lens.ops import Flatten, Op, Reshape, Shape, TensorType, Unknown
from inception_lens.readers.darknet.sections import DarknetSection
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.shapes import UNKNOWN_TYPE


class DarknetBuilder:
    """Writes the nodes of one layer after the other; a layer reads the one before it, or others by their number."""

    def __init__(self, image: Input) -> None:
        self.writer = Writer([image])
        self.names = UniqueNames([image.name])
        self.input = image.name
        self.layers: list[str] = []
        """The node that is the output of each layer."""
        self.read_layers: set[int] = set()
        """Numbers of the layers that others read."""
        self.convolutions: dict[int, str] = {}
        """The convolution of each layer that has one."""
        self.module = ""
        """Name of the layer that is read: its type and its number."""

    def start(self, kind: str) -> None:
        """Start the next layer."""
        self.module = f"{kind}_{len(self.layers)}"

    def type_of(self, node: str) -> TensorType:
        """The type of a node's output."""
        return self.writer.tensor_type(node)

    def shape(self, node: str) -> Shape:
        """The shape of a node's output.

        Raises:
            UnknownInputError: it is unknown, as it follows from a layer without a rule.
        """
        kind = self.type_of(node)
        if not kind.is_known:
            raise UnknownInputError
        return kind.shape

    def previous(self) -> str:
        """The output of the layer before."""
        self.read_layers.add(len(self.layers) - 1)
        return self.layers[-1] if self.layers else self.input

    def layer_index(self, number: int) -> int:
        """The number of a layer before this one; a negative one counts from this one.

        Raises:
            FormatError: there is no such layer.
        """
        index = number + len(self.layers) if number < 0 else number
        if not 0 <= index < len(self.layers):
            raise FormatError(f"layer {number} is not one of the {len(self.layers)} before this one")
        return index

    def output(self, number: int) -> str:
        """The output of a layer by its number; as `layer_index`."""
        index = self.layer_index(number)
        self.read_layers.add(index)
        return self.layers[index]

    def map(self) -> str:
        """The output of the layer before as a map; a vector is one of one position."""
        x = self.previous()
        shape = self.shape(x)
        return x if len(shape) == 4 else self.add(Reshape((-1, shape[1], 1, 1)), x, suffix="map")

    def vector(self, node: str = "") -> str:
        """A node's output, by default that of the layer before, as a vector per sample."""
        x = node or self.previous()
        return x if len(self.shape(x)) == 2 else self.add(Flatten(), x, suffix="flatten")

    def add(self, op: Op, *inputs: str, suffix: str = "", weights_of: int = -1) -> str:
        """Write a node, called like the layer or `<layer>/<suffix>`, and return its name.

        With `weights_of`, the number of a layer, it has the weights of that layer's convolution.
        """
        for each in inputs:
            self.shape(each)
        name = self.names.take(f"{self.module}/{suffix}" if suffix else self.module)
        parameters: tuple[str, ...] = ()
        if weights_of >= 0:
            if weights_of not in self.convolutions:
                raise FormatError(f"layer {weights_of} has no convolution whose weights could be shared")
            roles = [tensor.role for tensor in op.parameters(*map(self.shape, inputs))]
            parameters = tuple(f"{self.convolutions[weights_of]}.{role}" for role in roles)
        self.writer.write(Node(name, op, inputs, parameters))
        if suffix == "conv":
            self.convolutions[len(self.layers)] = name
        return name

    def unknown(self, *, keeps_type: bool = False) -> str:
        """Write a layer without a rule, with unknown parameters; with `keeps_type`, one without any."""
        x = self.previous()
        kind = self.type_of(x) if keeps_type else UNKNOWN_TYPE
        name = self.names.take(self.module)
        self.writer.write(Node(name, Unknown(self.module.rpartition("_")[0], (kind,), keeps_type), (x,)))
        return name


class UnknownInputError(Exception):
    """A layer reads one of unknown shape."""


DarknetHandler = Callable[[DarknetBuilder, DarknetSection], str]
"""Writes the nodes of a layer and returns the one that is its output."""
