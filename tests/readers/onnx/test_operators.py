"""Operators on ONNX's own node tests: the operations that they become, and the types and values of their outputs."""

import re
import warnings
from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from inception_lens.readers.onnx.dtypes import SUBSTITUTES
from inception_lens.readers.onnx.handlers import HANDLERS
from inception_lens.readers.onnx.model import OnnxModelReader
from inception_lens.readers.onnx.sequences import SEQUENCES
from tests.readers.onnx.onnx_models import Array, compute, kinds

INPUTS_STAY = {"Add", "Attention", "Concat", "Div", "Max", "Min", "Mul", "Sub", "Sum", "Where"}
"""Operators whose inputs after the first are not made initializers."""

LOWER_CASE = """
Abs Acos Acosh ArgMax ArgMin Asin Asinh Atan Atanh Ceil Celu Cos Cosh Div Erf Exp Floor HardSigmoid IsInf IsNaN Log Mul
Neg Pow Reciprocal Round Sign Sin Sinh Softsign Sqrt Sub Tan Where
"""
SAME_NAME = """
Concat CumSum Expand EyeLike GatherElements GatherND Hardmax LogSoftmax Mish
OneHot Pad ReverseSequence Scatter ScatterElements ScatterND Sigmoid Softmax Softplus Tanh Tile TopK
Trilu
"""
KINDS = {
    **{name: name.lower() for name in LOWER_CASE.split()},
    **{name: name for name in SAME_NAME.split()},
    "Add": "Add|add", "And": "logical_and",
    "Attention": "(Reshape Permute ){0,3}(Concat ){0,2}(Pad )?ScaledDotProductAttention( Permute Reshape)?( scores)?",
    "AveragePool": "AvgPool1d|AvgPool2d|AvgPool3d|AvgPool",
    "BatchNormalization": "BatchNorm2d( BatchNormalization){2}|BatchNorm2d",
    "BitShift": "bitwise_left_shift", "BitwiseAnd": "bitwise_and", "BitwiseNot": "bitwise_not",
    "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor", "Cast": "cast", "CastLike": "cast",
    "Clip": "clamp|Hardtanh", "ConstantOfShape": "ConstantOfShape", "Conv": "Conv2d",
    "ConvInteger": "Conv2d",
    "ConvTranspose": "ConvTranspose1d|ConvTranspose2d|ConvTranspose3d",
    "DequantizeLinear": "dequantize_linear", "DynamicQuantizeLinear": "amax amin quantize_linear",
    "QuantizeLinear": "quantize_linear", "DepthToSpace": "PixelShuffle|Reshape Permute Reshape",
    "Dropout": "Dropout|Dropout mask", "Einsum": r"einsum|\?Einsum",
    "Elu": "ELU", "Equal": "eq", "Flatten": "Flatten|Reshape", "GRU": r"GRU Reshape Permute|\?GRU", "Gather": "gather",
    "Gelu": "GELU", "Gemm": "Linear|(Permute )*MatMul( mul)* add", "GlobalAveragePool": "AdaptiveAvgPool2d",
    "GlobalMaxPool": "AdaptiveMaxPool2d", "Greater": "gt", "GreaterOrEqual": "ge", "GroupNormalization": "GroupNorm",
    "HardSwish": "Hardswish", "Identity": "Identity",
    "InstanceNormalization": "InstanceNorm", "LRN": "LocalResponseNorm",
    "LSTM": r"LSTM Reshape Permute|\?LSTM", "LayerNormalization": "LayerNorm statistics statistics",
    "LeakyRelu": "LeakyReLU", "Less": "lt", "LessOrEqual": "le", "LpNormalization": "norm div",
    "MatMul": "Linear|MatMul", "MatMulInteger": "Linear|MatMul",
    "Max": "maximum( maximum)?", "MaxPool": "MaxPool1d|MaxPool2d|MaxPool3d",
    "Min": "minimum( minimum)?", "Mod": "remainder|fmod", "Not": "logical_not", "Or": "logical_or", "PRelu": "PReLU",
    "QLinearConv": "Conv2d", "QLinearMatMul": "Linear|MatMul",
    "RMSNormalization": "RMSNorm", "RNN": r"RNN Reshape Permute|\?RNN", "ReduceL1": "abs sum", "ReduceL2": "norm",
    "ReduceLogSum": "sum log", "ReduceLogSumExp": "logsumexp", "ReduceMax": "amax", "ReduceMean": "mean",
    "ReduceMin": "amin", "ReduceProd": "prod", "ReduceSum": "sum", "ReduceSumSquare": "square sum", "Relu": "ReLU",
    "Reshape": "Flatten|Reshape", "Resize": "Upsample|Resize", "Selu": "selu|ELU mul", "Shape": "",
    "Shrink": "hardshrink", "Size": "", "Slice": "Slice|flip flip flip",
    "SpaceToDepth": "PixelUnshuffle|Reshape Permute Reshape", "Split": "Slice( Slice)+", "Squeeze": "Reshape",
    "Sum": "Add", "Swish": "SiLU", "ThresholdedRelu": "threshold", "Transpose": "Permute",
    "Unsqueeze": "Reshape", "Upsample": "Upsample", "Xor": "logical_xor",
}  # fmt: skip
"""The operations that an operator becomes, as a regular expression."""

