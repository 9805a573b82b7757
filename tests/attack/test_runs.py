"""Damaged run folders: each is read, resumed, or refused with one line."""

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

from inception_lens.training.run.checkpoints import read_checkpoint
from tests.attack.corpus import mutate
from tests.attack.harness import SEED, check, run_commands, run_process, sample, scaled
from tests.training.tiny import write_data, write_recipe

READING = (
    ["evaluate", "{run}"],
    ["evaluate", "{run}", "--best", "--format", "json"],
    ["plot", "{run}", "--kind", "training", "-o", "{run}.svg"],
    ["predict", "{run}", "{image}"],
)
RESUMING = ["train", "--recipe", "{recipe}", "--epochs", "2", "--out", "{run}", "--resume"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    Image.new("RGB", (20, 16), "red").save(folder / "tiny.png")
    return write_recipe(folder / "tiny.toml", write_data(folder / "colours.npz"))


@pytest.fixture(scope="module")
def finished_run(recipe: Path) -> Path:
    folder = recipe.with_name("run")
    outcome = run_process("train", "--recipe", str(recipe), "--out", str(folder), "--epochs", "2")
    assert outcome.code == 0, outcome
    return folder


def copied(finished_run: Path, folder: Path, *patterns: str) -> Path:
    """A copy of a run folder without its figures and without the files that match a pattern."""
    shutil.copytree(finished_run, folder, ignore=shutil.ignore_patterns("*.svg", "*.html", *patterns))
    return folder


def damaged(finished_run: Path, folder: Path, rng: random.Random) -> Path:
    """A copy of a run folder with one file missing or damaged."""
    copied(finished_run, folder)
    kinds = (".toml", ".json", ".jsonl", ".safetensors")
    file = rng.choice(sorted(path for path in folder.rglob("*") if path.suffix in kinds))
    if rng.random() < 0.1:
        file.unlink()
    else:
        file.write_bytes(mutate(file.read_bytes(), rng, text=file.suffix != ".safetensors"))
    return folder


def check_all(calls: Iterable[tuple[list[str], Path]], recipe: Path) -> None:
    """Run each call on its run folder."""
    names = {"recipe": recipe, "image": recipe.with_suffix(".png")}
    filled = [[part.format(run=run, **names) for part in call] for call, run in calls]
    for call, outcome in zip(filled, run_commands(filled), strict=True):
        outcome.out = ""  # a run reports its progress before it is refused
        check("damaged runs", outcome, call)


def test_damaged_runs(recipe: Path, finished_run: Path, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    runs = [damaged(finished_run, tmp_path / f"{i}", rng) for i in range(scaled(300))]
    check_all([(rng.choice(READING), run) for run in runs], recipe)


def test_resuming_damaged_runs(recipe: Path, finished_run: Path, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    runs = [damaged(finished_run, tmp_path / f"{i}", rng) for i in range(scaled(60))]
    for run in runs:
        (run / "summary.json").unlink(missing_ok=True)  # so that the run is not finished
    check_all([(RESUMING, run) for run in runs], recipe)


DROPPED = object()
REPLACEMENTS: tuple[Any, ...] = (
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
"""Values that replace a field of a record; DROPPED deletes it."""


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of the fields of a JSON value; of a list only the first item, because the others are alike."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, each in inner:
        yield from fields(each, (*path, key))


def changed(value: Any, path: tuple[Any, ...], to: object) -> Any:
    """A copy of the JSON value with one field replaced."""
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
    """File names and new contents: every record of a run with one of its fields replaced."""
    for name in ("data.json", "evaluation.json", "summary.json", "metrics.jsonl"):
        first, *others = (
            (folder / name).read_text().splitlines() if name.endswith("l") else [(folder / name).read_text()]
        )
        record = json.loads(first)
        for path in fields(record):
            for to in REPLACEMENTS:
                yield name, "\n".join([json.dumps(changed(record, path, to)), *others]).encode()


def checkpoints(folder: Path) -> Iterator[tuple[str, bytes]]:
    """File names and contents: the last checkpoint with a tensor or field replaced, and the right hash in its name."""
    last = max((folder / "checkpoints").glob("step-*"))
    tensors, position = read_checkpoint(last)
    where = to_builtins(position)
    for path in fields(where):
        for to in REPLACEMENTS:
            yield checkpoint_file(save(dict(tensors), {"about": json.dumps(changed(where, path, to))}), last.name)
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
            yield checkpoint_file(save(kept | other, {"about": json.dumps(where)}), last.name)


def checkpoint_file(data: bytes, name: str) -> tuple[str, bytes]:
    return f"checkpoints/{name[:13]}-{hashlib.sha256(data).hexdigest()[:32]}.safetensors", data


def test_replaced_fields_and_tensors(recipe: Path, finished_run: Path, tmp_path: Path) -> None:
    calls: list[tuple[list[str], Path]] = []
    for i, (name, data) in enumerate(sample([*records(finished_run), *checkpoints(finished_run)])):
        run = copied(finished_run, tmp_path / str(i), *(["step-*"] if name.startswith("checkpoints") else []))
        if name != "summary.json":
            (run / "summary.json").unlink()
        (run / name).write_bytes(data)
        calls.append(((RESUMING, *READING)[i % 5], run))
    check_all(calls, recipe)
