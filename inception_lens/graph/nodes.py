"""Calls, inputs and outputs of a graph, and the names of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import msgspec

from inception_lens.errors import GraphError, suggest
from inception_lens.ops import BYTES_PER_ELEMENT, Op, Parameter, Role, TensorType, is_minor

Mode = Literal["inference", "training"]
"""Whether a network predicts or is trained; in training it has auxiliary heads, and outputs for their losses."""


class Node(msgspec.Struct, frozen=True, gc=False):
    """One call: `op` applied to the outputs of the nodes or graph inputs that `inputs` names."""

    name: str
    """Its path, such as `inception_3a/5x5_reduce`; the part before the last `/` is its module."""
    op: Op
    """The operation."""
    inputs: tuple[str, ...]
    """Names of the tensors that it reads, which are nodes or graph inputs; a node's second output is `name:1`."""
    parameters: tuple[str, ...] = ()
    """Names of its parameters and buffers, in the order of `op.parameters` and `op.buffers`; calls that name the same
    tensor share it. Empty: tensors of its own, `<name>.<role>`."""
    dtype: str = ""
    """Dtype of its outputs, to which its inputs are cast first, as automatic mixed precision does, or in which products
    of integers are summed; empty: that of the operation's rule."""

    @property
    def role(self) -> Role:
        """The role of the operation, except that it is `merge` if the call rearranges or combines several tensors."""
        role, reads = self.op.role, len(set(self.inputs))
        if not reads:
            return "source"
        return "merge" if reads > 1 and role in ("finish", "layout") else role

    @property
    def is_minor(self) -> bool:
        """Whether the call is described with the layer that it follows: a norm, an activation, a view."""
        return is_minor(self.role, self.op.kind)


class Input(msgspec.Struct, frozen=True):
    """A tensor that the caller supplies."""

    name: str
    """Its name, as nodes read it."""
    type: TensorType
    """Its shape, batch first, and dtype."""


@runtime_checkable
class Shaped(Protocol):
    """An object with a shape, such as a tensor or an array."""

    @property
    def shape(self) -> Sequence[int]:
        """The sizes of its axes."""
        ...


Inputs = Sequence[object] | Mapping[str, object] | Shaped
"""The inputs of a network as a caller gives them: a shape or an object with a `.shape`, a sequence of those, or a
mapping by name. A PyTorch module takes other arguments among them too."""


class Output(msgspec.Struct, frozen=True):
    """A tensor that the caller receives."""

    node: str
    """The name of the tensor, as in `Node.inputs`."""
    loss_weight: float = 1.0
    """Weight of its loss in training."""


class Metadata(msgspec.Struct, frozen=True):
    """Name and origin of a network."""

    name: str = "network"
    """Short name, such as `googlenet`."""
    description: str = ""
    """One line on the network's origin: a paper, or the path of its file."""
    source: str = "python"
    """Kind of source that the graph was read from, such as `catalogue`, `config`, `pytorch`, `onnx` or `prototxt`."""
    note: str = ""
    """One sentence about what the graph does not show; empty if it shows the whole network."""


def output_name(node: str, i: int) -> str:
    """The name of output `i` of a node, counted from 0, as in `Node.inputs`."""
    return f"{node}:{i}" if i else node


def tensor_names(node: Node, tensors: Sequence[Parameter]) -> Sequence[str]:
    """Names of the parameters and buffers that a call reads: those of `Node.parameters`, or its own."""
    return node.parameters or [f"{node.name}.{tensor.role}" for tensor in tensors]


def check_dtype(dtype: str) -> None:
    """Check that a dtype is a key of `BYTES_PER_ELEMENT`.

    Raises:
        GraphError: it is not.
    """
    if dtype not in BYTES_PER_ELEMENT:
        raise GraphError(f"`{dtype}` is not a dtype{suggest(dtype, BYTES_PER_ELEMENT)}")


def output_names(node: str, count: int) -> tuple[str, ...]:
    """The names of a node's `count` outputs: `lstm`, `lstm:1`, `lstm:2`."""
    return (node, *[f"{node}:{i}" for i in range(1, count)])
