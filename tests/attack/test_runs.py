"""Folders of runs, damaged: each is read, gone on with, or refused in one line."""

import random
import shutil
from pathlib import Path

import pytest

from tests.attack.arena import SEED, attempts, cases, holds, process
from tests.attack.corpus import mutant
from tests.training.tiny import write_data, write_recipe

CALLS = (
    ["evaluate", "{run}"],
    ["evaluate", "{run}", "--best", "--format", "json"],
    ["plot", "{run}", "--kind", "training", "-o", "{run}.svg"],
    ["train", "--recipe", "{recipe}", "--out", "{run}", "--resume"],
)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    return write_recipe(folder / "tiny.toml", write_data(folder / "colours.npz"))


@pytest.fixture(scope="module")
def whole(recipe: Path) -> Path:
    folder = recipe.with_name("whole")
    verdict = process("train", "--recipe", str(recipe), "--out", str(folder), "--epochs", "2")
    assert verdict.code == 0, verdict
    return folder


def test_damaged_runs(recipe: Path, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    files = sorted(
        path.relative_to(whole)
        for path in whole.rglob("*")
        if path.suffix in (".toml", ".json", ".jsonl", ".safetensors")
    )
    calls = []
    for i in range(cases(300)):
        folder, file = tmp_path / f"{i}", chance.choice(files)
        shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.svg", "*.html"))
        if chance.random() < 0.1:
            (folder / file).unlink()
        else:
            (folder / file).write_bytes(
                mutant((folder / file).read_bytes(), chance, text=file.suffix != ".safetensors")
            )
        calls.append([part.format(run=folder, recipe=recipe) for part in chance.choice(CALLS)])
    for call, verdict in zip(calls, attempts(calls), strict=True):
        holds("damaged runs", verdict, call)
