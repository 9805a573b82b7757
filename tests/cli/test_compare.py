"""`inception-lens compare`."""

import json
from pathlib import Path

import pytest

from inception_lens.cli import run

Capture = pytest.CaptureFixture[str]


def compared(capsys: Capture, *arguments: str) -> tuple[int, str]:
    code = run(["compare", *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    return code, out


def test_differences_and_their_cost(capsys: Capture) -> None:
    code, out = compared(capsys, "googlenet", "googlenet@torchvision")
    assert code == 0
    (line,) = (line for line in out.splitlines() if line.startswith("nine 5x5 branches are 3x3"))
    assert line.split()[-2:] == ["-380,928", "-84,295,680"]
    assert "adaptive average pools to 4x4" in out.partition("auxiliary heads")[2]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["googlenet", "googlenet"], 0),
        (["googlenet", "googlenet@caffe"], 0),
        (["googlenet", "googlenet@torchvision"], 1),
        (["googlenet", "googlenet", "--set-b", "aux=inception_4b"], 0),  # inference has no heads
        (["googlenet", "googlenet", "--set-b", "final_pool=7x7/1"], 0),
        (["googlenet", "googlenet", "--set-b", "dropout=0.2"], 1),
        (["googlenet", "googlenet", "--set-b", "bias=false"], 1),
        (["googlenet", "googlenet", "--set", "classes=10"], 0),
        (["googlenet", "googlenet", "--set-a", "classes=10"], 1),
        (["googlenet", "googlenet@torchvision", "--set-a", "classes=10", "--input", "2x3x96x96"], 1),
    ],
)
def test_exit_code(capsys: Capture, arguments: list[str], code: int) -> None:
    assert compared(capsys, *arguments, "--exit-code")[0] == code
    assert compared(capsys, *arguments)[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["googlenet", "googlnet"],
        ["googlenet"],
        ["googlenet", "vgg16", "--input", "banana"],
        ["googlenet", "vgg16", "--set", "kernel_5x5=3"],
        ["googlenet", "vgg16", "--set-b", "classes"],
        ["googlenet", "vgg16", "-o", "out.docx"],
        ["googlenet", "vgg16", "--format", "xlsx"],
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line(capsys: Capture, arguments: list[str]) -> None:
    assert run(["compare", *arguments, "--exit-code"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)


def test_json_and_files(capsys: Capture, tmp_path: Path) -> None:
    _, out = compared(capsys, "googlenet", "googlenet@slim", "--format", "json")
    record = json.loads(out)
    assert list(record)[:2] == ["a", "b"]
    assert {"changes", "heads", "totals", "shifts"} <= set(record)
    for name, start in (("c.json", "{"), ("c.md", "## "), ("c.txt", "googlenet")):
        assert compared(capsys, "googlenet", "googlenet@slim", "-o", str(tmp_path / name))[1] == ""
        assert (tmp_path / name).read_text().startswith(start)
    assert json.loads((tmp_path / "c.json").read_text()) == record


def test_a_config_and_its_base(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "net.toml"
    path.write_text('base = "googlenet"\n[modules.inception_3a]\n5x5_reduce = 24\n')
    code, out = compared(capsys, "googlenet", str(path), "--exit-code", "--format", "json")
    record = json.loads(out)
    assert code == 1
    assert [change["a"] for change in record["changes"]] == ["inception_3a/5x5_reduce", "inception_3a/5x5"]
