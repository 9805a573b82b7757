"""Callables: what they return is created without values, and with values only where the model decides by them."""

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import inception_lens as il
from inception_lens.cli import run
from inception_lens.errors import ConfigError, TraceError, UnknownValueError, WeightsError
from inception_lens.pytorch import creation
from inception_lens.pytorch.models import ready

SOURCE = '''
import random

import torch
from torch import nn

CREATED = []


class Plain(nn.Module):
    """Decides nothing."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        CREATED.append(self.layer.weight.device.type)

    def forward(self, x):
        return self.layer(x)


class EarlyExit(Plain):
    """Leaves after the first of four layers whose weights, drawn or loaded, are positive on average."""

    def __init__(self, first=None):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8, bias=False) for _ in range(4))
        if first is not None:
            for i, layer in enumerate(self.layers):
                nn.init.constant_(layer.weight, 1 if i >= first else -1)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
            if layer.weight.mean() > 0:
                return x
        return x


class Gate(Plain):
    """Calls its layer once for each element of a mask, which no file of weights holds, that is true."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([True, False, True]), persistent=False)

    def forward(self, x):
        for present in self.mask:
            if present:
                x = self.layer(x)
        return x


class Selects(Gate):
    """Selects the rows of its input by the mask."""

    def forward(self, x):
        return self.layer(x[self.mask])


class Padded(Plain):
    """Decides by its input, whose values are zeros."""

    def forward(self, x):
        return self.layer(x) if 0 in x[:, [-1, 0]].long() else x


class Always(EarlyExit):
    """Cannot be created without values, and decides by them."""

    def __init__(self):
        super().__init__(2)
        self.layer.weight.sum().item()


class Scheduled(Gate):
    """Reads constants, not weights, while it is created; 2^40 weights, which no forward pass reads."""

    def __init__(self):
        super().__init__()
        self.rates = [each.item() for each in torch.linspace(0, 1, 3)]
        self.unused = nn.Linear(2**20, 2**20)

    def forward(self, x):
        for rate in self.rates:
            if rate > 0.25:
                x = self.layer(x)
        return x if self.mask.all() else self.layer(x)


class Large(EarlyExit):
    """2^40 weights."""

    def __init__(self):
        super().__init__()
        self.layers.append(nn.Linear(2**20, 2**20))


class Draws(nn.Module):
    """As many layers as three kinds of random numbers say."""

    def __init__(self):
        super().__init__()
        import numpy as np

        count = 1 + random.randrange(50) + int(np.random.randint(50)) + int(torch.randint(50, (), device="cpu"))
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(count))

    def forward(self, x):
        return sum(layer(x) for layer in self.layers)
'''

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "deciding.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "deciding", raising=False)
    return tmp_path


def devices(model: str) -> list[str]:
    """Analyse a model, and return on which devices it was created."""
    il.analyze(model, (3, 8))
    found = sys.modules["deciding"].CREATED
    assert isinstance(found, list)
    return found


def test_values_are_created_only_for_a_model_that_decides_by_them(source: Path) -> None:
    assert devices("deciding:Plain") == ["meta"]
    assert devices("deciding:Padded") == ["meta"] * 2
    assert devices("deciding:Gate") == ["meta"] * 4  # the mask is created with its values, and the weights are not
    assert devices("deciding:EarlyExit") == ["meta"] * 6 + ["cpu"]
    assert devices("deciding:Always") == ["meta"] * 6 + ["cpu"] + ["meta"] * 2 + ["cpu"]


@pytest.mark.parametrize(
    ("model", "calls"), [("Gate", 2), ("Selects", 2 / 3), ("Always", 3), ("Padded", 1)]
)  # fmt: skip
def test_a_model_that_decides_by_values(source: Path, model: str, calls: float) -> None:
    totals = il.analyze(f"deciding.py:{model}", (3, 8)).totals
    assert (totals.macs, totals.exact) == (round(calls * 3 * 64), True)


@pytest.mark.parametrize("first", range(4))
def test_an_early_exit_leaves_where_its_weights_decide(source: Path, first: int) -> None:
    found = il.analyze("deciding.py:EarlyExit", (3, 8), overrides={"first": first})
    assert found.totals.macs == (first + 1) * 3 * 64
    assert found.totals.params == 72 + 4 * 64


@pytest.mark.parametrize(("model", "calls"), [("Gate", 2), ("Always", 3), ("Padded", 1)])
def test_the_command_verifies_a_model_that_decides_by_values(source: Path, model: str, calls: int) -> None:
    assert run(["summary", f"deciding.py:{model}", "--input", "3x8", "-o", "found.json"]) == 0
    assert json.loads((source / "found.json").read_bytes())["totals"]["macs"] == calls * 3 * 64
    assert run(["verify", f"deciding.py:{model}", "--input", "3x8", "-o", "found.txt"]) == 0


