"""`inception-lens list`: the catalogue."""

import json
from pathlib import Path
from typing import Any

import pytest

import inception_lens as il
from inception_lens.architectures.catalogue import entries
from inception_lens.cli import run

ENTRIES = {entry.name: entry for entry in entries()}

Capture = pytest.CaptureFixture[str]


def rows(capsys: Capture) -> dict[str, Any]:
    assert run(["list", "--format", "json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_every_network_of_the_catalogue_is_listed_once(capsys: Capture) -> None:
    assert run(["list", "--format", "json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == list(ENTRIES)


def test_a_network_has_its_source_and_cost(capsys: Capture) -> None:
    paper = rows(capsys)["googlenet"]
    assert paper == paper | {
        "source": "Szegedy et al. 2014, Table 1", "input": [3, 224, 224], "classes": 1000, "dialect": "",
        "params": 6_998_552, "macs": 1_582_671_872, "params_with_aux": 13_378_280, "macs_with_aux": 1_591_044_096,
    }  # fmt: skip


def test_a_port_is_a_dialect(capsys: Capture) -> None:
    port = rows(capsys)["googlenet@torchvision"]
    assert (port["dialect"], port["params"], port["params_with_aux"]) == ("torchvision", 6_624_904, 13_004_888)


def test_a_network_without_heads_has_the_same_parameters_in_training(capsys: Capture) -> None:
    slim = rows(capsys)["googlenet@slim"]
    assert (slim["params_with_aux"], slim["macs_with_aux"]) == (slim["params"], slim["macs"])


def test_the_list_agrees_with_the_summary(capsys: Capture) -> None:
    for name, row in rows(capsys).items():
        totals = il.analyze(name).totals
        assert (row["params"], row["macs"]) == (totals.params, totals.macs)


def test_the_table_has_a_line_for_every_network(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["list"]) == 0
    first = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert set(ENTRIES) <= set(first)
    assert "network" in first


def test_the_table_shows_exact_parameters(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("googlenet "))
    assert {"6,998,552", "13,378,280"} <= set(line.split())
    assert "Szegedy et al. 2014, Table 1" in line


def test_an_unknown_format_is_an_error(capsys: Capture) -> None:
    assert run(["list", "--format", "yaml"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_markdown_goes_to_a_file(tmp_path: Path) -> None:
    assert run(["list", "--format", "markdown", "-o", str(tmp_path / "list.md")]) == 0
    lines = (tmp_path / "list.md").read_text().splitlines()
    assert len([line for line in lines if line.startswith("| ")]) == 2 + len(ENTRIES)
    assert lines[4].startswith("| googlenet ")


def test_published_accuracy_names_its_source(capsys: Capture) -> None:
    assert rows(capsys)["googlenet@torchvision"]["published"] == {
        "top1": 69.778, "top5": 89.53, "source": "torchvision 0.28, GoogLeNet_Weights",
    }  # fmt: skip
    assert rows(capsys)["googlenet@naive"]["published"] is None
