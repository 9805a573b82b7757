"""Quantized models: the MACs and parameters of the model that they come from, and the bytes of their packed weights.

PyTorch's quantization is deprecated, so that building these models warns; tracing them must not.
"""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inception_lens import ops
from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.records import Totals
from inception_lens.graph import Metadata
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.trace.module_tree import module_tree
from tests.pytorch.trace.test_cases import Calls

quantization: Any = torch.ao.quantization
q: Any = torch.ops.quantized
r = torch.rand

Case = tuple[nn.Module, Tensor]


def quiet(build: Callable[..., Any]) -> Callable[..., Any]:
    """A function without its warnings."""

    @wraps(build)
    def built(*args: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return build(*args)

    return built


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 6, 1, groups=2, bias=False),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    ).eval()  # fmt: skip


MACS = 2 * 16 * 8 * 27 + 2 * 4 * 6 * 4 + 2 * 6 * 5
WEIGHTS, BIASES = 8 * 27 + 6 * 4 + 6 * 5, 8 + 5


@quiet
def eager() -> nn.Module:
    model: nn.Module = nn.Sequential(quantization.QuantStub(), *network(), quantization.DeQuantStub()).eval()
    model = quantization.fuse_modules(model, [["1", "2"]])
    model.qconfig = quantization.get_default_qconfig("x86")
    model = quantization.prepare(model)
    model(r(2, 3, 8, 8))
    converted: nn.Module = quantization.convert(model)
    return converted


@quiet
def by_fx() -> nn.Module:
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    prepared = prepare_fx(network(), quantization.get_default_qconfig_mapping("x86"), (r(1, 3, 8, 8),))
    prepared(r(2, 3, 8, 8))
    converted: nn.Module = convert_fx(prepared)
    return converted


@pytest.mark.parametrize("convert", [eager, by_fx])
@pytest.mark.parametrize("inputs", [r(2, 3, 8, 8), (2, 3, 8, 8)])
def test_a_statically_quantized_model(convert: Callable[[], nn.Module], inputs: Any) -> None:
    analysis = analyze(trace(convert(), inputs))
    totals = analysis.totals
    assert (totals.macs, totals.params, totals.params_used) == (MACS, WEIGHTS + BIASES, WEIGHTS + BIASES)
    assert (totals.macs_exact, totals.params_exact, totals.exact) == (True, True, True)
    assert totals.weight_bytes == WEIGHTS + 4 * BIASES
    assert totals.params_trainable == 0
    kinds = [layer.op for layer in analysis.layers]
    assert [kind for kind in kinds if kind in ("Conv2d", "Linear", "ReLU")] == ["Conv2d", "ReLU", "Conv2d", "Linear"]


def test_a_quantized_model_is_left_as_it_was() -> None:
    model, x = eager(), r(2, 3, 8, 8)
    before = model(x)
    trace(model, x)
    assert torch.equal(before, model(x))


@quiet
def dynamic(*kinds: Any, dtype: torch.dtype = torch.qint8) -> Callable[[nn.Module], nn.Module]:
    @quiet
    def convert(model: nn.Module) -> nn.Module:
        converted: nn.Module = quantization.quantize_dynamic(model, set(kinds) or None, dtype)
        return converted

    return convert


