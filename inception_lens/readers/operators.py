"""Calls of ONNX's operators, to which readers of other formats translate their own.

ONNX's handlers write the nodes: they know which tensors are weights, fold what is known while reading, and check
shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inception_lens.ops import TensorType
from inception_lens.readers.onnx.bodies import run_handler
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder
from inception_lens.readers.onnx.values import Attribute, OnnxCall, OnnxValue

OPSET = 21
"""Version of the operators."""


def call_operator(
    builder: OnnxGraphBuilder,
    op: str,
    name: str,
    inputs: Sequence[OnnxValue | None],
    attributes: Mapping[str, Attribute],
    *,
    outputs: int = 1,
    reads: int = 2,
) -> list[OnnxValue]:
    """The outputs of a call of `op`, whose nodes are called `name`.

    Args:
        builder: writes the nodes.
        op: the operator.
        name: of the last node of the call.
        inputs: None for one that is left out.
        attributes: by ONNX's names; those that ONNX has as inputs of known integers are attributes too.
        outputs: how many there are.
        reads: how often the first output is read: a call that is read once may become a part of its reader.

    Raises:
        FormatError: the call violates ONNX's specification.
        GraphError: an operation cannot take its inputs.
    """
    call = OnnxCall(
        op=op,
        name=name,
        inputs=tuple(inputs),
        attributes=attributes,
        outputs=("",) * outputs,
        declared=(None,) * outputs,
        opset=OPSET,
        reads=(reads, *[0] * (outputs - 1)),
    )
    return run_handler(builder, "", call)


def unknown_operator(
    builder: OnnxGraphBuilder,
    op: str,
    name: str,
    inputs: Sequence[OnnxValue | None],
    declared: Sequence[TensorType | None],
) -> list[OnnxValue]:
    """The outputs of an Unknown, of types that the file declares."""
    count = len(declared)
    return builder.unknown(OnnxCall(op, name, tuple(inputs), {}, ("",) * count, tuple(declared), OPSET, (2,) * count))
