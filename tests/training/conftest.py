"""Runs of the tiny network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inception_lens.cli import run
from tests.training.tiny import write_data, write_recipe


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data") / "colours.npz")


@pytest.fixture(scope="session")
def recipe(data: Path) -> Path:
    return write_recipe(data.with_name("tiny.toml"), data)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not write the HTML page, which takes longer than the run, unless the test uses the fixture `page`."""
    if "page" not in request.fixturenames:
        monkeypatch.setattr("inception_lens.cli.training.runs.write_page", lambda *_: None)


@pytest.fixture
def page() -> None:
    """Let the runs of this test write their HTML page."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("INCEPTION_LENS_CACHE", str(cache))


@pytest.fixture
def train(recipe: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Train the tiny network in a folder of this name; returns the summary of the run."""

    def trained(name: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        assert run(["train", "--recipe", str(recipe), "--out", str(tmp_path / name), *arguments]) == code
        return summary(tmp_path / name)

    return trained


@pytest.fixture(scope="session")
def uninterrupted(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert run(["train", "--recipe", str(recipe), "--out", str(folder), "--cache", str(folder.with_name("cache"))]) == 0
    return folder


def summary(folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
