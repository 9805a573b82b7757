"""A run that is killed, stopped or runs out of disk resumes to a bit-identical result."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from inception_lens.cli import run
from inception_lens.errors import OutputError
from inception_lens.training import learner
from inception_lens.training.run.checkpoints import Checkpoint, CheckpointFolder, Position
from tests.training.conftest import metrics, summary

Train = Callable[..., dict[str, Any]]

DRIVER = """
import os, signal, sys
from inception_lens.training import loop
{patch}
from inception_lens.cli import run
sys.exit(run(sys.argv[1:]))
"""
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
MOMENTS = {
    # 4 steps per epoch: in the second epoch, after the checkpoint of step 4
    "mid-epoch": f"""
step = loop.Learner.step
def killed(self, number, *rest):
    step(self, number, *rest)
    if number == 5: {KILL}
loop.Learner.step = killed
""",
    # before the temporary file of the third checkpoint is renamed
    "while saving": f"""
replace = os.replace
def killed(source, target):
    if "step-00000006" in str(target): {KILL}
    replace(source, target)
os.replace = killed
""",
    # after the metrics of an epoch are written, before its checkpoint
    "between metrics and checkpoint": f"""
log = loop.RunFolder.log
def killed(self, record):
    log(self, record)
    if record.epoch == 2: {KILL}
loop.RunFolder.log = killed
""",
}
MID_EPOCH = ("--option", "checkpoints.every_steps=3")


def process(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, text=True)


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_kill_9_the_same_command_with_resume_is_bit_identical(
    recipe: Path, uninterrupted: Path, tmp_path: Path, moment: str
) -> None:
    command = ["train", "--recipe", str(recipe), "--out", str(tmp_path / "run"), *MID_EPOCH]
    killed = process(DRIVER.format(patch=MOMENTS[moment]), *command)
    assert killed.wait() == -signal.SIGKILL
    assert summary(tmp_path / "run") == {}
    assert run([*command, "--resume"]) == 0
    again, expected = summary(tmp_path / "run"), summary(uninterrupted)
    assert again["parameters_sha256"] == expected["parameters_sha256"]
    assert again["accuracy"] == expected["accuracy"]
    kept = ("epoch", "step", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "learning_rate")
    for mine, theirs in zip(metrics(tmp_path / "run"), metrics(uninterrupted), strict=True):
        assert [mine[key] for key in kept] == [theirs[key] for key in kept]
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


@pytest.mark.parametrize("harm", ["flipped bit", "truncated"])
def test_a_damaged_checkpoint_is_skipped(
    train: Train,
    uninterrupted: Path,
    tmp_path: Path,
    harm: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_at(monkeypatch, 6)
    train("run", *MID_EPOCH, code=128 + signal.SIGTERM)
    newest = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))[-1]
    assert newest.name.startswith("step-00000006")
    contents = bytearray(newest.read_bytes())
    if harm == "truncated":
        del contents[-1000:]
    else:
        contents[-1000] ^= 1
    newest.write_bytes(contents)
    monkeypatch.undo()
    monkeypatch.setenv("INCEPTION_LENS_CACHE", str(tmp_path / "cache"))
    assert train("run", *MID_EPOCH, "--resume")["parameters_sha256"] == summary(uninterrupted)["parameters_sha256"]
    out = capsys.readouterr().out
    assert "skipped: " in out
    assert "it is damaged" in out
    assert "resuming at step 4 of 12" in out  # the end of the first epoch


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Send this process SIGTERM after a step."""
    step = learner.Learner.step

    def stopped(self: learner.Learner, at: int, *rest: Any) -> None:
        step(self, at, *rest)
        if at == number - 1:
            for _ in range(2):  # as torchrun does
                os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(learner.Learner, "step", stopped)


