"""Every command that writes a table writes it in every format, and all formats agree."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inception_lens.cli import run
from inception_lens.writers.toml import to_toml
from tests.cli.formats import SUFFIXES, check_formats, written

ROOT = Path(__file__).parents[2]
BRANCH = ["--in", "192", "--out", "96", "--kernel", "5", "--reduce", "32", "--size", "28"]
COMMANDS = [
    ["list"],
    ["summary", "googlenet"],
    ["summary", "googlenet@torchvision", "--mode", "training", "--depth", "2", "--sort", "macs"],
    ["summary", "googlenet", "--columns", "op,params,macs", "--depth", "all"],
    ["summary", "googlenet", "vgg16", "lenet"],
    ["savings", "googlenet"],
    ["savings", "googlenet", "--kind", "all"],
    ["savings", "lenet"],
    ["savings", "googlenet", "--kind", "list"],
    ["savings", *BRANCH],
    ["savings", *BRANCH, "--verify", "--measure"],
    ["what-if", "googlenet", "inception_4e/5x5_reduce=16", "inception_5b/1x1=128"],
    ["sweep", "googlenet", "inception_4e/5x5_reduce=8..64..8"],
    ["sweep", *BRANCH[:6], "--size", "28", "--reduce", "8..64..8"],
    ["compare", "googlenet", "googlenet@slim"],
    ["compare", "googlenet", "googlenet@caffe"],
    ["verify", "lenet"],
    ["verify", "googlenet", "--paper"],
    ["profile", "lenet", "--repeats", "1", "--warmup", "0", "--mode", "training"],
    ["bench", "--from", str(ROOT / "reports" / "bench.json")],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_format_is_written_and_agrees(arguments: list[str], tmp_path: Path) -> None:
    if arguments[0] in ("verify", "profile") or "--verify" in arguments:
        pytest.importorskip("torch")
    check_formats(written(arguments, tmp_path))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    safetensors = pytest.importorskip("safetensors.numpy")
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "w.safetensors"
    safetensors.save_file({"a|b": numpy.zeros((2, 3), "float32"), "=c": numpy.zeros(5, "float16")}, path)
    return path


def test_weights_are_written_in_every_format(weights: Path, tmp_path: Path) -> None:
    texts = written(["weights", str(weights)], tmp_path)
    check_formats(texts)
    rows = list(csv.DictReader(io.StringIO(texts[".csv"])))
    assert sum(int(row["bytes"]) for row in rows) == 34


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (["summary", "googlenet"], {"params": 6_998_552, "macs": 1_582_671_872}),
        (["summary", "googlenet", "--depth", "1"], {"params": 6_998_552, "macs": 1_582_671_872}),
        (["summary", "googlenet", "--depth", "2"], {"params": 6_998_552, "flops": 3_190_417_358}),
        (["savings", "googlenet", "--kind", "naive"], {"params_without": 97_526_008, "params_with": 6_998_552}),
        (["what-if", "googlenet", "inception_5b/1x1=128"], {"params_without": 6_998_552}),
        (["compare", "googlenet", "googlenet@torchvision"], {"params": -373_648 + 256, "macs": -84_295_680}),
    ],
    ids=" ".join,
)
def test_the_rows_of_csv_add_up_to_the_totals(
    arguments: list[str], keys: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    top = [row for row in rows if row.get("depth", "0") == "0"]
    assert {key: sum(int(row[key] or 0) for row in top) for key in keys} == keys


@pytest.mark.parametrize("suffix", [".docx", ".jsn", ""])
@pytest.mark.parametrize(
    "command", [arguments[:2] for arguments in COMMANDS if arguments[0] in ("list", "summary")][:2]
)
def test_an_unknown_suffix_is_an_error_that_lists_the_known_ones(
    command: list[str], suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "-o", str(tmp_path / f"out{suffix}")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert all(known in err for known in SUFFIXES)
    assert list(tmp_path.iterdir()) == []


def test_a_format_overrides_the_suffixes(tmp_path: Path) -> None:
    files = [tmp_path / "a.md", tmp_path / "b.dat"]
    assert run(["list", "--format", "json", "-o", str(files[0]), "-o", str(files[1])]) == 0
    assert json.loads(files[0].read_text()) == json.loads(files[1].read_text())


@pytest.mark.parametrize("target", ["-", "/dev/stdout"])
def test_standard_output_has_a_format(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inception_lens", "list", "--format", "csv", "-o", target]
    plain = subprocess.run(command[:-2], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    with (tmp_path / "out").open("w") as file:
        file.write("before\n")
        file.flush()
        subprocess.run(command, stdout=file, check=True, cwd=ROOT, env=dict(os.environ))
    assert (tmp_path / "out").read_text() == f"before\n{plain}"


def test_names_are_text_in_every_format(tmp_path: Path) -> None:
    import inception_lens as il

    hostile = tmp_path / "a|b\\<script>`{=cmd}.toml"
    hostile.write_text(to_toml(il.GoogLeNet(), "googlenet"), encoding="utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    texts = written(["summary", str(hostile)], folder)
    check_formats(texts)
    assert not re.search(r"(?<!\\)<script", texts[".md"] + texts[".html"])
    assert "<" not in texts[".tex"]
