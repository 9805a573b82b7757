"""Automatic mixed precision: calls have the dtypes that PyTorch gives them, and its casts are not calls."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from inception_lens.analyses.analysis import analyze
from inception_lens.graph import Graph
from inception_lens.pytorch.trace.forward_pass import trace
from tests.pytorch.trace.test_cases import Calls

HALF = torch.bfloat16


class Autocast(nn.Module):
    """A module that runs in a region of automatic mixed precision."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Any:
        with torch.autocast("cpu", HALF):
            return self.module(*inputs)


def traced_inside(module: nn.Module, *inputs: Tensor) -> Graph:
    return trace(Autocast(module).eval(), inputs)


def traced_around(module: nn.Module, *inputs: Tensor) -> Graph:
    with torch.autocast("cpu", HALF):
        return trace(module.eval(), inputs)


WAYS = pytest.mark.parametrize("way", [traced_inside, traced_around])


@WAYS
def test_activations_take_half_of_the_bytes(way: Callable[..., Graph]) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
    graph = way(module, torch.rand(2, 3, 8, 8))
    assert [node.op.kind for node in graph.nodes] == ["Conv2d", "ReLU", "Flatten", "Linear"]
    assert {graph.types[node.name][0].dtype for node in graph.nodes} == {"bfloat16"}
    totals, plain = analyze(graph).totals, analyze(trace(module.eval(), (2, 3, 8, 8))).totals
    assert 2 * totals.activation_bytes == plain.activation_bytes == 4 * (2 * 2 * 288 + 2 * 10)
    assert (totals.macs, totals.params, totals.params_used) == (plain.macs, plain.params, plain.params)
    assert totals.exact


MODULES: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "convolution and norm": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU()), (1, 3, 8, 8)),
    "transposed convolution": (nn.ConvTranspose2d(3, 4, 2), (1, 3, 8, 8)),
    "softmax": (nn.Sequential(nn.Linear(8, 4), nn.Softmax(-1)), (2, 8)),
    "layer norm": (nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 4), nn.GELU()), (2, 8)),
    "product": (Calls(lambda s, x: (x @ s.w).relu(), w=nn.Parameter(torch.rand(8, 4))), (2, 8)),
    "sum of two dtypes": (Calls(lambda s, x: s.l(x) + x, l=nn.Linear(8, 8)), (2, 8)),
    "pool": (nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 4, 1)), (1, 3, 8, 8)),
    "upsampling": (nn.Sequential(nn.Conv2d(3, 4, 1), nn.Upsample(scale_factor=2, mode="bilinear")), (1, 3, 8, 8)),
    "loss": (Calls(lambda s, x: functional.mse_loss(s.l(x), x), l=nn.Linear(8, 8)), (2, 8)),
    "attention": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (1, 5, 8)),
    "attention function": (
        Calls(lambda s, x: functional.scaled_dot_product_attention(s.l(x), x, x), l=nn.Linear(8, 8)),
        (1, 2, 5, 8),
    ),
}


@WAYS
@pytest.mark.parametrize("name", MODULES)
def test_outputs_have_pytorch_s_dtypes(name: str, way: Callable[..., Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    module, shape = MODULES[name]
    x = torch.rand(shape)
    monkeypatch.setattr(torch.backends.mha, "_is_fastpath_enabled", False)  # a kernel of other dtypes
    with torch.autocast("cpu", HALF), torch.no_grad():
        output = module.eval()(x)
    graph = way(module, x)
    type_ = graph.types[graph.outputs[0].node][0]
    assert (type_.shape, type_.dtype) == (tuple(output.shape), str(output.dtype).removeprefix("torch."))
    assert analyze(graph).macs == analyze(trace(module, x)).macs
    assert analyze(graph).totals.params == analyze(trace(module, x)).totals.params
    again = Graph.of(graph.inputs, graph.nodes, graph.outputs)
    assert again.types == graph.types


def test_a_region_without_autocast_inside_one() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            with torch.autocast("cpu", enabled=False):
                result: Tensor = self.last(x.float())
            return result

    graph = traced_around(Nested(), torch.rand(2, 8))
    assert [(node.op.kind, graph.types[node.name][0].dtype) for node in graph.nodes] == [
        ("Linear", "bfloat16"),
        ("cast", "float32"),
        ("Linear", "float32"),
    ]


def test_a_module_outside_the_region_is_untouched() -> None:
    module = nn.Sequential(Autocast(nn.Linear(8, 8)), nn.ReLU())
    graph = trace(module.eval(), torch.rand(2, 8))
    assert [graph.types[node.name][0].dtype for node in graph.nodes] == ["bfloat16"] * 2
    assert trace(nn.Linear(8, 8), (2, 8)).nodes[0].dtype == ""


def test_casts_of_the_model_in_a_region_are_calls() -> None:
    def casts(model: Any, x: Tensor) -> object:
        with torch.autocast("cpu", HALF):
            y = model.l(x).float()  # 2 x 8 elements of 2 bytes, then of 4
            return model.l(y.to(HALF))  # of 2 and of 2

    graph = trace(Calls(casts, l=nn.Linear(8, 8)), (2, 8))
    assert [node.op.kind for node in graph.nodes] == ["Linear", "cast", "cast", "Linear"]
    assert analyze(graph).totals.activation_bytes == 16 * (2 + 4 + 2 + 2)
