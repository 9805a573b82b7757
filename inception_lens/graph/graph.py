"""The model of a network: calls of operations in topological order, checked on construction."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from inception_lens.errors import GraphError, suggest
from inception_lens.graph.facts import CallFacts, infer
from inception_lens.graph.index import GraphIndex
from inception_lens.graph.nodes import (
    Input,
    Metadata,
    Mode,
    Node,
    Output,
    check_dtype,
    output_name,
    output_names,
    tensor_names,
)
from inception_lens.graph.other_inputs import check_batch, check_other_inputs
from inception_lens.graph.repeats import Repeats, WrittenBlock
from inception_lens.ops import (
    Op,
    Parameter,
    Shape,
    TensorType,
    format_shape,
)


class Graph(msgspec.Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """A network. `Writer` and `Graph.of` build it and check it; two are equal if all but their metadata are."""

    inputs: tuple[Input, ...]
    """Tensors that the caller supplies."""
    nodes: tuple[Node, ...]
    """Calls in topological order, which is the order of execution."""
    outputs: tuple[Output, ...]
    """Tensors that the caller receives: the main output, then those of auxiliary heads."""
    types: Mapping[str, tuple[TensorType, ...]]
    """Types of all outputs of each node and of each input, by name; `name:1` has an entry of its own too."""
    facts: tuple[CallFacts, ...]
    """Of each node, in their order; nodes that call the same operation on the same types share one."""
    mode: Mode = "inference"
    """Whether the graph is that of a prediction or of training."""
    dtype: str = "float32"
    """Dtype of the parameters."""
    dtypes: Mapping[str, str] = {}
    """Dtypes of the parameters and buffers that have another than `dtype`, by name; also those of packed weights."""
    unused: tuple[Parameter, ...] = ()
    """Tensors that the model declares and no call reads; their role is their whole name."""
    frozen: frozenset[str] = frozenset()
    """Names of the parameters that training does not change."""
    kept: frozenset[str] = frozenset()
    """Names of the tensors that are parameters of operations and buffers of the model, such as a fixed blur kernel of a
    convolution: they count as buffers. They are also among `frozen`."""
    detached: frozenset[str] = frozenset()
    """Names of the tensors of which a training step computes no gradient although they depend on trained parameters."""
    nonzero: Mapping[str, int] = {}
    """Non-zero elements of each parameter of a pruned model, by its name; empty for other models. Not compared."""
    metadata: Metadata = Metadata()
    """Name and origin; not compared."""

    @classmethod
    def of(
        cls, inputs: Iterable[Input], nodes: Iterable[Node], outputs: Iterable[Output], mode: Mode = "inference"
    ) -> Graph:
        """Build a graph from nodes in topological order.

        Raises:
            GraphError: a name is used twice, an input or output does not exist, or two calls read a shared tensor in
                different shapes.
            ShapeError: an operation cannot take the shapes of its inputs.
        """
        writer = Writer(inputs)
        for node in nodes:
            writer.write(node)
        return writer.graph(outputs, mode)

    @property
    def name(self) -> str:
        """Short name of the network."""
        return self.metadata.name

    def __getitem__(self, name: str) -> Node:
        """The node called `name`.

        Raises:
            KeyError: there is no such node.
        """
        return self.index.nodes[name]

    @cached_property
    def index(self) -> GraphIndex:
        """Lookups by name, built when they are first needed."""
        return GraphIndex.of(self.inputs, self.nodes, self.types)

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
        dtypes = frozenset(self.dtypes.items())
        return (
            self.inputs, self.nodes, self.outputs, self.mode, self.dtype, dtypes, self.unused, self.frozen, self.kept,
            self.detached,
        )  # fmt: skip

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
        facts = self.facts[self.index.position[node.name]]
        tensors = (*facts.parameters, *facts.buffers)
        return tuple(zip(tensor_names(node, tensors), tensors, strict=True))

    def with_inputs(self, types: Mapping[str, TensorType]) -> Graph:
        """The same network on inputs of other types, by the inputs' names.

        Raises:
            GraphError: an input does not exist; the network would need other weights for these types; or a shape in it
                is unknown for them.
            ShapeError: an operation cannot take the shapes of its inputs.
        """
        names = [given.name for given in self.inputs]
        if unknown := set(types).difference(names):
            raise GraphError(f"`{self.name}` has no input `{min(unknown)}`{suggest(min(unknown), names)}")
        inputs = tuple(Input(given.name, types.get(given.name, given.type)) for given in self.inputs)
        if inputs == self.inputs:
            return self
        changed = Graph.of(inputs, self.nodes, self.outputs)
        check_other_inputs(self.nodes, self.facts, changed.facts, self.index.independent)
        return msgspec.structs.replace(self, inputs=changed.inputs, types=changed.types, facts=changed.facts)

    def with_batch(self, batch: int) -> Graph:
        """The same network with `batch` as the first axis of every input.

        The graph of a traced model does not hold what the model's code decides by the batch, such as a loop over the
        samples that ran once.

        Raises:
            GraphError: it is less than 1; or as `with_inputs`.
        """
        if batch < 1:
            raise GraphError(f"a batch of {batch}: expected at least 1 sample")
        batched = [given for given in self.inputs if given.type.shape]
        for size in {given.type.shape[0] for given in batched} - {batch}:
            check_batch(self.nodes, self.facts, self.index.independent, size)
        return self.with_inputs(
            {given.name: TensorType((batch, *given.type.shape[1:]), given.type.dtype) for given in batched}
        )

    def with_dtype(self, dtype: str) -> Graph:
        """The same network with parameters and floating-point inputs of `dtype`.

        Raises:
            GraphError: it is not a key of `BYTES_PER_ELEMENT`; or as `with_inputs`.
        """
        check_dtype(dtype)
        floating = {i.name: TensorType(i.type.shape, dtype) for i in self.inputs if "float" in i.type.dtype}
        others = {name: each for name, each in self.dtypes.items() if "float" not in each}
        return msgspec.structs.replace(self.with_inputs(floating), dtype=dtype, dtypes=others)


class Writer:
    """The builder of graphs: adds calls one by one, infers their output types and checks each.

    `add` returns the name of the new node, which later calls take as an input:

        writer = Writer([Input("x", TensorType((1, 3, 224, 224)))])
        x = writer.add("conv", Conv2d(64, (7, 7), (2, 2), (3, 3)), "x")
        graph = writer.graph([Output(writer.add("relu", ReLU(), x))])
    """

    def __init__(self, inputs: Iterable[Input]) -> None:
        """Start a graph.

        Raises:
            GraphError: two inputs have the same name, a size is less than 1, or a dtype is unknown.
        """
        self._inputs = tuple(inputs)
        self._nodes: list[Node] = []
        self._facts: list[CallFacts] = []
        self._known: dict[object, CallFacts] = {}
        """The facts of each operation on each combination of input types, so that equal calls are inferred once."""
        self._repeats = Repeats()
        self._names_tensors = False
        """Whether a call names its tensors, so that they have to be checked for equal shapes."""
        self._types: MutableMapping[str, tuple[TensorType, ...]] = {}
        for given in self._inputs:
            if given.name in self._types:
                raise GraphError(f"two inputs are called `{given.name}`; expected different names")
            if min(given.type.shape, default=1) < 1:
                raise GraphError(
                    f"input `{given.name}` is {format_shape(given.type.shape)}: every size must be at least 1"
                )
            check_dtype(given.type.dtype)
            self._types[given.name] = (given.type,)

    def tensor_type(self, name: str) -> TensorType:
        """Type of a tensor, named as in `Node.inputs`."""
        return self._types[name][0]

    def shape(self, name: str) -> Shape:
        """Shape of a tensor, named as in `Node.inputs`."""
        return self._types[name][0].shape

    def add(self, name: str, op: Op, *inputs: str, parameters: tuple[str, ...] = ()) -> str:
        """Add one call and return its name.

        Args:
            name: the name of the node.
            op: the operation.
            inputs: names of the tensors that it reads, as in `Node.inputs`.
            parameters: as `Node.parameters`.

        Raises:
            GraphError: the name is empty or taken, an input does not exist yet, or the operation does not accept this
                number of inputs.
            ShapeError: the operation cannot take the shapes of its inputs.
        """
        if parameters:
            self._names_tensors = True
        return self._append(name, op, inputs, Node(name, op, inputs, parameters))

    def write(self, node: Node) -> str:
        """Add an existing node; as `add`."""
        if node.parameters:
            self._names_tensors = True
        return self._append(node.name, node.op, node.inputs, node)

    def branch(self) -> Writer:
        """A writer of calls that can read all tensors so far; `include` adds them to this graph."""
        branch = Writer(())
        branch._types, branch._known = ChainMap({}, self._types), self._known
        return branch

    def include(self, branch: Writer) -> None:
        """Add the calls of a branch; as `add`."""
        for node in branch._nodes:
            self.write(node)

    def calls(self) -> Iterator[tuple[Node, CallFacts]]:
        """The calls so far, without those of branches, each with its facts."""
        return zip(self._nodes, self._facts, strict=True)

    def __len__(self) -> int:
        """The number of calls so far."""
        return len(self._nodes)

    def truncate(self, calls: int) -> list[str]:
        """Remove all calls but the first `calls`, and return the names of those that are removed."""
        removed = self._nodes[calls:]
        for node in removed:
            for name in output_names(node.name, len(self._types[node.name])):
                del self._types[name]
        del self._nodes[calls:], self._facts[calls:]
        return [node.name for node in removed]

    def block(self, key: object, name: str, x: str, write: Callable[[], str]) -> str:
        """Add a block of nodes whose names begin with its name, and return the name of its output.

        Args:
            key: everything that decides what the block is, apart from its name and its input.
            name: the name of the block.
            x: the name of its input.
            write: adds its nodes, which read `x` and each other, and returns the name of its output. It is not called
                for a block that is equal to an earlier one on an input of the same type: that one is copied.
        """
        place = key, self._types[x]
        found = self._repeats.find(place, self._nodes, self._facts)
        if found is not None:
            nodes = found.nodes(name, x)
            names = [node.name for node in nodes]
            if self._types.keys().isdisjoint(names):  # otherwise `write` raises the error
                self._types.update(zip(names, found.outputs, strict=True))
                self._nodes += nodes
                self._facts += found.facts
                return names[found.last]
        first, last = len(self._nodes), write()
        self._repeats.add(place, WrittenBlock(name, x, first, len(self._nodes), last))
        return last

    def _append(self, name: str, op: Op, inputs: tuple[str, ...], node: Node) -> str:
        """Add a node whose fields are at hand: this runs once per node, so that each look-up shows in the total."""
        types = self._types
        if name in types or not name:
            raise GraphError(f"two nodes are called `{name}`: give each its own name" if name else "a node has no name")
        try:
            key: tuple[object, ...]
            if len(inputs) == 1:
                key = (op, types[inputs[0]], node.dtype)
            else:
                key = (op, *[types[each] for each in inputs], node.dtype)
        except KeyError as error:
            raise GraphError(f"`{name}` reads `{error.args[0]}`, which is not an earlier node or an input") from None
        facts = self._known.get(key)
        if facts is None:
            facts = self._known[key] = infer(node, tuple([types[each][0] for each in inputs]))
        types[name] = outputs = facts.outputs
        if len(outputs) > 1:
            self._name_outputs(name, outputs)
        self._nodes.append(node)
        self._facts.append(facts)
        return name

    def _name_outputs(self, name: str, outputs: tuple[TensorType, ...]) -> None:
        for i in range(1, len(outputs)):
            output = output_name(name, i)
            if output in self._types:
                raise GraphError(f"`{output}` is a node, and an output of `{name}`")
            self._types[output] = (outputs[i],)

    def graph(self, outputs: Iterable[Output], mode: Mode = "inference", metadata: Metadata | None = None) -> Graph:
        """The graph of the calls so far.

        Raises:
            GraphError: there is no call or no output, an output does not exist, or two calls read a shared tensor in
                different shapes.
        """
        outputs = tuple(outputs)
        if not outputs or not self._nodes:
            raise GraphError("a network needs at least one call and one output")
        for output in outputs:
            if output.node not in self._types:
                raise GraphError(f"graph output `{output.node}` is not a node")
        self._check_shared_tensors()
        types = self._types if isinstance(self._types, dict) else dict(self._types)
        self._types = ChainMap({}, types)  # the graph has the dictionary itself; later calls are added to another
        return Graph(
            inputs=self._inputs,
            nodes=tuple(self._nodes),
            outputs=outputs,
            types=types,
            facts=tuple(self._facts),
            mode=mode,
            metadata=metadata or Metadata(),
        )

    def _check_shared_tensors(self) -> None:
        if not self._names_tensors:
            return
        shapes: dict[str, Shape] = {}
        for node, facts in zip(self._nodes, self._facts, strict=True):
            tensors = (*facts.parameters, *facts.buffers)
            if node.parameters and len(tensors) != len(node.parameters):
                raise GraphError(f"`{node.name}` names {len(node.parameters)} tensors, but reads {len(tensors)}")
            for name, tensor in zip(tensor_names(node, tensors), tensors, strict=True):
                if shapes.setdefault(name, tensor.shape) != tensor.shape:
                    raise GraphError(
                        f"`{node.name}` reads `{name}` as {format_shape(tensor.shape)}, "
                        f"an earlier node as {format_shape(shapes[name])}"
                    )
