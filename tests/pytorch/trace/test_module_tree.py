"""Models without inputs: the tree of their modules, with known parameters and unknown costs."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.cli import run
from inception_lens.errors import ConfigError
from inception_lens.graph import Mode
from inception_lens.tables.summary import summary_table
from inception_lens.tables.table import AtLeast

SOURCE = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
"""


class Tied(nn.Module):
    """A tensor of its own, two layers with one weight, a frozen bias and a container."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.head, self.tied = nn.Linear(8, 4), nn.Linear(8, 4)
        self.tied.weight = self.head.weight
        self.head.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.stem(x).mean((2, 3)))
        return found


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_model_without_inputs_is_the_tree_of_its_modules(mode: Mode, capsys: pytest.CaptureFixture[str]) -> None:
    module = Tied()
    analysis = il.summary(module, mode=mode, depth=None)
    rows = [(each.name, each.op, each.params, each.params_trainable, each.buffers) for each in analysis.layers]
    assert rows == [
        ("Tied", "Tied", 3, 3, 0),
        ("stem/0", "Conv2d", 224, 224, 0),
        ("stem/1", "BatchNorm2d", 16, 16, 16),
        ("stem/2", "ReLU", 0, 0, 0),
        ("head", "Linear", 36, 32, 0),
        ("tied", "Linear", 4, 4, 0),
    ]
    totals = analysis.totals
    assert totals.params == sum(each.numel() for each in module.parameters())
    assert totals.params_trainable == totals.params - 4
    assert (totals.buffers, totals.exact) == (il.analyze(module, (1, 3, 8, 8)).totals.buffers, False) == (16, False)
    for layer in analysis.layers:
        unknown = (layer.macs, layer.flops, layer.output_shape, layer.activation_bytes, layer.live_bytes)
        assert set(unknown) == {None}
    printed = capsys.readouterr().out
    assert "`Tied` was not run, so that its shapes and costs are unknown: give its inputs" in " ".join(printed.split())
    assert "peak activations" not in printed
    assert "lower bounds" not in printed


def test_tensors_of_lazy_modules_are_not_counted() -> None:
    module = nn.Sequential(nn.LazyLinear(3), nn.Linear(2, 2))
    analysis = il.analyze(module)
    assert analysis.totals.params == 6
    assert "2 tensors of lazy modules have no shape yet and are not counted" in analysis.graph.metadata.note
    table = summary_table(analysis, columns=["params"])
    assert [(row.label, row.cells[0]) for row in (*table.rows, *table.totals)] == [
        ("0", None), ("1", 6), ("total", AtLeast(6)),
    ]  # fmt: skip


def test_other_functions_need_the_inputs() -> None:
    with pytest.raises(ConfigError, match="declares no input shape"):
        il.load(Tied())
    with pytest.raises(ConfigError, match="declares no input shape"):
        il.diagram(Tied())


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "csv", "html", "json"])
def test_the_command_shows_the_tree_in_every_format(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tree_of_a_net.py"
    path.write_text(SOURCE)
    assert run(["summary", f"{path}:Net", "--depth", "all", "--format", form]) == 0
    printed = capsys.readouterr().out
    assert "224" in printed
    if form == "json":
        record = json.loads(printed)
        assert [each["output_shape"] for each in record["layers"]] == [None] * 3
        assert record["totals"]["exact"] is False


def test_several_models_of_which_one_has_no_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one_of_several.py"
    path.write_text(SOURCE)
    assert run(["summary", f"{path}:Net", "lenet", "--format", "csv"]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()]
    columns = dict(zip(rows[0], rows[1], strict=True))
    assert (columns["params"], columns["macs"], columns["activation_bytes"]) == ("240", "", "")


@pytest.mark.parametrize("command", ["summary", "diagram", "savings", "verify", "report", "plot", "profile"])
def test_a_model_that_is_one_standard_module(command: str, tmp_path: Path) -> None:
    arguments = ["--input", "1x8", "--set", "in_features=8", "--set", "out_features=4"]
    output = {"diagram": ["-o", str(tmp_path / "a.svg")], "plot": ["-o", str(tmp_path / "a.svg")]}
    output["report"] = ["-o", str(tmp_path / "folder")]
    output["profile"] = ["--repeats", "1", "--warmup", "0"]
    assert run([command, "torch.nn:Linear", *arguments, *output.get(command, [])]) == 0
