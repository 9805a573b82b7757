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
    """The page takes longer than the run; tests that ask for the fixture `page` have it."""
    if "page" not in request.fixturenames:
        monkeypatch.setattr("inception_lens.cli.training.runs.write_page", lambda *_: None)


@pytest.fixture
def page() -> None:
    """Runs of this test write their page."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("INCEPTION_LENS_CACHE", str(cache))


@pytest.fixture
def train(recipe: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Trains the tiny network into a folder of that name; returns the run's summary."""

    def trained(name: str, *arguments: str, code: int = 0) -> dict[str, Any]:
        assert run(["train", "--recipe", str(recipe), "--out", str(tmp_path / name), *arguments]) == code
        return summary(tmp_path / name)

    return trained


@pytest.fixture(scope="session")
def whole(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run(["train", "--recipe", str(recipe), "--out", str(folder), "--cache", str(folder.with_name("cache"))]) == 0
    return folder


def summary(folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
