"""Second opinions on networks, and how a difference is reported."""

import pytest
import torch
from torch import Tensor, nn

from inception_lens.analyses.analysis import analyze
from inception_lens.lens import build, load
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.pytorch.verify.second_opinions import second_opinions


@pytest.mark.parametrize("name", ["googlenet@torchvision", "nin@cifar10", "lenet"])
def test_a_network_of_the_catalogue(name: str) -> None:
    graph = load(name, width=0.25) if name.startswith("googlenet") else load(name)
    module = build(graph).eval()
    found = second_opinions(module, analyze(graph))
    assert found.agree
    assert found.shapes_compared == len(graph.nodes)
    shapes, flops, hooks, fvcore = found.opinions
    assert shapes.params == found.params
    assert flops.macs == hooks.macs == found.macs
    assert fvcore.macs is not None
    assert not module.training


class Attends(nn.Module):
    """What counters of modules do not see."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.weight = nn.MultiheadAttention(16, 2, batch_first=True), nn.Parameter(torch.rand(16, 4))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.attention(x, x, x, need_weights=False)[0] @ self.weight
        return result


def test_omissions_of_a_counter_are_named() -> None:
    module = Attends().eval()
    found = second_opinions(module, analyze(trace(module, (2, 5, 16))), (2, 5, 16))
    assert found.agree
    hooks = found.opinions[2]
    assert hooks.macs == 0
    assert hooks.explained == (
        "omits Linear, 10,240", "omits MatMul, 640", "omits ScaledDotProductAttention, 1,600",
    )  # fmt: skip


class Discards(Attends):
    """Computes what no output depends on, which fvcore does not see."""

    def forward(self, x: Tensor) -> Tensor:
        result = x @ x.mT
        x @ self.weight
        return result


def test_fvcore_omits_what_no_output_depends_on() -> None:
    found = second_opinions(Discards(), analyze(trace(Discards(), (2, 5, 16))), (2, 5, 16))
    assert found.agree
    assert found.opinions[3].explained == ("omits calls that no output depends on, 640",)


def test_a_wrong_count_is_not_explained() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)).eval()
    wrong = nn.Sequential(nn.Linear(4, 9), nn.Linear(9, 2)).eval()
    found = second_opinions(module, analyze(trace(wrong, (1, 4))), (1, 4))
    assert not found.agree
    assert [each.agrees for each in found.opinions] == [False, False, False, False]
    assert "`0` returns (1, 8), not (1, 9)" in found.opinions[0].explained
    assert found.opinions[1].explained == ("-6 MACs without a known reason",)


def test_fvcore_takes_no_keyword_arguments() -> None:
    module = nn.Linear(4, 3).eval()
    found = second_opinions(module, analyze(trace(module, {"input": (2, 4)})), {"input": (2, 4)})
    assert found.agree
    assert found.opinions[3].explained == ("not run: it takes no keyword arguments",)
