"""Counts that are known, among them those that other counters get wrong.

Convolution, linear, matmul and attention are multiply-accumulates; bias, norm, activation and pooling are not.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from inception_lens.analyses.analysis import analyze
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.forward_pass import trace

WHOLE = TensorType((1, 7), "int64")


class Calls(nn.Module):
    """A forward pass that is one function, of the module and its inputs."""

    def __init__(self, function: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.function(self, *inputs, **named)


class Subclass(nn.Conv2d):
    """A convolution under another name."""


class Tied(nn.Module):
    """An embedding whose weights are the head's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, 64)
        self.head = nn.Linear(64, 1000, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.head(self.embedding(tokens))
        return result


def weight(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.rand(shape))


def three_parents(linear: nn.Linear) -> nn.Module:
    return nn.Sequential(*[nn.Sequential(linear) for _ in range(3)])


def attend(module: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(query, key, value, enable_gqa=query.shape[1] != key.shape[1])


def attention(*, weights: bool) -> nn.Module:
    layer = nn.MultiheadAttention(64, 4, batch_first=True)
    return Calls(lambda self, x: self.layer(x, x, x, need_weights=weights)[0], layer=layer)


def unused() -> nn.Module:
    return Calls(lambda self, x: self.used(x), used=nn.Linear(10, 10), unused=nn.Linear(10, 1000))


CASES: dict[str, tuple[Callable[[], nn.Module], tuple[Any, ...], int, int]] = {
    "convolution": (lambda: nn.Conv2d(64, 128, 3, padding=1), ((1, 64, 56, 56),), 231_211_008, 73_856),
    "batch of 4": (lambda: nn.Conv2d(64, 128, 3, padding=1), ((4, 64, 56, 56),), 924_844_032, 73_856),
    "groups": (lambda: nn.Conv2d(64, 128, 3, 1, 1, 1, 8, False), ((1, 64, 28, 28),), 7_225_344, 9_216),
    "depthwise": (lambda: nn.Conv2d(64, 64, 3, 1, 1, 1, 64, False), ((1, 64, 28, 28),), 451_584, 576),
    "same": (lambda: nn.Conv2d(8, 8, 4, padding="same", bias=False), ((1, 8, 32, 32),), 1_048_576, 1_024),
    "volume": (lambda: nn.Conv3d(4, 8, 3, padding=1, bias=False), ((1, 4, 8, 8, 8),), 442_368, 864),
    "subclass": (lambda: Subclass(8, 8, 3, padding=1, bias=False), ((1, 8, 16, 16),), 147_456, 576),
    "transposed": (lambda: nn.ConvTranspose2d(16, 33, 3, 2, bias=False), ((1, 16, 20, 20),), 1_900_800, 4_752),
    "dilated": (lambda: nn.Conv2d(8, 8, (3, 1), (1, 2), (2, 0), (2, 1)), ((1, 8, 20, 20),), 38_400, 200),
    "unbatched": (lambda: nn.Conv2d(8, 8, 3), ((8, 20, 20),), 186_624, 584),
    "reflected": (lambda: nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), ((1, 8, 20, 20),), 230_400, 584),
    "linear in 3-D": (lambda: nn.Linear(3, 8, bias=False), ((5, 10, 3),), 1_200, 24),
    "batch norm": (lambda: nn.BatchNorm2d(64), ((1, 64, 8, 8),), 0, 128),
    "relu": (nn.ReLU, ((1, 64, 8, 8),), 0, 0),
    "pool": (lambda: nn.MaxPool2d(2), ((1, 64, 8, 8),), 0, 0),
    "embedding": (lambda: nn.Embedding(1000, 64), (WHOLE,), 0, 64_000),
    "functional convolution": (
        lambda: Calls(lambda self, x: functional.conv2d(x, self.w, padding=1), w=weight(16, 8, 3, 3)),
        ((1, 8, 16, 16),),
        294_912,
        1_152,
    ),
    "x @ w": (lambda: Calls(lambda self, x: x @ self.w, w=weight(8, 16)), ((4, 8),), 512, 128),
    "x @ w.T": (lambda: Calls(lambda self, x: x @ self.w.T, w=weight(16, 8)), ((4, 8),), 512, 128),
    "broadcast": (lambda: Calls(lambda self, a, b: a @ b), ((4, 8), (3, 8, 5)), 480, 0),
    "matrix and vector": (lambda: Calls(lambda self, a, b: a @ b), ((4, 8), (8,)), 32, 0),
    "einsum": (
        lambda: Calls(lambda self, a, b: torch.einsum("bhqd,bhkd->bhqk", a, b)),
        ((2, 3, 5, 8), (2, 3, 7, 8)),
        1_680,
        0,
    ),
    "addmm": (lambda: Calls(lambda self, x: torch.addmm(x, x, x)), ((4, 4),), 64, 0),
    "attention": (lambda: Calls(attend), ((1, 12, 64, 64),) * 3, 6_291_456, 0),
    "grouped queries": (
        lambda: Calls(attend),
        ((1, 8, 6, 4), (1, 2, 6, 4), (1, 2, 6, 4)),
        2_304,
        0,
    ),
    "multi-head": (lambda: attention(weights=False), ((1, 10, 64),), 176_640, 16_640),
    "multi-head, with weights": (lambda: attention(weights=True), ((1, 10, 64),), 176_640, 16_640),
    "LSTM": (lambda: nn.LSTM(10, 20), ((3, 5, 10),), 36_000, 2_560),
    "GRU both ways": (lambda: nn.GRU(10, 20, 2, bidirectional=True), ((5, 3, 10),), 162_000, 11_280),
    "projected LSTM": (
        lambda: nn.LSTM(10, 20, 2, proj_size=7, bidirectional=True),
        ((5, 3, 10),),
        99_600,
        7_280,
    ),
    "shared by three": (lambda: three_parents(nn.Linear(100, 100, bias=False)), ((1, 100),), 30_000, 10_000),
    "tied": (Tied, (WHOLE,), 448_000, 64_000),
    "unused": (unused, ((1, 10),), 100, 11_110),
    "weight norm": (lambda: parametrizations.weight_norm(nn.Linear(10, 20)), ((3, 10),), 600, 240),
    "transformer": (lambda: nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), ((2, 5, 32),), 85_120, 8_544),
}
"""What is built, what it reads, and its MACs and parameters."""