def test_sigterm_saves_a_checkpoint_to_resume_from(
    train: Train,
    uninterrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 7)
        assert train("run", code=128 + signal.SIGTERM) == {}
    assert "stopped by SIGTERM" in capsys.readouterr().out
    assert list((tmp_path / "run" / "checkpoints").glob("step-00000007-*"))
    assert train("run", "--resume")["parameters_sha256"] == summary(uninterrupted)["parameters_sha256"]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_full_disk_leaves_earlier_checkpoints_unchanged(tmp_path: Path) -> None:
    checkpoints = CheckpointFolder(tmp_path / "checkpoints")
    checkpoints.save(Checkpoint({"x": torch.ones(4)}, Position(1)))
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # a write fails in the middle of the file
    try:
        with pytest.raises(OutputError, match="step-00000002"):
            checkpoints.save(Checkpoint({"x": torch.ones(100_000)}, Position(2)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name[:13] for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    found = checkpoints.newest()
    assert found is not None
    assert found.position == Position(1)


def test_a_run_continues_when_the_disk_is_full(
    train: Train, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = CheckpointFolder.save

    def full(self: CheckpointFolder, state: Checkpoint, **rest: Any) -> Path:
        if state.position.step != 4:
            return save(self, state, **rest)
        before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            return save(self, state, **rest)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)

    monkeypatch.setattr(CheckpointFolder, "save", full)
    assert train("run")["parameters_sha256"] == summary(uninterrupted)["parameters_sha256"]
    assert "the checkpoint could not be written; the run continues" in capsys.readouterr().out


def test_a_step_without_a_finite_gradient_is_skipped(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil_gradients(monkeypatch, lambda step, scale: step == 5)
    assert 0 <= train("run")["loss"] < 10
    assert [epoch["skipped_steps"] for epoch in metrics(tmp_path / "run")] == [0, 1, 0]


def spoil_gradients(monkeypatch: pytest.MonkeyPatch, when: Callable[[int, float], bool]) -> None:
    """Make a gradient infinite before the update, at the steps and learning-rate scales that `when` selects."""
    step, update = learner.Learner.step, learner.Learner._update
    now = [0]

    def counted(self: learner.Learner, at: int, *rest: Any) -> None:
        now[0] = at
        step(self, at, *rest)

    def spoilt(self: learner.Learner) -> None:
        if when(now[0], self.rate_scale):
            gradient = self.parameters[0].grad
            assert gradient is not None
            gradient[0] = float("inf")
        update(self)

    monkeypatch.setattr(learner.Learner, "step", counted)
    monkeypatch.setattr(learner.Learner, "_update", spoilt)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
def test_a_skipped_first_step_leaves_the_optimizer_intact(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    spoil_gradients(monkeypatch, lambda step, scale: step == 0)
    train("run", "--epochs", "1", "--option", f"optimizer.name={optimizer}", "--learning-rate", "0.001")
    assert metrics(tmp_path / "run")[0]["skipped_steps"] == 1
    state = CheckpointFolder(tmp_path / "run" / "checkpoints").newest()
    assert state is not None
    assert all(
        tensor.isfinite().all() and tensor.abs().max() < 1e3 for tensor in state.tensors.values() if tensor.numel()
    )


def test_consecutive_skipped_steps_cause_a_rollback(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil_gradients(monkeypatch, lambda step, scale: step >= 5 and scale == 1)
    found = train("run", "--option", "engine.skip_limit=2")
    assert found["rollbacks"] == 1
    assert "back to 4, with half the learning rate" in capsys.readouterr().out
    first, second, _ = metrics(tmp_path / "run")
    assert second["learning_rate"] < 0.5 * first["learning_rate"] * 1.5


def test_the_learning_rate_stays_halved_when_a_run_resumes(
    train: Train, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 6)
        train("run", code=128 + signal.SIGTERM)
    checkpoints = CheckpointFolder(tmp_path / "run" / "checkpoints")
    stopped = checkpoints.newest()
    assert stopped is not None
    checkpoints.save(stopped._replace(position=Position(stopped.position.step, 2, stopped.position.best)))
    assert train("run", "--resume")["rollbacks"] == 2
    halved, expected = metrics(tmp_path / "run")[-1], metrics(uninterrupted)[-1]
    assert halved["learning_rate"] == pytest.approx(expected["learning_rate"] / 4)


def test_a_loss_that_never_becomes_finite_is_reported_in_one_line(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("run", "--learning-rate", "1e30", code=2) == {}
    err = capsys.readouterr().err
    assert err.startswith("error: the loss is not finite at step")
    assert err.count("\n") == 1
    state = CheckpointFolder(tmp_path / "run" / "checkpoints").newest()
    assert state is not None
    assert all(tensor.isfinite().all() for tensor in state.tensors.values())


def test_another_recipe_does_not_resume(train: Train, uninterrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train("run", "--epochs", "1")
    train("run", "--epochs", "2", "--resume", code=2)
    assert "was created with epochs = 1, not 2: resume with the same command" in capsys.readouterr().err
    train("run", "--epochs", "1", code=2)
    assert "exists: add --resume" in capsys.readouterr().err
    train("run", "--epochs", "1", "--resume")
    assert "is done: accuracy" in capsys.readouterr().out


def test_a_changed_dataset_does_not_resume(
    train: Train, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.npz"
    copy.write_bytes(data.read_bytes())
    with monkeypatch.context() as patch:
        stop_at(patch, 2)
        train("run", "--data", f"npz:{copy}", code=128 + signal.SIGTERM)
    import numpy as np

    with np.load(data) as archive:
        np.savez(copy, **{name: array[::-1] for name, array in archive.items()})
    train("run", "--data", f"npz:{copy}", "--resume", code=2)
    assert "has changed since" in capsys.readouterr().err


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The steps of the checkpoints that are written."""
    steps: list[int] = []
    save = CheckpointFolder.save

    def noted(self: CheckpointFolder, state: Checkpoint, **rest: Any) -> Path:
        steps.append(state.position.step)
        return save(self, state, **rest)

    monkeypatch.setattr(CheckpointFolder, "save", noted)
    return steps


def test_checkpoints_are_written_at_intervals_of_steps(train: Train, saved: list[int]) -> None:
    train("run", "--epochs", "2", "--option", "checkpoints.every_steps=3")
    assert saved == [0, 3, 4, 6, 8]  # an epoch has 4 steps


def test_checkpoints_are_written_at_intervals_of_time(
    train: Train, monkeypatch: pytest.MonkeyPatch, saved: list[int]
) -> None:
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: 1000 * clock())
    train("run", "--epochs", "1", "--option", "checkpoints.every_seconds=1")
    assert saved == [0, 1, 2, 3, 4]


def test_damaged_metrics_are_reported_when_a_run_resumes(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 9)
        train("run", code=128 + signal.SIGTERM)
    path = tmp_path / "run" / "metrics.jsonl"
    first, second = path.read_text().splitlines()
    path.write_text(f"{first[:-10]}\n{second}\n")
    capsys.readouterr()
    train("run", "--resume")
    assert f"{path}: 1 damaged lines dropped" in capsys.readouterr().out
    assert [epoch["epoch"] for epoch in metrics(tmp_path / "run")] == [2, 3]


def test_a_damaged_summary_is_written_again(uninterrupted: Path, train: Train, tmp_path: Path) -> None:
    shutil.copytree(uninterrupted, tmp_path / "run")
    (tmp_path / "run" / "summary.json").write_text('{"accuracy": "much"}')
    again, before = train("run", "--resume"), summary(uninterrupted)
    measured = {"seconds", "cpu_seconds", "images_per_second"}
    assert {key: again[key] for key in again.keys() - measured} == {
        key: before[key] for key in before.keys() - measured
    }


def test_a_missing_page_is_written(train: Train, tmp_path: Path, page: None) -> None:
    train("run", "--epochs", "1")
    written = tmp_path / "run" / "index.html"
    written.unlink()
    train("run", "--epochs", "1", "--resume")
    assert "accuracy, top-1" in written.read_text()


def test_a_loss_that_is_not_finite_is_unknown(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], page: None
) -> None:
    found = train("run", "--set", "norm=none", "--learning-rate", "1e15", "--epochs", "1")
    assert found["loss"] is None
    assert metrics(tmp_path / "run")[0]["test_loss"] is None
    assert "<td>?</td>" in (tmp_path / "run" / "index.html").read_text()
    assert run(["evaluate", str(tmp_path / "run")]) == 0
    assert "loss ?" in capsys.readouterr().out