class Cells(nn.Module):
    """One step of each kind of recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(5, 4), nn.GRUCell(5, 4), nn.RNNCell(5, 4)

    def forward(self, x: Tensor) -> Any:
        return self.lstm(x), self.gru(x), self.rnn(x)


def on_packed_sequence(layer: nn.Module) -> nn.Module:
    lengths = torch.tensor([3, 2])
    return Calls(lambda s, x: s.layer(nn.utils.rnn.pack_padded_sequence(x, lengths))[0].data, layer=layer)


CELLS = (nn.LSTMCell, nn.GRUCell, nn.RNNCell)

DYNAMIC: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...], tuple[int, ...]]] = {
    "linear": (lambda: nn.Sequential(nn.Linear(8, 4)), (), (2, 3, 8)),
    "linear without bias": (lambda: nn.Sequential(nn.Linear(8, 4, bias=False)), (), (2, 8)),
    "lstm": (lambda: nn.Sequential(nn.LSTM(8, 4, 2, bidirectional=True)), (), (2, 3, 8)),
    "lstm, batch first": (lambda: nn.Sequential(nn.LSTM(8, 4, batch_first=True)), (), (2, 3, 8)),
    "lstm on a packed sequence": (lambda: on_packed_sequence(nn.LSTM(8, 4)), (), (3, 2, 8)),
    "gru": (lambda: nn.Sequential(nn.GRU(8, 4, 3)), (nn.GRU,), (2, 3, 8)),
    "gru on a packed sequence": (lambda: on_packed_sequence(nn.GRU(8, 4)), (nn.GRU,), (3, 2, 8)),
    "cells": (Cells, CELLS, (2, 5)),
}


@pytest.mark.parametrize("given", ["shape", "values"])
@pytest.mark.parametrize("name", DYNAMIC)
def test_a_dynamically_quantized_model_costs_what_it_did(name: str, given: str) -> None:
    build, kinds, shape = DYNAMIC[name]
    model = build()
    weights = sum(each.numel() for each in model.parameters() if each.dim() > 1)
    biases = sum(each.numel() for each in model.parameters() if each.dim() == 1)
    inputs: Any = r(shape) if given == "values" else shape
    expected = analyze(trace(model, inputs)).totals
    totals = analyze(trace(dynamic(*kinds)(model), inputs)).totals
    assert (totals.macs, totals.params) == (expected.macs, expected.params)
    assert (totals.macs_exact, totals.params_exact) == (True, True)
    assert totals.weight_bytes == weights + 4 * biases


@pytest.mark.parametrize("name", ["linear", "lstm"])
def test_weights_of_float16_take_two_bytes(name: str) -> None:
    build, _, shape = DYNAMIC[name]
    model = build()
    params = [each.numel() for each in model.parameters() if each.dim() > 1]
    totals = analyze(trace(quiet(quantization.quantize_dynamic)(model, None, torch.float16), shape)).totals
    assert totals.weight_bytes == 2 * sum(params) + 4 * (totals.params - sum(params))
    assert (totals.macs_exact, totals.params_exact) == (True, True)


EMBEDDINGS: dict[str, tuple[Callable[[], nn.Module], str, int]] = {
    "embedding of bytes": (lambda: nn.Embedding(10, 8), "float_qparams_weight_only_qconfig", 80),
    "bag of bytes": (lambda: nn.EmbeddingBag(10, 8, mode="sum"), "float_qparams_weight_only_qconfig", 80),
    "bag of half bytes": (lambda: nn.EmbeddingBag(10, 8, mode="sum"), "float_qparams_weight_only_qconfig_4bit", 40),
}


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_a_quantized_embedding(name: str) -> None:
    build, config, size = EMBEDDINGS[name]
    model = nn.Sequential(build()).eval()
    model.qconfig = getattr(quantization, config)
    model = quiet(lambda: quantization.convert(quantization.prepare(model)))()
    analysis = analyze(trace(model, torch.randint(0, 10, (2, 3))))
    totals = analysis.totals
    assert (totals.macs, totals.params, totals.weight_bytes) == (0, 80, size)
    assert (totals.macs_exact, totals.params_exact, totals.exact) == (True, True, True)
    assert analysis.layers[-1].output_shape == ((2, 8) if "bag" in name else (2, 3, 8))


class Shared(nn.Module):
    """A layer that is called twice, one that is not called, and two of equal weights."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.once, self.never = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.equal, self.copy = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)
        self.copy.weight.data.copy_(self.equal.weight.data)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.copy(self.equal(self.once(self.twice(self.twice(x)))))
        return result


def test_packed_weights_count_once_and_also_where_no_call_reads_them() -> None:
    totals = analyze(trace(dynamic()(Shared()), (2, 8))).totals
    assert (totals.macs, totals.params_used, totals.params) == (2 * 5 * 64, 4 * 64 + 16, 4 * 64 + 16 + 27)
    assert totals.weight_bytes == 4 * 64 + 24 + 4 * (16 + 3)


