"""Output: a file is written completely or not at all, and standard output gets what it can show."""

import errno
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inception_lens.cli import run
from inception_lens.cli.output import write
from inception_lens.errors import OutputError
from inception_lens.terminal import Terminal

Capture = pytest.CaptureFixture[str]

COMMAND = [sys.executable, "-m", "inception_lens"]
LEFT_OUT = ("NO_COLOR", "COLUMNS", "TERM", "PYTHONIOENCODING", "PYTHONUTF8", "FORCE_COLOR")
CLEAN = {key: value for key, value in os.environ.items() if key not in LEFT_OUT}
FULL = Path("/dev/full")


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with its output in a pipe."""
    call = [*COMMAND, *arguments]
    return subprocess.run(call, env=CLEAN | environment, capture_output=True, encoding="utf-8", check=False)


def in_terminal(*arguments: str, **environment: str) -> str:
    """What the command prints where standard output is a terminal."""
    ours, theirs = pty.openpty()
    call = [*COMMAND, *arguments]
    env = CLEAN | {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"} | environment
    child = subprocess.Popen(call, env=env, stdout=theirs, stderr=theirs)
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65_536):
            parts.append(part)
    except OSError:  # on Linux, the other side is closed
        pass
    finally:
        os.close(ours)
    assert child.wait() == 0
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_a_new_file_holds_the_text_and_nothing_else_is_left(tmp_path: Path) -> None:
    write("größe\n", str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_bytes() == "größe\n".encode()
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write("x", str(tmp_path / "out.txt"))
    (tmp_path / "other").touch()
    assert (tmp_path / "out.txt").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_an_old_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")
    path.chmod(mode)
    write("new", str(path))
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == mode


def test_a_link_stays_a_link_to_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target.txt", tmp_path / "link.txt"
    target.write_text("old", encoding="utf-8")
    link.symlink_to(Path("folder") / "target.txt")
    write("new", str(link))
    assert link.is_symlink()
    assert target.read_text(encoding="utf-8") == "new"
    assert {path.name for path in tmp_path.rglob("*")} == {"folder", "target.txt", "link.txt"}


def test_a_link_to_a_missing_file_creates_it(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "target.txt")
    write("new", str(link))
    assert link.is_symlink()
    assert (tmp_path / "target.txt").read_text(encoding="utf-8") == "new"


def failing(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["fsync", "replace", "interrupt"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    fails: dict[str, Callable[..., None]] = {"fsync": failing, "replace": failing, "interrupt": interrupted}
    path = tmp_path / "out.txt"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "replace" if step == "replace" else "fsync", fails[step])
    with pytest.raises(KeyboardInterrupt if step == "interrupt" else OutputError):
        write("new", str(path))
    assert path.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_a_file_that_may_not_grow_so_large_leaves_the_old_one(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    path = tmp_path / "out.json"
    path.write_text("old", encoding="utf-8")
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000));"
        "from inception_lens.cli import main; main(['summary', '-o', sys.argv[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(path)], env=CLEAN, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, f"error: {path}: File too large\n")
    assert path.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["summary"], ["list"], ["schema"], ["export", "googlenet", "--to", "toml"]])
def test_a_full_disk_at_standard_output_is_an_error_in_one_line(arguments: list[str]) -> None:
    with FULL.open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], env=CLEAN, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (2, "error: standard output: No space left on device\n")


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_full_device_is_an_error_in_one_line(capsys: Capture) -> None:
    assert run(["summary", "--format", "json", "-o", str(FULL)]) == 2
    assert capsys.readouterr() == ("", "error: /dev/full: No space left on device\n")


def test_a_device_is_written_to(capsys: Capture) -> None:
    assert run(["summary", "--format", "json", "-o", os.devnull]) == 0
    assert capsys.readouterr() == ("", "")
    assert not Path(os.devnull).is_file()


def test_a_closed_pipe_is_not_an_error() -> None:
    call = [*COMMAND, "summary", "--format", "json"]
    with subprocess.Popen(call, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline() == b"{\n"
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_is_an_error(capsys: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert run(["summary", "-o", str(folder / "out.json")]) == 2
    assert capsys.readouterr().err == f"error: {folder}/out.json: Permission denied\n"


def test_a_missing_folder_is_an_error_and_not_created(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "out.json"
    assert run(["summary", "-o", str(path)]) == 2
    assert capsys.readouterr() == ("", f"error: {path}: No such file or directory\n")
    assert not path.parent.exists()


def test_a_folder_is_not_a_file(capsys: Capture, tmp_path: Path) -> None:
    assert run(["summary", "--format", "json", "-o", str(tmp_path)]) == 2
    assert capsys.readouterr() == ("", f"error: {tmp_path}: Is a directory\n")
    assert list(tmp_path.iterdir()) == []


def test_bad_input_leaves_the_old_file(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old", encoding="utf-8")
    assert run(["summary", "--set", "clases=3", "-o", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == "old"
    assert capsys.readouterr().out == ""


def test_a_pipe_gets_no_escapes() -> None:
    for arguments in (["summary"], ["list"], ["--help"], ["summary", "--set", "x=1"]):
        done = process(*arguments, TERM="xterm-256color")
        assert "\x1b" not in done.stdout + done.stderr


def test_a_terminal_gets_colour_that_changes_no_text() -> None:
    for arguments in (["summary"], ["list"]):
        shown = in_terminal(*arguments, COLUMNS="100")
        assert "\x1b[" in shown
        plain = [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()]
        assert plain == process(*arguments, COLUMNS="100", PYTHONIOENCODING="utf-8").stdout.splitlines()


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_color_is_honoured(environment: dict[str, str]) -> None:
    assert "\x1b" not in in_terminal("summary", **environment)


def test_a_file_gets_no_colour_from_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    assert in_terminal("summary", "-o", str(path)) == ""
    assert "\x1b" not in path.read_text(encoding="utf-8")


def test_an_ascii_stream_gets_ascii() -> None:
    for arguments in (["summary"], ["list"], ["summary", "--depth", "all", "--mode", "training"]):
        done = process(*arguments, PYTHONIOENCODING="ascii", COLUMNS="150")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.isascii()
        assert "\\u" not in done.stdout


def test_a_file_is_utf_8_independent_of_the_stream(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    assert process("summary", "-o", str(path), PYTHONIOENCODING="ascii").returncode == 0
    assert "█" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [["summary"], ["summary", "--depth", "all"], ["summary", "--mode", "training", "--depth", "2"], ["list"]],
)
def test_no_line_is_wider_than_the_terminal(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    for columns in (80, 100, 132):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert run(arguments) == 0
        assert max(map(len, capsys.readouterr().out.splitlines())) <= columns


def test_a_table_has_at_least_forty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "7")
    assert Terminal().width == 40
