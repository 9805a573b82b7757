"""A PyTorch module is exported with its own weights, and computes the same in a runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

import inception_lens as il
from inception_lens.cli import run
from inception_lens.lens import source_of
from inception_lens.writers.onnx.model import to_onnx
from tests.writers.onnx.torch_modules import modules

MODULES = modules()

OWN = """
import torch
from torch import nn
from torch.nn import functional as F

class NormAct(nn.BatchNorm2d):
    def forward(self, x):
        statistics = self.running_mean, self.running_var
        return F.relu(F.batch_norm(x, *statistics, self.weight, self.bias, False, 0.1, self.eps))

class Net(nn.Module):
    def __init__(self, shifted=False):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(3, 8, 3), NormAct(8), nn.Linear(8, 10)
        self.register_buffer("shift", torch.full((8, 1, 1), 3.0) if shifted else None, persistent=False)

    def forward(self, x):
        x = self.bn(self.conv(x))
        return self.fc((x if self.shift is None else x + self.shift).mean((2, 3)))

class Relative(nn.Module):
    \"\"\"Attention with a table of relative positions and a mask of its own, as in Swin.\"\"\"

    def __init__(self):
        super().__init__()
        self.qkv, self.table = nn.Linear(8, 24), nn.Parameter(torch.rand(7, 2))
        self.register_buffer("index", torch.arange(16).view(4, 4) % 7)

    def forward(self, x):
        q, k, v = self.qkv(x.roll(1, 1)).view(*x.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.table[self.index.view(-1)].view(4, 4, 2).permute(2, 0, 1)
        mask = torch.zeros(4, 4)
        mask[:2] = 1
        y = mask @ ((q * 0.5 @ k.transpose(-2, -1) + bias).softmax(-1) @ v)
        return y.transpose(1, 2).flatten(2)

class Decides(Relative):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else x

def trained():
    net = Net(shifted=True)
    for parameter in net.parameters():
        parameter.data.fill_(0.5)
    return net
"""


def with_statistics(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    return module.eval()


@pytest.mark.parametrize("name", MODULES)
def test_a_runtime_computes_what_the_module_does(tmp_path: Path, name: str) -> None:
    module, image = with_statistics(MODULES[name]), torch.rand(1, 8, 6, 6)
    source = source_of(module)
    graph = source.graph("inference", image)
    data = to_onnx(graph, source.tensors(graph))
    onnx.checker.check_model(data, full_check=True)
    session = onnxruntime.InferenceSession(data)
    found = np.asarray(session.run(None, {graph.inputs[0].name: image.numpy()})[0])
    with torch.no_grad():
        expected = module(image).numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    again = il.analyze(path)
    assert again.totals.macs == il.analyze(graph).totals.macs
    assert again.totals.params == sum(parameter.numel() for parameter in module.parameters())


def exported(folder: Path, *options: str) -> dict[str, np.ndarray[Any, Any]]:
    """The initializers of the module above, exported by the command."""
    file, path = folder / "own.py", folder / "own.onnx"
    file.write_text(OWN, encoding="utf-8")
    command = ["export", f"{file}:trained", "--to", "onnx", "--input", "1x3x8x8", "-o", str(path), *options]
    assert run(command) == 0
    return {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


def test_the_command_writes_the_weights_of_a_callable(tmp_path: Path) -> None:
    arrays = exported(tmp_path)
    names = {"conv.weight", "conv.bias", "bn.weight", "bn.bias", "fc.weight", "fc.bias"}
    assert arrays.keys() >= names
    assert all((arrays[name] == 0.5).all() for name in names)
    assert (arrays["bn.running_mean"] == 0).all()
    assert (arrays["bn.running_var"] == 1).all()
    assert (arrays["shift"] == 3).all()
    half = exported(tmp_path, "--dtype", "float16")
    assert {array.dtype for name, array in half.items() if name in names} == {np.dtype("float16")}


def test_the_command_writes_the_weights_of_a_file_of_the_module(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(tmp_path)
    state = dict(
        nn.ModuleDict({"conv": nn.Conv2d(3, 8, 3), "bn": nn.BatchNorm2d(8), "fc": nn.Linear(8, 10)}).state_dict()
    )
    weights = tmp_path / "own.pth"
    torch.save({"state_dict": state}, weights)
    arrays = exported(tmp_path, "--weights", str(weights))
    for name in state.keys() & arrays.keys():
        assert (arrays[name] == state[name].numpy()).all()
    assert (arrays["shift"] == 3).all()
    into = ["weights", str(weights), "--into", f"{tmp_path / 'own.py'}:Net", "--input", "1x3x8x8"]
    assert run([*into, "-o", str(tmp_path / "w.safetensors")]) == 0
    placed = load_file(tmp_path / "w.safetensors")
    assert placed.keys() == state.keys() - {"bn.num_batches_tracked"}
    assert all((placed[name] == state[name].numpy()).all() for name in placed)
    del state["bn.weight"]
    torch.save(state, weights)
    capsys.readouterr()
    command = ["export", f"{tmp_path / 'own.py'}:Net", "--to", "onnx", "--input", "1x3x8x8", "--weights", str(weights)]
    assert run([*command, "-o", str(tmp_path / "x.onnx")]) == 2
    assert "missing: bn.weight" in capsys.readouterr().err


def test_bfloat16_weights_are_written(tmp_path: Path) -> None:
    arrays = exported(tmp_path, "--dtype", "bfloat16")
    assert str(arrays["conv.weight"].dtype) == "bfloat16"
    assert (arrays["conv.weight"].astype("float32") == 0.5).all()


def test_what_a_graph_does_not_hold_is_written_by_the_exporter_of_pytorch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, path = tmp_path / "own.py", tmp_path / "own.onnx"
    file.write_text(OWN, encoding="utf-8")
    command = ["export", f"{file}:Relative", "--to", "onnx", "--input", "1x4x8", "-o", str(path)]
    assert run(command) == 0
    assert "written by PyTorch's own exporter: ONNX cannot express `roll`" in capsys.readouterr().err
    onnx.checker.check_model(path, full_check=True)
    assert b"own.py" not in path.read_bytes()
    source = source_of(f"{file}:Relative")
    tensors = source.tensors(source.graph("inference", (1, 4, 8)))
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}
    assert all((arrays[name] == tensors[name]).all() for name in ("qkv.weight", "qkv.bias", "table", "index"))
    assert il.analyze(path).totals.params == 8 * 24 + 24 + 7 * 2
    x = torch.rand(1, 4, 8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    (found,) = onnxruntime.InferenceSession(path, options).run(None, {"x": x.numpy()})
    with torch.no_grad():
        expected = source.module(source.graph("inference", (1, 4, 8)), (1, 4, 8))[0].eval()(x).numpy()
    assert np.abs(np.asarray(found) - expected).max() < 1e-5
    assert run([*command, "--weights", "none"]) == run([*command, "--dtype", "float16"]) == 2
    capsys.readouterr()
    assert run([each.replace("Relative", "Decides") for each in command]) == 2
    reason = capsys.readouterr().err.splitlines()[-1]
    assert reason.startswith("error: ONNX cannot express `")
    assert "; PyTorch's exporter cannot write it either: " in reason
