"""Caffe's element-wise arithmetic and reductions."""

from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Add, Declared, Elementwise, Op, Reduce, TensorType
from inception_lens.readers.caffe.graph_builder import CaffeGraphBuilder, CaffeHandler
from inception_lens.readers.caffe.layers import CaffeLayer


def power(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """(shift + scale x) ^ power, base ^ (shift + scale x) or its logarithm, without the operations that do nothing."""
    found, x = layer.parameters(f"{layer.type.lower()}_param"), builder.bottom(layer)
    steps: list[tuple[str, Op]] = []
    if found.number("scale", 1.0) != 1:
        steps.append(("scale", Elementwise("mul")))
    if found.number("shift", 0.0):
        steps.append(("shift", Elementwise("add")))
    if layer.type == "Power" and (exponent := found.number("power", 1.0)) != 1:
        steps.append(("power", Elementwise("square" if exponent == 2 else "pow")))
    elif layer.type in ("Exp", "Log"):
        steps.append(("function", Elementwise(layer.type.lower())))
        if layer.type == "Log" and found.number("base", -1.0) > 0:
            steps.append(("base", Elementwise("mul")))
    return (builder.add_chain(layer, x, steps),)


def eltwise(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A sum, with coefficients if there are any, a product or a maximum of blobs of one shape."""
    found, inputs = layer.parameters("eltwise_param"), builder.bottoms(layer)
    operation = found.choice("operation", ("PROD", "SUM", "MAX")) if "operation" in found else "SUM"
    if operation != "SUM":
        function = "mul" if operation == "PROD" else "maximum"
        for i, other in enumerate(inputs[1:-1], 1):
            inputs[0] = builder.add(layer, Elementwise(function), inputs[0], other, suffix=str(i))
        return (builder.add(layer, Elementwise(function), inputs[0], inputs[-1]),)
    factors = found.numbers("coeff") or [1.0] * len(inputs)
    if len(factors) != len(inputs):
        raise FormatError(f"has {len(factors)} `coeff` for {len(inputs)} bottoms", line=found.line)
    if factors == [1.0, -1.0]:
        return (builder.add(layer, Elementwise("sub"), *inputs),)
    for i, factor in enumerate(factors[:-1]):
        if factor != 1:
            inputs[i] = builder.add(layer, Elementwise("mul"), inputs[i], suffix=f"scale_{i}")
    return (builder.add(layer, Add(factors[-1]), *inputs),)


def axpy(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """SENet's Axpy: one factor per channel times a blob, plus another blob."""
    factor, x, y = (builder.bottom(layer, i) for i in range(3))
    product = builder.add(layer, Elementwise("mul"), x, factor, suffix="product")
    return (builder.add(layer, Add(), product, y),)


def reduction(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """A sum or mean over the axes from `axis` to the last."""
    found, x = layer.parameters("reduction_param"), builder.bottom(layer)
    axis = builder.axis(x, found.integer("axis", 0, -8))
    operation = found.choice("operation", ("", "SUM", "ASUM", "SUMSQ", "MEAN")) or "SUM"  # the enum starts at 1
    steps: list[tuple[str, Op]] = []
    if operation in ("ASUM", "SUMSQ"):
        steps.append(("each", Elementwise("abs" if operation == "ASUM" else "square")))
    axes = tuple(range(axis, len(builder.shape(x))))
    steps.append(("sum", Reduce("mean" if operation == "MEAN" else "sum", axes)))
    if found.number("coeff", 1.0) != 1:
        steps.append(("coeff", Elementwise("mul")))
    return (builder.add_chain(layer, x, steps),)


def argmax(builder: CaffeGraphBuilder, layer: CaffeLayer) -> tuple[str, ...]:
    """Positions of the `top_k` largest elements: one comparison per element and position."""
    found, x = layer.parameters("argmax_param"), builder.bottom(layer)
    shape, top, both = builder.shape(x), found.integer("top_k", 1, 1), found.flag("out_max_val", False)
    if not shape:
        raise FormatError("reads a scalar; expected at least 1 axis")
    output = [shape[0], 2 if both else 1, top]
    if "axis" in found:
        output = list(shape)
        output[builder.axis(x, found.integer("axis", 1, -8))] = top
    op = Declared("ArgMax", (TensorType(tuple(output)),), declared_flops=top * prod(shape))
    return (builder.add(layer, op, x),)


ARITHMETIC: dict[str, CaffeHandler] = {
    **dict.fromkeys(("Exp", "Log", "Power"), power),
    "ArgMax": argmax,
    "Axpy": axpy,
    "Eltwise": eltwise,
    "Reduction": reduction,
}
