"""The command `inception-lens savings`."""

import json
from pathlib import Path
from typing import Any

import pytest

from inception_lens.cli import run

Capture = pytest.CaptureFixture[str]
ARTICLE = ("--in", "192", "--out", "96", "--kernel", "5", "--reduce", "32", "--size", "28")


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def printed(capsys: Capture, *arguments: str) -> str:
    code = run(["savings", *arguments])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def record(capsys: Capture, *arguments: str) -> Any:
    return json.loads(printed(capsys, *arguments, "--format", "json"))


def test_the_worked_example(capsys: Capture) -> None:
    text = printed(capsys, *ARTICLE)
    for message in ("460,800", "82,944", "361,267,200", "65,028,096", "5.56 times fewer weights"):
        assert message in text


def test_the_json_of_the_worked_example_is_the_contract(capsys: Capture) -> None:
    given = record(capsys, *ARTICLE)
    assert set(given) == {"direct", "reduced", "ratio"}
    assert given["direct"] == {"params": 460_800, "macs": 361_267_200}
    assert given["reduced"] == {"params": 82_944, "macs": 65_028_096}
    assert set(given["ratio"]) == {"params", "macs"}
    assert record(capsys, *ARTICLE, "--bias")["direct"]["params"] == 460_896
    assert record(capsys, *ARTICLE[:-2], "--size", "28x14")["direct"]["macs"] == 361_267_200 // 2


def test_a_whole_network(capsys: Capture) -> None:
    given = record(capsys)
    assert given["schema"] == "inception-lens/savings/1"
    assert len(given["reductions"]) == 19
    assert given["totals"]["with"]["params"] == 6_998_552
    assert given["naive"]["totals"]["without"]["params"] == 97_526_008
    assert "19" in printed(capsys, "googlenet")


def test_options_of_the_network(capsys: Capture) -> None:
    base = record(capsys, "googlenet")
    assert record(capsys, "--batch", "2")["totals"]["with"]["macs"] == 2 * base["totals"]["with"]["macs"]
    assert record(capsys, "--input", "3x448x448")["inputs"][0]["shape"] == [1, 3, 448, 448]
    assert len(record(capsys, "--set", "reduce=none")["reductions"]) == 1  # the stem's
    assert record(capsys, "--machine", "k40")["machine"]["dtype"] == "float32"


def test_kinds(capsys: Capture) -> None:
    given = record(capsys, "inception_v2", "--kind", "3x3-pairs, grid")
    assert [each["kind"] for each in given["savings"]] == ["3x3-pairs", "grid"]
    assert given["not_applicable"] == []
    listed = {each["kind"]: each for each in record(capsys, "inception_v2", "--kind", "list")["kinds"]}
    assert (listed["3x3-pairs"]["saved"], listed["3x3-pairs"]["possible"]) == (10, 0)
    assert "batch norm folded into the layer before it" in printed(capsys, "inception_v2", "--kind", "list")
    assert "aux-heads: " in printed(capsys, "--kind", "all")


@pytest.mark.parametrize("suffix", [".json", ".csv", ".md", ".tex", ".txt"])
def test_files(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"savings{suffix}"
    assert run(["savings", "googlenet", "-o", str(target)]) == 0
    assert "inception" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--in", "192"], "missing: --out, --kernel, --size, --reduce"),
        (["googlenet", *ARTICLE], "the options of one branch exclude MODEL"),
        (["--in", "0", *ARTICLE[2:]], "`in_channels` of the branch is 0: expected 1 to 4,194,304"),
        (["--in", "99999999", *ARTICLE[2:]], "`in_channels` of the branch is 99999999"),
        ([*ARTICLE[:4], "--kernel", "5.5", *ARTICLE[6:]], "--kernel 5.5"),
        ([*ARTICLE[:-1], "0"], "--size 0"),
        ([*ARTICLE[:6], "--reduce", "8..64", *ARTICLE[8:]], "--reduce 8..64: expected a whole number"),
        (["--kind", "reduction"], "did you mean `reductions`"),
        (["--machine", "h20"], "`h20` is not a known machine"),
        (["googlnet"], "did you mean `googlenet"),
        (["-o", "x.docx"], "x.docx: unknown suffix `.docx`; known are .txt, .md, .tex, .csv, .html, .json, .svg"),
        ([*ARTICLE, "--format", "svg"], "one branch has no figure"),
    ],
)
def test_a_mistake_is_one_line(capsys: Capture, arguments: list[str], message: str) -> None:
    assert run(["savings", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
