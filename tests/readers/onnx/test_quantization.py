"""Quantized models: operators on integers against onnxruntime, and the files that its tools write."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

import inception_lens as il
from inception_lens.errors import FormatError
from inception_lens.ops import Unknown
from tests.readers.onnx.onnx_cases import Case, check
from tests.readers.onnx.onnx_models import Array, info, ints, model, node, read, weight

MICROSOFT = {"domain": "com.microsoft"}


def integers(name: str, *shape: int, dtype: str = "i1") -> onnx.TensorProto:
    return numpy_helper.from_array((np.arange(np.prod(shape)) % 7).reshape(shape).astype(dtype), name)


def packed(name: str, dtype: int, *shape: int) -> onnx.TensorProto:
    return helper.make_tensor(name, dtype, shape, np.arange(np.prod(shape)) % 4)


SCALES = [weight("s", value=0.1), integers("z", dtype="u1"), integers("zi")]
"""A scale, and zero points of uint8 and int8."""
Q = node("QuantizeLinear", "x s z", "q")
"""The input as integers, for the operators after it."""


def per_channel(name: str, n: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.linspace(0.1, 0.3, n).astype("f4"), name)


CASES = {
    "QLinearConv": Case(
        "quantize_linear Conv2d", [Q, node("QLinearConv", "q s z w sw zw s z b", pads=[1, 1, 1, 1], group=2)],
        [*SCALES, integers("w", 4, 4, 3, 3), per_channel("sw", 4), integers("zw", 4), integers("b", 4, dtype="i4")],
        cost=(144 + 4, 120 * 144), weight_bytes=144 + 16,
    ),
    "QLinearConv, signed output": Case(
        "quantize_linear Conv2d", [Q, node("QLinearConv", "q s z w s z s z")],
        [*SCALES, integers("w", 4, 8, 1, 1, dtype="u1")], cost=(32, 120 * 32), weight_bytes=32,
    ),
    "QLinearConv of onnxruntime": Case(
        "quantize_linear Conv2d", [Q, node("QLinearConv", "q s z w s z s z", **MICROSOFT)],
        [*SCALES, integers("w", 4, 8, 1, 1, dtype="u1")], cost=(32, 120 * 32), weight_bytes=32,
    ),
    "QLinearConv, channels last": Case(
        "quantize_linear Permute Conv2d Permute",
        [Q, node("QLinearConv", "q s z w s zi s z", channels_last=1, pads=[1, 0, 1, 2], **MICROSOFT)],
        [*SCALES, integers("w", 4, 10, 3, 3)], cost=(360, 8 * 12 * 360), weight_bytes=360,
    ),
    "QLinearAveragePool, channels last": Case(
        "quantize_linear Permute AvgPool2d Permute",
        [Q, node("QLinearAveragePool", "q s z s z", kernel_shape=[2, 3], channels_last=1, **MICROSOFT)], SCALES,
    ),
    "QLinearGlobalAveragePool, channels last": Case(
        "quantize_linear Permute AdaptiveAvgPool2d Permute",
        [Q, node("QLinearGlobalAveragePool", "q s z s z", channels_last=1, **MICROSOFT)], SCALES,
    ),
    "NhwcMaxPool": Case(
        "quantize_linear Permute MaxPool2d Permute",
        [Q, node("NhwcMaxPool", "q", kernel_shape=[2, 3], strides=[2, 1], **MICROSOFT)], SCALES,
    ),
    "ConvInteger": Case(
        "amax amin quantize_linear Conv2d cast mul mul add",
        [
            node("DynamicQuantizeLinear", "x", "q qs qz"), node("ConvInteger", "q w qz", "c", strides=[2, 2]),
            node("Cast", "c", "f", to=1), node("Mul", "qs sw", "m"), node("Mul", "f m", "d"),
            node("Reshape", "b r", "rb"), node("Add", "d rb"),
        ],
        [integers("w", 4, 8, 1, 1), weight("sw", value=0.1), weight("b", 4), ints("r", 1, -1, 1, 1)],
        cost=(36, 30 * 32), weight_bytes=32 + 16,
    ),
    "MatMulInteger, scales per column": Case(
        "amax amin quantize_linear Linear cast mul mul add",
        [
            node("DynamicQuantizeLinear", "x", "q qs qz"), node("MatMulInteger", "q w qz zw", "c"),
            node("Cast", "c", "f", to=1), node("Mul", "qs sw", "m"), node("Mul", "f m", "d"), node("Add", "b d"),
        ],
        [integers("w", 10, 6), integers("zw", 6), per_channel("sw", 6), weight("b", 6)],
        cost=(66, 96 * 60), weight_bytes=60 + 24,
    ),
    "MatMulInteger, known scales": Case(
        "quantize_linear Linear cast mul",
        [Q, node("MatMulInteger", "q w", "c"), node("Cast", "c", "f", to=1), node("Mul", "f sw")],
        [*SCALES, integers("w", 10, 6), per_channel("sw", 6)], cost=(60, 96 * 60), weight_bytes=60,
    ),
    "MatMulInteger, integer bias": Case(
        "quantize_linear Linear", [Q, node("MatMulInteger", "q w", "c"), node("Add", "c b")],
        [*SCALES, integers("w", 10, 6), integers("b", 6, dtype="i4")],
        cost=(66, 96 * 60), weight_bytes=60 + 24,
    ),
    "MatMulInteger of two tensors": Case(
        "quantize_linear Permute MatMul",
        [Q, node("Transpose", "q", "t", perm=[0, 1, 3, 2]), node("MatMulInteger", "q t")], SCALES,
        cost=(0, 8 * 12 * 12 * 10),
    ),
    "QLinearMatMul": Case(
        "quantize_linear Linear", [Q, node("QLinearMatMul", "q s z w sw zw s z")],
        [*SCALES, integers("w", 10, 6), per_channel("sw", 6), integers("zw", 6)],
        cost=(60, 96 * 60), weight_bytes=60,
    ),
    "QGemm": Case(
        "quantize_linear Linear", [Q, node("QGemm", "q s z w s zi b s z", transB=1, **MICROSOFT)],
        [*SCALES, integers("w", 6, 10), integers("b", 6, dtype="i4")], x=(4, 10),
        cost=(66, 240), weight_bytes=60 + 24,
    ),
    "QGemm, real output": Case(
        "quantize_linear Linear", [Q, node("QGemm", "q s z w s zi", **MICROSOFT)], [*SCALES, integers("w", 10, 6)],
        x=(4, 10), cost=(60, 240),
    ),
    "DynamicQuantizeMatMul": Case(
        "Linear", [node("DynamicQuantizeMatMul", "x w sw zw b", **MICROSOFT)],
        [integers("w", 10, 6), per_channel("sw", 6), integers("zw", 6), weight("b", 6)],
        cost=(66, 96 * 60), weight_bytes=60 + 24,
    ),
    "MatMulIntegerToFloat": Case(
        "quantize_linear Linear", [Q, node("MatMulIntegerToFloat", "q w s sw z _ b", **MICROSOFT)],
        [*SCALES, integers("w", 10, 6), per_channel("sw", 6), weight("b", 6)],
        cost=(66, 96 * 60), weight_bytes=60 + 24,
    ),
    "MatMulNBits": Case(
        "Linear", [node("MatMulNBits", "x w sw _ _ b", K=10, N=6, bits=4, block_size=16, **MICROSOFT)],
        [integers("w", 6, 1, 8, dtype="u1"), weight("sw", 6, 1), weight("b", 6)],
        cost=(66, 96 * 60), weight_bytes=30 + 24,
    ),
    "MatMulNBits, 8 bits": Case(
        "Linear", [node("MatMulNBits", "x w sw", K=10, N=6, bits=8, block_size=16, **MICROSOFT)],
        [integers("w", 6, 1, 16, dtype="u1"), weight("sw", 6, 1)], cost=(60, 96 * 60), weight_bytes=60,
    ),
    "MatMulBnb4": Case(
        "Linear", [node("MatMulBnb4", "x w sw", K=32, N=6, block_size=16, quant_type=1, **MICROSOFT)],
        [integers("w", 96, dtype="u1"), weight("sw", 12)], x=(4, 32), cost=(192, 4 * 192), weight_bytes=96,
    ),
    "GatherBlockQuantized": Case(
        "cast Embedding",
        [
            node("Cast", "x", "c", to=7),
            node("GatherBlockQuantized", "w c sw", gather_axis=0, quantize_axis=1, block_size=16, **MICROSOFT),
        ],
        [integers("w", 5, 16, dtype="u1"), weight("sw", 5, 2)], x=(2, 3), cost=(160, 0), weight_bytes=80,
    ),
    "quantized embedding": Case(
        "cast Embedding dequantize_linear",
        [node("Cast", "x", "c", to=7), node("Gather", "w c", "g"), node("DequantizeLinear", "g s zi")],
        [*SCALES, integers("w", 5, 6)], x=(2, 3), cost=(30, 0), weight_bytes=30,
    ),
    "QLinearAdd of a weight": Case(
        "quantize_linear add", [Q, node("QLinearAdd", "q s z w s z s z", **MICROSOFT)],
        [*SCALES, integers("w", 8, 1, 1, dtype="u1")], cost=(8, 0), weight_bytes=8,
    ),
    "QLinearAdd": Case("quantize_linear Add", [Q, node("QLinearAdd", "q s z q s z s z", **MICROSOFT)], SCALES),
    "QLinearMul": Case("quantize_linear mul", [Q, node("QLinearMul", "q s z q s z s z", **MICROSOFT)], SCALES),
    "QLinearSigmoid": Case("quantize_linear Sigmoid", [Q, node("QLinearSigmoid", "q s z s z", **MICROSOFT)], SCALES),
    "QLinearLeakyRelu": Case(
        "quantize_linear LeakyReLU", [Q, node("QLinearLeakyRelu", "q s z s z", alpha=0.2, **MICROSOFT)], SCALES,
    ),
    "QLinearSoftmax": Case(
        "quantize_linear Softmax", [Q, node("QLinearSoftmax", "q s z s z", axis=-1, opset=13, **MICROSOFT)], SCALES,
    ),
    "QLinearSoftmax of opset 11": Case(
        "quantize_linear Reshape Softmax Reshape",
        [Q, node("QLinearSoftmax", "q s z s z", axis=1, opset=11, **MICROSOFT)], SCALES,
    ),
    "QLinearAveragePool": Case(
        "quantize_linear AvgPool2d",
        [Q, node("QLinearAveragePool", "q s z s z", kernel_shape=[3, 3], ceil_mode=1, strides=[2, 2], **MICROSOFT)],
        SCALES,
    ),
    "QLinearGlobalAveragePool": Case(
        "quantize_linear AdaptiveAvgPool2d", [Q, node("QLinearGlobalAveragePool", "q s z s z", **MICROSOFT)], SCALES,
    ),
    "QLinearConcat": Case(
        "quantize_linear Concat", [Q, node("QLinearConcat", "s z q s z q s z", axis=1, **MICROSOFT)], SCALES,
    ),
    "QLinearWhere": Case(
        "quantize_linear cast where",
        [Q, node("Cast", "x", "c", to=9), node("QLinearWhere", "c q s z q s z s z", **MICROSOFT)], SCALES,
    ),
    "quantized by onnxruntime's operators": Case(
        "quantize_linear dequantize_linear",
        [node("QuantizeLinear", "x s z", "q", **MICROSOFT), node("DequantizeLinear", "q s z", **MICROSOFT)],
        SCALES,
    ),
    "weights of 4 bits in blocks": Case(
        "Linear", [node("DequantizeLinear", "w sw", "d", axis=0, block_size=4), node("MatMul", "x d")],
        [packed("w", TensorProto.INT4, 8, 5), weight("sw", 2, 5)], 21, x=(3, 8),
        cost=(40, 120), weight_bytes=20,
    ),
    "fake quantization of a real weight": Case(
        "Linear",
        [node("QuantizeLinear", "w s zi", "q"), node("DequantizeLinear", "q s zi", "d"), node("MatMul", "x d")],
        [*SCALES, weight("w", 10, 6)], cost=(60, 96 * 60), weight_bytes=240,
    ),
    "DynamicQuantizeLSTM": Case(
        "LSTM Reshape Permute",
        [node("DynamicQuantizeLSTM", "x w r b _ _ _ _ sw zw sr zr", hidden_size=3, direction="bidirectional",
              **MICROSOFT)],
        [
            integers("w", 2, 4, 12), integers("r", 2, 3, 12), weight("b", 2, 24),
            *[weight(each, 2, value=0.1) for each in ("sw", "sr")], *[integers(each, 2) for each in ("zw", "zr")],
        ],
        x=(5, 2, 4), cost=(2 * (48 + 36 + 24), 5 * 2 * 2 * (48 + 36)), weight_bytes=2 * (48 + 36 + 4 * 24),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_an_operator_on_integers_has_the_types_of_onnxruntime_and_the_cost_of_its_real_form(name: str) -> None:
    check(CASES[name]._replace(computed=None))


@pytest.mark.parametrize("name", ["QLinearConv", "MatMulInteger, scales per column", "QLinearConv, channels last"])
def test_a_quantized_model_can_take_another_batch(tmp_path: Path, name: str) -> None:
    graph = read(tmp_path, model(CASES[name].nodes, CASES[name].weights))
    one, three = il.analyze(graph).totals, il.analyze(graph.with_batch(3)).totals
    assert (three.params, three.macs, three.weight_bytes) == (one.params, 3 * one.macs, one.weight_bytes)


def test_a_quantized_model_has_receptive_fields(tmp_path: Path) -> None:
    nodes = [Q, node("QLinearConv", "q s z w s zi s z", "c"), node("DequantizeLinear", "c s z")]
    layers = il.analyze(read(tmp_path, model(nodes, [*SCALES, integers("w", 4, 8, 3, 5)]))).layers
    assert [each.receptive_field for each in layers] == [1, 5, 5]


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, shape: tuple[int, ...]) -> None:
        samples = np.random.default_rng(3).random((4, *shape), "f4")
        self.samples: Iterator[dict[str, Array]] = iter([{"x": each} for each in samples])

    def get_next(self) -> dict[str, Array] | None:
        return next(self.samples, None)


SHAPE = (1, 4, 12, 10)
CNN = [
    node("Conv", "x w1 b1", "c", pads=[1, 1, 1, 1]), node("Relu", "c", "r"),
    node("Conv", "r w2 b2", "d", group=4), node("LeakyRelu", "d", "e"), node("Add", "e r", "a"),
    node("Sigmoid", "a", "s"), node("Mul", "s a", "m"), node("Concat", "m a", "k", axis=1),
    node("AveragePool", "k", "p", kernel_shape=[2, 2], strides=[2, 2]), node("GlobalAveragePool", "p", "g"),
    node("Flatten", "g", "f"), node("Gemm", "f w3 b3", "h", transB=1), node("MatMul", "h w4", "l"),
    node("Softmax", "l", "y", axis=-1),
]  # fmt: skip
"""A network in which each operator has an integer form."""
CNN_WEIGHTS = {
    "w1": (8, 4, 3, 3), "b1": (8,), "w2": (8, 2, 1, 1), "b2": (8,), "w3": (10, 16), "b3": (10,), "w4": (10, 3),
}  # fmt: skip
MATRICES = ("w1", "w2", "w3", "w4")


def elements(*names: str) -> int:
    return sum(int(np.prod(CNN_WEIGHTS[name])) for name in names)


def cnn(folder: Path) -> str:
    """The file of that network, of real numbers."""
    random = np.random.default_rng(1)
    weights = [numpy_helper.from_array(random.random(size, "f4"), name) for name, size in CNN_WEIGHTS.items()]
    made = model(CNN, weights, SHAPE, opset=17)
    made.graph.output[0].CopyFrom(info("y", 1, 3))
    path = folder / "real.onnx"
    onnx.save(made, path)
    return str(path)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("form", [QuantFormat.QOperator, QuantFormat.QDQ])
def test_a_model_quantized_with_calibration_has_the_cost_of_the_real_one(
    tmp_path: Path, form: QuantFormat, per_channel: bool
) -> None:
    real, quantized = cnn(tmp_path), str(tmp_path / "quantized.onnx")
    quantize_static(real, quantized, Calibration(SHAPE), quant_format=form, per_channel=per_channel)
    expected, found = (il.analyze(path).totals for path in (real, quantized))
    assert (found.params, found.macs, found.exact) == (expected.params, expected.macs, True)
    assert expected.weight_bytes == 4 * elements(*CNN_WEIGHTS)
    assert found.weight_bytes == elements(*MATRICES) + 4 * elements("b1", "b2", "b3")


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_model_quantized_while_it_runs_has_the_cost_of_the_real_one(tmp_path: Path, per_channel: bool) -> None:
    real, quantized = cnn(tmp_path), str(tmp_path / "quantized.onnx")
    quantize_dynamic(real, quantized, weight_type=QuantType.QUInt8, per_channel=per_channel)
    expected, found = (il.analyze(path).totals for path in (real, quantized))
    assert (found.params, found.macs, found.exact) == (expected.params, expected.macs, True)
    assert found.weight_bytes == elements(*MATRICES) + 4 * elements("b1", "b2", "b3")


def test_an_lstm_quantized_while_it_runs_has_the_cost_of_the_real_one(tmp_path: Path) -> None:
    call = node("LSTM", "x w r b", "y", hidden_size=3)
    made = model([call], [weight("w", 1, 12, 4), weight("r", 1, 12, 3), weight("b", 1, 24)], (5, 2, 4), opset=17)
    made.graph.output[0].CopyFrom(info("y", 5, 1, 2, 3))
    onnx.save(made, tmp_path / "real.onnx")
    quantize_dynamic(tmp_path / "real.onnx", tmp_path / "quantized.onnx", per_channel=True)
    expected, found = (il.analyze(tmp_path / name).totals for name in ("real.onnx", "quantized.onnx"))
    assert (found.params, found.macs, found.exact) == (expected.params, expected.macs, True)
    assert (expected.weight_bytes, found.weight_bytes) == (4 * 108, 84 + 4 * 24)


def test_a_bias_of_zeros_is_no_mask_in_a_quantized_model(tmp_path: Path) -> None:
    nodes = [
        node("DynamicQuantizeLinear", "x", "q qs qz"),
        node("MatMulInteger", "q w qz", "c"),
        node("Cast", "c", "f", to=1),
        node("Mul", "f qs", "d"),
        node("Add", "d b"),
    ]
    graph = read(tmp_path, model(nodes, [integers("w", 10, 6), weight("b", 6, value=0)]))
    assert il.analyze(graph).totals.params == 66


def test_a_table_of_integers_that_is_read_at_known_positions_counts(tmp_path: Path) -> None:
    nodes = [node("Gather", "w i", "g"), node("DequantizeLinear", "g s zi", "d"), node("Add", "x d")]
    graph = read(tmp_path, model(nodes, [*SCALES, integers("w", 20, 10), ints("i", *range(12))]))
    assert (il.analyze(graph).totals.params, graph.dtypes) == (200, {"w": "int8"})


def test_bytes_in_arithmetic_are_constants_as_other_integers(tmp_path: Path) -> None:
    nodes = [Q, node("BitwiseAnd", "q m", "n"), node("DequantizeLinear", "n s z")]
    graph = read(tmp_path, model(nodes, [*SCALES, integers("m", 10, dtype="u1")]))
    assert il.analyze(graph).totals.params == 0


def test_each_weight_has_the_bytes_of_its_own_dtype(tmp_path: Path) -> None:
    half = numpy_helper.from_array(np.ones((10, 6), "f2"), "w")
    nodes = [node("Cast", "w", "v", to=1), node("MatMul", "x v", "m"), node("Add", "m b")]
    graph = read(tmp_path, model(nodes, [half, weight("b", 6), weight("unread", 99)]))
    assert (graph.dtype, graph.dtypes) == ("float32", {"w": "float16"})
    assert il.analyze(graph).totals.weight_bytes == 120 + 24


@pytest.mark.parametrize(
    "call",
    [
        node("MatMulNBits", "x w s", K=10, N=6, bits=5, block_size=16, **MICROSOFT),
        node("GatherBlockQuantized", "w x s", gather_axis=1, **MICROSOFT),
    ],
    ids=lambda call: call.op_type,
)
def test_the_weights_of_a_form_without_a_rule_are_unknown(tmp_path: Path, call: onnx.NodeProto) -> None:
    graph = read(tmp_path, model([call], [*SCALES, integers("w", 6, 1, 16, dtype="u1")]))
    assert isinstance(graph.nodes[-1].op, Unknown)
    totals = il.analyze(graph).totals
    assert (totals.params_exact, totals.macs_exact) == (False, False)


def test_weights_with_too_few_bytes_are_refused(tmp_path: Path) -> None:
    call = node("MatMulNBits", "x w s", K=10, N=6, bits=4, block_size=16, **MICROSOFT)
    with pytest.raises(FormatError, match="weights of 6x1x4 do not hold 10x6 of 4 bits"):
        read(tmp_path, model([call], [*SCALES, integers("w", 6, 1, 4, dtype="u1")]))
