"""Models by name: a callable in a file or a package, an exported program, an existing module."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import inception_lens as il
from inception_lens.cli import run
from inception_lens.errors import ConfigError, InceptionLensError, TraceError, UnknownModelError
from inception_lens.graph import Mode

SOURCE = '''
from torch import nn


class Net(nn.Module):
    """A convolution and a head."""

    def __init__(self, width=8, classes=10, name="x"):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, width, 3, padding=1), nn.Linear(width, classes)

    def forward(self, image):
        return self.head(self.conv(image).mean((2, 3)))


class Broken(Net):
    def forward(self, image):
        return self.head(self.conv(image).flatten(1))


class Scales(nn.Module):
    """Takes a dictionary and plain arguments."""

    def __init__(self, width=8):
        super().__init__()
        self.layer = nn.Linear(4, width)

    def forward(self, batch, size, *, twice=False):
        assert (size, twice) == ([16, 16], True)
        return self.layer(batch["x"]) + self.layer(batch["more"]["y"])


class Expands(Scales):
    def forward(self, x, count):
        return self.layer(x.expand(count, 4))


ready = nn.Linear(4, 3)
number = 3


def Requires(width, depth=1, *others, names, **more):
    return Net(width)


def fails():
    raise ValueError("no such luck")


def needs_weights():
    net = Net()
    net.conv.weight.sum().item()
    return net


class factories:
    small = staticmethod(lambda: Net(width=2))
'''

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "some_networks.py"
    path.write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "some_networks", raising=False)
    return path


@pytest.mark.parametrize("where", ["some_networks.py", "some_networks"])
def test_a_callable_is_called_with_its_arguments(source: Path, where: str) -> None:
    graph = il.load(f"{where}:Net", (1, 3, 8, 8), overrides={"width": 4, "classes": "5"})
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs) == (4 * 27 + 4 + 25, 64 * 4 * 27 + 20)
    assert (graph.name, graph.metadata.source, graph.mode) == ("Net", "pytorch", "inference")


def test_a_dotted_name_an_existing_module_and_a_callable_that_reads_weights(source: Path) -> None:
    assert il.load("some_networks:factories.small", (1, 3, 8, 8)).types["conv"][0].shape == (1, 2, 8, 8)
    assert il.analyze("some_networks:ready", (1, 4)).totals.params == 15
    assert il.analyze("some_networks:needs_weights", (1, 3, 8, 8)).totals.exact


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("nonesuch.py:Net", UnknownModelError, "there is no such file"),
        ("nonesuch:Net", UnknownModelError, "no package or module `nonesuch`"),
        ("some_networks:Ned", UnknownModelError, "did you mean `Net`"),
        ("some_networks:number", UnknownModelError, "is of type int: neither a module nor a callable"),
        ("some_networks:factories", UnknownModelError, "returned an object of type factories, not a torch.nn.Module"),
        ("some_networks:fails", TraceError, r"at some_networks.py:\d+: ValueError: no such luck"),
        ("some_networks:Broken", TraceError, "needs weights of 10x512, and these are 10x8"),
        (
            "some_networks:Requires",
            ConfigError,
            r"^`some_networks:Requires` needs `width`, `names`: give --arg width=VALUE ",
        ),
        (
            "some_networks.py",
            UnknownModelError,
            r"is code: name what .* as some_networks.py:Net; it defines Net, Scales, Broken,",
        ),
        ("nonesuch.py", UnknownModelError, "^`nonesuch.py`: No such file"),
        ("nonesuch.pt2", UnknownModelError, "there is no such file"),
    ],
)
def test_models_that_cannot_be_loaded(source: Path, model: str, error: type[InceptionLensError], message: str) -> None:
    with pytest.raises(error, match=message):
        il.load(model, (1, 3, 8, 8))


def test_the_arguments_that_a_callable_needs_and_does_not_take(source: Path) -> None:
    with pytest.raises(ConfigError, match=r"Requires` needs `names`: give --arg names=VALUE$"):
        il.load("some_networks:Requires", (1, 3, 8, 8), overrides={"width": 3})
    with pytest.raises(ConfigError, match=r"Linear` needs `in_features`: .*; it does not take `in_feature`$"):
        il.load("torch.nn:Linear", (1, 4), overrides={"in_feature": 4, "out_features": 2})
    assert il.analyze("some_networks:Requires", (1, 3, 8, 8), overrides={"width": 2, "names": "x"}).totals.exact


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1", "is code that defines no class and no function"),
        ("def _hidden(): ...", "is code that defines no class and no function"),
        ("def f(", "is not Python code: '\\(' was never closed"),
        ("(" * 1000, "is not Python code"),
        ("print(1)\ndef f(): '\\d'\nclass A(nn.Module): ...", r"such as code.py:A; it defines A, f$"),
        ("\n".join(f"def f{i}(): ..." for i in range(10)), r"it defines f0, f1, f2, f3, f4, f5, f6, f7 and 2 more$"),
    ],
)
def test_a_python_file_without_the_name_of_a_callable_is_read_and_not_run(
    source: Path, capsys: Capture, code: str, message: str
) -> None:
    (source.parent / "code.py").write_text(code)
    with pytest.raises(UnknownModelError, match=message):
        il.load("code.py")
    assert capsys.readouterr().out == ""


def test_a_model_that_declares_no_inputs(source: Path) -> None:
    with pytest.raises(ConfigError, match=r"`Net` \(image\) declares no input shape: give its inputs"):
        il.load("some_networks:Net")


def test_a_module_and_an_exported_program(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    program = torch.export.export(module, (torch.rand(3, 4),))
    torch.export.save(program, tmp_path / "net.pt2")
    counted = [il.analyze(model).totals for model in (program, str(tmp_path / "net.pt2"), tmp_path / "net.pt2")]
    assert {(each.macs, each.params) for each in counted} == {(3 * (32 + 16), 58)}
    assert {il.load(program, mode=mode).mode for mode in ("inference", "training")} == {"inference", "training"}
    assert run(["verify", str(tmp_path / "net.pt2")]) == 0
    assert il.analyze(module, (3, 4)).totals.macs == 144
    assert il.analyze(module, (3, 4), batch=5).totals.macs == 240
    with pytest.raises(ConfigError, match="takes no arguments: width"):
        il.load(module, (3, 4), width=2)


def test_the_command_reports_that_it_runs_code(source: Path, capsys: Capture) -> None:
    call = ["summary", "some_networks:Net", "--input", "image=1x3x8x8", "--arg", "width=4", "--format", "json"]
    assert run(call) == 0
    captured = capsys.readouterr()
    assert captured.err == "runs the code of some_networks\n"
    record = json.loads(captured.out)
    assert record["model"]["mode"] == "inference"
    assert [layer["op"] for layer in record["layers"]] == ["Conv2d", "mean", "Linear"]


@pytest.mark.parametrize("command", ["summary", "verify"])
def test_the_command_takes_nested_inputs_and_arguments_of_the_forward_pass(
    source: Path, capsys: Capture, command: str
) -> None:
    inputs = ["--input", "batch.x=2x4", "--input", "batch.more.y=2x4:float32"]
    arguments = ["--arg", "width=5", "--arg", "size=[16, 16]", "--arg", "twice=true"]
    assert run([command, "some_networks:Scales", *inputs, *arguments, "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["totals"] if command == "summary" else record)["macs"] == 2 * 2 * 4 * 5


def test_an_argument_of_the_forward_pass_next_to_an_input_without_a_name(source: Path) -> None:
    model = "some_networks:Expands"
    assert il.analyze(model, (1, 4), overrides={"count": "6"}).totals.macs == 6 * 4 * 8
    with pytest.raises(ConfigError, match=rf"neither `{model}` nor .* `cuont` \(did you mean `count`\?\)"):
        il.analyze(model, (1, 4), overrides={"cuont": 6})
    with pytest.raises(ConfigError, match="nor its forward pass takes an argument `width`"):
        il.analyze("some_networks:ready", (1, 4), overrides={"width": 6})


@pytest.mark.parametrize("names", [("batch", "batch.x"), ("batch.x", "batch"), ("batch.x", "batch.x.y")])
def test_an_input_that_is_a_tensor_and_a_dictionary(source: Path, names: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"as a tensor"):
        il.load("some_networks:Scales", dict.fromkeys(names, (2, 4)))


def test_the_command_shows_the_graph_before_an_error(source: Path, capsys: Capture) -> None:
    assert run(["summary", "some_networks:Broken", "--input", "1x3x8x8"]) == 2
    captured = capsys.readouterr()
    assert "conv  3x3" in captured.out
    assert "the layers above ran before the model failed" in captured.out
    assert captured.err.splitlines()[1].startswith("error: Broken: `head` (Linear of 1x512), at some_networks.py:")


def test_the_command_verifies_a_model(source: Path, capsys: Capture) -> None:
    assert run(["verify", "some_networks.py:Net", "--input", "1x3x8x8", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["macs"] == 64 * 8 * 27 + 80
    assert len(record["opinions"]) == 4
    assert run(["verify", "lenet"]) == 0
    assert "every count agrees" in capsys.readouterr().out
    assert run(["verify", "lenet", "--format", "markdown"]) == 0
    cells = [re.split(r" *\| *", line) for line in capsys.readouterr().out.splitlines()]
    assert ["416,520", "61,706"] in [row[2:4] for row in cells if row[1:2] == ["Inception Lens"]]


class Freezes(nn.Module):
    """Fails in its forward pass, and has a part in another mode than the rest."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.fails = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), fails
        self.norm.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fails:
            self.conv.eval()
            raise ValueError("on purpose")
        result: torch.Tensor = self.norm(self.conv(x))
        return result


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("mode", [None, "inference", "training"])
def test_a_new_module_is_analysed_in_inference_mode_and_left_as_it_was_found(fails: bool, mode: Mode | None) -> None:
    module = Freezes(fails)
    flags = [each.training for each in module.modules()]
    assert flags == [True, True, False]
    if fails:
        with pytest.raises(TraceError, match="on purpose"):
            il.analyze(module, (2, 3, 4, 4), mode=mode)
    else:
        assert il.analyze(module, (2, 3, 4, 4), mode=mode).graph.mode == (mode or "inference")
    assert [each.training for each in module.modules()] == flags
