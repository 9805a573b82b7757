"""The files of a run folder, and what is done about damaged ones."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from inception_lens.errors import TrainingError
from inception_lens.training.recipe import Optimizer, Recipe
from inception_lens.training.run.folder import DataRecord, RunFolder, check_same_recipe
from inception_lens.training.run.records import Epoch

EPOCH = Epoch(
    epoch=1,
    step=4,
    learning_rate=0.1,
    train_loss=1.0,
    train_accuracy=0.5,
    test_loss=None,
    test_accuracy=0.5,
    test_top5=1.0,
    images_per_second=100.0,
    train_seconds=1.0,
    seconds=2.0,
    cpu_seconds=3.0,
    skipped_steps=0,
    memory_bytes=0,
)


def epochs(count: int) -> list[Epoch]:
    return [replace(EPOCH, epoch=number) for number in range(1, count + 1)]


def test_metrics_are_appended_and_read(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert folder.metrics() == []
    for epoch in epochs(3):
        folder.log(epoch)
    assert folder.metrics() == epochs(3)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_metrics_after_the_checkpoint_are_removed_without_a_warning(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for epoch in epochs(3):
        folder.log(epoch)
    assert folder.truncate_metrics(2) == 0
    assert folder.metrics() == epochs(2)


def test_damaged_metrics_are_counted(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for epoch in epochs(4):
        folder.log(epoch)
    first, second, third, fourth = (tmp_path / "metrics.jsonl").read_text().splitlines()
    damaged = json.dumps({**json.loads(third), "step": "many"})
    (tmp_path / "metrics.jsonl").write_text("\n".join([first, "", damaged, fourth, second[:20]]))
    assert [epoch.epoch for epoch in folder.metrics()] == [1, 4]
    assert folder.truncate_metrics(3) == 3
    assert folder.metrics() == epochs(1)
    assert folder.truncate_metrics(3) == 0


def test_a_record_of_data_has_one_or_three_channels(tmp_path: Path) -> None:
    record = {
        "source": "digits", "fingerprint": "", "classes": ["a"], "side": 8, "train": 1, "test": 1,
        "mean": [0.5], "std": [0.5], "broken": [],
    }  # fmt: skip
    (tmp_path / "data.json").write_text(json.dumps(record))
    assert RunFolder(tmp_path).data() == DataRecord("digits", "", ("a",), 8, 1, 1, (0.5,), (0.5,), [])
    (tmp_path / "data.json").write_text(json.dumps({**record, "std": [0.5] * 3}))
    with pytest.raises(TrainingError, match="`mean` and `std` are of 1 and 3 channels"):
        RunFolder(tmp_path).data()


def test_the_first_difference_of_two_recipes_is_named() -> None:
    check_same_recipe(Recipe(), Recipe(), "run")
    other = Recipe(optimizer=Optimizer(momentum=0.8), seed=3)
    with pytest.raises(TrainingError, match=r"run was created with seed = 0, not 3"):
        check_same_recipe(Recipe(), other, "run")
    with pytest.raises(TrainingError, match=r"network\.width = None, not 0\.5"):
        check_same_recipe(Recipe(), Recipe(network={"width": 0.5}), "run")
