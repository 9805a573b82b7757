"""What nodes that call one operation on inputs of the same types have in common, computed once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import msgspec

from inception_lens.errors import GraphError, ShapeError
from inception_lens.graph.nodes import Node
from inception_lens.ops import Op, Parameter, TensorType, format_shape


class CallFacts(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An operation on inputs of certain types, with its outputs and its cost, but without the names of a node.

    Networks repeat themselves, so that a graph has few different facts. Costs that depend on other nodes, such as a
    parameter that an earlier node has already read, are not among them.
    """

    op: Op
    """The operation."""
    inputs: tuple[TensorType, ...]
    """Types of the tensors that it reads."""
    outputs: tuple[TensorType, ...]
    """Types of its outputs."""
    parameters: tuple[Parameter, ...]
    """Learned tensors."""
    buffers: tuple[Parameter, ...]
    """Tensors that are kept but not learned."""
    parameter_elements: int
    """Elements of `parameters`."""
    buffer_elements: int
    """Elements of `buffers`."""
    macs: int | None
    """Multiply-accumulates of the forward pass, bias not counted; None if unknown."""
    flops: int | None
    """FLOPs of the forward pass, two per multiply-accumulate included; None if unknown."""
    output_bytes: int
    """Size of all outputs, whether the call allocates them or not."""
    reuses_input: tuple[bool, bool]
    """Whether the outputs are in the memory of the first input: at inference, and in training."""

    @classmethod
    def of(cls, op: Op, inputs: tuple[TensorType, ...], outputs: tuple[TensorType, ...]) -> CallFacts:
        """Evaluate the rules of `op` on inputs of these types, from which it computes `outputs`."""
        shapes = (inputs[0].shape,) if len(inputs) == 1 else tuple([tensor.shape for tensor in inputs])
        output = outputs[0].shape
        parameters: tuple[Parameter, ...] = ()
        buffers: tuple[Parameter, ...] = ()
        if op.has_weights:
            parameters, buffers = op.parameters(*shapes), op.buffers(*shapes)
        macs, extra = op.macs(shapes, output), op.extra_flops(shapes, output)
        return cls(
            op,
            inputs,
            outputs,
            parameters,
            buffers,
            _elements(parameters),
            _elements(buffers),
            macs,
            None if macs is None or extra is None else 2 * macs + extra,
            outputs[0].bytes if len(outputs) == 1 else sum([tensor.bytes for tensor in outputs]),
            (op.reuses_input(False), op.reuses_input(True)),
        )


def _elements(tensors: tuple[Parameter, ...]) -> int:
    total = 0
    for tensor in tensors:
        total += prod(tensor.shape)
    return total


def infer(node: Node, inputs: tuple[TensorType, ...]) -> CallFacts:
    """The facts of a call on inputs of these types.

    Raises:
        GraphError: the operation does not accept this number of inputs.
        ShapeError: the operation cannot take the shapes of its inputs.
    """
    op = node.op
    if not op.accepts(len(inputs)):
        raise GraphError(f"`{node.name}` calls {op.kind} on {len(inputs)} inputs, which it does not accept")
    try:
        outputs = op.output_types(inputs)
        if node.dtype:
            outputs = tuple([TensorType(each.shape, node.dtype) for each in outputs])
        for tensor in outputs if outputs is not inputs else ():
            if tensor.shape and min(tensor.shape) < 0:
                raise ShapeError(f"the output would be {format_shape(tensor.shape)}")
    except ShapeError as error:
        seen = ", ".join(
            f"`{each}` {format_shape(tensor.shape)}" for each, tensor in zip(node.inputs, inputs, strict=True)
        )
        raise ShapeError(f"`{node.name}` ({op.label} of {seen}): {error}") from None
    return CallFacts.of(op, inputs, outputs)


def facts_of(nodes: Iterable[Node], types: Mapping[str, tuple[TensorType, ...]]) -> tuple[CallFacts, ...]:
    """The facts of nodes whose output types are known; nodes that differ only in their names share them."""
    known: dict[object, CallFacts] = {}
    found = []
    for node in nodes:
        key = (node.op, types[node.name], *[types[name] for name in node.inputs])
        facts = known.get(key)
        if facts is None:
            inputs = tuple([types[name][0] for name in node.inputs])
            facts = known[key] = CallFacts.of(node.op, inputs, types[node.name])
        found.append(facts)
    return tuple(found)
