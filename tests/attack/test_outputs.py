"""Output that cannot be written, or not completely: one line, and the previous file stays intact."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.harness import (
    COUNTS,
    WALL_SECONDS,
    Outcome,
    check,
    check_refused,
    environment,
    run_command,
    run_process,
    sample,
)

TARGET = "outputs"
OLD = "the previous contents"
COMMANDS = {
    "net.txt": ["summary"],
    "net.json": ["summary", "inception_v4"],
    "net.csv": ["summary"],
    "net.html": ["summary"],
    "net.tex": ["savings"],
    "net.md": ["compare", "googlenet", "googlenet@torchvision"],
    "net.svg": ["diagram", "googlenet"],
    "net.png": ["plot", "googlenet"],
    "net.pdf": ["diagram", "lenet"],
    "net.toml": ["export", "googlenet", "--to", "toml"],
    "net.py": ["export", "googlenet", "--to", "torch"],
    "net.prototxt": ["export", "googlenet", "--to", "prototxt"],
    "net.onnx": ["export", "lenet", "--to", "onnx", "--weights", "none"],
    "list.md": ["list", "--format", "markdown"],
}
BINARY = ("net.png", "net.pdf", "net.onnx")
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
SMALL = pytest.mark.parametrize("name", sample(list(COMMANDS), 3))


@SMALL
def test_a_file_size_limit(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text(OLD, encoding="utf-8")
    check_refused(TARGET, run_process(*COMMANDS[name], "-o", str(target), prelude=LIMIT.format(300)), name)
    assert target.read_text(encoding="utf-8") == OLD
    assert [path.name for path in tmp_path.iterdir()] == [name]


FOLDERS = {
    "report": ["report", "googlenet", "-o", "{out}/page"],
    "train": ["train", "--epochs", "1", "--out", "{out}/run"],
    "ablate": ["ablate", "--epochs", "1", "--out", "{out}/runs"],
    **{name: [*call, "-o", f"{{out}}/{name}"] for name, call in COMMANDS.items()},
}
EVERY = pytest.mark.parametrize("name", sample(list(FOLDERS), 3))


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system mounted with the options of the parameter."""
    folder = tmp_path / "disk"
    folder.mkdir()
    call = ["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", folder]
    try:
        subprocess.run(call, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    yield folder
    subprocess.run(["umount", folder], check=True)


@EVERY
@pytest.mark.parametrize("disk", ["size=16k"], indirect=True)
def test_a_full_disk(disk: Path, name: str) -> None:
    """The previous file stays intact, and every new file is complete."""
    old = disk / name
    old.write_text(OLD, encoding="utf-8")
    (disk / "filler").write_bytes(b"x" * 8_192)
    outcome = check(TARGET, run_process(*[part.format(out=disk) for part in FOLDERS[name]]), name)
    assert outcome.code == 0 or ("No space left" in outcome.err and old.read_text(encoding="utf-8") == OLD)
    assert not [path for path in disk.rglob("*") if path.suffix == ".tmp"]
    page = disk / "page" / "index.html"
    assert not page.exists() or page.read_text(encoding="utf-8").endswith("</html>\n")


@EVERY
@pytest.mark.parametrize("disk", ["ro"], indirect=True)
def test_a_read_only_disk(disk: Path, name: str) -> None:
    error = check_refused(TARGET, run_process(*[part.format(out=disk) for part in FOLDERS[name]]), name)
    assert "Read-only file system" in error
    assert str(disk) in error


@SMALL
def test_paths_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text(OLD, encoding="utf-8")
    (tmp_path / "folder" / name).mkdir(parents=True)
    for place in ("file", "missing", "folder", "\0", "\udcff", "\ud800", "x" * 300):
        error = check_refused(TARGET, run_command([*COMMANDS[name], "-o", f"{tmp_path}/{place}/{name}"]), (name, place))
        assert name in error or place == "x" * 300
    assert (tmp_path / "file").read_text(encoding="utf-8") == OLD


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@SMALL
def test_a_full_device(name: str) -> None:
    with open("/dev/full", "wb") as full:
        call = COMMANDS[name] if name not in BINARY else ["summary", "--depth", "all"]
        outcome = run_process(*call, stdout=full.fileno())
    assert "No space left" in check_refused(TARGET, outcome, name)


def run_with_closed_pipe(call: list[str], lines: int) -> Outcome:
    """Run a command whose reader closes the pipe after some lines."""
    started = subprocess.Popen(
        [sys.executable, "-m", "inception_lens", *call],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), pipesize=4096,
    )  # fmt: skip
    assert started.stdout is not None
    assert started.stderr is not None
    for _ in range(lines):
        started.stdout.readline()
    started.stdout.close()
    err = started.stderr.read().decode()
    started.stderr.close()
    return Outcome(started.wait(WALL_SECONDS), "", err)


