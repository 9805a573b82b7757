"""The command `inception-lens what-if`."""

import json
from typing import Any

import pytest

from inception_lens.cli import run

Capture = pytest.CaptureFixture[str]
CHANGE = "inception_4e/5x5_reduce=16"


def record(capsys: Capture, *arguments: str) -> Any:
    assert run(["what-if", *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_one_width_and_two(capsys: Capture) -> None:
    assert record(capsys, "googlenet", CHANGE)["totals"]["saved"]["params"] == 59_664
    both = record(capsys, "googlenet", CHANGE, "inception_5b/1x1=128")
    assert [each["node"] for each in both["changes"]] == ["inception_4e/5x5_reduce", "inception_5b/1x1"]


def test_the_table(capsys: Capture) -> None:
    assert run(["what-if", "googlenet", CHANGE]) == 0
    assert "-59,664" in capsys.readouterr().out


def test_options_of_the_network(capsys: Capture) -> None:
    given = record(capsys, "googlenet", CHANGE, "--batch", "2", "--set", "classes=10", "--machine", "k40")
    assert given["inputs"][0]["shape"] == [2, 3, 224, 224]
    assert given["machine"]["dtype"] == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["googlenet"], "Missing argument"),
        (["googlenet", "inception_4e/5x5_reduce"], "expected LAYER=WIDTH"),
        (["googlenet", "inception_4e/5x5_reduce=0"], "expected LAYER=WIDTH"),
        (["googlenet", "classes=10"], "`classes` is a key of the config, not a layer"),
        (["googlenet", "inception_4e/5x5_reduc=8"], "did you mean `inception_4e/5x5_reduce`"),
        (["googlenet", "inception_3a/pool=8"], "is a MaxPool2d"),
        (["resnet50", "res1_1/conv3=8"], "the shapes must be equal"),
    ],
)
def test_a_mistake_is_one_line(capsys: Capture, arguments: list[str], message: str) -> None:
    assert run(["what-if", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