def test_packed_weights_of_a_model_that_is_not_run() -> None:
    totals = analyze(module_tree(dynamic()(Shared()), "inference", Metadata("shared"))).totals
    assert (totals.params, totals.params_exact) == (4 * 64 + 16 + 27, True)
    assert totals.weight_bytes == 4 * 64 + 24 + 4 * (16 + 3)


class Packs(nn.Module):
    """A packed weight in a module of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        weight = torch.quantize_per_tensor(r(4, 8), 0.1, 0, torch.qint8)
        self.weights = [q.linear_prepack(weight, r(4))]

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = q.linear_relu_dynamic(x, self.weights[0])
        return result


def test_packed_weights_that_no_module_holds_as_an_attribute() -> None:
    analysis = analyze(trace(quiet(Packs)(), (2, 8)))
    assert (analysis.totals.params, analysis.totals.macs, analysis.totals.weight_bytes) == (36, 64, 32 + 16)
    assert [layer.op for layer in analysis.layers] == ["Linear", "ReLU"]


# --- Single operators on quantized tensors


@quiet
def quantized(*shape: int) -> Tensor:
    return torch.quantize_per_tensor(r(shape), 0.1, 0, torch.quint8)


@quiet
def packed_convolution(dimensions: int, transposed: bool) -> Any:
    kind = "conv_transpose" if transposed else "conv"
    weight = torch.quantize_per_tensor(r(4, 3, *(3,) * dimensions), 0.1, 0, torch.qint8)
    axes = [2] * dimensions, [1] * dimensions, [1] * dimensions
    extra = ([1] * dimensions,) if transposed else ()
    return getattr(q, f"{kind}{dimensions}d_prepack")(weight, r(6 if transposed else 4), *axes[:2], *extra, axes[2], 2)


@pytest.mark.parametrize(
    ("dimensions", "transposed", "fused"),
    [
        *[(axes, False, fused) for axes in (1, 2, 3) for fused in ("", "_relu", "_dynamic")],
        *[(axes, True, fused) for axes in (1, 2) for fused in ("", "_dynamic")],
    ],
)
def test_a_quantized_convolution(dimensions: int, transposed: bool, fused: str) -> None:
    name = f"conv_transpose{dimensions}d" if transposed else f"conv{dimensions}d"
    if fused == "_dynamic":
        x = r(1, 4 if transposed else 6, *(7,) * dimensions)
    else:
        x = quantized(1, 4 if transposed else 6, *(7,) * dimensions)
    packed = packed_convolution(dimensions, transposed)
    scale = () if fused == "_dynamic" else (0.1, 0)
    call = getattr(q, f"{name}{fused}")
    real = quiet(call)(x, packed, *scale)
    analysis = analyze(trace(Calls(lambda s, x: call(x, packed, *scale)), (x,)))
    elements = 7**dimensions if transposed else 4 * 4**dimensions
    macs = elements * (4 * 3 if transposed else 3) * 3**dimensions
    assert (analysis.totals.macs, analysis.totals.exact) == (macs, True)
    assert analysis.totals.params == 4 * 3 * 3**dimensions + (6 if transposed else 4)
    assert analysis.layers[-1].output_shape == real.shape
    assert analysis.graph.types[analysis.layers[-1].name][0].dtype == str(real.dtype).removeprefix("torch.")


x, image, vector = quantized(2, 3), quantized(2, 4, 6, 6), quantized(2, 4, 6)
four = torch.ones(4)
SINGLE: dict[str, tuple[Callable[..., Any], tuple[Tensor, ...], list[str], int]] = {
    "add": (lambda a, b: q.add(a, b, 0.1, 0), (x, x), ["Add"], 6),
    "add_relu": (lambda a, b: q.add_relu(a, b, 0.1, 0), (x, x), ["Add", "ReLU"], 12),
    "mul": (lambda a, b: q.mul(a, b, 0.1, 0), (x, x), ["mul"], 6),
    "add_scalar": (lambda a: q.add_scalar(a, 2.0), (x,), ["add"], 6),
    "mul_scalar_relu": (lambda a: q.mul_scalar_relu(a, 2.0), (x,), ["mul", "ReLU"], 12),
    "cat": (lambda a, b: q.cat([a, b], 1, 0.1, 0), (x, x), ["Concat"], 0),
    "cat_relu": (lambda a, b: q.cat_relu([a, b], 1, 0.1, 0), (x, x), ["Concat", "ReLU"], 12),
    "matmul": (lambda a, b: q.matmul(a, b, 0.1, 0), (x, quantized(3, 5)), ["MatMul"], 2 * 2 * 3 * 5),
    "softmax": (lambda a: q.softmax(a, 1, 0.1, 0), (x,), ["Softmax"], 2 * (5 * 3 - 2)),
    "relu6": (lambda a: q.relu6(a), (x,), ["Hardtanh"], 12),
    "clamp": (lambda a: q.clamp(a, 0.0, 1.0), (x,), ["clamp"], 12),
    "leaky_relu": (lambda a: q.leaky_relu(a, 0.1, False, 0.1, 0), (x,), ["leaky_relu"], 12),
    "sigmoid": (lambda a: q.sigmoid(a, 0.1, 0), (x,), ["sigmoid"], 24),
    "elu": (lambda a: q.elu(a, 0.1, 0), (x,), ["elu"], 24),
    "hardswish": (lambda a: q.hardswish(a, 0.1, 0), (x,), ["hardswish"], 30),
    "dropout": (lambda a: q.dropout(a, 0.1, 0), (x,), ["clone"], 0),
    "max_pool2d": (lambda a: q.max_pool2d(a, [2, 2], [2, 2], [0, 0], [1, 1], False), (image,), ["MaxPool2d"], 216),
    "max_pool1d": (lambda a: q.max_pool1d(a, [2], [2], [0], [1], False), (vector,), ["MaxPool1d"], 24),
    "batch_norm2d": (lambda a: q.batch_norm2d(a, four, four, four, four, 1e-5, 0.1, 0), (image,), ["BatchNorm2d"], 576),
    "layer_norm": (lambda a: q.layer_norm(a, [3], None, None, 1e-5, 0.1, 0), (x,), ["LayerNorm"], 0),
    "group_norm": (lambda a: q.group_norm(a, 2, None, None, 1e-5, 0.1, 0), (image,), ["GroupNorm"], 0),
    "instance_norm": (lambda a: q.instance_norm(a, None, None, 1e-5, 0.1, 0), (image,), ["InstanceNorm"], 0),
    "quantize": (lambda a: torch.quantize_per_tensor(a, 0.1, 0, torch.quint8), (r(2, 3),), ["quantize"], 30),
    "dequantize": (lambda a: a.dequantize(), (x,), ["dequantize"], 12),
    "mean": (lambda a: a.mean([2, 3]), (image,), ["mean"], 288),
    "view": (lambda a: a.flatten(1).t(), (image,), ["Flatten", "Permute"], 0),
}
"""A call, its inputs, the kinds of its operations, and their FLOPs; 0 FLOPs are not compared."""


@pytest.mark.parametrize("name", SINGLE)
def test_an_operator_on_quantized_tensors(name: str) -> None:
    call, inputs, kinds, flops = SINGLE[name]
    graph = trace(Calls(lambda s, *given: call(*given)), inputs)
    nodes = [node for node in graph.nodes if not isinstance(node.op, ops.Stored)]
    assert [node.op.kind for node in nodes] == kinds
    real = quiet(call)(*inputs)
    assert graph.types[graph.outputs[0].node][0].shape == real.shape
    assert graph.types[graph.outputs[0].node][0].dtype == str(real.dtype).removeprefix("torch.")
    totals: Totals = analyze(graph).totals
    assert totals.exact
    assert flops in (totals.flops, 0)
