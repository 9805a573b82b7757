"""Checkpoints are written, pruned, verified and read."""

import os
from pathlib import Path

import pytest
import torch

from inception_lens.errors import CheckpointError, TrainingError
from inception_lens.training.run.checkpoints import (
    Checkpoint,
    CheckpointFolder,
    Position,
    parameters_sha256,
    read_checkpoint,
    restore,
)


def checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"x": torch.full((3,), value), "n": torch.tensor(7)}, Position(int(value)))


def names(folder: Path) -> list[str]:
    return sorted(path.name[:13] for path in folder.iterdir())


def test_the_latest_and_the_best_are_kept(tmp_path: Path) -> None:
    kept = CheckpointFolder(tmp_path, keep=2)
    for step in range(1, 6):
        kept.save(checkpoint(step), best=step in (1, 3))
    assert names(tmp_path) == ["best-00000003", "step-00000004", "step-00000005"]
    newest, best = kept.newest(), kept.best()
    assert newest is not None
    assert (newest.position.step, best.position.step) == (5, 3)
    assert torch.equal(newest.tensors["x"], torch.full((3,), 5.0))


def test_saving_the_same_again_changes_nothing(tmp_path: Path) -> None:
    kept = CheckpointFolder(tmp_path)
    for _ in range(2):
        kept.save(checkpoint(1), best=True)
    assert names(tmp_path) == ["best-00000001", "step-00000001"]


def test_damaged_and_misnamed_files_are_skipped(tmp_path: Path) -> None:
    kept = CheckpointFolder(tmp_path, keep=3)
    for step in (1, 2, 3):
        kept.save(checkpoint(step))
    (tmp_path / "step-00000009-x.safetensors").write_bytes(b"")
    (tmp_path / "step-00000008.pt").write_bytes(b"")
    third = next(tmp_path.glob("step-00000003*"))
    third.write_bytes(third.read_bytes()[:-1])
    found = kept.newest()
    assert found is not None
    assert found.position.step == 2
    assert [third.name in reason for reason in kept.damaged] == [True]
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(third)
    with pytest.raises(CheckpointError, match="not a checkpoint, which is named"):
        read_checkpoint(tmp_path / "step-00000008.pt")


def test_another_file_with_the_name_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    import hashlib
    import pickle

    data = pickle.dumps({"x": 1})
    path = tmp_path / f"step-00000001-{hashlib.sha256(data).hexdigest()[:32]}.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="it is not a checkpoint"):
        read_checkpoint(path)


def test_a_value_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="`x` is not finite"):
        CheckpointFolder(tmp_path).save(Checkpoint({"x": torch.tensor([float("nan")])}, Position(1)))
    assert names(tmp_path) == []


def test_a_missing_best_checkpoint_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no best checkpoint yet"):
        CheckpointFolder(tmp_path).best()


def test_the_hash_of_parameters_depends_on_names_shapes_and_bits() -> None:
    tensor = torch.arange(6.0).view(2, 3)
    one = parameters_sha256({"a": tensor, "b": tensor})
    assert one == parameters_sha256({"b": tensor, "a": tensor.clone()})
    assert one == parameters_sha256({"a": tensor.t().contiguous().t(), "b": tensor})  # another memory layout
    changed = tensor.clone()
    changed[0, 0] = -0.0
    others = [{"a": tensor, "c": tensor}, {"a": tensor.view(3, 2), "b": tensor}, {"a": changed, "b": tensor}]
    assert len({one, *map(parameters_sha256, others)}) == 4


def test_the_best_checkpoint_is_used_if_no_other_is_intact(tmp_path: Path) -> None:
    kept = CheckpointFolder(tmp_path)
    kept.save(checkpoint(1), best=True)
    kept.save(checkpoint(2))
    for path in tmp_path.glob("step-*"):
        path.unlink()
    newest = kept.newest()
    assert newest is not None
    assert newest.position.step == 1
    assert kept.damaged == []


def test_checkpoints_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    kept = CheckpointFolder(tmp_path, keep=2)
    for step in (99_999_998, 99_999_999, 100_000_000):
        kept.save(Checkpoint({"x": torch.zeros(1)}, Position(step)))
    assert sorted(int(path.name.split("-")[1]) for path in tmp_path.iterdir()) == [99_999_999, 100_000_000]
    newest = kept.newest()
    assert newest is not None
    assert newest.position.step == 100_000_000


def test_of_two_checkpoints_of_a_step_the_later_one_is_newer(tmp_path: Path) -> None:
    kept = CheckpointFolder(tmp_path, keep=3)
    for rollbacks in (0, 1, 2):
        path = kept.save(Checkpoint({"x": torch.zeros(1)}, Position(5, rollbacks)))
        os.utime(path, ns=(rollbacks, rollbacks))
    newest = kept.newest()
    assert newest is not None
    assert newest.position.rollbacks == 2


def test_the_position_is_saved_completely(tmp_path: Path) -> None:
    position = Position(12, 1, (0.75, 3))
    assert read_checkpoint(CheckpointFolder(tmp_path).save(Checkpoint({"x": torch.zeros(1)}, position))) == (
        {"x": torch.zeros(1)}, position,
    )  # fmt: skip


def test_only_temporary_files_are_removed(tmp_path: Path) -> None:
    kept = CheckpointFolder(tmp_path)
    kept.save(checkpoint(1))
    (tmp_path / ".inception-lens-0.tmp").write_bytes(b"")
    (tmp_path / "notes.tmp").write_bytes(b"")
    kept.remove_temporary_files()
    assert names(tmp_path) == ["notes.tmp", "step-00000001"]


def test_tensors_are_restored_by_name(tmp_path: Path) -> None:
    tensors = {"a": torch.zeros(2), "b": torch.zeros(3)}
    restore(tensors, {"b": torch.ones(3), "a": torch.full((2,), 2.0)})
    assert [tensors[name].tolist() for name in "ab"] == [[2, 2], [1, 1, 1]]
    with pytest.raises(CheckpointError, match="`b` is not in the checkpoint"):
        restore(tensors, {"a": torch.zeros(2)})
    with pytest.raises(CheckpointError, match="`c` is only in the checkpoint"):
        restore(tensors, {**tensors, "c": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"`a` is \[3\], not \[2\]"):
        restore(tensors, {"a": torch.zeros(3), "b": torch.zeros(3)})