def test_random_numbers_are_the_same_in_every_run_and_their_states_stay(source: Path) -> None:
    before = random.getstate(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # type: ignore[index]
    layers = [il.analyze("deciding.py:Draws", (1, 8)).totals.params for _ in range(2)]
    exits = [il.analyze("deciding.py:EarlyExit", (3, 8)).totals.macs for _ in range(2)]
    after = random.getstate(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # type: ignore[index]
    assert layers[0] == layers[1]
    assert exits[0] == exits[1]
    assert before == after


def test_a_model_that_does_not_fit_into_memory(source: Path, capsys: Capture) -> None:
    assert run(["summary", "deciding.py:Large", "--input", "3x8"]) == 2
    error = capsys.readouterr().err
    assert "`deciding.py:Large` decides by values, which need 4.40 TB of memory for its weights" in error


def test_the_memory_that_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    found = creation.available_memory()
    assert found is not None
    assert 10**8 < found < 10**14
    monkeypatch.setattr(creation, "open", lambda *_, **__: (_ for _ in ()).throw(OSError), raising=False)
    total = creation.available_memory()
    assert total is not None
    assert total >= found


def test_a_module_that_exists_gets_no_values(source: Path) -> None:
    found = ready("deciding:Gate", {}).module
    with pytest.raises(UnknownValueError, match="which is unknown: give the model its weights") as caught:
        il.analyze(found, (3, 8))
    assert isinstance(caught.value, TraceError)


def early(first: int) -> nn.Module:
    """The module of `EarlyExit` with weights that leave after layer `first`."""
    found = sys.modules["deciding"].EarlyExit(first)
    assert isinstance(found, nn.Module)
    return found


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.safetensors", "old.pth", "checkpoint.pt"])
def test_weights_of_a_file_decide(source: Path, name: str) -> None:
    il.load("deciding:Plain", (3, 8))
    for first in (2, 0):
        state = early(first).state_dict()
        if name.endswith(".safetensors"):
            save_file(state, name)
        else:
            held = {"model": state, "epoch": 3} if name.startswith("checkpoint") else state
            torch.save(held, name, _use_new_zipfile_serialization=not name.startswith("old"))
        totals = il.analyze("deciding:EarlyExit", (3, 8), weights=name).totals
        assert (totals.macs, totals.params) == ((first + 1) * 3 * 64, 72 + 4 * 64)
    model = ["deciding:EarlyExit", "--input", "3x8", "--weights", name]
    for command in ("verify", "savings", "diagram", "report", "summary"):
        target = {"diagram": "drawing.dot", "report": "page"}.get(command, "found.json")
        assert run([command, *model, "-o", target]) == 0
    assert json.loads((source / "found.json").read_bytes())["totals"]["macs"] == 3 * 64


def test_weights_are_read_next_to_values_that_they_do_not_hold(source: Path) -> None:
    il.load("deciding:Plain", (3, 8))
    torch.save(sys.modules["deciding"].Gate().state_dict(), "w.pt")  # without the mask
    assert il.analyze("deciding:Gate", (3, 8), weights="w.pt").totals.macs == 2 * 3 * 64


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        ("deciding:EarlyExit", {"x": torch.zeros(2)}, r"do not match the module; unexpected: x$"),
        ("deciding:EarlyExit", {"layer.bias": None}, r"do not match the module; missing: layer.bias$"),
        ("deciding:EarlyExit", {"layer.bias": torch.zeros(9)}, r"wrong shapes: layer.bias is 9 and must be 8$"),
        ("deciding:EarlyExit", {"layer.bias": 3}, r"`w.pt` does not hold tensors by name"),
        ("deciding:EarlyExit", {"layer.bias": Path("x")}, r"missing: layer.bias"),
    ],
)
def test_weights_that_do_not_fit(source: Path, model: str, change: dict[str, object], message: str) -> None:
    il.load("deciding:Plain", (3, 8))
    state = {**early(1).state_dict(), **change}
    torch.save({name: value for name, value in state.items() if value is not None}, "w.pt")
    with pytest.raises(WeightsError, match=message):
        il.analyze(model, (3, 8), weights="w.pt")


def test_weights_for_other_models(source: Path) -> None:
    with pytest.raises(ConfigError, match=r"`w.pt`: weights are for a PyTorch callable"):
        il.analyze("lenet", weights="w.pt")
    with pytest.raises(ConfigError, match=r"`w.pt`: weights are for a PyTorch callable"):
        il.analyze(nn.Linear(8, 8), (3, 8), weights="w.pt")
    with pytest.raises(WeightsError, match=r"w.pt: No such file"):
        il.analyze("deciding:Plain", (3, 8), weights="w.pt")
