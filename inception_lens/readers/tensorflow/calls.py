"""Calls of a GraphDef while it is read, and the order of their tensors' axes.

TensorFlow's maps have their channels last by default. The Graph has them after the batch, as all networks here, and a
tensor records which order it is in. A call that depends on the order reads a Permute of it, where it needs one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import NamedTuple

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import Shape, TensorType
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder
from inception_lens.readers.onnx.values import Attribute, OnnxValue, known_value
from inception_lens.readers.operators import call_operator, unknown_operator
from inception_lens.readers.shapes import resolve_axis
from inception_lens.readers.tensorflow.nodes import GraphDefNode


def channels_first(rank: int) -> tuple[int, ...]:
    """For each axis of a map with its channels after the batch, the axis of TensorFlow's."""
    return (0, rank - 1, *range(1, rank - 1))


def channels_last(rank: int) -> tuple[int, ...]:
    """For each axis of TensorFlow's map, the axis of one with its channels after the batch."""
    return (0, *range(2, rank), 1)


class TensorFlowValue(NamedTuple):
    """A tensor of the GraphDef."""

    value: OnnxValue
    is_moved: bool = False
    """Whether its channels, which are last for TensorFlow, are after the batch in the Graph."""

    @property
    def shape(self) -> Shape:
        """The shape for TensorFlow; only of values of known type."""
        sizes = self.value.shape
        return tuple(sizes[axis] for axis in channels_last(len(sizes))) if self.is_moved else sizes

    def axis(self, axis: int) -> int:
        """The axis in the Graph of one of TensorFlow's, which may be negative.

        Raises:
            FormatError: there is no such axis.
        """
        rank = len(self.value.shape)
        resolved = resolve_axis(axis, rank)
        return channels_last(rank)[resolved] if self.is_moved else resolved


class GraphDefCall(NamedTuple):
    """A call with its inputs."""

    builder: OnnxGraphBuilder
    node: GraphDefNode
    inputs: tuple[TensorFlowValue | None, ...]
    """None for one that is left out."""
    reads: int
    """How often the first output is read."""
    outputs: int
    """Outputs up to the last one that is read."""

    def input(self, i: int) -> TensorFlowValue:
        """Input number `i`.

        Raises:
            FormatError: there is none.
        """
        value = self.inputs[i] if i < len(self.inputs) else None
        if value is None:
            raise FormatError(f"input {i} is missing")
        return value

    def values(self) -> list[TensorFlowValue]:
        """The inputs that are there."""
        return [each for each in self.inputs if each is not None]

    def integers(self, i: int) -> list[int] | None:
        """Input number `i` as integers; None where they are known only at run time."""
        array = self.input(i).value.array
        return None if array is None or array.dtype.kind not in "iu" else [int(each) for each in array.reshape(-1)]

    def run(
        self,
        op: str,
        *inputs: OnnxValue | None,
        suffix: str = "",
        outputs: int = 1,
        reads: int = 2,
        more: Mapping[str, Attribute] | None = None,
        **attributes: Attribute,
    ) -> list[OnnxValue]:
        """The outputs of an operator of ONNX with `attributes` and `more`.

        Its nodes are called like this call or `<name>/<suffix>`.
        """
        name = f"{self.node.name}/{suffix}" if suffix else self.node.name
        return call_operator(
            self.builder, op, name, inputs, {**attributes, **(more or {})}, outputs=outputs, reads=reads
        )

    def move(self, x: OnnxValue, order: Sequence[int], suffix: str) -> OnnxValue:
        """A tensor with its axes in another order; a weight stays a weight."""
        if tuple(order) == tuple(range(len(order))):
            return x
        return self.run("Transpose", x, suffix=suffix, perm=list(order))[0]

    def moved(self, i: int) -> OnnxValue:
        """Input number `i` with the channels after the batch, which are last for TensorFlow."""
        x = self.input(i)
        return x.value if x.is_moved else self.move(x.value, channels_first(len(x.value.shape)), "channels_first")

    def vector(self, x: OnnxValue) -> OnnxValue:
        """A tensor of one axis; a weight stays a weight, also one that is known to be constant."""
        kind = TensorType((prod(x.shape),), x.dtype)
        if x.is_weight:
            return msgspec.structs.replace(x, type=kind, array=None)
        return self.run("Reshape", x, suffix="reshape", shape=list(kind.shape))[0]

    def as_is(self, x: TensorFlowValue) -> OnnxValue:
        """An input with TensorFlow's order of axes."""
        return self.move(x.value, channels_last(len(x.value.shape)), "channels_last") if x.is_moved else x.value

    def unknown(self) -> list[TensorFlowValue]:
        """An operation without a rule."""
        inputs = [self.as_is(x) if x.value.type else x.value for x in self.values()]
        types = self.node.output_types(self.outputs)
        return plain(unknown_operator(self.builder, self.node.op, self.node.name, inputs, types))


def plain(values: Sequence[OnnxValue]) -> list[TensorFlowValue]:
    """Tensors with TensorFlow's order of axes."""
    return [TensorFlowValue(value) for value in values]


def like(x: TensorFlowValue, values: Sequence[OnnxValue]) -> list[TensorFlowValue]:
    """Tensors with the order of axes of another."""
    return [TensorFlowValue(value, x.is_moved) for value in values]


def known(numbers: object, dtype: str = "int64") -> TensorFlowValue:
    """A tensor that is known while reading."""
    import numpy as np

    return TensorFlowValue(known_value(np.array(numbers, dtype)))


GraphDefHandler = Callable[[GraphDefCall], list[TensorFlowValue]]
"""Writes the nodes of a call and returns its outputs."""
