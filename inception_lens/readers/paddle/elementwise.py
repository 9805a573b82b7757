"""Paddle's arithmetic, activations, matrix products and reductions."""

from __future__ import annotations

from math import prod

from inception_lens.ops import Dropout, Elementwise, Hardsigmoid, Op
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.readers.onnx.values import OnnxValue, decimal
from inception_lens.readers.paddle.calls import PaddleCall, PaddleHandler
from inception_lens.readers.shapes import resolve_axis

UNARY = {
    "abs": "Abs", "ceil": "Ceil", "cos": "Cos", "erf": "Erf", "exp": "Exp", "floor": "Floor", "hard_swish": "HardSwish",
    "hardswish": "HardSwish", "log": "Log", "logical_not": "Not", "mish": "Mish", "reciprocal": "Reciprocal",
    "relu": "Relu", "round": "Round", "selu": "Selu", "sigmoid": "Sigmoid", "sign": "Sign", "silu": "Swish",
    "sin": "Sin", "softplus": "Softplus", "softsign": "Softsign", "sqrt": "Sqrt", "swish": "Swish", "tanh": "Tanh",
}  # fmt: skip
"""ONNX's operators of one tensor without attributes."""

OTHER_UNARY = {"rsqrt": "rsqrt", "square": "square"}
"""Functions that ONNX lacks, by PyTorch's names."""

BINARY = {
    "add": "Add", "divide": "Div", "equal": "Equal", "greater_equal": "GreaterOrEqual", "greater_than": "Greater",
    "less_equal": "LessOrEqual", "less_than": "Less", "logical_and": "And", "logical_or": "Or", "maximum": "Max",
    "minimum": "Min", "multiply": "Mul", "remainder": "Mod", "subtract": "Sub",
}  # fmt: skip
"""ONNX's operators of two tensors."""

OLD_BINARY = {
    "elementwise_add": "Add", "elementwise_div": "Div", "elementwise_max": "Max", "elementwise_min": "Min",
    "elementwise_mod": "Mod", "elementwise_mul": "Mul", "elementwise_pow": "Pow", "elementwise_sub": "Sub",
}  # fmt: skip
"""Those of programs before Paddle 3, which have an attribute `axis`."""

REDUCTIONS = {
    "max": "ReduceMax", "mean": "ReduceMean", "min": "ReduceMin", "prod": "ReduceProd", "reduce_max": "ReduceMax",
    "reduce_mean": "ReduceMean", "reduce_min": "ReduceMin", "reduce_prod": "ReduceProd", "reduce_sum": "ReduceSum",
}  # fmt: skip


def unary(call: PaddleCall) -> list[OnnxValue]:
    """A function of each element."""
    x, kind = call.input("X"), call.operation.type
    if kind in OTHER_UNARY:
        return call.add(Elementwise(OTHER_UNARY[kind]), x)
    return call.run(UNARY[kind], x, reads=call.reads)


def activation(call: PaddleCall) -> list[OnnxValue]:
    """An activation with attributes."""
    x = call.input("X")
    match call.operation.type:
        case "relu6":
            return call.run("Clip", x, min=0.0, max=call.number("threshold", 6.0))
        case "leaky_relu":
            return call.run("LeakyRelu", x, alpha=call.number("negative_slope", call.number("alpha", 0.02)))
        case "elu":
            return call.run("Elu", x, alpha=call.number("alpha", 1.0))
        case "gelu":
            return call.run("Gelu", x, approximate="tanh" if call.integer("approximate", 0) else "none")
        case "clip":
            return call.run("Clip", x, min=call.number("min", 0.0), max=call.number("max", 0.0))
        case "pow":
            factor = call.number("factor", 1.0)
            return call.add(Elementwise("square") if factor == 2 else Elementwise("pow", numbers=(None, factor)), x)
    is_pytorchs = abs(call.number("slope", 0.2) - 1 / 6) < 1e-4
    op: Op = Hardsigmoid() if is_pytorchs else Elementwise("hardsigmoid")
    return call.add(op, x)


def prelu(call: PaddleCall) -> list[OnnxValue]:
    """PReLU, with a slope per channel or one for all."""
    x, slopes = call.input("X"), call.input("Alpha")
    if call.text("mode", "channel") == "channel":
        shape = [prod(slopes.shape), *[1] * max(len(x.shape) - 2, 0)]
        (slopes,) = call.run("Reshape", slopes, suffix="slopes", shape=shape)
    return call.run("PRelu", x, slopes)


def softmax(call: PaddleCall) -> list[OnnxValue]:
    """Softmax and log softmax along an axis."""
    op = "LogSoftmax" if call.operation.type == "log_softmax" else "Softmax"
    return call.run(op, call.input("X"), axis=call.integer("axis", -1))


def dropout(call: PaddleCall) -> list[OnnxValue]:
    """Dropout; the older kind multiplies by the probability to keep an element at inference."""
    x, p = call.input("X"), call.number("dropout_prob", 0.5)
    if call.text("mode", call.text("dropout_implementation", "downgrade_in_infer")) == "upscale_in_train":
        return call.add(Dropout(p), x)
    return call.add(Elementwise("mul", numbers=(None, decimal(1 - p))), x)


def binary(call: PaddleCall) -> list[OnnxValue]:
    """A function of two tensors; the second one's first axis is `axis` of the first."""
    x, y, kind = call.input("X"), call.input("Y"), call.operation.type
    axis = call.integer("axis", -1)
    if kind in OLD_BINARY and axis != -1 and len(y.shape) < len(x.shape):
        at = resolve_axis(axis, len(x.shape))
        shape = [*y.shape, *[1] * max(len(x.shape) - at - len(y.shape), 0)]
        (y,) = call.run("Reshape", y, suffix="reshape", shape=shape)
    return call.run({**BINARY, **OLD_BINARY}[kind], x, y, reads=call.reads)