each_case = pytest.mark.parametrize("case", CASES)


@each_case
@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_known_counts(case: str, training: bool, device: str) -> None:
    build, inputs, macs, params = CASES[case]
    with torch.device(device):
        module = build().train(training)
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients):
            for _ in range(2):
                totals = analyze(trace(module, inputs)).totals
                assert (totals.macs, totals.params, totals.exact) == (macs, params, True)


@each_case
def test_running_every_module_gives_the_same_counts(case: str) -> None:
    build, inputs, macs, params = CASES[case]
    module = build()
    quick = trace(module, inputs)
    slow = trace(module, inputs, shortcuts=False)
    real = trace(module, inputs, values=True)
    for graph in (slow, real):
        totals = analyze(graph).totals
        assert (totals.macs, totals.params, totals.exact) == (macs, params, True)
        assert [graph.types[output.node] for output in graph.outputs] == [
            quick.types[output.node] for output in quick.outputs
        ]


@each_case
@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:LSTM with projections")
def test_outputs_have_the_shapes_that_the_model_returns(case: str) -> None:
    build, inputs, *_ = CASES[case]
    module = build().eval()
    graph = trace(module, inputs)
    given = [
        torch.rand(each) if isinstance(each, tuple) else torch.zeros(each.shape, dtype=torch.int64) for each in inputs
    ]
    with torch.no_grad():
        result = module(*given)
    first = result[0] if isinstance(result, tuple) else result
    assert graph.types[graph.outputs[0].node][0].shape == tuple(first.shape)


def test_declared_and_used_parameters_are_counted_separately() -> None:
    totals = analyze(trace(unused(), (1, 10))).totals
    assert (totals.params, totals.params_used, totals.params_trainable) == (11_110, 110, 11_110)


def test_frozen_parameters_are_not_trainable() -> None:
    module = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 3))
    module[0].requires_grad_(False)
    graph = trace(module, (1, 10))
    assert graph.frozen == {"0.weight", "0.bias"}
    assert analyze(graph).totals.params_trainable == 33


def test_a_shared_layer_has_a_node_for_each_parent_and_one_tensor() -> None:
    graph = trace(three_parents(nn.Linear(100, 100, bias=False)), (1, 100))
    assert [node.name for node in graph.nodes] == ["0/0", "1/0", "2/0"]
    assert {node.parameters for node in graph.nodes} == {("0.0.weight",)}
