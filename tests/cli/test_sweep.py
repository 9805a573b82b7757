"""The command `inception-lens sweep`."""

import json
from typing import Any

import pytest

from inception_lens.cli import run

Capture = pytest.CaptureFixture[str]
BRANCH = ("--in", "192", "--out", "96", "--kernel", "5", "--size", "28")


def record(capsys: Capture, *arguments: str) -> Any:
    assert run(["sweep", *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_one_branch(capsys: Capture) -> None:
    given = record(capsys, *BRANCH, "--reduce", "8..64..8")
    assert [point["value"] for point in given["points"]] == list(range(8, 65, 8))
    assert (given["own"], given["direct"]["params"]) == (None, 460_800)
    assert len(record(capsys, *BRANCH, "--reduce", "8..64")["points"]) == 57


def test_a_network_marks_its_own_width(capsys: Capture) -> None:
    network = record(capsys, "googlenet", "inception_4e/5x5_reduce=16,64")
    assert [point["value"] for point in network["points"]] == [16, 32, 64]
    assert network["own"] == 32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give MODEL KEY=FROM..TO..STEP"),
        (["googlenet"], "give MODEL KEY=FROM..TO..STEP"),
        (["googlenet", "x=1..2", *BRANCH, "--reduce", "8..16"], "the options of one branch exclude MODEL"),
        ([*BRANCH], "missing: --reduce"),
        ([*BRANCH, "--reduce", "64..8"], "FROM is at most TO"),
        ([*BRANCH, "--reduce", "1..999999999"], "with 1 to 1,000"),
        (["googlenet", "reduce"], "expected KEY=FROM..TO..STEP"),
        (["googlenet", "reduce=a"], "range a: expected FROM..TO"),
        (["googlenet", "reduce=8..64"], "`reduce` is not a layer of `googlenet`"),
    ],
)
def test_a_mistake_is_one_line(capsys: Capture, arguments: list[str], message: str) -> None:
    assert run(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
