"""The one model of a network: calls of operations in topological order, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import msgspec

from inception_lens.errors import GraphError, ShapeError, suggest
from inception_lens.ops import (
    BYTES_PER_ELEMENT,
    Declared,
    Op,
    Parameter,
    Role,
    Shape,
    TensorType,
    Unknown,
    format_shape,
    is_minor,
)

Mode = Literal["inference", "training"]
"""Whether a network is run to answer or to learn; training keeps the auxiliary heads."""


class Node(msgspec.Struct, frozen=True, gc=False):
    """One call: `op` applied to the outputs of the nodes or graph inputs that `inputs` names."""

    name: str
    """Its path, `inception_3a/5x5_reduce`: what stands before the last `/` is the module that it belongs to."""
    op: Op
    inputs: tuple[str, ...]
    """Names of nodes or graph inputs; a node's second output is called `name:1`, its third `name:2`."""
    parameters: tuple[str, ...] = ()
    """Names of the tensors it reads, in the order of `op.parameters` and then `op.buffers`; two calls that name the
    same tensor share it. Empty: tensors of its own, `<name>.<role>`."""

    @property
    def role(self) -> Role:
        """What the call is to a layer: its operation's role, but what combines several tensors merges them."""
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
    type: TensorType


@runtime_checkable
class Shaped(Protocol):
    """An object with a shape, such as a tensor or an array."""

    @property
    def shape(self) -> Sequence[int]:
        """The sizes of its axes."""


Inputs = Sequence[object] | Mapping[str, object] | Shaped
"""The inputs of a network as a caller gives them: a shape or an object with a `.shape`, a sequence of those, or a
mapping by name. A PyTorch module takes other arguments among them too."""


class Output(msgspec.Struct, frozen=True):
    """A tensor that the caller receives: the node that makes it, and the weight of its loss in training."""

    node: str
    """The node's name, or `name:1` for its second output, as in `Node.inputs`."""
    loss_weight: float = 1.0


class Metadata(msgspec.Struct, frozen=True):
    """Name and origin of a network."""

    name: str = "network"
    """Short name, such as `googlenet`."""
    description: str = ""
    """One line on the network's origin: a paper, or the path of its file."""
    source: str = "python"
    """Kind of source that the graph was read from, such as `catalogue`, `config`, `pytorch`, `onnx` or `prototxt`."""


class GraphIndex(msgspec.Struct, frozen=True):
    """Lookups by name in a graph; a tensor is named as in `Node.inputs`."""

    nodes: dict[str, Node]
    """The node of each name, in the order of execution."""
    producer: dict[str, str]
    """For each tensor, the node or graph input that produces it: `lstm` for `lstm:1`, an input for itself."""
    position: dict[str, int]
    """For each tensor, the position of its producer in `Graph.nodes`; -1 for a graph input."""
    readers: dict[str, tuple[int, ...]]
    """For each node and graph input, the positions of the nodes that read any of its outputs, ascending. A node that
    reads it twice is listed twice; an output of the graph is not a reader."""

    @classmethod
    def of(cls, graph: Graph) -> GraphIndex:
        """Index a graph: one pass over its nodes."""
        producer = {given.name: given.name for given in graph.inputs}
        position = dict.fromkeys(producer, -1)
        readers: dict[str, list[int]] = {name: [] for name in producer}
        for i, node in enumerate(graph.nodes):
            for name in node.inputs:
                readers[producer[name]].append(i)
            readers[node.name] = []
            for output in output_names(node.name, len(graph.types[node.name])):
                producer[output], position[output] = node.name, i
        nodes = {node.name: node for node in graph.nodes}
        return cls(nodes, producer, position, {name: tuple(found) for name, found in readers.items()})

    def reads(self, node: Node) -> tuple[int, ...]:
        """The positions of the nodes that produce the inputs of `node`, in their order; -1 for a graph input."""
        return tuple([self.position[name] for name in node.inputs])


