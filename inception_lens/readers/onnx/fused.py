"""Operators of onnxruntime that do the work of several of ONNX's: with a bias, an activation, a sum.

Source: onnxruntime's docs/ContribOperators.md.
"""

from __future__ import annotations

import msgspec

from inception_lens.ops import GELU, Declared, Elementwise, Reduce, SiLU, Slice, TensorType
from inception_lens.readers.onnx.activations import ACTIVATIONS, activation
from inception_lens.readers.onnx.convolution import convolution
from inception_lens.readers.onnx.elementwise import elementwise
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.indexing import embedding
from inception_lens.readers.onnx.linear import gemm, matmul
from inception_lens.readers.onnx.normalization import layer_norm
from inception_lens.readers.onnx.reshaping import transpose
from inception_lens.readers.onnx.values import Attribute, OnnxCall, OnnxValue

ACTIVATION_PARAMETERS = {"LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"), "Clip": ("min", "max")}
"""Attributes of the activations that are in `activation_params` or, of a FusedGemm, in attributes of their own."""


def fused_layer(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """FusedConv and FusedGemm: a layer, a sum with input 3 of a FusedConv, and an activation."""
    layer = call._replace(op=call.op.removeprefix("Fused"), inputs=call.inputs[:3])
    (output,) = (convolution if layer.op == "Conv" else gemm)(builder, layer)
    if call.has_input(3):
        output = _add(builder, call, "sum", output, call.input(3))
    function = call.text("activation", "")
    if not function:
        return [output]
    handler = ACTIVATIONS.get(function, OnnxGraphBuilder.unknown)
    values = call.numbers("activation_params") or []
    attributes: dict[str, Attribute] = dict(zip(ACTIVATION_PARAMETERS.get(function, ()), values, strict=False))
    attributes |= {
        name.removeprefix("activation_"): value
        for name, value in call.attributes.items()
        if name in ("activation_alpha", "activation_beta")
    }
    name = f"{call.name}/{function.lower()}"
    return handler(builder, call._replace(op=function, name=name, inputs=(output,), attributes=attributes))


def fused_matmul(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """FusedMatMul and TransposeMatMul, its former name: the product of transposed tensors, times a factor."""
    a, b = (
        _transposed(builder, call, side, call.input(i), bool(call.integer(f"trans{side}", 0)))
        for i, side in enumerate("AB")
    )
    (product,) = matmul(builder, call._replace(inputs=(a, b)))
    alpha = call.number("alpha", 1.0)
    if alpha == 1.0:
        return [product]
    return [builder.add(f"{call.name}/alpha", Elementwise("mul", numbers=(None, alpha)), builder.node(product))]


def _transposed(builder: OnnxGraphBuilder, call: OnnxCall, side: str, x: OnnxValue, is_last: bool) -> OnnxValue:
    """An operand with its first axis after the other axes of the batch, and with its last two axes swapped."""
    order = [*range(len(x.shape))]
    if call.integer(f"transBatch{side}", 0) and len(order) > 2:
        order = [*order[1:-1], 0, order[-1]]
    if is_last and len(order) > 1:
        order[-2:] = order[:-3:-1]
    if order == sorted(order):
        return x
    name = f"{call.name}/transpose_{side.lower()}"
    return transpose(builder, call._replace(name=name, inputs=(x,), attributes={"perm": order}))[0]


def _add(builder: OnnxGraphBuilder, call: OnnxCall, suffix: str, *values: OnnxValue) -> OnnxValue:
    name = f"{call.name}/{suffix}"
    return elementwise(builder, call._replace(op="Add", name=name, inputs=values, reads=(2,)))[0]


def biased_gelu(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """BiasGelu and FastGelu: GELU of a sum with a bias."""
    x = call.input(0)
    if call.has_input(1):
        x = _add(builder, call, "bias", x, call.input(1))
    op = GELU(approximate="tanh" if call.op == "FastGelu" else "none")
    return [builder.add(call.name, op, builder.node(x))]


def quick_gelu(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """QuickGelu: x times the sigmoid of alpha x, which is SiLU where alpha is 1."""
    x, alpha = builder.node(call.input(0)), call.number("alpha", 1.702)
    if alpha == 1.0:
        return [builder.add(call.name, SiLU(), x)]
    scaled = builder.add(f"{call.name}/alpha", Elementwise("mul", numbers=(None, alpha)), x)
    gate = builder.add(f"{call.name}/gate", Elementwise("sigmoid"), scaled.node)
    return [builder.add(call.name, Elementwise("mul"), x, gate.node)]


def skip_norm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """SkipLayerNormalization and SkipSimplifiedLayerNormalization: a norm of the sum of two tensors and a bias.

    The outputs are the norm, the mean and the inverse deviation of each vector, and the sum.
    """
    is_rms = call.op == "SkipSimplifiedLayerNormalization"
    total = _add(builder, call, "sum", call.input(0), call.input(1))
    bias = 3 if is_rms else 4
    if call.has_input(bias):
        total = _add(builder, call, "bias", total, call.input(bias))
    outputs = [_norm(builder, call, total, call.inputs[2:3] if is_rms else call.inputs[2:4])]
    op = Declared("statistics", (TensorType((*total.shape[:-1], 1)),))
    for i in (1, 2):
        is_read = i < len(call.reads) and call.reads[i]
        outputs.append(builder.add(f"{call.name}/statistics", op, outputs[0].node) if is_read else outputs[0])
    return [*outputs, total]


def _norm(builder: OnnxGraphBuilder, call: OnnxCall, x: OnnxValue, weights: tuple[OnnxValue | None, ...]) -> OnnxValue:
    kind = "LayerNormalization" if "Simplified" not in call.op else "SimplifiedLayerNormalization"
    return layer_norm(builder, call._replace(op=kind, inputs=(x, *weights), outputs=call.outputs[:1]))[0]


def embedding_norm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """EmbedLayerNormalization and QEmbedLayerNormalization: the norm of the sum of two or three embeddings.

    Positions that are not an input are 0, 1, 2 ... The outputs are the norm, the lengths of the sequences, and the sum.
    """
    is_quantized = call.op == "QEmbedLayerNormalization"
    dtype = call.input(8 if is_quantized else 2).dtype
    ids = call.input(0)

    def real(i: int) -> OnnxValue:
        table = call.input(i)
        return msgspec.structs.replace(table, type=TensorType(table.shape, dtype))

    def embedded(role: str, i: int, indices: OnnxValue) -> OnnxValue:
        return embedding(builder, call._replace(name=f"{call.name}/{role}"), real(i), indices)[0]

    if call.has_input(8) and not is_quantized:
        positions = embedded("position", 3, call.input(8))
    else:
        positions = builder.add(f"{call.name}/position", Slice(0, 0, ids.shape[-1]), builder.node(real(3)))
    total = _add(builder, call, "sum", embedded("word", 2, ids), positions)
    if call.has_input(1) and call.has_input(4):
        total = _add(builder, call, "sum", total, embedded("segment", 4, call.input(1)))
    outputs = [_norm(builder, call, total, (real(5), real(6)))]
    if len(call.outputs) > 1:
        mask = call.input(7) if call.has_input(7) else ids
        outputs += [builder.add(f"{call.name}/lengths", Reduce("sum", (1,), dtype="int32"), builder.node(mask)), total]
    return outputs[: len(call.outputs)]


FUSED: dict[str, OnnxHandler] = {
    **dict.fromkeys(("BiasGelu", "FastGelu"), biased_gelu),
    **dict.fromkeys(("EmbedLayerNormalization", "QEmbedLayerNormalization"), embedding_norm),
    **dict.fromkeys(("FusedConv", "FusedGemm"), fused_layer),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), skip_norm),
    **dict.fromkeys(("FusedMatMul", "TransposeMatMul"), fused_matmul),
    "Gelu": activation,
    "QuickGelu": quick_gelu,
}
