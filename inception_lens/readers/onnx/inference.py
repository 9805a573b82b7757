"""Types of the outputs of operators that this project has no rule for, by the `onnx` package's own shape inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inception_lens.ops import TensorType
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.readers.onnx.protos import tensor_type
from inception_lens.readers.onnx.values import OnnxCall, OnnxValue

if TYPE_CHECKING:
    from onnx import NodeProto, TypeProto

MAX_DATA_ELEMENTS = 10_000
"""Elements of an input whose values are passed to the shape inference."""

DIVISORS = {
    "block_shape", "blocksize", "dilations", "group", "kernel_shape", "num_groups", "num_heads", "num_outputs",
    "offset_group", "pooled_shape", "strides",
}  # fmt: skip
"""Attributes by which the shape inference may divide; it does not check them."""

WITHOUT_INFERENCE = {"GatherND", "If", "LayerNormalization", "Loop", "STFT", "Scan", "SequenceMap", "Split"}
"""Operators that are not passed to the shape inference of onnx 1.23: of an STFT, it ignores `onesided`; on some invalid
attributes and outputs of GatherND, LayerNormalization and Split, it ends the process. The others may contain those."""

WITHOUT_MACS = {
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "AveragePool",
    "BatchNormalization", "Bernoulli", "BitCast", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor",
    "BlackmanWindow", "Cast", "CastLike", "Ceil", "Celu", "CenterCropPad", "Clip", "Col2Im", "Compress", "Concat",
    "ConcatFromSequence", "ConstantOfShape", "Cos", "Cosh", "CumProd", "CumSum", "DepthToSpace", "DequantizeLinear",
    "Div", "Dropout", "DynamicQuantizeLinear", "Elu", "Equal", "Erf", "Exp", "Expand", "EyeLike", "Flatten",
    "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool",
    "Greater", "GreaterOrEqual", "GridSample", "GroupNormalization", "HammingWindow", "HannWindow", "HardSigmoid",
    "HardSwish", "Hardmax", "Identity", "ImageDecoder", "InstanceNormalization", "IsInf", "IsNaN", "LRN",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "LpPool",
    "Max", "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean", "MeanVarianceNormalization", "Min", "Mish", "Mod", "Mul",
    "Multinomial", "Neg", "NegativeLogLikelihoodLoss", "NonMaxSuppression", "NonZero", "Not", "OneHot", "Optional",
    "OptionalGetElement", "OptionalHasElement", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear", "RMSNormalization",
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Range", "Reciprocal", "ReduceL1",
    "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "ReduceSumSquare", "RegexFullMatch", "Relu", "Reshape", "Resize", "ReverseSequence", "RoiAlign",
    "RotaryEmbedding", "Round", "Scatter", "ScatterElements", "ScatterND", "Selu", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "Shape", "Shrink",
    "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "SoftmaxCrossEntropyLoss", "Softplus", "Softsign",
    "SpaceToDepth", "Split", "SplitToSequence", "Sqrt", "Squeeze", "StringConcat", "StringNormalizer",
    "StringSplit", "Sub", "Sum", "SwiGLU", "Swish", "Tan", "Tanh", "TensorScatter", "TfIdfVectorizer",
    "ThresholdedRelu", "Tile", "TopK", "Transpose", "Trilu", "Unique", "Unsqueeze", "Upsample", "Where", "Xor",
}  # fmt: skip
"""Operators of ONNX that compute no convolution, matrix product or attention, whatever their attributes."""


def infer_types(call: OnnxCall) -> list[TensorType | None]:
    """The types of a call's outputs, None for those that cannot be inferred; empty where none can."""
    from onnx import checker, defs, helper, numpy_helper, shape_inference

    if call.op in WITHOUT_INFERENCE or call.proto is None or call.proto.op_type != call.op or _may_divide(call):
        return []
    domain = "" if call.proto.domain == "ai.onnx" else call.proto.domain
    version = 1_000 if domain else call.opset
    node = _renamed(call, call.proto)
    inputs = [(f"{i}", value) for i, value in enumerate(call.inputs) if value is not None]
    data = {
        name: numpy_helper.from_array(value.array)
        for name, value in inputs
        if value.array is not None and value.array.size <= MAX_DATA_ELEMENTS
    }
    opsets = [helper.make_opsetid(domain, version)]
    for has_text in (False, True):
        types = {name: _type_proto(value, has_text=has_text) for name, value in inputs}
        try:
            schema = defs.get_schema(call.op, version, domain)
            found = shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=opsets)
        except checker.ValidationError:  # the dtype of an input
            continue
        except (shape_inference.InferenceError, defs.SchemaError, RuntimeError, ValueError, TypeError):
            return []
        return [tensor_type(found[name]) if name in found else None for name in node.output]
    return []


def _may_divide(call: OnnxCall) -> bool:
    for name in DIVISORS & call.attributes.keys():
        value = call.attributes[name]
        if not all(isinstance(each, int) and each > 0 for each in (value if isinstance(value, list) else [value])):
            return True
    return False


def _renamed(call: OnnxCall, proto: NodeProto) -> NodeProto:
    """The node with numbers as names, because two calls of a function have the same ones, and its own attributes."""
    from onnx import NodeProto, helper

    node = NodeProto(op_type=proto.op_type, domain=proto.domain)
    node.input.extend(str(i) if value is not None else "" for i, value in enumerate(call.inputs))
    node.output.extend(f"output {i}" for i in range(len(call.outputs)))
    for attribute in proto.attribute:
        value = call.attributes.get(attribute.name)
        if not attribute.ref_attr_name:
            node.attribute.append(attribute)
        elif value is not None and not isinstance(value, OnnxValue):
            node.attribute.append(helper.make_attribute(attribute.name, value))
    return node


def _type_proto(value: OnnxValue, *, has_text: bool) -> TypeProto:
    """The type of a value; a Graph has no text, but bytes in its place."""
    from onnx import TensorProto, TypeProto, helper

    if value.type is None:
        return TypeProto()
    is_text = has_text and value.dtype == "uint8"
    return helper.make_tensor_type_proto(TensorProto.STRING if is_text else onnx_dtype_number(value.dtype), value.shape)
