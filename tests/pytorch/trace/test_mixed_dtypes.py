"""Bytes of a model whose parameters and buffers have several dtypes: each tensor in its own."""

import pytest
import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import GraphError
from inception_lens.graph import Metadata
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.trace.module_tree import module_tree


class Mixed(nn.Module):
    """A layer of bfloat16, a norm of float32, a table of int64, and a parameter of float64 that is not read."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 4).bfloat16()
        self.norm = nn.LayerNorm(4)
        self.unused = nn.Parameter(torch.rand(5, dtype=torch.float64))
        self.register_buffer("table", torch.arange(4))
        self.register_buffer("not_read", torch.arange(100))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(self.layer(x).float()) + self.table
        return result


WEIGHTS = (6 * 4 + 4) * 2 + (4 + 4) * 4 + 5 * 8


@pytest.mark.parametrize("training", [False, True])
def test_each_tensor_has_bytes_of_its_own_dtype(training: bool) -> None:
    model = Mixed().train(training)
    model.norm.bias.requires_grad_(False)
    analysis = analyze(trace(model, torch.rand(3, 6).bfloat16()))
    totals = analysis.totals
    assert (totals.weight_bytes, totals.buffer_bytes) == (WEIGHTS, 4 * 8)
    assert {layer.name: layer.weight_bytes for layer in analysis.layers if layer.params} == {"layer": 56, "norm": 32}
    if training:
        trained = WEIGHTS - 4 * 4
        assert (totals.gradient_bytes, totals.optimizer_bytes, totals.optimizer_bytes_adam) == (
            trained, trained, 2 * trained,
        )  # fmt: skip


def test_a_shared_tensor_counts_its_bytes_once() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4, bias=False)
            self.narrow = nn.Linear(4, 4, bias=False).half()

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.narrow(self.narrow(self.layer(x).half()))
            return result

    assert analyze(trace(Shared(), (1, 4))).totals.weight_bytes == 16 * 4 + 16 * 2


def test_the_bytes_of_a_model_that_was_not_run() -> None:
    totals = analyze(module_tree(Mixed(), "inference", Metadata("mixed"))).totals
    assert (totals.weight_bytes, totals.buffer_bytes) == (WEIGHTS, 104 * 8)


def test_another_dtype_replaces_the_floating_point_ones() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.rand(4))
            self.offset = nn.Parameter(torch.rand(4, dtype=torch.float64))
            self.steps = nn.Parameter(torch.ones(4, dtype=torch.int8), requires_grad=False)

        def forward(self, x: Tensor) -> Tensor:
            return x

    graph = module_tree(Scaled(), "inference", Metadata("scaled"))
    assert analyze(graph).totals.weight_bytes == 4 * (4 + 8 + 1)
    assert analyze(graph.with_dtype("float16")).totals.weight_bytes == 4 * (2 + 2 + 1)
    assert graph != graph.with_dtype("float32")


def test_a_dtype_whose_size_is_unknown() -> None:
    module = nn.Linear(2, 2)
    module.register_buffer("bits", torch.zeros(4, dtype=torch.uint8).view(torch.bits8))
    module.packed = nn.Parameter(torch.zeros(4, dtype=torch.uint8).view(torch.bits8), requires_grad=False)
    with pytest.raises(GraphError, match=r"the size of an element of torch\.bits8 is unknown"):
        trace(module, (1, 2))
