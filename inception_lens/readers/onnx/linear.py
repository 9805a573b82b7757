"""ONNX's matrix products."""

from __future__ import annotations

from functools import cache
from math import prod

from inception_lens.errors import FormatError
from inception_lens.ops import Declared, Elementwise, Linear, MatMul, Permute, Shape, TensorType, format_shape
from inception_lens.readers.onnx.elementwise import elementwise
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue, PendingCall


def gemm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Alpha A B + beta C: a linear layer where B is a weight, C its bias or absent, and the factors are 1."""
    a, b = call.input(0), call.input(1)
    bias = call.input(2) if call.has_input(2) else None
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise FormatError(f"a product of {format_shape(a.shape)} and {format_shape(b.shape)}; expected two matrices")
    features, out = b.shape[::-1] if call.integer("transB", 0) else b.shape
    alpha, beta = (call.number(name, 1.0) for name in ("alpha", "beta"))
    is_plain = alpha == beta == 1.0 and not call.integer("transA", 0)
    has_plain_bias = bias is None or (bias.is_weight and prod(bias.shape) == out)
    if is_plain and b.is_weight and has_plain_bias:
        return [_linear(builder, call, a, b, (out, features), bias)]
    left, right = builder.node(a), builder.node(b)
    if call.integer("transA", 0):
        left = builder.add(f"{call.name}/transpose_a", Permute((1, 0)), left).node
    if call.integer("transB", 0):
        right = builder.add(f"{call.name}/transpose_b", Permute((1, 0)), right).node
    product = builder.add(call.name, MatMul(), left, right, dtype=call.dtype)
    if alpha != 1.0:
        product = builder.add(f"{call.name}/alpha", Elementwise("mul", numbers=(None, alpha)), product.node)
    if bias is None:
        return [product]
    added = builder.node(bias)
    if beta != 1.0:
        added = builder.add(f"{call.name}/beta", Elementwise("mul", numbers=(None, beta)), added).node
    return [builder.add(f"{call.name}/add", Elementwise("add"), product.node, added)]


def _linear(
    builder: OnnxGraphBuilder, call: OnnxCall, x: OnnxValue, weight: OnnxValue, shape: Shape, bias: OnnxValue | None
) -> OnnxValue:
    """A linear layer whose weight is (units, features) in PyTorch's order."""
    out, features = shape
    if x.shape[-1] != features:
        raise FormatError(f"weights of {format_shape(weight.shape)} do not fit an input of {format_shape(x.shape)}")
    weights: list[tuple[OnnxValue, Shape]] = [(weight, shape)]
    if bias is not None:
        weights.append((bias, (out,)))
    return builder.add_layer(call, Linear(out, bias is not None), x, weights)


def matmul(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """A matrix product; with a matrix of weights a linear layer, to which an Add of a vector after it gives a bias."""
    a, b = call.input(0), call.input(1)
    if not (b.is_weight and len(b.shape) == 2 and a.shape) or a.is_weight:
        return [builder.add(call.name, MatMul(), builder.node(a), builder.node(b), dtype=call.dtype)]
    features, out = b.shape
    if a.shape[-1] != features:
        raise FormatError(f"weights of {format_shape(b.shape)} do not fit an input of {format_shape(a.shape)}")
    if call.reads[0] != 1:
        return [_linear(builder, call, a, b, (out, features), None)]

    @cache
    def write() -> str:
        return _linear(builder, call, a, b, (out, features), None).node

    def write_with_bias(bias: OnnxValue, name: str) -> str:
        renamed = call._replace(name=name) if call.name == f"{name}/product" else call
        return _linear(builder, renamed, a, b, (out, features), bias).node

    pending = PendingCall(builder.node(a), write, write_with_bias=write_with_bias)
    return [OnnxValue(TensorType((*a.shape[:-1], out), call.dtype or a.dtype), pending=pending)]


def biased_product(
    builder: OnnxGraphBuilder, call: OnnxCall, a: OnnxValue, b: OnnxValue, bias: OnnxValue | None
) -> OnnxValue:
    """The matrix product of two inputs of a call, plus a bias where there is one."""
    (product,) = matmul(builder, call._replace(inputs=(a, b), reads=(1,)))
    if bias is None:
        return product
    return elementwise(builder, call._replace(op="Add", inputs=(product, bias), reads=(1,)))[0]


def einsum(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """Einsum: for each input after the first, a multiply-accumulate per combination of all its indices."""
    values = [call.input(i) for i in range(len(call.inputs))]
    equation = call.text("equation", "").replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if "." in equation or len(terms) != len(values):
        return builder.unknown(call)
    sizes: dict[str, int] = {}
    for term, value in zip(terms, values, strict=True):
        if len(term) != len(value.shape):
            raise FormatError(f"`{term}` does not fit a tensor of {format_shape(value.shape)}")
        for letter, size in zip(term, value.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    out = right if arrow else "".join(sorted(letter for letter in sizes if left.count(letter) == 1))
    if unknown := set(out) - set(sizes):
        raise FormatError(f"`{equation}` has the output index `{min(unknown)}`, which no input has")
    output = TensorType(tuple(sizes[letter] for letter in out), values[0].dtype)
    macs = prod(sizes.values()) * (len(values) - 1)
    return [builder.add(call.name, Declared("einsum", (output,), macs), *builder.nodes(values))]


LINEAR: dict[str, OnnxHandler] = {
    "Einsum": einsum,
    "Gemm": gemm,
    "MatMul": matmul,
}
