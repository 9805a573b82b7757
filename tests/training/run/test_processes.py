"""Runs of two processes under torchrun: the same result as one process, a killed rank, and a signal to all ranks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inception_lens.cli import run
from inception_lens.training.run.checkpoints import read_checkpoint
from tests.training.conftest import metrics, summary

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
TIMEOUT = 100


def wait_for(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for torchrun, and end it and its processes after a timeout."""
    try:
        process.wait(TIMEOUT)
    except subprocess.TimeoutExpired:
        process.terminate()  # torchrun forwards it to its processes
        process.wait(TIMEOUT)
        pytest.fail(log.read_text())


def torchrun(out: Path, recipe: Path, *arguments: str, restarts: int = 0, code: str = "") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "INCEPTION_LENS_CACHE": str(out.with_name("cache"))}
    script = out.with_name("driver.py")
    script.write_text(f"import sys\n{code}\nfrom inception_lens.cli import run\nsys.exit(run(sys.argv[1:]))\n")
    command = [*TORCHRUN, "--max-restarts", str(restarts), str(script), "train", "--recipe", str(recipe)]
    command += ["--out", str(out), *arguments]
    with open(out.with_name("log"), "wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)


@pytest.fixture(scope="module")
def two_processes(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of two processes."""
    folder = tmp_path_factory.mktemp("two") / "run"
    wait_for(torchrun(folder, recipe, "--epochs", "2"), folder.with_name("log"))
    return folder


@pytest.mark.torchrun
def test_two_processes_give_the_same_network_as_one(
    recipe: Path, two_processes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One process with two parts uses the same images, dropout and batch statistics; only sums have another order."""
    one = ["train", "--recipe", str(recipe), "--epochs", "2", "--option", "engine.accumulate=2"]
    assert run([*one, "--out", str(tmp_path / "one")]) == 0
    folders = (two_processes, tmp_path / "one")
    found = [summary(folder) for folder in folders]
    assert [each.get("processes") for each in found] == [2, 1], two_processes.with_name("log").read_text()
    states = [read_checkpoint(max((folder / "checkpoints").glob("step-*"))).tensors for folder in folders]
    assert set(states[0]) == set(states[1])
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    parameters = [name for name in states[0] if name.startswith("network.") and not name.endswith(buffers)]
    assert len(parameters) > 20
    for name in parameters:
        difference = (states[0][name] - states[1][name]).abs().max()
        assert float(difference) <= 1e-5 * max(float(states[1][name].abs().max()), 0.1), name
    for both, alone in zip(*map(metrics, folders), strict=True):
        assert both["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-4)
        assert both["train_accuracy"] == alone["train_accuracy"]
    with capsys.disabled():
        for each in found:
            sys.stdout.write(f" {each['processes']} process(es): {each['images_per_second']:.0f} images/s;")


KILL_ONCE = """
import os, signal
from inception_lens.training import loop
step = loop.Learner.step
def killed(self, number, *rest):
    step(self, number, *rest)
    if number == 5 and self.processes.rank == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)
loop.Learner.step = killed
"""


@pytest.mark.torchrun
def test_a_killed_rank_restarts_and_the_result_is_the_same(recipe: Path, two_processes: Path, tmp_path: Path) -> None:
    wait_for(torchrun(tmp_path / "killed", recipe, "--epochs", "2", restarts=3, code=KILL_ONCE), tmp_path / "log")
    log = (tmp_path / "log").read_text()
    assert "resuming at step 4 of 8" in log
    killed = summary(tmp_path / "killed")
    assert killed.get("steps") == 8, log
    assert killed["parameters_sha256"] == summary(two_processes)["parameters_sha256"]


MARK_STEP = """
import pathlib, sys
from inception_lens.training import loop
step = loop.Learner.step
def marked(self, number, *rest):
    step(self, number, *rest)
    if number == 1: pathlib.Path(sys.argv[-1] + f".rank{self.processes.rank}").touch()
    import time; time.sleep(0.05)
loop.Learner.step = marked
"""


@pytest.mark.torchrun
def test_sigterm_stops_every_rank_at_one_step(recipe: Path, tmp_path: Path) -> None:
    # MARK_STEP names its files by the last argument.
    out = tmp_path / "run"
    arguments = ["--epochs", "500", "--out", str(out)]
    process = torchrun(out, recipe, *arguments, code=MARK_STEP)
    deadline = time.monotonic() + TIMEOUT
    while not all((tmp_path / f"run.rank{rank}").exists() for rank in (0, 1)):
        assert time.monotonic() < deadline
        assert process.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    wait_for(process, tmp_path / "log")
    log = (tmp_path / "log").read_text()
    assert "stopped by SIGTERM; the state is saved" in log
    state = read_checkpoint(max((out / "checkpoints").glob("step-*")))
    assert 0 < state.position.step < 2000
    assert summary(out) == {}
