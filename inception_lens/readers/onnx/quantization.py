"""Quantization in ONNX: operators that scale, and those of ONNX and of onnxruntime that compute with integers.

Source: onnx.ai/onnx/operators and onnxruntime's docs/ContribOperators.md. An operator on integers is the operation on
real numbers that it approximates, with the dtype of its own output. Scales and zero points are not parameters, and to
apply them inside such an operator costs no FLOPs.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from inception_lens.errors import FormatError
from inception_lens.ops import Elementwise, Permute, Reduce, TensorType, bytes_of, format_shape
from inception_lens.readers.onnx.activations import activation, softmax
from inception_lens.readers.onnx.convolution import convolution
from inception_lens.readers.onnx.dtypes import onnx_dtype
from inception_lens.readers.onnx.elementwise import elementwise, where
from inception_lens.readers.onnx.graph_builder import OnnxGraphBuilder, OnnxHandler
from inception_lens.readers.onnx.indexing import embedding
from inception_lens.readers.onnx.linear import biased_product, gemm, matmul
from inception_lens.readers.onnx.pooling import global_pool, pool
from inception_lens.readers.onnx.recurrent import recurrent
from inception_lens.readers.onnx.reshaping import concat
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue

PACKED_DTYPES = {2: "uint2", 4: "uint4", 8: "uint8"}
"""The dtypes of weights of 2, 4 and 8 bits in operators that hold them in bytes."""


class IntegerForm(NamedTuple):
    """An operator on integers, as one on real numbers."""

    op: str
    handler: OnnxHandler
    tensors: tuple[int, ...]
    """Positions of the inputs of `op`; the others are scales and zero points."""
    outputs: tuple[int, ...] = ()
    """Positions of inputs with the dtype of the output, of which the first that is there decides; none: input 0."""
    dtype: str = ""
    """Dtype of the output where no input has it."""


INTEGER_FORMS = {
    "ConvInteger": IntegerForm("Conv", convolution, (0, 1), dtype="int32"),
    "MatMulInteger": IntegerForm("MatMul", matmul, (0, 1), dtype="int32"),
    "QGemm": IntegerForm("Gemm", gemm, (0, 3, 6), (8, 1)),
    "QLinearAdd": IntegerForm("Add", elementwise, (0, 3)),
    "QLinearAveragePool": IntegerForm("AveragePool", pool, (0,)),
    "QLinearConv": IntegerForm("Conv", convolution, (0, 3, 8), (7,)),
    "QLinearGlobalAveragePool": IntegerForm("GlobalAveragePool", global_pool, (0,)),
    "QLinearLeakyRelu": IntegerForm("LeakyRelu", activation, (0,)),
    "QLinearMatMul": IntegerForm("MatMul", matmul, (0, 3), (7,)),
    "QLinearMul": IntegerForm("Mul", elementwise, (0, 3)),
    "QLinearSigmoid": IntegerForm("Sigmoid", activation, (0,)),
    "QLinearSoftmax": IntegerForm("Softmax", softmax, (0,)),
    "QLinearWhere": IntegerForm("Where", where, (0, 1, 4)),
}


def integer_form(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """An operator of INTEGER_FORMS."""
    form = INTEGER_FORMS[call.op]
    inputs = tuple(call.input(i).as_quantized() if call.has_input(i) else None for i in form.tensors)
    dtype = next((call.input(i).dtype for i in form.outputs if call.has_input(i)), form.dtype)
    # Unless an Add may follow with its bias, the node is written at once: no reader makes one node of both.
    reads = call.reads if form.op == "MatMul" else (2,) * len(call.outputs)
    opset = call.integer("opset", call.opset)  # of the Softmax of a QLinearSoftmax
    real = call._replace(op=form.op, inputs=inputs, dtype=_other(dtype, call.input(0)), reads=reads, opset=opset)
    if call.integer("channels_last", 0):
        return channels_first(builder, real, form.handler)
    return form.handler(builder, real)


def channels_first(builder: OnnxGraphBuilder, call: OnnxCall, handler: OnnxHandler) -> list[OnnxValue]:
    """A call on a map with its channels last, by the handler of that with its channels first."""
    x = call.input(0)
    last, axes = len(x.shape) - 1, range(1, len(x.shape) - 1)
    first = builder.add(f"{call.name}/channels_first", Permute((0, last, *axes)), builder.node(x))
    (output,) = handler(builder, call._replace(inputs=(first, *call.inputs[1:])))
    return [builder.add(f"{call.name}/channels_last", Permute((0, *(axis + 1 for axis in axes), 1)), output.node)]


def channels_last_pool(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """NhwcMaxPool."""
    return channels_first(builder, call._replace(op="MaxPool"), pool)


def _other(dtype: str, x: OnnxValue) -> str:
    """The dtype, or none where `x` has it."""
    return "" if dtype == x.dtype else dtype


def quantized_concat(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """QLinearConcat: after the output's scale and zero point, each tensor with its own."""
    return concat(builder, call._replace(inputs=tuple(each.as_quantized() for each in call.present_inputs()[2::3])))


