"""Operators at older opsets, in other forms and of other domains: the types and values that onnxruntime computes."""

import numpy as np
import pytest
from onnx import numpy_helper

from tests.readers.onnx.onnx_cases import Case, check
from tests.readers.onnx.onnx_models import ints, node, scalar, weight

FLOATS = [numpy_helper.from_array(np.array([1, 1, 2, 1.5], "f4"), "s")]
CASES = {
    "softmax 11": Case("Reshape Softmax Reshape", [node("Softmax", "x")], opset=11),
    "softmax 11, last axis": Case("Softmax", [node("Softmax", "x", axis=3)], opset=11),
    "softmax 11, axes of 1 after it": Case("Softmax", [node("Softmax", "x", axis=1)], opset=11, x=(2, 9, 1, 1)),
    "log-softmax 9": Case("Reshape LogSoftmax Reshape", [node("LogSoftmax", "x", axis=2)], opset=9),
    "softmax 13": Case("Softmax", [node("Softmax", "x", axis=1)], opset=13),
    "clip 6": Case("Hardtanh", [node("Clip", "x", min=0.25, max=0.5)], opset=6),
    "clip, one bound": Case("clamp", [node("Clip", "x low")], [weight("low", value=0.5)]),
    "clip, no value between": Case(
        "clamp", [node("Clip", "x low high")], [weight("low", value=0.5), weight("high", value=0.2)]
    ),
    "selu, another gamma": Case("ELU mul", [node("Selu", "x", gamma=2.0)], computed=False),
    "hard sigmoid of pytorch": Case("Hardsigmoid", [node("HardSigmoid", "x", alpha=1 / 6)]),
    "hard sigmoid": Case("hardsigmoid", [node("HardSigmoid", "x")], computed=False),
    "dropout 7": Case("Dropout", [node("Dropout", "x", ratio=0.25)], opset=7),
    "pad 2": Case("Pad", [node("Pad", "x", pads=[0, 0, 1, 2, 0, 0, 3, 0], value=0.5)], opset=2),
    "pad, edge": Case("Pad", [node("Pad", "x p", mode="edge")], [ints("p", 0, 0, 1, 2, 0, 0, 3, 4)]),
    "pad, reflected": Case("Pad", [node("Pad", "x p", mode="reflect")], [ints("p", 0, 0, 1, 2, 0, 0, 3, 4)]),
    "pad, one axis": Case(
        "Pad", [node("Pad", "x p v a")], [ints("p", 1, 2), weight("v", value=0.5), ints("a", -1)]
    ),
    "squeeze 1": Case("Reshape", [node("Squeeze", "x", axes=[0])], opset=11),
    "squeeze, all": Case("Reshape", [node("Squeeze", "x")], x=(1, 3, 1, 4)),
    "unsqueeze 1": Case("Reshape", [node("Unsqueeze", "x", axes=[0, 3])], opset=11),
    "slice 1": Case("Slice Slice", [node("Slice", "x", starts=[1, -4], ends=[5, 99], axes=[1, 2])], opset=9),
    "slice, a step": Case(
        "Slice", [node("Slice", "x a b c d")], [ints("a", 1), ints("b", 9), ints("c", -2), ints("d", 3)]
    ),
    "split 2": Case("Slice Slice", [node("Split", "x", "y z", split=[3, 5], axis=1)], opset=11),
    "split, uneven": Case("Slice Slice Slice", [node("Split", "x", "y z w", num_outputs=3, axis=2)], x=(2, 3, 8)),
    "upsample 7": Case("Upsample", [node("Upsample", "x", scales=[1.0, 1.0, 2.0, 3.0])], opset=7),
    "upsample 9": Case("Upsample", [node("Upsample", "x s")], FLOATS, 9),
    "resize 10": Case("Upsample", [node("Resize", "x s")], FLOATS, 10),
    "resize, sizes": Case(
        "Upsample",
        [node("Resize", "x _ _ n", mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric")],
        [ints("n", 1, 8, 24, 30)], 13,
    ),
    "resize, linear": Case("Upsample", [node("Resize", "x _ s", mode="linear")], FLOATS, 13),
    "topk 1": Case("TopK", [node("TopK", "x", "y z", k=3, axis=1)], opset=9, computed=False),
    "reduce 11": Case("sum", [node("ReduceSum", "x", axes=[1, -1], keepdims=0)], opset=11),
    "reduce all": Case("mean", [node("ReduceMean", "x", keepdims=0)]),
    "reduce none": Case("ReLU", [node("ReduceSum", "x", "r", noop_with_empty_axes=1), node("Relu", "r")]),
    "argmax": Case("argmax", [node("ArgMax", "x", axis=-2, keepdims=0)]),
    "reshape": Case("Reshape", [node("Reshape", "x r")], [ints("r", 0, -1, 6)]),
    "reshape 1": Case("Reshape", [node("Reshape", "x", shape=[4, -1])], opset=4),
    "flatten": Case("Reshape", [node("Flatten", "x", axis=-1)]),
    "transpose, reversed": Case("Permute", [node("Transpose", "x")]),
    "expand": Case("Expand", [node("Expand", "x e")], [ints("e", 3, 1, 1, 1)]),
    "prelu": Case("PReLU", [node("PRelu", "x w")], [weight("w", 8, 1, 1)]),
    "prelu, computed slopes": Case(
        "ReLU prelu", [node("Relu", "x", "r"), node("PRelu", "x r")], computed=False
    ),
    "reshape to the same": Case("ReLU", [node("Reshape", "x r", "s"), node("Relu", "s")], [ints("r", 0, 8, -1, 10)]),
    "pad by nothing": Case("ReLU", [node("Pad", "x p", "s"), node("Relu", "s")], [ints("p", *[0] * 8)]),
    "a converted weight": Case(
        "Linear", [node("Cast", "w", "v", to=1), node("MatMul", "x v")],
        [numpy_helper.from_array(np.ones((10, 5), "f2"), "w")], computed=False,
    ),
    "conv, same lower": Case(
        "Conv2d", [node("Conv", "x w", auto_pad="SAME_LOWER", strides=[2, 1])], [weight("w", 2, 8, 2, 2)]
    ),
    "conv, same upper": Case("Conv2d", [node("Conv", "x w", auto_pad="SAME_UPPER")], [weight("w", 2, 8, 2, 4)]),
    "conv, valid": Case("Conv2d", [node("Conv", "x w", auto_pad="VALID")], [weight("w", 2, 8, 3, 3)]),
    "conv, groups and dilation": Case(
        "Conv2d", [node("Conv", "x w b", group=4, dilations=[2, 1], pads=[1, 2, 3, 0])],
        [weight("w", 4, 2, 3, 3), weight("b", 4)],
    ),
    "conv, one axis": Case("Conv1d", [node("Conv", "x w")], [weight("w", 2, 3, 4)], x=(2, 3, 9)),
    "conv, three axes": Case("Conv3d", [node("Conv", "x w")], [weight("w", 2, 3, 2, 2, 2)], x=(1, 3, 4, 5, 6)),
    "transposed conv, output shape": Case(
        "ConvTranspose2d", [node("ConvTranspose", "x w", strides=[2, 2], output_shape=[24, 20])],
        [weight("w", 8, 3, 3, 3)], computed=False,
    ),
    "transposed conv, larger output": Case(
        "ConvTranspose2d", [node("ConvTranspose", "x w", strides=[2, 2], output_shape=[25, 21])],
        [weight("w", 8, 3, 2, 2)],
    ),
    "transposed conv, same lower": Case(
        "ConvTranspose2d", [node("ConvTranspose", "x w", strides=[2, 2], auto_pad="SAME_LOWER")],
        [weight("w", 8, 3, 3, 3)], computed=False,
    ),
    "transposed conv, groups": Case(
        "ConvTranspose2d",
        [node("ConvTranspose", "x w b", group=2, strides=[2, 3], pads=[1, 0, 1, 0], output_padding=[1, 1])],
        [weight("w", 8, 3, 3, 3), weight("b", 6)],
    ),
    "max pool, ceil": Case("MaxPool2d", [node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)]),
    "average pool, padding counted": Case(
        "AvgPool2d", [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)]
    ),
    "average pool, padding not counted": Case(
        "AvgPool2d", [node("AveragePool", "x", kernel_shape=[3, 3], pads=[1, 1, 1, 1])]
    ),
    "gemm without bias": Case(
        "Flatten Linear", [node("Flatten", "x", "f"), node("Gemm", "f w")], [weight("w", 960, 5)], 13
    ),
    "gemm of two tensors": Case(
        "Reshape Permute Permute MatMul mul add",
        [node("Reshape", "x r", "a"), node("Gemm", "a a c", transA=1, transB=1, alpha=0.5)],
        [ints("r", 31, 31), weight("c", 1, value=1)], computed=False, x=(1, 31, 31),
    ),
    "gemm of two tensors without bias": Case(
        "Reshape Permute MatMul", [node("Reshape", "x r", "a"), node("Gemm", "a a", transB=1)], [ints("r", 96, 10)]
    ),
    "matmul": Case("Permute MatMul", [node("Transpose", "x", "t", perm=[0, 1, 3, 2]), node("MatMul", "x t")]),
    "group norm": Case(
        "GroupNorm", [node("GroupNormalization", "x g b", num_groups=4)], [weight("g", 8), weight("b", 8)], 21
    ),
    "layer norm": Case(
        "LayerNorm", [node("LayerNormalization", "x g b", axis=2)], [weight("g", 12, 10), weight("b", 12, 10)]
    ),
    "layer norm, a computed scale": Case(
        "ReLU LayerNorm mul", [node("Relu", "x", "r"), node("LayerNormalization", "x r", axis=1)], x=(1, 8)
    ),
    "batch norm 9": Case(
        "BatchNorm1d", [node("BatchNormalization", "x g b m v")], [weight(n, 8, value=2) for n in "gbmv"], 9,
        x=(3, 8, 4),
    ),
    "instance norm": Case(
        "InstanceNorm", [node("InstanceNormalization", "x g b")], [weight("g", 8), weight("b", 8)], 13
    ),
    "instance norm, constants": Case(
        "InstanceNorm",
        [
            node("Constant", "", "g", value=weight("", 8, value=1)),
            node("Constant", "", "b", value=weight("", 8, value=0)),
            node("InstanceNormalization", "x g b"),
        ],
    ),
    "several summed": Case("ReLU Add", [node("Relu", "x", "r"), node("Sum", "x r x")]),
    "one summed": Case("Add", [node("Sum", "x")]),
    "minimum of three": Case("ReLU minimum minimum", [node("Relu", "x", "r"), node("Min", "x r x")]),
    "compared": Case("ReLU ge", [node("Relu", "x", "r"), node("GreaterOrEqual", "x r")]),
    "identity": Case("ReLU", [node("Identity", "x", "i"), node("Relu", "i")]),
    "gather, one position": Case("Select", [node("Gather", "x i", axis=1)], [scalar("i", 3)]),
    "gather, positions": Case("gather", [node("Gather", "x i", axis=-1)], [ints("i", 3, 1)], computed=False),
    "embedding": Case(
        "cast Embedding", [node("Cast", "x", "c", to=7), node("Gather", "w c")], [weight("w", 50, 6)], computed=False
    ),
    "simplified layer norm": Case("RMSNorm", [node("SimplifiedLayerNormalization", "x g")], [weight("g", 10)]),
    "random normal": Case("RandomNormal", [node("RandomNormal", "", shape=[2, 3], dtype=11)], computed=False),
    "random uniform": Case("RandomUniform", [node("RandomUniform", "", shape=[2, 3])], computed=False),
    "random normal like": Case("RandomNormalLike", [node("RandomNormalLike", "x")], computed=False),
    "random uniform like": Case("RandomUniformLike", [node("RandomUniformLike", "x", dtype=11)], computed=False),
    "constant of shape": Case(
        "ReLU ConstantOfShape",
        [node("Relu", "x", "r"), node("Shape", "r", "n"), node("ConstantOfShape", "n")], computed=False, x=(400, 400),
    ),
    "dtype of a number": Case("cast", [node("CastLike", "x i")], [scalar("i", 3)], computed=False),
    "quantize": Case("quantize_linear", [node("QuantizeLinear", "x s")], [weight("s", value=0.1)], computed=False),
    "tile": Case("Tile", [node("Tile", "x r")], [ints("r", 1, 2, 1, 3)], computed=False),
    "dropout with a mask": Case("Dropout mask", [node("Dropout", "x", "y z")], computed=False),
    "max pool with indices": Case("MaxPool2d", [node("MaxPool", "x", "y z", kernel_shape=[2, 2])], x=(1, 1, 6, 4)),
    "attention": Case(
        "Linear Permute Linear MatMul Softmax Linear MatMul",
        [
            *[node("MatMul", f"x {each}", f"{each}x") for each in "qkv"],
            node("Transpose", "kx", "t", perm=[0, 1, 3, 2]), node("MatMul", "qx t", "s"), node("Softmax", "s", "p"),
            node("MatMul", "p vx"),
        ],
        [weight(each, 10, 4, value=0.1) for each in "qkv"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator_has_the_types_and_values_of_onnxruntime(name: str) -> None:
    check(CASES[name])
