"""Sizes at the limit of PyTorch's tensors, and the shapes of tensors that have no batch axis."""

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.analyses.analysis import analyze
from inception_lens.errors import InceptionLensError
from inception_lens.pytorch.trace.forward_pass import trace
from inception_lens.renderers.tables.cells import shown
from inception_lens.tables.summary import summary_table
from tests.pytorch.trace.test_cases import Calls


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.ReLU(), (2**62, 4)),
        (nn.Sequential(nn.Linear(2, 2**20)), (2**50, 2)),
        (nn.Upsample(scale_factor=2**30), (1, 1, 2**20, 2**20)),
        (Calls(lambda s, x: x.expand(2**40, 2**40) + 1), (1, 1)),
        (Calls(lambda s, x: x + torch.zeros(2**40, 2**40)[0, 0]), (1, 1)),
    ],
)
def test_a_tensor_that_pytorch_cannot_have(module: nn.Module, shape: tuple[int, ...]) -> None:
    with pytest.raises(InceptionLensError, match=r"fewer than 2\^63 elements"):
        trace(module, shape)


def test_the_largest_tensors_are_counted() -> None:
    assert analyze(trace(nn.Flatten(0), (2**20, 2**20))).totals.macs == 0
    assert analyze(trace(nn.Linear(2, 2), (2**50, 2))).totals.macs == 2**52


class Positions(nn.Module):
    """Adds a learned map, scaled first, to each image of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.rand(8, 16, 16))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.position.sin()


def test_a_parameter_has_no_batch_axis() -> None:
    graph = trace(Positions(), (2, 8, 16, 16))
    analysis = analyze(graph)
    assert [layer.has_batch for layer in analysis.layers] == [False, False, True]
    assert graph.index.independent == {"position", "sin"}
    table = summary_table(analysis, depth=None)
    column = [each.key for each in table.columns].index("output_shape")
    assert [shown(table.columns[column], row.cells[column]) for row in table.rows] == ["8x16x16"] * 3
    dot = il.diagram(graph).dot
    assert ("8x16x16" in dot, "16x16" in dot.replace("8x16x16", "")) == (True, False)