NOT_COMPUTED = {
    "Identity",
    "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Celu", "ConstantOfShape",
    "ConvInteger", "CumSum", "DequantizeLinear", "DynamicQuantizeLinear", "Einsum", "Equal", "EyeLike", "Gather",
    "GatherElements", "GatherND", "HardSigmoid", "Hardmax", "LayerNormalization", "LpNormalization",
    "MatMulInteger", "OneHot", "Or", "PRelu", "QLinearConv", "QuantizeLinear", "ReduceL2", "ReverseSequence",
    "Scatter", "ScatterElements", "ScatterND", "Shape", "Shrink", "Size", "Softsign", "ThresholdedRelu", "Tile",
    "TopK", "Trilu", "Where", "Xor",
}  # fmt: skip
"""Operators of which a Graph does not hold the numbers that a module needs."""

OTHER_VALUES = re.compile(
    # Ties, factors, windows and masks, which cost the same.
    r"example_select_last_index|attention_.*(softcap|nonpad|causal_with_past|padded_kv|window(?!_default))|gelu_tanh_2"
    r"|training_dropout|isinf_(positive|negative)|maxpool_with_argmax_2d_precomputed_strides"
    # Of integers, the scales are not kept.
    r"|^test_qlinearmatmul"
    # PyTorch divides integers into floating-point numbers.
    r"|div_u?int"
    # Of Resize, the coordinates are not kept.
    r"|resize_(?!(upsample_scales_(nearest|linear|cubic)|upsample_sizes_nearest|upsample_sizes_cubic"
    r"|downsample_scales_nearest|downsample_sizes_cubic|downsample_scales_cubic_A_n0p5)$)"
    # PyTorch's recurrent layers have their gates in another order, and the test copies no weights.
    r"|^test_(gru|lstm|rnn|simple_rnn)"
)
"""Node tests of which the Graph, built as a network, computes other values than ONNX."""

Case = tuple[str, onnx.ModelProto, dict[str, Array], list[Array]]


@cache
def all_node_tests() -> list[tuple[str, onnx.ModelProto, list[Any], list[Any]]]:
    """ONNX's node tests: name, model, inputs and outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = collect_testcases(None)
    found = []
    for test in tests:
        if test.model is not None and test.data_sets:
            inputs, outputs = test.data_sets[0]
            found.append((test.name, test.model, list(inputs), list(outputs)))
    return found


@cache
def node_tests() -> dict[str, list[Case]]:
    """ONNX's tests of one node by operator: name, model, arrays by name, and outputs."""
    found: dict[str, list[Case]] = defaultdict(list)
    for test, model, inputs, outputs in all_node_tests():
        op = model.graph.node[0].op_type
        if len(model.graph.node) > 1 or op not in HANDLERS or op in SEQUENCES or test.endswith("expanded"):
            continue
        if any(isinstance(each, list) or each is None for each in inputs):
            continue
        names = [info.name for info in model.graph.input]
        arrays = {name: as_array(each) for name, each in zip(names, inputs, strict=True)}
        if 0 not in arrays[names[0]].shape and test != "test_constantofshape_int_shape_zero":  # known at run time
            made = model if op in INPUTS_STAY else with_initializers(model, arrays)
            found[op].append((test, made, arrays, [as_array(each) for each in outputs]))
    return found


def as_array(data: Any) -> Array:
    array: Array = numpy_helper.to_array(data) if isinstance(data, onnx.TensorProto) else np.asarray(data)
    return array


def with_initializers(model: onnx.ModelProto, arrays: dict[str, Array]) -> onnx.ModelProto:
    """The model, all of whose inputs but the first are initializers."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    others = changed.graph.input[1:]
    changed.graph.initializer.extend(numpy_helper.from_array(arrays[each.name], each.name) for each in others)
    del changed.graph.input[1:]
    return changed


def test_every_operator_with_a_node_test_has_its_operations() -> None:
    assert set(node_tests()) == set(KINDS)


@pytest.mark.parametrize("op", KINDS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_operator_becomes_its_operations_with_the_types_and_values_of_onnx(op: str) -> None:
    computed = 0
    for name, model, arrays, outputs in node_tests()[op]:
        reader = OnnxModelReader(model, name)
        graph = reader.graph(None, "inference")
        if kinds(graph) == "Identity":
            assert reader.values[model.graph.output[0].name].node == model.graph.input[0].name
            continue
        assert re.fullmatch(KINDS[op], kinds(graph)), name
        for info, output in zip(model.graph.output, outputs, strict=True):
            found = reader.values[info.name].type
            assert found is not None
            dtype = {"object": "text"}.get(str(output.dtype), str(output.dtype))
            assert (name, found.shape, found.dtype) == (name, output.shape, SUBSTITUTES.get(dtype, dtype))
        values = compute(graph, arrays)
        if values is not None:
            computed += 1
            same = all(
                np.allclose(value, output, 1e-3, 1e-4, equal_nan=True)
                for value, output in zip(values, outputs, strict=True)
            )
            assert same or OTHER_VALUES.search(name), name
    assert computed or op in NOT_COMPUTED
