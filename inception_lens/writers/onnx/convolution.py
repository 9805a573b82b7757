"""ONNX's convolutions, linear layers, matrix products, attention and embeddings."""

from __future__ import annotations

from typing import TypedDict

from inception_lens import ops
from inception_lens.errors import FormatError
from inception_lens.ops.window import Padding, Sizes, padding_pairs
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter, OnnxWriter


class OnnxWindow(TypedDict, total=False):
    """Attributes of convolutions and pools."""

    kernel_shape: tuple[int, ...]
    """One size per axis, like all of them."""
    strides: tuple[int, ...]
    """The step along each axis."""
    pads: list[int]
    """Explicit padding: all starts, then all ends."""
    auto_pad: str
    """`SAME_UPPER` is TensorFlow's SAME padding."""
    ceil_mode: int
    """1: a last window that is not full is kept."""


def window_attributes(kernel: Sizes, stride: Sizes, padding: Padding) -> OnnxWindow:
    """The attributes of a window that is rounded down."""
    if isinstance(padding, str):
        return {"kernel_shape": kernel, "strides": stride, "auto_pad": "SAME_UPPER"}
    return {"kernel_shape": kernel, "strides": stride, "pads": pads(padding)}


def pads(padding: tuple[int | tuple[int, int], ...]) -> list[int]:
    """Explicit padding as ONNX has it: all starts, then all ends."""
    pairs = padding_pairs(padding)
    return [before for before, _ in pairs] + [after for _, after in pairs]


def _convolution(op: ops.Conv2d | ops.ConvTranspose2d, writer: OnnxNodeWriter) -> None:
    output_padding = op.output_padding if isinstance(op, TRANSPOSED) else ()
    writer.add(
        "ConvTranspose" if isinstance(op, TRANSPOSED) else "Conv",
        [*writer.inputs, *writer.weights("weight", "bias")],
        dilations=op.dilation,
        group=op.groups,
        output_padding=output_padding if any(output_padding) else None,
        **window_attributes(op.kernel_size, op.stride, op.padding),
    )


def _linear(op: ops.Linear, writer: OnnxNodeWriter) -> None:
    if len(writer.shape) == 2:
        writer.add("Gemm", [*writer.inputs, *writer.weights("weight", "bias")], transB=1)
        return
    transposed = writer.add("Transpose", writer.weights("weight"), "weight", perm=[1, 0])
    bias = writer.weights("bias")
    product = writer.add("MatMul", [*writer.inputs, transposed], "product" if bias else "")
    if bias:
        writer.add("Add", [product, *bias])


def _embedding(op: ops.Embedding, writer: OnnxNodeWriter) -> None:
    writer.add("Gather", [*writer.weights("weight"), *writer.inputs], axis=0)


def _matmul(op: ops.MatMul, writer: OnnxNodeWriter) -> None:
    writer.add("MatMul", writer.inputs)


def _attention(op: ops.ScaledDotProductAttention, writer: OnnxNodeWriter) -> None:
    query, key, value = (writer.graph.types[name][0].shape for name in writer.inputs[:3])
    if {len(query), len(key), len(value)} != {4} or query[0] != key[0] or key[:2] != value[:2]:
        raise FormatError("Attention takes tensors of four axes that are not broadcast")
    writer.add("Attention", writer.inputs, is_causal=int(op.causal), scale=op.scale)


TRANSPOSED = (ops.ConvTranspose1d, ops.ConvTranspose2d, ops.ConvTranspose3d)

CONVOLUTION_WRITERS: dict[type[ops.Op], OnnxWriter] = {
    **dict.fromkeys((ops.Conv1d, ops.Conv2d, ops.Conv3d, *TRANSPOSED), _convolution),
    ops.Embedding: _embedding,
    ops.Linear: _linear,
    ops.MatMul: _matmul,
    ops.ScaledDotProductAttention: _attention,
}
