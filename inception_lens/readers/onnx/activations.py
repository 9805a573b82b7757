"""ONNX's activations, dropout and softmax."""

from __future__ import annotations

from functools import cache
from math import inf, prod

import msgspec

from inception_lens import ops
from inception_lens.ops import Op, TensorType
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, PendingCall
from inception_lens.readers.shapes import resolve_axis

WITHOUT_ATTRIBUTES: dict[str, Op] = {
    "Relu": ops.ReLU(), "Sigmoid": ops.Sigmoid(), "Tanh": ops.Tanh(), "Softplus": ops.Softplus(), "Mish": ops.Mish(),
    "HardSwish": ops.Hardswish(), "Gelu": ops.GELU(), "Swish": ops.SiLU(),
    "Celu": ops.Elementwise("celu"), "Softsign": ops.Elementwise("softsign"),
    "ThresholdedRelu": ops.Elementwise("threshold"), "Shrink": ops.Elementwise("hardshrink"),
}  # fmt: skip
"""Activations whose cost no attribute changes."""

SELU_ALPHA, SELU_GAMMA = 1.6732632, 1.050701


def activation(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A function of each element."""
    x = call.input(0)
    match call.op:
        case "LeakyRelu":
            op: Op = ops.LeakyReLU(negative_slope=call.number("alpha", 0.01))
        case "Elu":
            op = ops.ELU(alpha=call.number("alpha", 1.0))
        case "Gelu":
            op = ops.GELU(approximate="tanh" if call.text("approximate", "none") == "tanh" else "none")
        case "HardSigmoid":
            is_pytorchs = abs(call.number("alpha", 0.2) - 1 / 6) < 1e-4
            op = ops.Hardsigmoid() if is_pytorchs else ops.Elementwise("hardsigmoid")
        case _:
            op = WITHOUT_ATTRIBUTES[call.op]
    if call.inplace and hasattr(op, "inplace"):
        op = msgspec.structs.replace(op, inplace=True)
    base = builder.node(x)
    if call.op == "Sigmoid" and call.reads[0] == 1 and not call.inplace:
        write = cache(lambda: builder.add(call.name, op, base).node)
        return [OnnxValue(x.type, pending=PendingCall(base, write, is_sigmoid=True))]
    return [builder.add(call.name, op, base)]


def selu(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Selu: gamma times ELU, PyTorch's SELU where both factors are the default."""
    alpha, gamma = call.number("alpha", SELU_ALPHA), call.number("gamma", SELU_GAMMA)
    x = builder.node(call.input(0))
    if max(abs(alpha - SELU_ALPHA), abs(gamma - SELU_GAMMA)) < 1e-6:
        return [builder.add(call.name, ops.Elementwise("selu"), x)]
    output = builder.add(f"{call.name}/elu", ops.ELU(alpha=alpha), x)
    return [builder.add(call.name, ops.Elementwise("mul"), output.node)]


def clip(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Clip, whose bounds are attributes or, from opset 11, inputs."""
    low, high = (
        call.number(name, 0.0) if name in call.attributes else call.input(i).number if call.has_input(i) else unbounded
        for i, (name, unbounded) in enumerate((("min", -inf), ("max", inf)), 1)
    )
    op: Op = ops.Elementwise("clamp")
    if low is not None and high is not None:
        is_hardtanh = -inf < low < high < inf
        op = ops.Hardtanh(False, low, high) if is_hardtanh else ops.Elementwise("clamp", numbers=(None, low, high))
    return [builder.add(call.name, op, builder.node(call.input(0)))]


def prelu(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """PRelu; its slopes are a parameter where they are a weight."""
    x, slope = builder.node(call.input(0)), call.input(1)
    slopes = prod(slope.shape)
    if builder.owns(slope, (slopes,)):
        return [builder.add(call.name, ops.PReLU(slopes=slopes), x, parameters=(slope.weight,))]
    return [builder.add(call.name, ops.Elementwise("prelu"), x, builder.node(slope))]


def dropout(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Dropout, with its mask where the model has that output."""
    known = call.input(1).scalar if call.has_input(1) else None
    ratio = call.number("ratio", 0.5 if known is None else known)
    output = builder.add(call.name, ops.Dropout(ratio, call.inplace), builder.node(call.input(0)))
    if len(call.outputs) < 2:
        return [output]
    mask = ops.Declared("mask", (TensorType(output.shape, "bool"),))
    return [output, builder.add(f"{call.name}/mask", mask, output.node)]


def softmax(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Softmax and LogSoftmax along an axis; before opset 13, over all axes from it to the last."""
    x = call.input(0)
    axis = resolve_axis(call.integer("axis", -1 if call.opset >= 13 else 1), len(x.shape))
    kind = ops.LogSoftmax if call.op == "LogSoftmax" else ops.Softmax
    if call.opset >= 13 or all(size == 1 for size in x.shape[axis + 1 :]):
        return [builder.add(call.name, kind(-1 if axis == len(x.shape) - 1 else axis), builder.node(x))]
    matrix = ops.Reshape((prod(x.shape[:axis]), prod(x.shape[axis:])))
    flat = builder.add(f"{call.name}/flatten", matrix, builder.node(x))
    output = builder.add(call.name, kind(-1), flat.node)
    return [builder.add(f"{call.name}/back", ops.Reshape(x.shape), output.node)]


ACTIVATIONS: dict[str, OnnxHandler] = {
    **dict.fromkeys((*WITHOUT_ATTRIBUTES, "Elu", "HardSigmoid", "LeakyRelu"), activation),
    **dict.fromkeys(("LogSoftmax", "Softmax"), softmax),
    "Clip": clip,
    "Dropout": dropout,
    "PRelu": prelu,
    "Selu": selu,
}
