"""ONNX's activations, dropout and softmax."""

from __future__ import annotations

from inception_lens import ops
from inception_lens.readers.onnx.activations import WITHOUT_ATTRIBUTES
from inception_lens.writers.onnx.node_writer import OnnxNodeWriter, OnnxWriter

OPERATORS = {op.kind: operator for operator, op in reversed(WITHOUT_ATTRIBUTES.items())}
"""ONNX's operator for each activation without attributes; where there are several, the first."""


def _activation(op: ops.Op, writer: OnnxNodeWriter) -> None:
    writer.add(OPERATORS[op.kind], writer.inputs)


def _leaky_relu(op: ops.LeakyReLU, writer: OnnxNodeWriter) -> None:
    writer.add("LeakyRelu", writer.inputs, alpha=op.negative_slope)


def _elu(op: ops.ELU, writer: OnnxNodeWriter) -> None:
    writer.add("Elu", writer.inputs, alpha=op.alpha)


def _gelu(op: ops.GELU, writer: OnnxNodeWriter) -> None:
    writer.add("Gelu", writer.inputs, approximate=None if op.approximate == "none" else op.approximate)


def _silu(op: ops.SiLU, writer: OnnxNodeWriter) -> None:
    """Two operators: `Swish` is not in ONNX before opset 24."""
    writer.add("Mul", [*writer.inputs, writer.add("Sigmoid", writer.inputs, "sigmoid")])


def _hardsigmoid(op: ops.Hardsigmoid, writer: OnnxNodeWriter) -> None:
    writer.add("HardSigmoid", writer.inputs, alpha=1 / 6, beta=0.5)


def _hardtanh(op: ops.Hardtanh, writer: OnnxNodeWriter) -> None:
    writer.add("Clip", [*writer.inputs, writer.number("min", op.min_val), writer.number("max", op.max_val)])


def _prelu(op: ops.PReLU, writer: OnnxNodeWriter) -> None:
    (slope,) = writer.weights("weight")
    if op.slopes > 1 and len(writer.shape) > 2:  # slopes broadcast from the last axis, not along the channels
        shape = writer.integers("spread", [op.slopes, *[1] * (len(writer.shape) - 2)])
        slope = writer.add("Reshape", [slope, shape], "slope")
    writer.add("PRelu", [*writer.inputs, slope])


def _softmax(op: ops.Softmax, writer: OnnxNodeWriter) -> None:
    writer.add(op.kind, writer.inputs, axis=op.dim)


def _dropout(op: ops.Dropout, writer: OnnxNodeWriter) -> None:
    writer.add("Dropout", [*writer.inputs, writer.number("ratio", op.p, "float32")])


ACTIVATION_WRITERS: dict[type[ops.Op], OnnxWriter] = {
    **dict.fromkeys((ops.Hardswish, ops.Mish, ops.ReLU, ops.Sigmoid, ops.Softplus, ops.Tanh), _activation),
    ops.Dropout: _dropout,
    ops.ELU: _elu,
    ops.GELU: _gelu,
    ops.Hardsigmoid: _hardsigmoid,
    ops.Hardtanh: _hardtanh,
    ops.LeakyReLU: _leaky_relu,
    ops.LogSoftmax: _softmax,
    ops.PReLU: _prelu,
    ops.SiLU: _silu,
    ops.Softmax: _softmax,
}
