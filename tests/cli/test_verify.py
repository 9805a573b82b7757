"""`inception-lens verify --paper`."""

import json
from pathlib import Path

import pytest

from inception_lens.cli import run

Capture = pytest.CaptureFixture[str]


def test_the_paper_s_network_deviates_in_known_ways(capsys: Capture) -> None:
    assert run(["verify", "googlenet", "--paper"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "every deviation is a known one" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["googlenet", "--set", "inception_3a/5x5_reduce=24"], "inception (3a)"),
        (["googlenet@torchvision"], "inception (5b)"),
        (["googlenet@slim"], "inception (5b)"),
        (["vgg16"], "softmax"),
    ],
)
def test_another_network_is_reported_by_its_rows(capsys: Capture, arguments: list[str], named: str) -> None:
    assert run(["verify", *arguments, "--paper"]) == 1
    last = capsys.readouterr().out.partition("not the network of the paper")[2]
    assert named in last.replace("\n", " ")


def test_json_and_files(capsys: Capture, tmp_path: Path) -> None:
    assert run(["verify", "googlenet", "--paper", "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["holds"] is True
    rows = {row["row"]: row for row in record["rows"]}
    assert rows["inception (3b)"]["params"]["conventions"][0] == {"unit": 1024, "rounding": "rounded", "biases": True}
    assert rows["inception (4a)"]["verdict"] == "known"
    for name, start in (("p.json", "{"), ("p.md", "## "), ("p.tex", r"\begin{table}"), ("p.txt", "googlenet")):
        assert run(["verify", "googlenet", "--paper", "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().startswith(start)


@pytest.mark.parametrize(
    "arguments",
    [["nonesuch", "--paper"], ["googlenet", "--paper", "-o", "p.pdf"], ["--paper"]],
    ids=" ".join,
)
def test_a_mistake_is_one_line(capsys: Capture, arguments: list[str]) -> None:
    assert run(["verify", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
