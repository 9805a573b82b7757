"""ONNX's arithmetic, logic and casts of each element."""

from __future__ import annotations

from functools import cache

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import Add, Elementwise, SiLU, TensorType, broadcast
from inception_lens.readers.onnx.dtypes import onnx_dtype
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.reshaping import reshape_to
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, PendingCall, decimal
from inception_lens.readers.shapes import resolve_axis

ARITHMETIC = {
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Pow": "pow", "Mod": "remainder", "Abs": "abs",
    "Neg": "neg", "Sqrt": "sqrt", "Exp": "exp", "Log": "log", "Reciprocal": "reciprocal", "Floor": "floor",
    "Ceil": "ceil", "Round": "round", "Sign": "sign", "Erf": "erf", "Sin": "sin", "Cos": "cos", "Tan": "tan",
    "Asin": "asin", "Acos": "acos", "Atan": "atan", "Sinh": "sinh", "Cosh": "cosh", "Asinh": "asinh",
    "Acosh": "acosh", "Atanh": "atanh", "BitShift": "bitwise_left_shift", "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor", "BitwiseNot": "bitwise_not", "Min": "minimum",
    "Max": "maximum", "Sum": "add",
}  # fmt: skip
"""Functions whose result has the dtype of their inputs, by PyTorch's names."""

LOGIC = {
    "Equal": "eq", "Greater": "gt", "GreaterOrEqual": "ge", "Less": "lt", "LessOrEqual": "le", "And": "logical_and",
    "Or": "logical_or", "Xor": "logical_xor", "Not": "logical_not", "IsNaN": "isnan", "IsInf": "isinf",
}  # fmt: skip
"""Functions whose result is true or false."""


def elementwise(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A function of one or more tensors; a single known number is part of the function, and not a tensor.

    More than two inputs become a chain of nodes. `Sigmoid` and `Mul` become SiLU, and `Mul` by a number waits for an
    `Add` that makes it a scaled sum.
    """
    values = call.present_inputs()
    if not values:
        raise FormatError("has no inputs")
    if "axis" in call.attributes:  # before opset 7: the first axis of those that the second tensor has
        rank = len(values[0].shape)
        missing = rank - resolve_axis(call.integer("axis", 0), rank) - len(values[-1].shape)
        shape = (*values[-1].shape, *[1] * missing)
        values[-1] = reshape_to(builder, call._replace(name=f"{call.name}/reshape"), values[-1], shape)
    merged = _merge_pending(builder, call, values)
    if merged is not None:
        return [merged]
    is_scaled = any(value.node in builder.scaled for value in values)
    if is_scaled:
        values = [value.as_quantized() for value in values]
        if call.op == "Mul":
            builder.kinds.update({value.weight: "buffer" for value in values if value.is_weight})
    shape = broadcast(*[value.shape for value in values])
    tensors = _without_scalars(values, shape)
    function = ARITHMETIC.get(call.op) or LOGIC[call.op]
    if call.op == "Mod" and call.integer("fmod", 0):
        function = "fmod"
    if call.op == "Mul" and len(tensors) == 1 and len(values) == 2 and call.reads[0] == 1:
        factor = next(value.scalar for value in values if value.scalar is not None)
        base = builder.node(tensors[0])
        op = Elementwise("mul", numbers=_numbers(values, tensors))
        write = cache(lambda: builder.add(call.name, op, base).node)
        return [OnnxValue(tensors[0].type, pending=PendingCall(base, write, factor=factor))]
    op = Elementwise(function, "bool" if call.op in LOGIC else "", numbers=_numbers(values, tensors))
    first, *others = builder.nodes(tensors)
    if not others:
        return [builder.add(call.name, op, first)]
    for i, other in enumerate(others, 1):
        name = call.name if i == len(others) else f"{call.name}/{i}"
        first = builder.add(name, op, first, other).node
    if is_scaled and call.op == "Mul":
        builder.scaled.add(first)
    return [builder.value(first)]


def _without_scalars(values: list[OnnxValue], shape: tuple[int, ...]) -> list[OnnxValue]:
    """The values that are not single known numbers, if they alone have the shape of the result."""
    tensors = [value for value in values if value.scalar is None]
    return tensors if tensors and broadcast(*[value.shape for value in tensors]) == shape else values


def _numbers(values: list[OnnxValue], tensors: list[OnnxValue]) -> tuple[float | None, ...]:
    """`Elementwise.numbers` of a call on `values`, of which `tensors` are inputs of the node."""
    if len(tensors) == len(values):
        return ()
    return tuple([None if any(value is each for each in tensors) else value.number for value in values])


def _merge_pending(builder: OnnxGraphBuilder, call: OnnxCall, values: list[OnnxValue]) -> OnnxValue | None:
    """One node of the call and a pending one that it reads; None where there is no such pair."""
    pairs = [values, values[::-1]] if len(values) == 2 else []
    if call.op == "Mul":
        for gate, x in pairs:
            if gate.pending and gate.pending.is_sigmoid and x.node == gate.pending.base and not x.pending:
                return builder.add(call.name, SiLU(inplace=call.inplace), gate.pending.base)
    if call.op not in ("Add", "Sum"):
        return None
    for product, bias in pairs:
        write = product.pending.write_with_bias if product.pending else None
        if write and bias.is_weight and bias.shape == product.shape[-1:]:
            return builder.value(write(bias, call.name))
    if len({value.shape for value in values}) > 1 or any(not value.node and not value.pending for value in values):
        return None
    last = values[-1].pending
    if last and last.factor is not None:
        return builder.add(call.name, Add(decimal(last.factor), call.inplace), *builder.nodes(values[:-1]), last.base)
    return builder.add(call.name, Add(inplace=call.inplace), *builder.nodes(values))


def where(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Where: one of two tensors, by a condition."""
    values = [call.input(i) for i in range(3)]
    tensors = _without_scalars(values, broadcast(*[value.shape for value in values]))
    op = Elementwise("where", values[1].dtype, numbers=_numbers(values, tensors))
    return [builder.add(call.name, op, *builder.nodes(tensors))]


def cast(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Cast and CastLike; a cast to the same dtype is dropped, and a weight stays a weight."""
    x = call.input(0)
    dtype = call.input(1).dtype if call.op == "CastLike" else onnx_dtype(call.data_type("to", 1))
    if dtype == x.dtype:
        return [x]
    if x.is_weight:
        return [msgspec.structs.replace(x, type=TensorType(x.shape, dtype))]
    base = builder.node(x)
    output = builder.add(call.name, Elementwise("cast", dtype), base)
    if base in builder.scaled:
        builder.scaled.add(output.node)
    return [output]


def identity(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Identity, which is dropped."""
    return [call.input(0)]


ELEMENTWISE: dict[str, OnnxHandler] = {
    **dict.fromkeys((*ARITHMETIC, *LOGIC), elementwise),
    **dict.fromkeys(("Cast", "CastLike"), cast),
    "Identity": identity,
    "Where": where,
}