class Graph(msgspec.Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """A network. Made by a `Writer` or by `Graph.of`, which check it; two are equal when they compute the same.

    What people know it by does not count in the comparison.
    """

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    types: Mapping[str, tuple[TensorType, ...]]
    """Output types of every node and input, by name; those of `name:1` and so on stand under that name as well."""
    mode: Mode = "inference"
    dtype: str = "float32"
    """Of the parameters."""
    unused: tuple[Parameter, ...] = ()
    """Tensors that the model declares and no call reads; the role is the tensor's whole name."""
    frozen: frozenset[str] = frozenset()
    """Names of the parameters that training leaves as they are."""
    metadata: Metadata = Metadata()

    @classmethod
    def of(
        cls, inputs: Iterable[Input], nodes: Iterable[Node], outputs: Iterable[Output], mode: Mode = "inference"
    ) -> Graph:
        """Check the nodes and make them a Graph.

        Raises:
            GraphError: a name is used twice, or an input or output is not there.
            ShapeError: an operation cannot take the shapes that reach it.
        """
        writer = Writer(inputs)
        for node in nodes:
            writer.write(node)
        return writer.graph(outputs, mode)

    @property
    def name(self) -> str:
        """What people call the network."""
        return self.metadata.name

    def __getitem__(self, name: str) -> Node:
        """The node called `name`.

        Raises:
            KeyError: there is none.
        """
        return self.index.nodes[name]

    @cached_property
    def index(self) -> GraphIndex:
        """Lookups by name, built when they are first needed."""
        return GraphIndex.of(self)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{given.name} {format_shape(given.type.shape)}" for given in self.inputs)
        return f"<Graph {self.name!r} of {inputs}: {len(self.nodes)} nodes, {self.mode}>"

    if TYPE_CHECKING:  # attached by `lens.notebook`

        def _repr_svg_(self) -> str | None: ...

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self._identity == other._identity

    def __ne__(self, other: object) -> bool:
        return not self == other  # msgspec's own would compare identities

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[object, ...]:
        return (self.inputs, self.nodes, self.outputs, self.mode, self.dtype, self.unused, self.frozen)

    def input_types(self, node: Node) -> tuple[TensorType, ...]:
        """Types of the tensors that `node` reads."""
        return tuple([self.types[name][0] for name in node.inputs])

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """Shapes of the tensors that `node` reads."""
        return tuple([self.types[name][0].shape for name in node.inputs])

    def tensors(self, node: Node) -> tuple[tuple[str, Parameter], ...]:
        """The parameters and then the buffers that `node` reads, each with its name."""
        if not node.op.has_weights:
            return ()
        shapes = self.input_shapes(node)
        tensors = (*node.op.parameters(*shapes), *node.op.buffers(*shapes))
        return tuple(zip(tensor_names(node, tensors), tensors, strict=True))

    def with_inputs(self, types: Mapping[str, TensorType]) -> Graph:
        """The same network on inputs of other types, given by the inputs' names.

        Raises:
            GraphError: there is no such input; or the network cannot take the type, would need other weights for it, or
                has an operation whose output's shape nobody can tell.
        """
        if strange := set(types) - {given.name for given in self.inputs}:
            raise GraphError(f"`{self.name}` has no input `{min(strange)}`: {', '.join(i.name for i in self.inputs)}")
        inputs = tuple(Input(given.name, types.get(given.name, given.type)) for given in self.inputs)
        if inputs == self.inputs:
            return self
        changed = Graph.of(inputs, self.nodes, self.outputs)
        for node in self.nodes:
            if isinstance(node.op, Unknown | Declared):
                raise GraphError(f"nobody knows what `{node.name}` ({node.op.kind}) makes of another input")
            if node.op.has_weights:
                old, new = (node.op.parameters(*graph.input_shapes(node)) for graph in (self, changed))
                if old != new:
                    sizes = " and not ".join(format_shape(tensors[0].shape) for tensors in (new, old))
                    raise GraphError(f"on that input `{node.name}` would need weights of {sizes}")
        return msgspec.structs.replace(self, inputs=changed.inputs, types=changed.types)

    def with_batch(self, batch: int) -> Graph:
        """The same network on `batch` samples at once: the first axis of every input is set to it."""
        if batch < 1:
            raise GraphError(f"a batch of {batch}: it must hold at least 1 sample")
        return self.with_inputs(
            {i.name: TensorType((batch, *i.type.shape[1:]), i.type.dtype) for i in self.inputs if i.type.shape}
        )

    def with_dtype(self, dtype: str) -> Graph:
        """The same network with its parameters, and the inputs that are floating-point numbers, in `dtype`.

        Raises:
            GraphError: nobody knows how many bytes its elements take.
        """
        check_dtype(dtype)
        floating = {i.name: TensorType(i.type.shape, dtype) for i in self.inputs if "float" in i.type.dtype}
        return msgspec.structs.replace(self.with_inputs(floating), dtype=dtype)


class Writer:
    """Writes a graph call by call, checking each: what architectures and readers build with."""

    def __init__(self, inputs: Iterable[Input]) -> None:
        self._inputs = tuple(inputs)
        self._nodes: list[Node] = []
        self._types: dict[str, tuple[TensorType, ...]] = {}
        for given in self._inputs:
            if given.name in self._types:
                raise GraphError(f"two inputs are called `{given.name}`")
            if min(given.type.shape, default=1) < 1:
                raise GraphError(
                    f"input `{given.name}` is {format_shape(given.type.shape)}: every size must be at least 1"
                )
            check_dtype(given.type.dtype)
            self._types[given.name] = (given.type,)

    def tensor_type(self, name: str) -> TensorType:
        """Type of the node, the output or the input called `name`."""
        return self._types[name][0]

    def shape(self, name: str) -> Shape:
        """Shape of the first output of the node or input called `name`."""
        return self._types[name][0].shape

    def add(self, name: str, op: Op, *inputs: str, parameters: tuple[str, ...] = ()) -> str:
        """Write one call and return its name, to be an input of later ones.

        Raises:
            GraphError: the name is taken, or an input is not there yet.
            ShapeError: the operation cannot take these shapes.
        """
        return self.write(Node(name, op, inputs, parameters))

    def write(self, node: Node) -> str:
        """Write a node made elsewhere; as `add`."""
        name, types = node.name, self._types
        if name in types or not name:
            raise GraphError(f"two nodes are called `{name}`: give each its own name" if name else "a node has no name")
        try:
            given = node.inputs
            inputs = (types[given[0]][0],) if len(given) == 1 else tuple([types[each][0] for each in given])
        except KeyError as error:
            raise GraphError(f"`{name}` reads `{error.args[0]}`, which no earlier node or input is called") from None
        if not node.op.takes(len(given)):
            raise GraphError(f"`{name}` calls {node.op.kind} on {len(given)} inputs")
        try:
            outputs = node.op.output_types(inputs)
            for tensor in outputs:
                if min(tensor.shape, default=0) < 0:
                    raise ShapeError(f"it would make {format_shape(tensor.shape)}")
        except ShapeError as error:
            seen = ", ".join(
                f"`{each}` {format_shape(tensor.shape)}" for each, tensor in zip(given, inputs, strict=True)
            )
            raise ShapeError(f"`{name}` ({node.op.label} of {seen}): {error}") from None
        types[name] = outputs
        for i in range(1, len(outputs)):
            if output_name(name, i) in types:
                raise GraphError(f"`{output_name(name, i)}` is a node, and an output of `{name}`")
            types[output_name(name, i)] = (outputs[i],)
        self._nodes.append(node)
        return name

    def graph(self, outputs: Iterable[Output], mode: Mode = "inference", metadata: Metadata | None = None) -> Graph:
        """The graph written so far.

        Raises:
            GraphError: an output is not there, or two calls disagree about a tensor that they share.
        """
        outputs = tuple(outputs)
        if not outputs or not self._nodes:
            raise GraphError("a network makes at least one call and has at least one output")
        for output in outputs:
            if output.node not in self._types:
                raise GraphError(f"the output `{output.node}` is no node")
        self._check_shared_tensors()
        nodes = tuple(self._nodes)
        return Graph(
            inputs=self._inputs,
            nodes=nodes,
            outputs=outputs,
            types=dict(self._types),
            mode=mode,
            metadata=metadata or Metadata(),
        )

    def _check_shared_tensors(self) -> None:
        if not any(node.parameters for node in self._nodes):
            return
        shapes: dict[str, Shape] = {}
        for node in self._nodes:
            given = [self.shape(name) for name in node.inputs]
            tensors = (*node.op.parameters(*given), *node.op.buffers(*given))
            if node.parameters and len(tensors) != len(node.parameters):
                raise GraphError(f"`{node.name}` names {len(node.parameters)} tensors, but reads {len(tensors)}")
            for name, tensor in zip(tensor_names(node, tensors), tensors, strict=True):
                if shapes.setdefault(name, tensor.shape) != tensor.shape:
                    raise GraphError(
                        f"`{node.name}` reads `{name}` as {format_shape(tensor.shape)}, "
                        f"an earlier node as {format_shape(shapes[name])}"
                    )


def tensor_names(node: Node, tensors: Sequence[Parameter]) -> Sequence[str]:
    """Names of the parameters and then the buffers that a call reads: those it shares, or its own."""
    return node.parameters or [f"{node.name}.{tensor.role}" for tensor in tensors]


def output_name(node: str, i: int) -> str:
    """What inputs call output number `i` of a node, the first being 0."""
    return f"{node}:{i}" if i else node


def output_names(node: str, count: int) -> tuple[str, ...]:
    """The names of a node's `count` outputs: `lstm`, `lstm:1`, `lstm:2`."""
    return (node, *[f"{node}:{i}" for i in range(1, count)])


def check_dtype(dtype: str) -> None:
    """Raise a GraphError unless it is known how many bytes an element of `dtype` takes."""
    if dtype not in BYTES_PER_ELEMENT:
        raise GraphError(f"`{dtype}` is no dtype{suggest(dtype, BYTES_PER_ELEMENT)}")
