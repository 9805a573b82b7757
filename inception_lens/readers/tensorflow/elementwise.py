"""TensorFlow's arithmetic, activations, matrix products and reductions."""

from __future__ import annotations

from math import prod

from inception_lens.ops import Declared, Elementwise, TensorType
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.readers.onnx.values import OnnxValue
from inception_lens.readers.tensorflow.calls import (
    GraphDefCall,
    GraphDefHandler,
    TensorFlowValue,
    channels_first,
    like,
    plain,
)
from inception_lens.readers.tensorflow.convolution import has_channels_last

UNARY = {
    "Abs": "Abs", "Acos": "Acos", "Acosh": "Acosh", "Asin": "Asin", "Asinh": "Asinh", "Atan": "Atan",
    "Atanh": "Atanh", "Ceil": "Ceil", "Cos": "Cos", "Cosh": "Cosh", "Elu": "Elu", "Erf": "Erf", "Exp": "Exp",
    "Floor": "Floor", "Inv": "Reciprocal", "IsInf": "IsInf", "IsNan": "IsNaN", "Log": "Log", "LogicalNot": "Not",
    "Neg": "Neg", "Reciprocal": "Reciprocal", "Relu": "Relu", "Rint": "Round", "Round": "Round", "Selu": "Selu",
    "Sigmoid": "Sigmoid", "Sign": "Sign", "Sin": "Sin", "Sinh": "Sinh", "Softplus": "Softplus",
    "Softsign": "Softsign", "Sqrt": "Sqrt", "Tan": "Tan", "Tanh": "Tanh",
}  # fmt: skip
"""ONNX's operators of one tensor."""

OTHER_UNARY = {"Expm1": "expm1", "Log1p": "log1p", "Rsqrt": "rsqrt", "Square": "square", "Erfc": "erfc"}
"""Functions that ONNX lacks, by PyTorch's names."""

BINARY = {
    "Add": "Add", "AddV2": "Add", "BiasAdd": "Add", "BiasAddV1": "Add", "Div": "Div", "DivNoNan": "Div",
    "Equal": "Equal", "FloorMod": "Mod", "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "Less": "Less",
    "LessEqual": "LessOrEqual", "LogicalAnd": "And", "LogicalOr": "Or", "Maximum": "Max", "Minimum": "Min",
    "Mul": "Mul", "Pow": "Pow", "RealDiv": "Div", "Sub": "Sub",
}  # fmt: skip
"""ONNX's operators of two tensors that are broadcast."""

OTHER_BINARY = {"FloorDiv": "floor_divide", "NotEqual": "ne", "Atan2": "atan2"}
"""Functions that ONNX lacks, by PyTorch's names."""

REDUCTIONS = {
    "Max": "ReduceMax", "Mean": "ReduceMean", "Min": "ReduceMin", "Prod": "ReduceProd",
    "Sum": "ReduceSum",
}  # fmt: skip


def unary(call: GraphDefCall) -> list[TensorFlowValue]:
    """A function of each element."""
    x = call.input(0)
    if call.node.op in OTHER_UNARY:
        op = Elementwise(OTHER_UNARY[call.node.op])
        return like(x, [call.builder.add(call.node.name, op, call.builder.node(x.value))])
    return like(x, call.run(UNARY[call.node.op], x.value, reads=call.reads))


def activation(call: GraphDefCall) -> list[TensorFlowValue]:
    """Relu6 and LeakyRelu."""
    x = call.input(0)
    if call.node.op == "Relu6":
        return like(x, call.run("Clip", x.value, min=0.0, max=6.0))
    return like(x, call.run("LeakyRelu", x.value, alpha=call.node.number("alpha", 0.2)))


def softmax(call: GraphDefCall) -> list[TensorFlowValue]:
    """Softmax and LogSoftmax along the last axis."""
    x = call.input(0)
    return like(x, call.run(call.node.op, x.value, axis=x.axis(-1)))


def _aligned(call: GraphDefCall) -> tuple[list[OnnxValue], bool]:
    """The inputs in one order of axes, and whether it is the Graph's."""
    inputs = call.values()
    is_moved = any(x.is_moved for x in inputs)
    if not is_moved:
        return [x.value for x in inputs], False
    rank = max(len(x.value.shape) for x in inputs)
    if any(x.is_moved and len(x.value.shape) < rank for x in inputs):
        return [call.as_is(x) for x in inputs], False
    return [x.value if x.is_moved else _moved(call, x.value, rank) for x in inputs], True


def _moved(call: GraphDefCall, x: OnnxValue, rank: int) -> OnnxValue:
    """A tensor that is broadcast to a map of `rank` axes, with its channels after the batch; a number stays one."""
    if prod(x.shape) == 1 and x.array is not None:
        return x
    if len(x.shape) < rank:
        (x,) = call.run("Reshape", x, suffix="reshape", shape=[1] * (rank - len(x.shape)) + list(x.shape))
    if sum(size != 1 for size in x.shape) <= 1:  # a vector has no order
        return call.run("Reshape", x, suffix="reshape", shape=[x.shape[axis] for axis in channels_first(rank)])[0]
    return call.move(x, channels_first(rank), "channels_first")


