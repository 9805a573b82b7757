"""Folders of runs, damaged: each is read, gone on with, or refused in one line."""

import copy
import hashlib
import json
import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import to_builtins
from PIL import Image
from safetensors.torch import save

from inception_lens.training.run.checkpoints import read
from tests.attack.arena import SEED, attempts, cases, holds, process, some
from tests.attack.corpus import mutant
from tests.training.tiny import write_data, write_recipe

LOOKS = (
    ["evaluate", "{run}"],
    ["evaluate", "{run}", "--best", "--format", "json"],
    ["plot", "{run}", "--kind", "training", "-o", "{run}.svg"],
    ["predict", "{run}", "{image}"],
)
GOES_ON = ["train", "--recipe", "{recipe}", "--epochs", "2", "--out", "{run}", "--resume"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    Image.new("RGB", (20, 16), "red").save(folder / "tiny.png")
    return write_recipe(folder / "tiny.toml", write_data(folder / "colours.npz"))


@pytest.fixture(scope="module")
def whole(recipe: Path) -> Path:
    folder = recipe.with_name("whole")
    verdict = process("train", "--recipe", str(recipe), "--out", str(folder), "--epochs", "2")
    assert verdict.code == 0, verdict
    return folder


def copied(whole: Path, folder: Path, *without: str) -> Path:
    """A copy of a run, without its pictures and what else is named."""
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.svg", "*.html", *without))
    return folder


def damaged(whole: Path, folder: Path, chance: random.Random) -> Path:
    """A copy of a run of which one file is missing or not what it was."""
    copied(whole, folder)
    kinds = (".toml", ".json", ".jsonl", ".safetensors")
    file = chance.choice(sorted(path for path in folder.rglob("*") if path.suffix in kinds))
    if chance.random() < 0.1:
        file.unlink()
    else:
        file.write_bytes(mutant(file.read_bytes(), chance, text=file.suffix != ".safetensors"))
    return folder


def judge(calls: Iterable[tuple[list[str], Path]], recipe: Path) -> None:
    """Run each call on its folder of a run."""
    names = {"recipe": recipe, "image": recipe.with_suffix(".png")}
    filled = [[part.format(run=run, **names) for part in call] for call, run in calls]
    for call, verdict in zip(filled, attempts(filled), strict=True):
        verdict.out = ""  # a run tells how it goes until it cannot
        holds("damaged runs", verdict, call)


def test_damaged_runs(recipe: Path, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    runs = [damaged(whole, tmp_path / f"{i}", chance) for i in range(cases(300))]
    judge([(chance.choice(LOOKS), run) for run in runs], recipe)


def test_damaged_runs_that_go_on(recipe: Path, whole: Path, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    runs = [damaged(whole, tmp_path / f"{i}", chance) for i in range(cases(60))]
    for run in runs:
        (run / "summary.json").unlink(missing_ok=True)  # it is not done
    judge([(GOES_ON, run) for run in runs], recipe)


DROPPED = object()
STRANGE: tuple[Any, ...] = (
    DROPPED,
    None,
    True,
    -1,
    0,
    10**30,
    1e999,
    float("nan"),
    "x" * 9,
    [],
    {},
    [[]] * 9,
    ["a", "b"],
    [0.0, -1.0],
)
"""What a field of a record becomes."""


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the fields of a JSON value are; of a list the first alone, for the others are like it."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, each in inner:
        yield from fields(each, (*path, key))


def changed(value: Any, path: tuple[Any, ...], to: object) -> Any:
    """The JSON value with one field changed."""
    value = copy.deepcopy(value)
    at = value
    for key in path[:-1]:
        at = at[key]
    if to is DROPPED:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return value


def records(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every record of a run with one of its fields changed: the file's name, and what is in it then."""
    for name in ("data.json", "evaluation.json", "summary.json", "metrics.jsonl"):
        first, *others = (
            (folder / name).read_text().splitlines() if name.endswith("l") else [(folder / name).read_text()]
        )
        whole = json.loads(first)
        for path in fields(whole):
            for to in STRANGE:
                yield name, "\n".join([json.dumps(changed(whole, path, to)), *others]).encode()


def states(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The last state with a tensor or the position changed, under the name that its hash asks for."""
    last = max((folder / "checkpoints").glob("step-*"))
    tensors, position = read(last)
    where = to_builtins(position)
    for path in fields(where):
        for to in STRANGE:
            yield state(save(dict(tensors), {"about": json.dumps(changed(where, path, to))}), last.name)
    for name in [*tensors][::9]:
        tensor = tensors[name]
        others = [
            {},
            {name: tensor.flatten()[:1]},
            {name: tensor[..., None].clone()},
            {name: tensor.to(torch.complex64)},
            {name: tensor.to(torch.uint8)},
            {name: torch.full_like(tensor, -1)},
            {name: tensor, "x" * 99: tensor + 1},
        ]
        for other in others:
            kept = {key: value for key, value in tensors.items() if key != name}
            yield state(save(kept | other, {"about": json.dumps(where)}), last.name)


def state(data: bytes, name: str) -> tuple[str, bytes]:
    return f"checkpoints/{name[:13]}-{hashlib.sha256(data).hexdigest()[:32]}.safetensors", data


def test_runs_with_other_fields_and_states(recipe: Path, whole: Path, tmp_path: Path) -> None:
    calls: list[tuple[list[str], Path]] = []
    for i, (name, data) in enumerate(some([*records(whole), *states(whole)])):
        run = copied(whole, tmp_path / str(i), *(["step-*"] if name.startswith("checkpoints") else []))
        if name != "summary.json":
            (run / "summary.json").unlink()
        (run / name).write_bytes(data)
        calls.append(((GOES_ON, *LOOKS)[i % 5], run))
    judge(calls, recipe)
