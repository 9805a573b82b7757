"""Operators as older opsets define them: with other attributes or inputs than today."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from inception_lens.errors import FormatError
from tests.readers.onnx.onnx_cases import Case, check
from tests.readers.onnx.onnx_models import ints, model, node, read, scalar, weight

VECTOR = weight("w", 8, value=0.5)
STATISTICS = [weight(each, 8, value=2) for each in "abcd"]
AXIS = ints("a", 1)

UNARY = {
    "Abs": "abs", "Ceil": "ceil", "Elu": "ELU", "Exp": "exp", "Floor": "floor", "LeakyRelu": "LeakyReLU", "Log": "log",
    "Neg": "neg", "Reciprocal": "reciprocal", "Relu": "ReLU", "Sigmoid": "Sigmoid", "Sqrt": "sqrt", "Tanh": "Tanh",
}  # fmt: skip
"""Functions that had `consumed_inputs`, by the operations that they become."""
BINARY = {"Add": "add", "Div": "div", "Mul": "mul", "Sub": "sub"}
REDUCTIONS = {
    "ReduceL1": "abs sum", "ReduceL2": "norm", "ReduceLogSum": "sum log", "ReduceLogSumExp": "logsumexp",
    "ReduceMax": "amax", "ReduceMean": "mean", "ReduceMin": "amin", "ReduceProd": "prod",
    "ReduceSumSquare": "square sum",
}  # fmt: skip
COMPARED = {
    "Equal": ("cast eq", 6), "Greater": ("gt", 1), "Less": ("lt", 1), "And": ("cast logical_and", 9),
    "Or": ("cast logical_or", 9), "Xor": ("cast logical_xor", 9),
}  # fmt: skip
"""Comparisons and logic: the operations that they become, and the dtype of their inputs."""
QUANTIZED = (
    "quantize_linear dequantize_linear",
    [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")],
    [weight("s", value=0.1), numpy_helper.from_array(np.array(3, "u1"), "z")],
)

POOL: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2]}


def recurrent(op: str, gates: int, opset: int) -> Case:
    """A layer of 3 units that reads 4 features; the reference has the gates of PyTorch's RNN alone in its order."""
    weights = [weight("w", 1, gates * 3, 4), weight("r", 1, gates * 3, 3), weight("v", 1, gates * 6)]
    cost = sum(each.dims[1] * (each.dims[2] if len(each.dims) > 2 else 1) for each in weights)
    nodes = [node(op, "x w r v", hidden_size=3)]
    return Case(
        f"{op} Reshape Permute",
        nodes,
        weights,
        opset,
        None,
        (5, 2, 4),
        (cost, 5 * 2 * gates * 3 * 7),
        modern=nodes if opset < 7 else (),
    )