@pytest.mark.parametrize("lines", [0, 1])
@SMALL
def test_a_closed_pipe(name: str, lines: int) -> None:
    call = COMMANDS[name] if name not in BINARY else ["summary", "resnet152", "--depth", "all"]
    outcome = check(TARGET, run_with_closed_pipe(call, lines), name)
    assert outcome.code == 0
    assert not outcome.err


@pytest.mark.parametrize("closed", ["stdout", "stderr", "stdin", "all"])
@pytest.mark.parametrize("call", [["summary"], ["summary", "nowhere"], ["list"]])
def test_closed_standard_streams(call: list[str], closed: str) -> None:
    numbers = {"stdin": [0], "stdout": [1], "stderr": [2]}.get(closed, [0, 1, 2])
    shut = " ".join(f"{number}>&-" for number in numbers)
    line = f'"{sys.executable}" -m inception_lens {" ".join(call)} {shut}'
    done = subprocess.run(["sh", "-c", line], capture_output=True, env=environment(), timeout=WALL_SECONDS, check=False)
    COUNTS[TARGET] += 1
    assert b"Traceback" not in done.stderr
    assert done.returncode == (2 if "nowhere" in call or closed in ("stdout", "all") else 0)


def test_several_exports_into_one_file_at_once(tmp_path: Path) -> None:
    """The last one wins; a reader never sees a partial file, and no temporary file remains."""
    target = tmp_path / "net.py"
    networks = sample(
        ["googlenet", "lenet", "alexnet", "nin", "vgg16", "resnet50", "googlenet@naive", "inception_v3"], 3
    )
    complete = {run_process("export", name, "--to", "torch").out for name in networks}
    target.write_text(next(iter(complete)), encoding="utf-8")
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "inception_lens", "export", name, "--to", "torch", "-o", str(target)],
            env=environment(),
        )
        for name in networks
    ]
    while any(each.poll() is None for each in running):
        assert target.read_text(encoding="utf-8") in complete
    COUNTS[TARGET] += len(running)
    assert [each.returncode for each in running] == [0] * len(running)
    assert [path.name for path in tmp_path.iterdir()] == ["net.py"]


def test_several_reports_into_one_folder_at_once(tmp_path: Path) -> None:
    """Each file is complete and from one of the reports."""
    call = [sys.executable, "-m", "inception_lens", "report", "-o", str(tmp_path)]
    running = [
        subprocess.Popen([*call, name], env=environment(), stdout=subprocess.DEVNULL) for name in ("lenet", "alexnet")
    ]
    assert [each.wait(WALL_SECONDS) for each in running] == [0, 0]
    COUNTS[TARGET] += len(running)
    assert json.loads((tmp_path / "analysis.json").read_text())["model"]["name"] in ("lenet", "alexnet")
    assert (tmp_path / "index.html").read_text(encoding="utf-8").endswith("</html>\n")
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("variable", ["LC_ALL=C", "PYTHONIOENCODING=ascii", "PYTHONIOENCODING=cp1252", "TERM=dumb", "COLUMNS=0",
                                      "COLUMNS=1", "COLUMNS=99999999", "COLUMNS=-5", "COLUMNS=x", "LINES=0", "HOME=", "TMPDIR=/nowhere",
                                      "PYTHONHASHSEED=1", "PYTHONOPTIMIZE=2", "PYTHONDONTWRITEBYTECODE=1"])  # fmt: skip
def test_unusual_environments(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key, _, value = variable.partition("=")
    monkeypatch.setenv(key, value)
    for call in sample([["summary"], ["savings"], ["diagram", "lenet", "--format", "svg"], ["list"]]):
        started = subprocess.run(
            [sys.executable, "-m", "inception_lens", *call], capture_output=True, check=False,
            env=environment() | {key: value}, timeout=WALL_SECONDS,
        )  # fmt: skip
        outcome = Outcome(started.returncode, started.stdout.decode("latin-1"), started.stderr.decode("latin-1"))
        assert check(TARGET, outcome, (variable, call)).code == 0, outcome
