"""The Graph of a Keras model while its layers are read.

Keras has channels last; a Graph has them after the batch. A tensor whose last axis was moved there keeps that order
until a layer needs Keras' own, such as a dense layer or the flattening of a map: then a Permute moves it back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.graph import Input, Mode, Node, Writer, output_names
from inception_lens.ops import Op, Permute, Shape, Stored, TensorType, Unknown
from inception_lens.ops.special import TensorKind
from inception_lens.readers.keras.config import LayerConfig
from inception_lens.readers.keras.settings import Settings
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.shapes import UNKNOWN_TYPE, resolve_axis

MAX_STEPS = 100_000
"""Calls that are read, with nested models expanded, and nodes that are written."""


class KerasTensor(NamedTuple):
    """A tensor of a Keras model, and its order of axes in the Graph."""

    node: str
    """The node or input that produces it."""
    is_moved: bool = False
    """Whether its last axis is the second in the Graph."""


class KerasCall(NamedTuple):
    """A call of a layer."""

    path: str
    """The layer's name, after those of the models that contain it."""
    layer: LayerConfig
    inputs: tuple[KerasTensor, ...]
    types: tuple[TensorType | None, ...]
    """Types of the outputs in Keras' order of axes, where the configuration has them."""
    mode: Mode

    @property
    def settings(self) -> Settings:
        """Those of the layer."""
        return self.layer.settings

    @property
    def x(self) -> KerasTensor:
        """The first input.

        Raises:
            FormatError: there is none.
        """
        if not self.inputs:
            raise FormatError("has no input")
        return self.inputs[0]


class KerasGraphBuilder:
    """Writes nodes. Several calls of a layer share its tensors."""

    def __init__(self, inputs: Sequence[Input]) -> None:
        self.writer = Writer(inputs)
        self.names = UniqueNames(given.name for given in inputs)
        self.unknown_outputs: set[str] = set()
        """Nodes, and outputs of nodes, of unknown shape."""
        self.first_calls: dict[tuple[str, str], str] = {}
        """The node of a layer's first call, by the layer's path and the node's suffix."""
        self.in_order: dict[tuple[KerasTensor, bool], KerasTensor] = {}
        """Tensors in the other order of axes."""
        self.frozen: set[str] = set()
        self.steps = 0

    def step(self) -> None:
        """Count a call or a node.

        Raises:
            FormatError: there are more than MAX_STEPS.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise FormatError(f"more than {MAX_STEPS:,} calls and nodes, with nested models expanded")

    def type(self, x: KerasTensor) -> TensorType:
        """The type of a tensor, in Keras' order of axes."""
        found = self.writer.tensor_type(x.node)
        if not x.is_moved:
            return found
        batch, channels, *rest = found.shape
        return TensorType((batch, *rest, channels), found.dtype)

    def shape(self, x: KerasTensor) -> Shape:
        """The shape of a tensor, in Keras' order of axes."""
        return self.type(x).shape

    def axis(self, x: KerasTensor, axis: int) -> int:
        """The position in the Graph of an axis that Keras counts."""
        rank = len(self.shape(x))
        axis = resolve_axis(axis, rank)
        if not x.is_moved or axis == 0:
            return axis
        return 1 if axis == rank - 1 else axis + 1

    def add(self, call: KerasCall, op: Op, *inputs: str, suffix: str = "") -> str:
        """Write a node of a layer, called like it or `<its name>/<suffix>`, and return its name."""
        self.step()
        path = f"{call.path}/{suffix}" if suffix else call.path
        name = self.names.take(path)
        first = self.first_calls.setdefault((call.path, suffix), name)
        shapes = [self.writer.shape(each) for each in inputs]
        parameters: tuple[str, ...] = ()
        if op.has_weights:
            learned = [f"{first}.{tensor.role}" for tensor in op.parameters(*shapes)]
            kept = [f"{first}.{tensor.role}" for tensor in op.buffers(*shapes)]
            if not call.settings.flag("trainable", True):
                self.frozen.update(learned)
            parameters = () if first == name else (*learned, *kept)
        self.writer.write(Node(name, op, inputs, parameters))
        return name

    def stored(self, call: KerasCall, name: str, shape: Shape, kind: TensorKind = "parameter") -> str:
        """Write a tensor of a layer that nodes read."""
        return self.add(call, Stored(shape, tensor_kind=kind), suffix=name)

    def moved(self, x: KerasTensor) -> KerasTensor:
        """A tensor with its last axis after the batch."""
        return self._in_order(x, True)

    def unmoved(self, x: KerasTensor) -> KerasTensor:
        """A tensor in Keras' order."""
        return self._in_order(x, False)

    def _in_order(self, x: KerasTensor, is_moved: bool) -> KerasTensor:
        rank = len(self.writer.shape(x.node))
        if x.is_moved == is_moved or rank < 3:
            return x
        if (x, is_moved) not in self.in_order:
            dims = (0, rank - 1, *range(1, rank - 1)) if is_moved else (0, *range(2, rank), 1)
            name = self.names.take(f"{x.node}/channels_{'first' if is_moved else 'last'}")
            self.writer.write(Node(name, Permute(dims), (x.node,)))
            self.in_order[x, is_moved] = KerasTensor(name, is_moved)
        return self.in_order[x, is_moved]

    def aligned(self, call: KerasCall) -> list[KerasTensor]:
        """The inputs of a call in one order of axes, in which they can be combined element by element.

        Raises:
            FormatError: there are none.
        """
        inputs = [call.x, *call.inputs[1:]]
        ranks = {len(self.shape(x)) for x in inputs}
        if len(ranks) == 1 and any(x.is_moved for x in inputs):
            return [self.moved(x) for x in inputs]
        return [self.unmoved(x) for x in inputs]

    def chain(self, call: KerasCall, op: Callable[[], Op], inputs: Sequence[str]) -> str:
        """Combine tensors two by two."""
        x = inputs[0]
        for i, other in enumerate(inputs[1:], 1):
            x = self.add(call, op(), x, other, suffix="" if i == len(inputs) - 1 else str(i))
        return x

    def unknown(self, call: KerasCall, *, params_known: bool = False) -> list[KerasTensor]:
        """Write an Unknown; its outputs have the shapes in the configuration, or unknown ones."""
        has_map = any(x.is_moved for x in call.inputs)
        outputs: list[KerasTensor] = []
        types: list[TensorType] = []
        for given in call.types or (None,):
            is_moved = has_map and given is not None and len(given.shape) > 3
            if given is not None and is_moved:
                given = TensorType(moved_shape(given.shape), given.dtype)
            types.append(given or UNKNOWN_TYPE)
            outputs.append(KerasTensor("", is_moved))
        op = Unknown(call.layer.kind, tuple(types), params_known)
        names = output_names(self.add(call, op, *[x.node for x in call.inputs]), len(types))
        self.unknown_outputs.update(name for name, given in zip(names, types, strict=True) if given is UNKNOWN_TYPE)
        return [x._replace(node=name) for x, name in zip(outputs, names, strict=True)]


def moved_shape(shape: Shape) -> Shape:
    """A shape with the channels after the batch."""
    return (*shape[:1], *shape[-1:], *shape[1:-1])


KerasHandler = Callable[[KerasGraphBuilder, KerasCall], list[KerasTensor]]
"""Writes the nodes of a call and returns its outputs."""

Handlers = Mapping[str, KerasHandler]
"""By the class of the layer."""