def binary(call: GraphDefCall) -> list[TensorFlowValue]:
    """A function of two tensors that are broadcast, or the sum of several."""
    op = call.node.op
    if op.startswith("BiasAdd") and not has_channels_last(call):
        x, bias = call.as_is(call.input(0)), call.input(1).value
        shape = [prod(bias.shape), *[1] * (len(x.shape) - 2)]
        return plain(call.run("Add", x, *call.run("Reshape", bias, suffix="bias", shape=shape)))
    values, is_moved = _aligned(call)
    if op in OTHER_BINARY:
        function = Elementwise(OTHER_BINARY[op], "bool" if op == "NotEqual" else "")
        outputs = [call.builder.add(call.node.name, function, *call.builder.nodes(values))]
    else:
        outputs = call.run({"AddN": "Sum"}.get(op) or BINARY[op], *values, reads=call.reads)
    return [TensorFlowValue(output, is_moved) for output in outputs]


def squared_difference(call: GraphDefCall) -> list[TensorFlowValue]:
    """The square of a difference."""
    values, is_moved = _aligned(call)
    (difference,) = call.run("Sub", *values, suffix="difference")
    node = call.builder.node(difference)
    return [TensorFlowValue(call.builder.add(call.node.name, Elementwise("square"), node), is_moved)]


def where(call: GraphDefCall) -> list[TensorFlowValue]:
    """One of two tensors by a condition."""
    values, is_moved = _aligned(call)
    return [TensorFlowValue(output, is_moved) for output in call.run("Where", *values)]


def cast(call: GraphDefCall) -> list[TensorFlowValue]:
    """Cast to another data type."""
    x = call.input(0)
    return like(x, call.run("Cast", x.value, to=onnx_dtype_number(call.node.dtype("DstT"))))


def fake_quantization(call: GraphDefCall) -> list[TensorFlowValue]:
    """Rounding to the values of an integer type; a weight stays a weight."""
    x = call.input(0)
    if x.value.is_weight:
        return [x]
    op = Declared(call.node.op, (TensorType(x.value.shape, x.value.dtype),), declared_flops=None)
    return like(x, [call.builder.add(call.node.name, op, call.builder.node(x.value))])


def matrix_product(call: GraphDefCall) -> list[TensorFlowValue]:
    """MatMul and BatchMatMul; with a matrix of weights a linear layer, which an addition after it gives a bias."""
    names = ("adj_x", "adj_y") if "Batch" in call.node.op else ("transpose_a", "transpose_b")
    values = []
    for i, name in enumerate(names):
        x = call.as_is(call.input(i))
        if call.node.integer(name, 0):
            rank = len(x.shape)
            x = call.move(x, [*range(rank - 2), rank - 1, rank - 2], name)
        values.append(x)
    return plain(call.run("MatMul", *values, reads=call.reads))


def einsum(call: GraphDefCall) -> list[TensorFlowValue]:
    """Einsum."""
    values = [call.as_is(x) for x in call.values()]
    return plain(call.run("Einsum", *values, equation=call.node.text("equation", "")))


def reduction(call: GraphDefCall) -> list[TensorFlowValue]:
    """A reduction over known axes."""
    x, axes, keeps = call.input(0), call.integers(1), bool(call.node.integer("keep_dims", 0))
    if axes is None:
        return call.unknown()
    rank = len(x.value.shape)
    reduced = sorted({x.axis(axis) for axis in axes})
    reduces_map = set(range(2, rank)) <= set(reduced)
    if x.is_moved and not keeps and not reduces_map:
        x = TensorFlowValue(call.as_is(x))
        reduced = sorted({x.axis(axis) for axis in axes})
    if not reduced:
        return [x]
    outputs = call.run(REDUCTIONS[call.node.op], x.value, axes=reduced, keepdims=int(keeps))
    return [TensorFlowValue(output, x.is_moved and keeps) for output in outputs]


def arg_reduction(call: GraphDefCall) -> list[TensorFlowValue]:
    """ArgMax and ArgMin along a known axis."""
    x, axes = call.input(0), call.integers(1)
    if axes is None or len(axes) != 1:
        return call.unknown()
    return plain(call.run(call.node.op, call.as_is(x), axis=axes[0], keepdims=0))


ELEMENTWISE: dict[str, GraphDefHandler] = {
    **dict.fromkeys((*UNARY, *OTHER_UNARY), unary),
    **dict.fromkeys((*BINARY, *OTHER_BINARY, "AddN"), binary),
    **dict.fromkeys(("LeakyRelu", "Relu6"), activation),
    **dict.fromkeys(("LogSoftmax", "Softmax"), softmax),
    **dict.fromkeys(("Select", "SelectV2"), where),
    **dict.fromkeys(("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "MatMul"), matrix_product),
    **dict.fromkeys(("FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVars"), fake_quantization),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("ArgMax", "ArgMin"), arg_reduction),
    "Cast": cast,
    "Einsum": einsum,
    "SquaredDifference": squared_difference,
}
