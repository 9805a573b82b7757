"""Checkpoints are written, pruned, verified and read."""

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
