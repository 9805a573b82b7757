"""TorchScript archives as a model of every command: scripted, traced and frozen modules."""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import inception_lens as il
from inception_lens.cli import run
from inception_lens.errors import FormatError, UnknownModelError
from inception_lens.lens import runs_code

Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

PARAMS = 3 * 8 * 9 + 8 + 16 + 8 * 8 + 8 + 80 + 10
MACS = 16 * 16 * 8 * 27 + 16 * 16 * 64 + 80
SHAPE = (1, 3, 16, 16)


class Small(nn.Module):
    """A convolution with a norm, a branch that depends on a rank, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Predict."""
        y = torch.relu(self.norm(self.first(x)))
        if y.dim() == 4:
            y = y + self.second(y)
        out: Tensor = self.fc(y.mean([2, 3]))
        return out


def saved(path: Path, kind: str) -> str:
    """The path of an archive of a scripted, traced or frozen module."""
    torch.manual_seed(0)
    module = Small().eval()
    make = (
        functools.partial(torch.jit.trace, example_inputs=torch.zeros(SHAPE)) if kind == "traced" else torch.jit.script
    )
    script = make(module)
    torch.jit.save(torch.jit.freeze(script) if kind == "frozen" else script, str(path))
    return str(path)


@pytest.mark.parametrize("kind", ["scripted", "traced"])
@pytest.mark.parametrize("name", ["net.pt", "net.jit", "net.torchscript"])
def test_an_archive_is_traced(tmp_path: Path, kind: str, name: str) -> None:
    totals = il.analyze(saved(tmp_path / name, kind), SHAPE).totals
    assert (totals.params, totals.macs, totals.buffers, totals.exact) == (PARAMS, MACS, 16, True)


def test_constants_of_a_frozen_archive_that_layers_read_are_parameters(tmp_path: Path) -> None:
    """Freezing makes one convolution of the first and its norm."""
    totals = il.analyze(saved(tmp_path / "net.pt", "frozen"), SHAPE).totals
    assert (totals.params, totals.macs) == (PARAMS - 16, MACS)


def test_a_frozen_norm_has_a_weight_a_bias_and_statistics() -> None:
    norm = nn.BatchNorm2d(3).eval()
    with torch.no_grad():
        for i, tensor in enumerate((norm.weight, norm.bias, norm.running_mean, norm.running_var)):
            assert tensor is not None
            tensor.copy_(torch.arange(3) + i + 1)
    totals = il.analyze(torch.jit.freeze(torch.jit.script(nn.Sequential(norm, nn.ReLU()).eval())), (1, 3, 4, 4)).totals
    assert (totals.params, totals.buffers) == (6, 6)


def test_without_inputs_the_modules_are_shown(tmp_path: Path) -> None:
    assert il.analyze(saved(tmp_path / "net.pt", "scripted")).totals.params == PARAMS


def test_an_archive_is_code(tmp_path: Path, capsys: Capture) -> None:
    path = saved(tmp_path / "net.pt", "scripted")
    assert runs_code(path)
    assert run(["summary", path, "--input", "1x3x16x16", "--format", "json"]) == 0
    assert f"runs the code of {path}" in capsys.readouterr().err
    assert run(["train", path, "--data", "digits", "--epochs", "1", "--out", str(tmp_path / "run")]) == 2
    assert "is code" in capsys.readouterr().err


def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    path, without_code = Path(saved(tmp_path / "net.jit", "scripted")), tmp_path / "code.jit"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(without_code, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"def" if name.endswith(".py") else old.read(name))
    path.write_bytes(path.read_bytes()[:-500])
    for each in (path, without_code):
        with pytest.raises(FormatError) as caught:
            il.analyze(each, SHAPE)
        assert "\n" not in str(caught.value)
    with pytest.raises(UnknownModelError, match="there is no such file"):
        il.analyze(str(tmp_path / "other.jit"))


def test_a_tflite_model_is_refused_with_a_way(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(32))
    with pytest.raises(
        UnknownModelError, match="is a TensorFlow Lite model, which is not read as a network: convert it to ONNX"
    ):
        il.analyze(path)
