"""The Graph of an ONNX model while it is read."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Input, Node, Writer, output_name, output_names, tensor_names
from inception_lens.ops import ELEMENTS_PER_BYTE, Declared, Op, Parameter, Shape, Stored, TensorType, Unknown
from inception_lens.ops.special import TensorKind
from inception_lens.readers.names import UniqueNames
from inception_lens.readers.onnx.inference import WITHOUT_MACS, infer_types
from inception_lens.readers.onnx.protos import constant
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue
from inception_lens.readers.shapes import UNKNOWN_TYPE

MAX_STEPS = 100_000
"""Calls that are read, with functions and loops expanded, and nodes that are written."""


class BranchContents(NamedTuple):
    """What the nodes of a branch read."""

    inputs: tuple[str, ...]
    """Tensors of the graph around it."""
    parameters: tuple[Parameter, ...]
    """Learned tensors, whose roles are their whole names."""
    buffers: tuple[Parameter, ...]
    """Buffers, likewise."""
    is_complete: bool
    """Whether these are all that the graphs of the branch read."""


NO_CONTENTS = BranchContents((), (), (), True)
"""Of a call without graphs in its attributes."""


class StepCounter:
    """The number of calls and nodes so far."""

    def __init__(self) -> None:
        self.count = 0

    @property
    def left(self) -> int:
        """How many more are allowed."""
        return MAX_STEPS - self.count

    def take(self) -> None:
        """Count one.

        Raises:
            FormatError: there are more than MAX_STEPS.
        """
        self.count += 1
        if self.count > MAX_STEPS:
            raise FormatError(f"more than {MAX_STEPS:,} calls and nodes, with functions and loops expanded")


class OnnxGraphBuilder:
    """Writes nodes, and decides for each weight which node owns it."""

    def __init__(self, inputs: Sequence[Input], kinds: Mapping[str, TensorKind], constant_weights: bool) -> None:
        """Start with the inputs.

        Args:
            inputs: of the graph.
            kinds: those of tensors that the exporter recorded.
            constant_weights: whether the weights are Constants, which then are read as initializers are.
        """
        self.kinds, self.constant_weights = dict(kinds), constant_weights
        self.constants: list[OnnxValue] = []
        """The Constants that are read so far."""
        self.writer = Writer(inputs)
        self.names = UniqueNames(given.name for given in inputs)
        self.stored: dict[tuple[str, Shape], str] = {}
        """Nodes of weights and constants that are read as tensors, by name and shape."""
        self.owned_shapes: dict[str, Shape] = {}
        """The shape in which each weight was read first: a reading in another shape must not count it again."""
        self.dtypes: dict[str, str] = {}
        """The dtypes in which the file stores the weights that layers own, by name."""
        self.scaled: set[str] = set()
        """Nodes of quantized models: scales, and sums of products of integers. A tensor that multiplies one of them
        is a scale, and not a parameter."""
        self.steps = StepCounter()

    def branch(self) -> OnnxGraphBuilder:
        """A builder of nodes that can read all values so far; `include` adds them to the graph."""
        branch = copy.copy(self)
        branch.writer, branch.stored = self.writer.branch(), dict(self.stored)
        branch.owned_shapes = dict(self.owned_shapes)
        return branch

    def include(self, branch: OnnxGraphBuilder) -> None:
        """Add the nodes of a branch."""
        self.writer.include(branch.writer)
        self.stored, self.owned_shapes = branch.stored, branch.owned_shapes

    def settle(self, values: Iterable[OnnxValue | None]) -> None:
        """Write the pending nodes of values of this branch, which others may read later."""
        for value in values:
            if value is not None and value.pending is not None:
                self.node(value)
            self.settle((value and value.items) or ())

    def add(self, name: str, op: Op, *inputs: str, parameters: tuple[str, ...] = (), dtype: str = "") -> OnnxValue:
        """Write a node and return its first output; its name gets a number where it is taken.

        A `dtype` is that of its outputs, where it is not that of its first input.

        Raises:
            FormatError: there are more than MAX_STEPS nodes.
            GraphError: the operation cannot take these inputs.
        """
        self.steps.take()
        name = self.names.take(re.sub(r":(?=\d+$)", "_", name) or "node")  # `name:1` would be a second output
        if parameters:
            shapes = [self.writer.shape(each) for each in inputs]
            roles = [tensor.role for tensor in (*op.parameters(*shapes), *op.buffers(*shapes))]
            parameters = () if parameters == tuple(f"{name}.{role}" for role in roles) else parameters
        self.writer.write(Node(name, op, inputs, parameters, dtype))
        if dtype == "int32":
            self.scaled.add(name)
        return self.value(name)

    def constant(self, call: OnnxCall) -> list[OnnxValue]:
        """The output of a Constant."""
        self.constants.append(constant(call, is_initializer=self.constant_weights))
        return self.constants[-1:]

    def value(self, node: str) -> OnnxValue:
        """The value of a node's output or an input."""
        return OnnxValue(self.writer.tensor_type(node), node=node)

    def outputs(self, value: OnnxValue, count: int) -> list[OnnxValue]:
        """The first `count` outputs of the node that produces `value`."""
        return [value, *(self.value(output_name(value.node, i)) for i in range(1, count))]

    def node(self, value: OnnxValue) -> str:
        """The node that produces a value; for a weight or a constant it is written on first use."""
        if value.node:
            return value.node
        if value.pending is not None:
            return value.pending.write()
        if value.items is not None:
            return self.add("sequence", Declared("sequence", (UNKNOWN_TYPE,), view=True), *self.nodes(value.items)).node
        name = value.weight or "constant"
        key = (name if value.weight else f"constant {len(self.stored)}", value.shape)
        if key not in self.stored:
            kind = self.tensor_kind(value)
            path = name.replace(".", "/")  # the path of its module
            parameters = (name,) if kind != "constant" else ()
            self.stored[key] = self.add(path, Stored(value.shape, value.dtype, kind), parameters=parameters).node
        return self.stored[key]

    def nodes(self, values: Sequence[OnnxValue]) -> list[str]:
        """The nodes that produce the values."""
        return [self.node(value) for value in values]

    def output_nodes(self, values: Sequence[OnnxValue]) -> list[str]:
        """The nodes of the graph's outputs; an identity, where the outputs are its inputs and it has no other node."""
        nodes = self.nodes(values)
        if next(self.writer.calls(), None) is not None:
            return nodes
        types = [(node, self.writer.tensor_type(node)) for node in nodes]
        return [self.add("identity", Declared("Identity", (kind,), view=True), node).node for node, kind in types]

    def tensor_kind(self, value: OnnxValue) -> TensorKind:
        """The kind of a tensor that is read as such, and not as the weight of a layer.

        It is what the exporter recorded. Otherwise it is a parameter if it is an initializer of several floating-point
        numbers: integers are indices, single numbers are factors, zeros and large negative numbers are masks, and
        Constants are written in the source, unless the file has its weights there. A second reading in another shape is
        a constant, so that it counts once.
        """
        recorded = self.kinds.get(value.weight)
        is_constant = recorded == "constant" if recorded else _is_mask(value)
        if is_constant or not (value.may_be_learned and value.is_real):
            return "constant"
        return (recorded or "parameter") if self.owns(value, value.shape) else "constant"

    def owns(self, value: OnnxValue, shape: Shape) -> bool:
        """Whether a layer may have the weight in `shape` as its own: nothing before read it in another shape."""
        if not value.is_weight or self.owned_shapes.setdefault(value.weight, shape) != shape:
            return False
        self.dtypes[value.weight] = value.stored_dtype
        return True

    def add_layer(self, call: OnnxCall, op: Op, x: OnnxValue, weights: Sequence[tuple[OnnxValue, Shape]]) -> OnnxValue:
        """Write a layer that owns the weights, each in the given shape.

        Where a weight is computed by the model or owned in another shape, the layer is an operation of the same cost
        that reads its weights as inputs.
        """
        node = self.node(x)
        if all(self.owns(value, shape) for value, shape in weights):
            parameters = tuple(value.weight for value, _ in weights)
            return self.add(call.name, op, node, parameters=parameters, dtype=call.dtype)
        for value, _ in weights:
            if value.is_weight:  # also of zeros, as biases often are
                self.kinds.setdefault(value.weight, "parameter")
        inputs = [node, *self.nodes([value for value, _ in weights])]
        return self.add_with_inputs(call.name, op, x, inputs, call.dtype)

    def add_with_inputs(self, name: str, op: Op, x: OnnxValue, inputs: Sequence[str], dtype: str = "") -> OnnxValue:
        """Write an operation with the cost of the layer `op` of `x`, and all its tensors as inputs."""
        types = op.output_types((TensorType(x.shape, x.dtype),))
        macs = op.macs((x.shape,), types[0].shape) or 0
        flops = op.extra_flops((x.shape,), types[0].shape) or 0
        return self.add(name, Declared(op.kind, types, macs, flops), *inputs, dtype=dtype)

    def other_dtypes(self, graph: Graph, dtype: str) -> dict[str, str]:
        """The dtypes of the graph's weights that are stored in another one than `dtype`, by name."""
        others = {name: each for name, each in self.dtypes.items() if each != dtype}
        read = {name for node in graph.nodes for name, _ in graph.tensors(node)} if others else set()
        return {name: each for name, each in others.items() if name in read}

    def unknown(
        self,
        call: OnnxCall,
        types: Sequence[TensorType | None] = (),
        branch: OnnxGraphBuilder | None = None,
        *,
        is_complete: bool = True,
    ) -> list[OnnxValue]:
        """Write an Unknown.

        Args:
            call: the call.
            types: of its outputs, as far as they are known; otherwise they are those that the file declares.
            branch: with the nodes of the graphs in its attributes.
            is_complete: whether the branch has all of them.
        """
        contents = NO_CONTENTS if branch is None else branch.contents()
        if branch is not None:
            self.owned_shapes = branch.owned_shapes
        types = self.output_types(call, types) or [None]
        inputs = self.nodes([value for value in call.present_inputs() if is_tensor(value)])
        is_complete = is_complete and contents.is_complete and (branch is not None or not call.has_graphs)
        params_known = is_complete and not any(_may_be_quantized(value) for value in call.present_inputs())
        declared = tuple(each or UNKNOWN_TYPE for each in types)
        op: Op = Unknown(call.op, declared, params_known, contents.parameters, contents.buffers)
        if _cannot_multiply(call) and params_known:
            op = Declared(call.op, declared, declared_flops=None)
        names = tuple(each.role for each in (*contents.parameters, *contents.buffers))
        node = self.add(call.name, op, *dict.fromkeys((*inputs, *contents.inputs)), parameters=names)
        outputs = self.outputs(node, len(types))
        return [
            output if known else OnnxValue(None, node=output.node) for output, known in zip(outputs, types, strict=True)
        ]

    def output_types(self, call: OnnxCall, known: Sequence[TensorType | None] = ()) -> list[TensorType | None]:
        """The types of a call's outputs: those that are known, that can be inferred, or that the file declares."""
        return [one or two or three for one, two, three in zip_longest(known, infer_types(call), call.declared)]

    def further_output(self, call: OnnxCall, i: int, first: OnnxValue) -> OnnxValue:
        """Write output `i` of a call whose rule has only the first ones."""
        kind = self.output_types(call)[i]
        types = (kind or UNKNOWN_TYPE,)
        op = Declared(call.op, types, declared_flops=None) if _cannot_multiply(call) else Unknown(call.op, types)
        return OnnxValue(kind, node=self.add(f"{call.name}/output_{i}", op, self.node(first)).node)

    def contents(self) -> BranchContents:
        """What the nodes of this branch read."""
        is_complete = True
        names: set[str] = set()
        inputs: dict[str, None] = {}
        parameters: dict[str, Parameter] = {}
        buffers: dict[str, Parameter] = {}
        for node, facts in self.writer.calls():
            names.update(output_names(node.name, len(facts.outputs)))
            inputs |= dict.fromkeys(name for name in node.inputs if name not in names)
            tensors = (*facts.parameters, *facts.buffers)
            for i, (name, tensor) in enumerate(zip(tensor_names(node, tensors), tensors, strict=True)):
                kept = parameters if i < len(facts.parameters) else buffers
                kept[name] = Parameter(name, tensor.shape)
            is_complete &= facts.params_known
        return BranchContents(tuple(inputs), tuple(parameters.values()), tuple(buffers.values()), is_complete)


def _cannot_multiply(call: OnnxCall) -> bool:
    return call.op in WITHOUT_MACS and call.proto is not None and call.proto.domain in ("", "ai.onnx")


def is_tensor(value: OnnxValue) -> bool:
    """Whether an operation reads the value as a tensor, and not as a parameter such as an index."""
    is_computed = bool(value.node) or value.pending is not None or value.items is not None
    return is_computed or (value.is_weight and not value.constant)


def _may_be_quantized(value: OnnxValue) -> bool:
    """Whether the value may be a quantized weight, with any number of elements in its bytes."""
    is_bytes = value.stored_dtype in ("int8", "uint8") or value.stored_dtype in ELEMENTS_PER_BYTE
    return value.is_weight and is_bytes and value.scalar is None


def _is_mask(value: OnnxValue) -> bool:
    if value.array is None or value.quantized:
        return False
    return bool(((value.array == 0) | (value.array <= -1e4)).all())


OnnxHandler = Callable[[OnnxGraphBuilder, OnnxCall], list[OnnxValue]]
"""Writes the nodes of a call and returns its outputs."""
