"""Measurements are of what ran, and measured memory equals the liveness analysis; times are only checked to exist."""

import json
from math import prod

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.analyses.profile import Profile
from inception_lens.cli import run
from inception_lens.errors import ConfigError
from inception_lens.graph import Mode
from inception_lens.pytorch.measure import profile as measure
from inception_lens.pytorch.measure.profile import profile
from inception_lens.renderers.tables.cells import shown
from inception_lens.renderers.tables.text import render
from inception_lens.tables.profile import profile_table


@pytest.fixture(autouse=True)
def _small_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(measure.MATRIX_ROWS, "cpu", 64)
    monkeypatch.setitem(measure.COPIED_BYTES, "cpu", 2**16)


def profiled(name: str, size: int, mode: Mode = "training", **overrides: object) -> Profile:
    image = (2, 1 if name == "lenet" else 3, size, size)
    return profile(il.load(name, image, mode=mode, overrides=overrides), warmup=0, repeats=2)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("googlenet", 64),
        ("googlenet@torchvision", 64),
        ("vgg13", 32),
        ("resnet18", 64),
        ("resnet50", 33),
        ("alexnet", 64),
    ],
)
def test_measured_memory_is_what_was_predicted(name: str, size: int) -> None:
    found = profiled(name, size, width=0.25)
    assert [layer.live_bytes for layer in found.layers] == [layer.predicted_live_bytes for layer in found.layers]
    assert found.live_bytes == found.predicted_live_bytes <= found.peak_bytes
    # On a CPU a dropout keeps its mask as numbers of four bytes; on a GPU as one byte each, which is what is predicted.
    masks = 3 * sum(prod(layer.output_shape) for layer in found.layers if layer.category == "dropout")
    assert found.predicted_saved_bytes is not None
    assert found.saved_bytes == found.predicted_saved_bytes + masks


class WritesInPlace(nn.Module):
    """A residual block and a classifier that write over their inputs wherever PyTorch can."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.activations = nn.ModuleList((nn.SiLU(inplace=True), nn.LeakyReLU(0.1, True), nn.Hardswish(True)))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.activations[0](self.first(x))
        y = self.second(x)
        y += x  # before the activation, whose output autograd keeps
        y = self.activations[1](y)
        logits: Tensor = self.head(self.activations[2](self.third(y)).mean((2, 3)))
        return logits


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_memory_of_a_traced_model_that_writes_in_place_is_what_was_predicted(mode: Mode) -> None:
    graph = il.load(WritesInPlace(), (2, 4, 8, 8), mode=mode)
    assert [node.op.kind for node in graph.nodes if getattr(node.op, "inplace", False)] == [
        "SiLU", "Add", "LeakyReLU", "Hardswish",
    ]  # fmt: skip
    found = profile(graph, warmup=0, repeats=1)
    assert [layer.live_bytes for layer in found.layers] == [layer.predicted_live_bytes for layer in found.layers]
    assert found.saved_bytes == found.predicted_saved_bytes


def test_every_layer_and_the_network_have_times() -> None:
    found = profiled("googlenet", 64, width=0.125)
    graph = il.load("googlenet", (2, 3, 64, 64), mode="training", width=0.125)
    assert [layer.name for layer in found.layers] == [node.name for node in graph.nodes]
    for layer in found.layers:
        assert len(layer.forward.samples) == 2
        assert 0 < layer.forward.fastest <= layer.forward.median <= layer.forward.slowest
        assert layer.backward
    assert found.backward
    assert sum(found.measured.values()) > 0
    modules = found.by_module(1)
    assert sum(sum(module.forward.samples) for module in modules) == pytest.approx(
        sum(sum(layer.forward.samples) for layer in found.layers)
    )
    assert {found.bound_by(layer) for layer in found.layers} <= {"compute", "memory", "-"}


def test_inference_has_no_backward() -> None:
    found = profiled("lenet", 32, "inference")
    assert found.backward is None
    assert found.saved_bytes is None
    assert all(layer.backward is None for layer in found.layers)
    assert "backward" not in render(profile_table(found))


def test_profiling_leaves_no_hooks_or_gradients() -> None:
    assert torch.is_grad_enabled()
    profiled("lenet", 32)
    assert torch.is_grad_enabled()


def test_the_table_fits_and_names_the_machine() -> None:
    found = profiled("googlenet", 64, width=0.125)
    for width in (80, 100, 140):
        text = render(profile_table(found), width=width)
        assert max(map(len, text.splitlines())) <= width
        for part in (
            "inception_4e",
            "aux1",
            "complete forward pass",
            "ceilings of this CPU",
            "saved for backward",
        ):
            assert part in " ".join(text.split())
    assert "inception_4e/3x3_reduce" in render(profile_table(found, depth=None), width=140)
    assert render(profile_table(found), unicode=False).isascii()


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: object) -> None:
    arguments = ["profile", "lenet", "--batch", "3", "--repeats", "1", "--warmup", "0"]
    assert run([*arguments, "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["schema"] == "inception-lens/profile/1"
    assert record["inputs"] == [["input", [3, 1, 32, 32], "float32"]]
    assert record["layers"][0]["name"] == "C1"
    assert record["layers"][0]["bound_by"] in ("compute", "memory")
    assert type(record["live_bytes"]) is int
    assert run([*arguments, "-o", f"{tmp_path}/roof.svg"]) == 0
    assert run([*arguments, "--dtype", "bfloat16", "--mode", "training", "--depth", "all"]) == 0
    assert "bfloat16, training" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "toaster"], "`toaster` is not a device"),
        (["--device", "mps"], "`mps` cannot be measured: give cpu or cuda"),
        (["--repeats", "0"], "0 is not in the range"),
        (["--depth", "x"], "--depth x: expected a whole number"),
        (["-o", "net.docx"], "unknown suffix `.docx`"),
        (["--dtype", "float33"], "`float33` is not a dtype"),
        (["--batch", "1000000", "--input", "1x1x9999x9999"], "`lenet` does not run on this device: "),
        (["--dtype", "float8_e4m3fn"], "`lenet` does not run on this device: "),
    ],
)
def test_a_wrong_profile_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(["profile", "lenet", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_batch_of_one_where_a_batch_norm_learns(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["profile", "inception_v3@torchvision", "--set", "width=0.1", "--mode", "training"]) == 2
    message = capsys.readouterr().err
    assert "does not run on this device: Expected more than 1 value per channel when training" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="finds no CUDA device"):
        profile(il.load("lenet"), "cuda")


class Positions(nn.Module):
    """A positional parameter, whose first axis is not a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.positions = nn.Conv2d(3, 8, 1), nn.Parameter(torch.zeros(8, 6, 6))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x) + self.positions
        return found


def test_the_shape_of_what_is_not_computed_from_the_inputs_is_shown_whole() -> None:
    found = profile(il.load(Positions(), (2, 3, 6, 6)), warmup=0, repeats=1)
    for depth in (1, None):
        table = profile_table(found, depth=depth)
        column, at = next((each, i) for i, each in enumerate(table.columns) if each.key == "output_shape")
        assert {row.label: shown(column, row.cells[at]) for row in table.rows} == {
            "conv": "8x6x6", "positions": "8x6x6", "add": "8x6x6",
        }  # fmt: skip
