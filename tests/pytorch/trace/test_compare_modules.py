"""A PyTorch module compared with a network of the catalogue."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Concat, Conv2d, TensorType

COUNTED = """
import torch
from pathlib import Path
with Path(__file__).with_suffix(".log").open("a") as log:
    log.write("loaded ")

class Net(torch.nn.Sequential):
    def __init__(self):
        super().__init__(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 1))
"""


@pytest.mark.parametrize("name", ["googlenet@torchvision", "googlenet", "resnet18"])
def test_a_built_network_equals_its_graph(name: str) -> None:
    with torch.device("meta"):
        module = il.build(name).eval()
    comparison = il.compare(module, name, (1, 3, 224, 224))
    assert not comparison.differs
    assert len(comparison.trunk.pairs) == len(il.load(name).nodes)
    assert not any(change.kind != "changed" for head in comparison.heads for change in head.changes)


def test_a_different_kernel_in_a_module_is_reported() -> None:
    with torch.device("meta"):
        module = il.build("googlenet", kernel_5x5=3).eval()
    comparison = il.compare("googlenet", module, (1, 3, 224, 224))
    kernels = [each for change in comparison.changes for each in change.what if each.attribute == "kernel"]
    assert len(kernels) == 9
    assert sum(change.params for change in comparison.changes if not change.unused) == -380_928


def test_the_code_of_a_model_runs_once(tmp_path: Path) -> None:
    path = tmp_path / "counted_net.py"
    path.write_text(COUNTED)
    comparison = il.compare(f"{path}:Net", f"{path}:Net", (1, 3, 8, 8))
    assert not comparison.changes
    assert path.with_suffix(".log").read_text() == "loaded loaded "


class Nested(nn.Module):
    """A concatenation in a concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(3, width, 1) for width in (2, 3, 4))

    def forward(self, x: Tensor) -> Tensor:
        one, two, three = (branch(x) for branch in self.branches)
        return torch.cat([one, torch.cat([two, three], 1)], 1)


@pytest.mark.parametrize(("order", "differs"), [((0, 1, 2), False), ((0, 2, 1), True)])
def test_a_nested_concatenation_equals_a_flat_one(order: tuple[int, ...], differs: bool) -> None:
    nodes: list[Any] = [Node(str(i), Conv2d(2 + i, (1, 1)), ("x",)) for i in range(3)]
    flat = Graph.of(
        [Input("x", TensorType((1, 3, 4, 4)))],
        [*nodes, Node("join", Concat(), tuple(map(str, order)))],
        [Output("join")],
    )
    comparison = il.compare(Nested().eval(), flat, (1, 3, 4, 4))
    assert comparison.differs == differs