def quantize(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """QuantizeLinear and DequantizeLinear: a weight stays a weight, an activation is scaled and shifted."""
    x = call.input(0)
    if call.op == "DequantizeLinear":
        dtype = call.input(1).dtype
    else:
        dtype = call.input(2).dtype if call.has_input(2) else onnx_dtype(call.integer("output_dtype", 0) or 2)
    if x.is_weight:
        return [msgspec.structs.replace(x, type=TensorType(x.shape, dtype), array=None)]
    function = "quantize_linear" if call.op == "QuantizeLinear" else "dequantize_linear"
    return [builder.add(call.name, Elementwise(function, dtype), builder.node(x))]


def dynamic_quantize(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """DynamicQuantizeLinear: the greatest and the least element give the scale and the zero point."""
    x = builder.node(call.input(0))
    scale = builder.add(f"{call.name}/scale", Reduce("amax"), x)
    zero_point = builder.add(f"{call.name}/zero_point", Reduce("amin", dtype="uint8"), x)
    builder.scaled.add(scale.node)
    return [builder.add(call.name, Elementwise("quantize_linear", "uint8"), x), scale, zero_point]


def scaled_product(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """DynamicQuantizeMatMul and MatMulIntegerToFloat: a product of real numbers, with a bias that is not quantized."""
    x, scale, bias = call.input(0), 2, 4 if call.op == "DynamicQuantizeMatMul" else 6
    real = call._replace(dtype=_other(call.input(scale).dtype, x))
    return [biased_product(builder, real, x, call.input(1), call.input(bias) if call.has_input(bias) else None)]


def packed_product(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """MatMulNBits and MatMulBnb4: a product with K x N weights of a few bits, which are packed in bytes.

    The padding of blocks is not counted.
    """
    x, packed, bits = call.input(0), call.input(1), call.integer("bits", 4)
    shape = features, units = call.integer("K", 0), call.integer("N", 0)
    if bits not in PACKED_DTYPES or not packed.is_weight:
        return builder.unknown(call)
    if min(shape) < 1 or packed.type is None or packed.type.bytes < bytes_of(features * units, PACKED_DTYPES[bits]):
        raise FormatError(f"weights of {format_shape(packed.shape)} do not hold {features}x{units} of {bits} bits")
    bias = call.input(5) if call.has_input(5) else None
    return [biased_product(builder, call, x, _unpacked(packed, shape, x.dtype, bits), bias)]


def _unpacked(packed: OnnxValue, shape: tuple[int, int], dtype: str, bits: int) -> OnnxValue:
    file_dtype = PACKED_DTYPES[bits]
    return msgspec.structs.replace(packed, type=TensorType(shape, dtype), file_dtype=file_dtype, array=None)


def packed_embedding(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """GatherBlockQuantized of the rows of a matrix, whose elements have a few bits."""
    table, indices, bits = call.input(0), call.input(1), call.integer("bits", 4)
    if not table.is_weight or len(table.shape) != 2 or call.integer("gather_axis", 0) or bits not in PACKED_DTYPES:
        return builder.unknown(call)
    dtype, (rows, width) = call.input(2).dtype, table.shape
    if table.stored_dtype == "uint8":
        table = _unpacked(table, (rows, width * 8 // bits), dtype, bits)
    return embedding(builder, call, msgspec.structs.replace(table, type=TensorType(table.shape, dtype)), indices)


def dynamic_quantize_lstm(builder: OnnxGraphBuilder, call: OnnxCall) -> list[OnnxValue]:
    """DynamicQuantizeLSTM: an LSTM with its matrices of integers transposed."""
    matrices = []
    for value in (call.input(1), call.input(2)):
        directions, features, rows = value.shape
        matrices.append(msgspec.structs.replace(value, type=TensorType((directions, rows, features), value.dtype)))
    return recurrent(builder, call._replace(op="LSTM", inputs=(call.input(0), *matrices, *call.inputs[3:8])))


QUANTIZATION: dict[str, OnnxHandler] = {
    **dict.fromkeys(("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"), integer_form),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), quantize),
    "DynamicQuantizeLinear": dynamic_quantize,
}
"""Operators of ONNX."""

MICROSOFT_QUANTIZATION: dict[str, OnnxHandler] = {
    **dict.fromkeys((*INTEGER_FORMS.keys() - QUANTIZATION.keys(), "QLinearConv"), integer_form),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), quantize),
    **dict.fromkeys(("DynamicQuantizeMatMul", "MatMulIntegerToFloat"), scaled_product),
    **dict.fromkeys(("MatMulBnb4", "MatMulNBits"), packed_product),
    "DynamicQuantizeLSTM": dynamic_quantize_lstm,
    "GatherBlockQuantized": packed_embedding,
    "NhwcMaxPool": channels_last_pool,
    "QLinearConcat": quantized_concat,
}
"""Operators of onnxruntime."""
