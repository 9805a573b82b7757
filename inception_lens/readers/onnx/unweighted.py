"""ONNX's operators on each element and over axes."""

from __future__ import annotations

from math import prod

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import (
    ELU,
    GELU,
    Add,
    Declared,
    Dropout,
    Elementwise,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    Mish,
    Op,
    PReLU,
    Reduce,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    TensorType,
    broadcast,
)
from inception_lens.readers.onnx.dtypes import onnx_dtype
from inception_lens.readers.onnx.layers import once
from inception_lens.readers.onnx.run import OnnxGraphBuilder
from inception_lens.readers.onnx.shapes import axis_of
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, PendingCall
from inception_lens.readers.onnx.windows import OnnxHandler, decimal

ACTIVATIONS: dict[str, Op] = {
    "Relu": ReLU(), "Sigmoid": Sigmoid(), "Tanh": Tanh(), "Softplus": Softplus(), "Mish": Mish(),
    "HardSwish": Hardswish(), "Gelu": GELU(), "FastGelu": GELU(), "Swish": SiLU(), "Selu": Elementwise("selu"),
    "Celu": Elementwise("celu"), "Softsign": Elementwise("softsign"), "ThresholdedRelu": Elementwise("threshold"),
    "Shrink": Elementwise("hardshrink"),
}  # fmt: skip

ELEMENTWISE = {
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Mod": "remainder", "Abs": "abs",
    "Neg": "neg", "Sqrt": "sqrt", "Exp": "exp", "Log": "log", "Reciprocal": "reciprocal", "Floor": "floor",
    "Ceil": "ceil", "Round": "round", "Sign": "sign", "Erf": "erf", "Sin": "sin", "Cos": "cos", "Tan": "tan",
    "Asin": "asin", "Acos": "acos", "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh", "Asinh": "asinh",
    "Acosh": "acosh", "Atanh": "atanh", "BitShift": "bitwise_left_shift", "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor", "BitwiseNot": "bitwise_not", "Min": "minimum",
    "Max": "maximum", "Sum": "add",
}  # fmt: skip

LOGICAL = {
    "Equal": "eq", "Greater": "gt", "GreaterOrEqual": "ge", "Less": "lt", "LessOrEqual": "le", "And": "logical_and",
    "Or": "logical_or", "Xor": "logical_xor", "Not": "logical_not", "IsNaN": "isnan", "IsInf": "isinf",
}  # fmt: skip
"""Functions whose result is true or false."""

REDUCTIONS: dict[str, tuple[str, str, str]] = {
    "ReduceMean": ("", "mean", ""), "ReduceSum": ("", "sum", ""), "ReduceMax": ("", "amax", ""),
    "ReduceMin": ("", "amin", ""), "ReduceProd": ("", "prod", ""), "ReduceL1": ("abs", "sum", ""),
    "ReduceL2": ("", "norm", ""), "ReduceSumSquare": ("square", "sum", ""), "ReduceLogSum": ("", "sum", "log"),
    "ReduceLogSumExp": ("", "logsumexp", ""),
}  # fmt: skip
"""What is done to each element, the reduction, and what is done to the result."""


