"""A network and data so small that a whole run takes a second."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from inception_lens.cli import run

CLASSES = 4
RECIPE = """
model = "googlenet"
data = "npz:{data}"
epochs = 3
batch = 16

[network]
width = 0.06
input = "3x16x16"
norm = "batch"
bias = false
aux = "inception_3a"
stem = {{ kind = "conv-conv-pool" }}
aux_head = {{ pool = "adaptive", pool_size = 1, fc = 64 }}

[network.modules]
inception_3b = "none"
inception_4a = "none"
inception_4b = "none"
inception_4c = "none"
inception_4d = "none"
inception_4e = "none"
inception_5a = "none"
inception_5b = "none"

[augmentation]
crop = "none"
shift = 1

[optimizer]
learning_rate = 0.05

[engine]
check_every = 1
"""


def arrays(count: int = 96) -> tuple[Any, Any]:
    """Dark noise in which red, green, blue or nothing is bright, which is the class."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 90, (count, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(count) % CLASSES
    for image, label in zip(images, labels, strict=True):
        image[..., label : label + 1] += 120
    return images, labels.astype(np.uint8)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "colours.npz"
    images, labels = arrays()
    np.savez(path, x_train=images[:64], y_train=labels[:64], x_test=images[64:], y_test=labels[64:])
    return path


@pytest.fixture(scope="session")
def recipe(data: Path) -> Path:
    path = data.with_name("tiny.toml")
    path.write_text(RECIPE.format(data=data))
    return path


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page takes longer than the run; tests that ask for the fixture `page` have it."""
    if "page" not in request.fixturenames:
        monkeypatch.setattr("inception_lens.cli.training.write_page", lambda *_: None)


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
