"""Whether recipe, network and dataset fit together, and the shares of processes."""

import pytest
import torch

from inception_lens.cli.training.networks import networks_of
from inception_lens.errors import TrainingError
from inception_lens.training.data.sources import open_dataset
from inception_lens.training.recipe import Engine, Recipe
from inception_lens.training.run.job import Job, steps_per_epoch
from inception_lens.training.run.processes import Processes, from_environment, select_device


def job(batch: int, accumulate: int = 1, classes: int = 10) -> Job:
    recipe = Recipe(model="lenet", batch=batch, engine=Engine(accumulate=accumulate))
    return Job(recipe, networks_of(recipe, classes), open_dataset("synthetic:50", 32, classes=10))  # 40 to train on


def test_only_full_batches_count() -> None:
    assert [steps_per_epoch(job(batch), Processes()) for batch in (8, 12, 40)] == [5, 3, 1]


def test_a_batch_is_divisible_by_processes_times_parts() -> None:
    assert steps_per_epoch(job(12, accumulate=2), Processes(1, 3)) == 3
    with pytest.raises(TrainingError, match="`batch` is 12, which is not divisible by 8: 4 processes times"):
        steps_per_epoch(job(12, accumulate=2), Processes(0, 4))


def test_a_batch_is_not_larger_than_the_training_set() -> None:
    with pytest.raises(TrainingError, match="`batch` is 41, more than the 40 training images"):
        steps_per_epoch(job(41), Processes())


def test_a_network_has_all_classes_of_the_dataset() -> None:
    assert steps_per_epoch(job(8, classes=11), Processes()) == 5
    with pytest.raises(TrainingError, match="has 9 classes, but synthetic:50 has 10: add --set classes=10"):
        steps_per_epoch(job(8, classes=9), Processes())


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_the_shares_of_a_batch_are_equal_and_complete(world: int) -> None:
    batch = list(range(12))
    shares = [batch[Processes(rank, world).share(12)] for rank in range(world)]
    assert [number for share in shares for number in share] == batch
    assert {len(share) for share in shares} == {12 // world}


def test_processes_are_those_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert from_environment() == Processes(0, 1, 0, 0)
    for name, value in {"WORLD_SIZE": "8", "RANK": "5", "LOCAL_RANK": "1", "TORCHELASTIC_RESTART_COUNT": "2"}.items():
        monkeypatch.setenv(name, value)
    assert from_environment() == Processes(5, 8, 1, 2)
    assert [Processes(rank, 2).first for rank in (0, 1)] == [True, False]


@pytest.mark.parametrize(
    ("name", "count", "local_rank", "index"),
    [("auto", 2, 1, 1), ("cuda", 2, 1, 1), ("cuda:0", 2, 1, 0), ("auto", 0, 0, None), ("cpu", 2, 1, None)],
)
def test_the_device_of_a_process(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int, local_rank: int, index: int | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    expected = torch.device("cpu") if index is None else torch.device("cuda", index)
    assert select_device(name, Processes(local_rank, 2, local_rank)) == expected


def test_a_missing_device_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(TrainingError, match="device `cuda:2` does not exist: this machine has 2 CUDA devices"):
        select_device("auto", Processes(2, 4, 2))