def activation(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """One function of each element."""
    x, fields = call.given(0), call.attributes
    match call.op:
        case "LeakyRelu":
            op: Op = LeakyReLU(negative_slope=decimal(fields.get("alpha", 0.01)))
        case "Elu":
            op = ELU(alpha=decimal(fields.get("alpha", 1.0)))
        case "HardSigmoid":
            usual = abs(fields.get("alpha", 0.2) - 1 / 6) < 1e-4
            op = Hardsigmoid() if usual else Elementwise("hardsigmoid")
        case _:
            op = ACTIVATIONS[call.op]
    if call.op == "Sigmoid" and call.used[0] == 1 and not call.inplace:
        base = run.tensor(x)
        return [
            OnnxValue(
                x.type, pending=PendingCall("sigmoid", once(lambda: run.add(call.name, op, base).node), base, None)
            )
        ]
    return [run.add(call.name, _in_place(op, call), run.tensor(x))]


def _in_place(op: Op, call: OnnxCall) -> Op:
    return msgspec.structs.replace(op, inplace=True) if call.inplace and hasattr(op, "inplace") else op


def clip(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Clip, whose bounds are attributes or inputs."""
    x = call.given(0)
    low, high = (
        decimal(call.attributes[name]) if name in call.attributes else call.given(i).scalar if call.has(i) else None
        for i, name in enumerate(("min", "max"), 1)
    )
    op: Op = (
        Elementwise("clamp") if low is None or high is None else Hardtanh(min_val=decimal(low), max_val=decimal(high))
    )
    return [run.add(call.name, op, run.tensor(x))]


def prelu(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """PRelu with learned slopes."""
    x, slope = call.given(0), call.given(1)
    assert slope.type is not None
    if slope.is_weight and run.shared(slope, (slope.type.elements,)):
        return [run.add(call.name, PReLU(slopes=slope.type.elements), run.tensor(x), parameters=(slope.weight,))]
    return [run.add(call.name, Elementwise("prelu"), run.tensor(x), run.tensor(slope))]


def elementwise(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A function of several tensors; a single number that is known is part of the function and no tensor."""
    values = [value for value in call.inputs if value is not None]
    if not values:
        raise FormatError("it has no inputs")
    if call.op in ("Add", "Sum") and (found := _residual(run, call, values)):
        return [found]
    if call.op == "Mul" and len(values) == 2:
        for gate, x in (values, values[::-1]):
            if gate.pending and gate.pending.kind == "sigmoid" and run.is_node(x, gate.pending.base):
                return [run.add(call.name, SiLU(inplace=call.inplace), gate.pending.base)]
    function = ELEMENTWISE.get(call.op) or LOGICAL[call.op]
    dtype = "bool" if call.op in LOGICAL else ""
    shape = broadcast(*[value.shape for value in values])
    read = [value for value in values if value.scalar is None]
    read = read if read and broadcast(*[value.shape for value in read]) == shape else values
    if call.op == "Mul" and len(read) == 1 and len(values) == 2 and call.used[0] == 1 and read[0].shape == shape:
        factor = next(value.scalar for value in values if value.scalar is not None)
        base = run.tensor(read[0])
        write = once(lambda: run.add(call.name, Elementwise("mul"), base).node)
        return [OnnxValue(read[0].type, pending=PendingCall("scaled", write, base, factor))]
    made: OnnxValue = read[0]
    nodes = [run.tensor(value) for value in read]
    for i, node in enumerate(nodes[1:] or [""], 1):
        last = i >= len(nodes) - 1
        name = call.name if last else f"{call.name}/{i}"
        made = run.add(name, Elementwise(function, dtype), nodes[0], *([node] if node else []))
        nodes[0] = made.node
    return [made]


def _residual(run: OnnxGraphBuilder, call: OnnxCall, values: list[OnnxValue]) -> OnnxValue | None:
    """A sum that is more than its elements: a linear layer's bias, or branches of one shape, the last one scaled."""
    if len(values) == 2:
        for layer, bias in (values, values[::-1]):
            waiting = layer.pending
            if waiting and waiting.kind == "linear" and bias.is_weight and bias.shape == layer.shape[-1:]:
                return run.value(waiting.detail(bias, call.name))
    if len({value.shape for value in values}) > 1 or any(not value.node and value.pending is None for value in values):
        return None
    last = values[-1].pending
    if last and last.kind == "scaled" and last.detail is not None:
        return run.add(call.name, Add(decimal(last.detail)), *map(run.tensor, values[:-1]), last.base)
    return run.add(call.name, Add(), *map(run.tensor, values))


def where(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Where."""
    values = [call.given(i) for i in range(3)]
    shape = broadcast(*[value.shape for value in values])
    read = [value for value in values if value.scalar is None]
    if not read or broadcast(*[value.shape for value in read]) != shape:
        read = values
    return [run.add(call.name, Elementwise("where", values[1].dtype), *map(run.tensor, read))]


def cast(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Cast and CastLike; to the dtype that it has already it is nothing, and a weight stays a weight."""
    x = call.given(0)
    dtype = call.given(1).dtype if call.op == "CastLike" else onnx_dtype(int(call.attributes.get("to", 1)))
    if dtype == x.dtype:
        return [x]
    if x.is_weight:
        return [msgspec.structs.replace(x, type=TensorType(x.shape, dtype))]
    return [run.add(call.name, Elementwise("cast", dtype), run.tensor(x))]


def same(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Identity."""
    return [call.given(0)]


def dropout(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Dropout, which does nothing when a model is used, with its mask where that is asked for."""
    ratio = call.attributes.get("ratio", call.given(1).scalar if call.has(1) else 0.5)
    made = run.add(call.name, Dropout(decimal(ratio if ratio is not None else 0.5)), run.tensor(call.given(0)))
    if len(call.outputs) < 2:
        return [made]
    return [made, run.add(f"{call.name}/mask", Declared("mask", (TensorType(made.shape, "bool"),)), made.node)]


def softmax(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Softmax along an axis; before version 13 over all axes from it on."""
    x = call.given(0)
    rank, log = len(x.shape), call.op == "LogSoftmax"
    axis = axis_of(int(call.attributes.get("axis", -1 if call.opset >= 13 else 1)), rank)
    kind = LogSoftmax if log else Softmax
    if call.opset >= 13 or all(size == 1 for size in x.shape[axis + 1 :]):
        return [run.add(call.name, kind(-1 if axis == rank - 1 else axis), run.tensor(x))]
    flat = run.add(f"{call.name}/flatten", Reshape((prod(x.shape[:axis]), prod(x.shape[axis:]))), run.tensor(x))
    made = run.add(call.name, kind(-1), flat.node)
    return [run.add(f"{call.name}/back", Reshape(x.shape), made.node)]


def reduction(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A reduction over axes that are attributes or an input; all of them where none are named."""
    x = call.given(0)
    rank = len(x.shape)
    axes = call.ints("axes", 1, ())
    if axes is None:
        return run.unknown(call)
    if not axes and call.attributes.get("noop_with_empty_axes", 0):
        return [x]
    dims = tuple(sorted(axis_of(axis, rank) for axis in axes)) or tuple(range(rank))
    before, function, after = REDUCTIONS[call.op]
    node = run.tensor(x)
    if before:
        node = run.add(f"{call.name}/{before}", Elementwise(before), node).node
    made = run.add(call.name, Reduce(function, dims, bool(call.attributes.get("keepdims", 1))), node)
    return [run.add(f"{call.name}/{after}", Elementwise(after), made.node)] if after else [made]


def arg(run: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """ArgMax and ArgMin."""
    x = call.given(0)
    axis = axis_of(int(call.attributes.get("axis", 0)), len(x.shape))
    keep = bool(call.attributes.get("keepdims", 1))
    return [run.add(call.name, Reduce(call.op.lower(), (axis,), keep, "int64"), run.tensor(x))]


PLAIN: dict[str, OnnxHandler] = {
    **dict.fromkeys((*ACTIVATIONS, "LeakyRelu", "Elu", "HardSigmoid"), activation),
    **dict.fromkeys((*ELEMENTWISE, *LOGICAL), elementwise),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("ArgMax", "ArgMin"), arg),
    **dict.fromkeys(("Cast", "CastLike"), cast),
    **dict.fromkeys(("Softmax", "LogSoftmax"), softmax),
    "Clip": clip,
    "Dropout": dropout,
    "Identity": same,
    "PRelu": prelu,
    "Where": where,
}
"""By the operator's name."""