def sum_of_tensors(call: PaddleCall) -> list[OnnxValue]:
    """The sum of several tensors of one shape."""
    return call.run("Sum", *call.given("X"))


def scale(call: PaddleCall) -> list[OnnxValue]:
    """A factor and a shift, without those that do nothing."""
    x = call.input("X")
    factor, shift = call.number("scale", 1.0), call.number("bias", 0.0)
    steps = [("mul", factor)] * (factor != 1) + [("add", shift)] * (shift != 0)
    if not call.integer("bias_after_scale", 1):
        steps.reverse()
    for i, (function, number) in enumerate(steps, 1):
        name = call.name if i == len(steps) else f"{call.name}/{function}"
        x = call.builder.add(name, Elementwise(function, numbers=(None, number)), call.builder.node(x))
    return [x]


def cast(call: PaddleCall) -> list[OnnxValue]:
    """Cast to another data type."""
    dtype = call.dtype("out_dtype" if "out_dtype" in call.operation.attributes else "dtype")
    return call.run("Cast", call.input("X"), to=onnx_dtype_number(dtype))


def matrix_product(call: PaddleCall) -> list[OnnxValue]:
    """A matrix product; with a matrix of weights a linear layer, which an addition after it gives a bias."""
    values = []
    for role in ("X", "Y"):
        x = call.input(role)
        names = (f"trans_{role.lower()}", f"transpose_{role.lower()}", f"transpose_{role}")
        if any(call.integer(name, 0) for name in names):
            rank = len(x.shape)
            x = call.move(x, [*range(rank - 2), rank - 1, rank - 2], f"transpose_{role.lower()}")
        values.append(x)
    factor = call.number("alpha", 1.0)
    if factor == 1:
        return call.run("MatMul", *values, reads=call.reads)
    (product,) = call.run("MatMul", *values, suffix="product")
    return call.add(Elementwise("mul", numbers=(None, factor)), product)


def linear(call: PaddleCall) -> list[OnnxValue]:
    """`mul` and `fc`: a matrix product of the first axes, joined, and the last, joined; `fc` may have a bias."""
    x, weight = call.input("X", "Input"), call.input("Y", "W")
    axes = call.integer("x_num_col_dims", call.integer("in_num_col_dims", 1))
    first, features = x.shape[:axes], prod(x.shape[axes:])
    if len(weight.shape) != 2:
        (weight,) = call.run("Reshape", weight, suffix="weight", shape=[features, prod(weight.shape) // features])
    if len(x.shape) != axes + 1:
        (x,) = call.run("Reshape", x, suffix="flatten", shape=[*first, features])
    bias = call.given("Bias")
    if not bias:
        return call.run("MatMul", x, weight, reads=call.reads)
    (product,) = call.run("MatMul", x, weight, reads=1)
    outputs = call.run("Add", product, call.vector(bias[0]))
    return call.run("Relu", *outputs, suffix="relu") if call.text("activation_type", "") == "relu" else outputs


def reduction(call: PaddleCall) -> list[OnnxValue] | None:
    """A reduction over known axes; over all where there are none."""
    x, axes = call.input("X"), call.integers("axis", "dim")
    if axes is None:
        return None
    axes = axes or call.integers("dim") or []
    if call.integer("reduce_all", 0) or not axes:
        axes = list(range(len(x.shape)))
    keeps = call.integer("keepdim", call.integer("keep_dim", 0))
    op = "ReduceSum" if call.operation.type == "sum" else REDUCTIONS[call.operation.type]
    return call.run(op, x, axes=axes, keepdims=int(keeps))


def summation(call: PaddleCall) -> list[OnnxValue] | None:
    """`sum`: of several tensors in programs before Paddle 3, and of the elements of one after that."""
    return sum_of_tensors(call) if len(call.given("X")) > 1 else reduction(call)


def arg_reduction(call: PaddleCall) -> list[OnnxValue] | None:
    """The position of the largest or the smallest element along a known axis."""
    axes = call.integers("axis")
    if not axes:
        return None
    op = "ArgMin" if call.operation.type in ("arg_min", "argmin") else "ArgMax"
    return call.run(op, call.input("X"), axis=axes[0], keepdims=call.integer("keepdims", 0))


def where(call: PaddleCall) -> list[OnnxValue]:
    """One of two tensors by a condition."""
    return call.run("Where", *(call.input(role) for role in ("Condition", "X", "Y")))


ELEMENTWISE: dict[str, PaddleHandler] = {
    **dict.fromkeys((*UNARY, *OTHER_UNARY), unary),
    **dict.fromkeys(("clip", "elu", "gelu", "hard_sigmoid", "hardsigmoid", "leaky_relu", "pow", "relu6"), activation),
    **dict.fromkeys(("log_softmax", "softmax"), softmax),
    **dict.fromkeys((*BINARY, *OLD_BINARY), binary),
    **dict.fromkeys(("bmm", "matmul", "matmul_v2"), matrix_product),
    **dict.fromkeys(("fc", "mul"), linear),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(("arg_max", "arg_min", "argmax", "argmin"), arg_reduction),
    "add_n": sum_of_tensors,
    "cast": cast,
    "dropout": dropout,
    "prelu": prelu,
    "scale": scale,
    "sum": summation,
    "where": where,
}