CASES = {
    **{f"{op} 1": Case(kind, [node(op, "x", consumed_inputs=[0])], opset=1, modern=[node(op, "x")])
       for op, kind in UNARY.items()},
    **{
        f"{op} {opset}": Case(
            kind, [node(op, "x w", broadcast=1, axis=1)], [VECTOR, AXIS], opset, x=(2, 8, 3), cost=(8, 0),
            modern=[node("Unsqueeze", "w a", "v"), node(op, "x v")],
        )
        for op, kind in BINARY.items() for opset in (1, 6)
    },
    **{
        f"{op} 6": Case(
            f"{kind} cast",
            [node("Cast", "x", "i", to=to), node("Cast", "w", "v", to=to), node(op, "i v", "c", broadcast=1, axis=1),
             node("Cast", "c", to=1)], [VECTOR, AXIS], 6, x=(2, 8, 3), computed=False,
            modern=[node("Cast", "x", "i", to=to), node("Unsqueeze", "w a", "u"), node("Cast", "u", "v", to=to),
                    node(op, "i v", "c"), node("Cast", "c", to=1)],
        )
        for op, (kind, to) in COMPARED.items()
    },
    **{f"{op} 13": Case(kind, [node(op, "x", axes=[1, -1], keepdims=0)], opset=13, computed=None)
       for op, kind in REDUCTIONS.items()},
    **{f"{op} {opset}": recurrent(op, gates, opset)
       for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)) for opset in (1, 7)},
    "GRU 3": recurrent("GRU", 3, 3),
    **{f"{op} 1": Case(kind, [node(op, "x r", consumed_inputs=[0])], [weight("r", 8)], 1, x=(2, 8), cost=(8, 0),
                       modern=[node(op, "x r")]) for op, kind in {"Max": "maximum", "Min": "minimum"}.items()},
    "Pow 1": Case("pow", [node("Pow", "x w", broadcast=1, axis=1)], [VECTOR, AXIS], 1, x=(2, 8, 3), cost=(8, 0),
                  modern=[node("Unsqueeze", "w a", "v"), node("Pow", "x v")]),
    "Sum 1": Case("ReLU Add", [node("Relu", "x", "r"), node("Sum", "x r", consumed_inputs=[0, 0])], opset=1,
                  modern=[node("Relu", "x", "r"), node("Sum", "x r")]),
    "PRelu 1": Case("PReLU", [node("PRelu", "x w", consumed_inputs=[0, 0])], [VECTOR, ints("a", 1, 2)], 1,
                    cost=(8, 0), modern=[node("Unsqueeze", "w a", "v"), node("PRelu", "x v")]),
    "Selu 1": Case("selu", [node("Selu", "x", alpha=1.6732632, gamma=1.050701, consumed_inputs=[0])], opset=1,
                   modern=[node("Selu", "x")]),
    "HardSigmoid 1": Case("hardsigmoid", [node("HardSigmoid", "x", consumed_inputs=[0])], opset=1, computed=None),
    "Hardmax 1": Case("Hardmax", [node("Hardmax", "x")], opset=1, computed=None),
    "Clip 1": Case("Hardtanh", [node("Clip", "x", min=0.25, max=0.5, consumed_inputs=[0])], [
        weight("low", value=0.25), weight("high", value=0.5)], 1, modern=[node("Clip", "x low high")]),
    "Dropout 1": Case("Dropout", [node("Dropout", "x", is_test=1, consumed_inputs=[0])], opset=1,
                      modern=[node("Dropout", "x")]),
    "Dropout 6": Case("Dropout", [node("Dropout", "x", is_test=1)], opset=6, modern=[node("Dropout", "x")]),
    "Cast 1": Case("cast", [node("Cast", "x", to="INT32")], opset=1, computed=None, modern=[node("Cast", "x", to=6)]),
    "Cast 13": Case("cast", [node("Cast", "x", to=11)], opset=13, computed=None),
    "CastLike 15": Case("cast", [node("CastLike", "x i")], [scalar("i", 3)], 15, None),
    "Concat 1": Case("ReLU Concat", [node("Relu", "x", "r"), node("Concat", "x r")], opset=1,
                     modern=[node("Relu", "x", "r"), node("Concat", "x r", axis=1)]),
    "Gemm 6": Case("Linear", [node("Gemm", "x w c", broadcast=1)], [weight("w", 10, 5), weight("c", 5)], 6,
                   x=(3, 10), cost=(55, 150), modern=[node("Gemm", "x w c")]),
    "Pad 1": Case("Pad", [node("Pad", "x", paddings=[0, 1, 0, 2, 0, 0, 3, 0])], opset=1),
    "Pad 11": Case("Pad", [node("Pad", "x p v")], [ints("p", 0, 1, 0, 2, 0, 0, 3, 0), weight("v", value=0.5)], 11),
    "Reshape 13": Case("Reshape", [node("Reshape", "x r")], [ints("r", 0, -1, 6)], 13),
    "Split 1": Case("Slice Slice", [node("Split", "x", "y z", axis=1, split=[3, 5])], [ints("s", 3, 5)], 1,
                    modern=[node("Split", "x s", "y z", axis=1)]),
    "Tile 1": Case("Tile", [node("Tile", "x n a")], [scalar("n", 3), scalar("a", 2), ints("r", 1, 1, 3, 1)], 1,
                   computed=None, modern=[node("Tile", "x r")]),
    "Upsample 1": Case("Upsample", [node("Upsample", "x", height_scale=2.0, width_scale=3.0)], [
        numpy_helper.from_array(np.array([1, 1, 2, 3], "f4"), "s")], 1,
        modern=[node("Resize", "x _ s", nearest_mode="floor", coordinate_transformation_mode="asymmetric")]),
    "AveragePool 1": Case("AvgPool2d", [node("AveragePool", "x", pads=[1, 1, 1, 1], **POOL)], opset=1,
                          modern=[node("AveragePool", "x", pads=[1, 1, 1, 1], **POOL)]),
    "AveragePool 7": Case("AvgPool2d", [node("AveragePool", "x", count_include_pad=1, pads=[1, 1, 1, 1], **POOL)],
                          opset=7),
    "AveragePool 10": Case("AvgPool2d", [node("AveragePool", "x", ceil_mode=1, **POOL)], opset=10),
    "MaxPool 1": Case("MaxPool2d", [node("MaxPool", "x", auto_pad="SAME_LOWER", **POOL)], opset=1),
    "MaxPool 8": Case("MaxPool2d", [node("MaxPool", "x", "y z", **POOL)], opset=8, x=(1, 1, 6, 4)),
    "BatchNormalization 1": Case(
        "BatchNorm2d", [node("BatchNormalization", "x a b c d", is_test=1, consumed_inputs=[0, 0, 0, 1, 1])],
        STATISTICS, 1, cost=(16, 0), modern=[node("BatchNormalization", "x a b c d")],
    ),
    "BatchNormalization 6": Case(
        "BatchNorm2d", [node("BatchNormalization", "x a b c d", is_test=1)], STATISTICS, 6, cost=(16, 0),
        modern=[node("BatchNormalization", "x a b c d")],
    ),
    "BatchNormalization 7, positions": Case(
        "Flatten BatchNorm1d Reshape", [node("BatchNormalization", "x a b c d", spatial=0)],
        [weight(each, 8, 3, value=2) for each in "abcd"], 7, x=(2, 8, 3), cost=(48, 0),
    ),
    "InstanceNormalization 1": Case(
        "InstanceNorm", [node("InstanceNormalization", "x a b", consumed_inputs=[0, 0, 0])], STATISTICS[:2], 1,
        cost=(16, 0), modern=[node("InstanceNormalization", "x a b")],
    ),
    "InstanceNormalization, computed scales": Case(
        "mean InstanceNorm Reshape mul Reshape add",
        [node("ReduceMean", "x r", "m", keepdims=0), node("InstanceNormalization", "x m m")], [ints("r", 0, 2, 3)],
    ),
    "GroupNormalization 18": Case(
        "GroupNorm Reshape Expand Reshape mul Reshape Expand Reshape add",
        [node("GroupNormalization", "x g h", num_groups=4)], [weight("g", 4), weight("h", 4)], 18, cost=(8, 0),
    ),
    "ArgMax 11": Case("argmax", [node("ArgMax", "x", axis=1)], opset=11),
    "ArgMin 11": Case("argmin", [node("ArgMin", "x", keepdims=0)], opset=11),
    "DepthToSpace 10": Case("Reshape Permute Reshape", [node("DepthToSpace", "x", blocksize=2)], opset=10),
    "SpaceToDepth 13": Case("Reshape Permute Reshape", [node("SpaceToDepth", "x", blocksize=2)], opset=13),
    "DequantizeLinear 10": Case(*QUANTIZED, opset=10, computed=None),
    "DequantizeLinear 13": Case(*QUANTIZED, opset=13, computed=None),
    "DequantizeLinear 21": Case(*QUANTIZED, opset=21, computed=None),
    "QuantizeLinear 21": Case("quantize_linear", [node("QuantizeLinear", "x s", output_dtype=3)],
                              [weight("s", value=0.1)], 21, None),
    "GatherND 11": Case("GatherND", [node("GatherND", "x i")], [numpy_helper.from_array(np.zeros((3, 2), "i8"), "i")],
                        11, None),
    "ScatterElements 11": Case("ScatterElements", [node("ScatterElements", "x i u", axis=1)],
                               [numpy_helper.from_array(np.ones((1, 2), "i8"), "i"), weight("u", 1, 2)], 11, None,
                               (1, 8)),
    "ScatterND 11": Case("ScatterND", [node("ScatterND", "x i u")],
                         [numpy_helper.from_array(np.ones((1, 1), "i8"), "i"), weight("u", 1, 3)], 11, None, (4, 3)),
    "Shape 13": Case("Flatten", [node("Shape", "x", "n"), node("Slice", "n o p", "b"),
                                 node("Concat", "b q", "t", axis=0), node("Reshape", "x t")],
                     [ints("o", 0), ints("p", 1), ints("q", -1)], 13),
    "TopK 10": Case("TopK", [node("TopK", "x k", "y z", axis=1)], [ints("k", 3)], 10, None),
}  # fmt: skip


@pytest.mark.parametrize("axis", [-(2**63), 3, 2**40])
def test_a_broadcast_from_an_axis_that_is_not_there_is_refused(tmp_path: Path, axis: int) -> None:
    with pytest.raises(FormatError, match=f"axis {axis} is out of range"):
        read(tmp_path, model([node("Add", "x w", broadcast=1, axis=axis)], [VECTOR], (2, 8, 3), opset=6))


@pytest.mark.parametrize("name", CASES)
def test_an_old_form_has_the_types_and_values_of_its_definition(name: str) -> None:
    check(CASES[name])
