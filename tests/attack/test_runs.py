"""Folders of runs, damaged: each is read, gone on with, or refused in one line."""

import random
import shutil
from pathlib import Path

import pytest

from tests.attack.arena import SEED, attempts, cases, holds, process
from tests.attack.corpus import mutant
from tests.training.tiny import write_data, write_recipe

LOOKS = (
    ["evaluate", "{run}"],
    ["evaluate", "{run}", "--best", "--format", "json"],
    ["plot", "{run}", "--kind", "training", "-o", "{run}.svg"],
)
GOES_ON = ["train", "--recipe", "{recipe}", "--epochs", "2", "--out", "{run}", "--resume"]


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


def damaged(whole: Path, folder: Path, chance: random.Random) -> Path:
    """A copy of a run of which one file is missing or not what it was."""
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.svg", "*.html"))
    kinds = (".toml", ".json", ".jsonl", ".safetensors")
    file = chance.choice(sorted(path for path in folder.rglob("*") if path.suffix in kinds))
    if chance.random() < 0.1:
        file.unlink()
    else:
        file.write_bytes(mutant(file.read_bytes(), chance, text=file.suffix != ".safetensors"))
    return folder


def judge(calls: list[list[str]]) -> None:
    for call, verdict in zip(calls, attempts(calls), strict=True):
        verdict.out = ""  # a run tells how it goes until it cannot
        holds("damaged runs", verdict, call)


def test_damaged_runs(whole: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    runs = [damaged(whole, tmp_path / f"{i}", chance) for i in range(cases(300))]
    judge([[part.format(run=run) for part in chance.choice(LOOKS)] for run in runs])


def test_damaged_runs_that_go_on(recipe: Path, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    runs = [damaged(whole, tmp_path / f"{i}", chance) for i in range(cases(60))]
    for run in runs:
        (run / "summary.json").unlink(missing_ok=True)  # it is not done
    judge([[part.format(run=run, recipe=recipe) for part in GOES_ON] for run in runs])
