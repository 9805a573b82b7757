"""What nodes that call one operation on inputs of the same types have in common, computed once for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import msgspec

from inception_lens.errors import GraphError, ShapeError
from inception_lens.graph.nodes import Node
from inception_lens.ops import UNKNOWN_SIZE, Declared, Op, Parameter, TensorType, Unknown, format_shape


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
    params_known: bool
    """Whether `parameters` are all learned tensors; where they are not, its elements are a lower bound."""
    macs: int | None
    """Multiply-accumulates of the forward pass, bias not counted; None if unknown."""
    flops: int | None
    """FLOPs of the forward pass, two per multiply-accumulate included; None if unknown."""
    output_bytes: int
    """Size of all outputs of known shape, whether the call allocates them or not."""
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
            not isinstance(op, Unknown) or op.params_known,
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


DECLARING = (Declared, Unknown)
"""Operations whose outputs are given, so that they do not follow from the inputs."""


def infer(node: Node, inputs: tuple[TensorType, ...]) -> CallFacts:
    """The facts of a call on inputs of these types.

    Raises:
        GraphError: the operation does not accept this number of inputs.
        ShapeError: the operation cannot take the shapes of its inputs.
    """
    op = node.op
    if not op.accepts(len(inputs)):
        raise GraphError(f"`{node.name}` calls {op.kind} on {len(inputs)} inputs, which it does not accept")
    declares = isinstance(op, DECLARING)
    for tensor in inputs if not declares else ():
        if UNKNOWN_SIZE in tensor.shape or not tensor.has_shape:
            return _infer_partly(node, inputs)
    try:
        outputs = op.output_types(inputs)
        if node.dtype:
            outputs = tuple([TensorType(each.shape, node.dtype, each.has_shape) for each in outputs])
        for tensor in outputs if outputs is not inputs else ():
            if tensor.shape and min(tensor.shape) < (UNKNOWN_SIZE if declares else 0):
                raise ShapeError(f"the output would be {format_shape(tensor.shape)}")
    except ShapeError as error:
        seen = ", ".join(
            f"`{each}` {format_shape(tensor.shape)}" for each, tensor in zip(node.inputs, inputs, strict=True)
        )
        raise ShapeError(f"`{node.name}` ({op.label} of {seen}): {error}") from None
    return CallFacts.of(op, inputs, outputs)


PROBES = (1_210_809_600, 2 * 1_210_809_600)
"""Two sizes for an unknown axis, which many numbers divide: 2^8 x 3^3 x 5^2 x 7^2 x 11 x 13, and twice that."""


def _infer_partly(node: Node, inputs: tuple[TensorType, ...]) -> CallFacts:
    """The facts of a call on inputs with unknown sizes: what is the same for two different sizes does not depend on it.

    Raises:
        ShapeError: the operation cannot take either size, or the number of axes of an input is unknown.
    """
    if not all(tensor.has_shape for tensor in inputs):
        raise ShapeError(f"`{node.name}` ({node.op.label}) reads a tensor of unknown shape")
    small, large = (infer(node, tuple([_with_size(tensor, size) for tensor in inputs])) for size in PROBES)
    outputs = tuple(map(_common_type, small.outputs, large.outputs))
    known = (small.parameters, small.buffers) == (large.parameters, large.buffers)
    return msgspec.structs.replace(
        small,
        inputs=inputs,
        outputs=outputs,
        parameters=small.parameters if known else (),
        buffers=small.buffers if known else (),
        parameter_elements=small.parameter_elements if known else 0,
        buffer_elements=small.buffer_elements if known else 0,
        params_known=known and small.params_known,
        macs=small.macs if small.macs == large.macs else None,
        flops=small.flops if small.flops == large.flops else None,
        output_bytes=sum([tensor.bytes for tensor in outputs]),
    )


def _with_size(tensor: TensorType, size: int) -> TensorType:
    return TensorType(tuple([size if each == UNKNOWN_SIZE else each for each in tensor.shape]), tensor.dtype)


def _common_type(small: TensorType, large: TensorType) -> TensorType:
    """The type with the sizes that two types have in common."""
    sizes = zip(small.shape, large.shape, strict=True)
    return TensorType(tuple([a if a == b else UNKNOWN_SIZE for a, b in sizes]), small.dtype)


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
