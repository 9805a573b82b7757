"""The command: help, exit codes, and errors in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

import inception_lens as il
from inception_lens.cli import COMMANDS, run

Capture = pytest.CaptureFixture[str]


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as `python -m inception_lens`."""
    call = [sys.executable, "-m", "inception_lens", *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def refusal(capsys: Capture, *arguments: str) -> str:
    """The standard error of a call that fails: one line, with exit code 2."""
    assert run([*arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_shows_every_command(option: str) -> None:
    done = process(option)
    assert (done.returncode, done.stderr) == (0, "")
    for name, (_, text) in COMMANDS.items():
        assert any(line.split()[:1] == [name] and text[:30] in line for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys: Capture, name: str) -> None:
    assert run([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: inception-lens {name} ")


def test_the_version_is_the_package_s(capsys: Capture) -> None:
    for option in ("--version", "-V"):
        assert run([option]) == 0
        assert capsys.readouterr().out == f"inception-lens, version {il.__version__}\n"


def test_a_call_without_a_command_shows_the_help() -> None:
    done = process()
    assert done.returncode == 2
    assert "Usage: inception-lens" in done.stdout + done.stderr


def test_the_module_is_the_command(capsys: Capture) -> None:
    assert run(["summary", "--format", "json"]) == 0
    done = process("summary", "--format", "json")
    assert (done.returncode, done.stdout, done.stderr) == (0, capsys.readouterr().out, "")


def test_the_exit_code_of_the_process_is_that_of_run() -> None:
    done = process("summary", "googlnet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: `googlnet` is not a network of the catalogue (did you mean `googlenet`")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lsit"], "`lsit` is not a command (did you mean `list`?)"),
        (["frobnicate"], "`frobnicate` is not a command"),
        (["--colour"], "--colour"),
        (["summary", "--colums", "params"], "--columns"),
        (["list", "googlenet"], "unexpected extra argument"),
        (["summary", "--batch"], "--batch"),
        (["summary", "vgg61"], "`vgg61` is not a network of the catalogue"),
        (["summary", "googlenet@torchvison"], "did you mean `googlenet@torchvision`"),
        (["summary", ""], "is not a network of the catalogue"),
        (["summary", "net.onnxx"], "`net.onnxx` is no"),
        (["summary", "missing/net.toml"], "missing/net.toml: No such file or directory"),
        (["summary", "--input", "0x3x224x224"], "1x3x224x224"),
        (["summary", "--input", "3,224,224"], "1x3x224x224"),
        (["summary", "--input", "-1"], "1x3x224x224"),
        (["summary", "--input", ""], "1x3x224x224"),
        (["summary", "--input", "3x224"], "1x3x224x224"),
        (["summary", "--input", "1x1x3x224x224"], "1x3x224x224"),
        (["summary", "--input", "1x3x99999x99999"], "16384"),
        (["summary", "--batch", "0"], "--batch"),
        (["summary", "--batch", "many"], "--batch"),
        (["summary", "--dtype", "float33"], "did you mean `float32`"),
        (["summary", "--depth", "0"], "--depth 0"),
        (["summary", "--depth", "two"], "--depth two"),
        (["summary", "--depth", "²"], "--depth ²"),
        (["summary", "--mode", "eval"], "'inference', 'training'"),
        (["summary", "--sort", "mcas"], "did you mean `macs`"),
        (["summary", "--sort", "op"], "`op` is not a column to sort by"),
        (["summary", "--columns", "parms"], "did you mean `params`"),
        (["summary", "--columns", ""], "is not a column"),
        (["summary", "--columns", "backward_macs"], "--mode training"),
        (["summary", "--format", "xml"], "'csv'"),
        (["summary", "-o", "out.xml"], "out.xml: unknown suffix `.xml`"),
        (["summary", "-o", "out"], "--format"),
        (["summary", "--set", "classes"], "KEY=VALUE"),
        (["summary", "--set", "=3"], "KEY=VALUE"),
        (["summary", "--set", "clases=3"], "did you mean `classes`"),
        (["summary", "--set", "classes=ten"], "`classes` is 'ten'"),
        (["summary", "--set", "inception_3a/5x5_redcue=3"], "did you mean `5x5_reduce`"),
        (["summary", "--set", "inception_9z/1x1=3"], "inception_9z"),
        (["summary", "--set", "norm=btach"], "did you mean `batch`"),
        (["summary", "--set", "dropout=1"], "`dropout`"),
        (["summary", "--set", "width=nan"], "`width`"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line(capsys: Capture, arguments: list[str], message: str) -> None:
    assert message in refusal(capsys, *arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["inception_3a/1x1=0"], "`modules.inception_3a.1x1` is '0'"),
        (["aux=inception_9z"], "`inception_9z`, which is not a module"),
        (["kernel_5x5=4"], "3 or 5"),
        (["stem.kernel=2"], "1 or 3"),
    ],
)
def test_an_impossible_network_is_refused(capsys: Capture, settings: list[str], message: str) -> None:
    calls = [part for setting in settings for part in ("--set", setting)]
    assert message in refusal(capsys, "summary", *calls)


@pytest.mark.parametrize("arguments", [[], ["--mode", "training"], ["--set", "final_pool=7x7/1"]])
def test_the_error_of_a_small_input_names_the_smallest_that_works(capsys: Capture, arguments: list[str]) -> None:
    err = refusal(capsys, "summary", "--input", "1x3x10x10", *arguments)
    assert "does not fit" in err
    side = int(err.rstrip().rpartition("the smallest square input that works is 3x")[2].partition("x")[0])
    assert run(["summary", "--input", str(side), *arguments]) == 0
    capsys.readouterr()
    assert "does not fit" in refusal(capsys, "summary", "--input", str(side - 1), *arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"clases = 10\n", ":1: `clases` is not a key (did you mean `classes`"),
        (b'\n[modules.inception_3a]\n"5x5_redcue" = 3\n', ":3: "),
        (b"classes = \n", "not valid TOML"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"#" * 2_000_000, "1,000,000"),
        (b"x = " + b"[" * 50_000, "nested too deeply"),
        (b'base = "nonet"', ":1: `base`: `nonet` is not a network of the catalogue"),
        (b"input = 10", "the smallest square input that works is"),
    ],
    ids=["typo", "column", "half", "binary", "large", "deep", "base", "small"],
)
def test_a_bad_config_is_one_line(capsys: Capture, tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "net.toml"
    path.write_bytes(text)
    for arguments in (["summary", str(path)], ["export", str(path), "--to", "toml"]):
        if arguments[0] == "export" and text.startswith(b"input"):
            continue  # a valid config of an impossible network
        assert message in refusal(capsys, *arguments)


def test_a_folder_is_not_a_config(capsys: Capture, tmp_path: Path) -> None:
    folder = tmp_path / "net.toml"
    folder.mkdir()
    assert refusal(capsys, "summary", str(folder)) == f"error: {folder}: is a directory; expected a TOML file\n"


def test_a_message_of_several_lines_is_written_in_one(capsys: Capture) -> None:
    err = refusal(capsys, "summary", "no\nsuch\x1b[31m\nnetwork")
    assert "\x1b" not in err
    assert r"such\x1b[31m" in err


def test_an_interrupt_is_no_traceback(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("inception_lens.lens.analyze", interrupted)
    assert run(["summary"]) == 130
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", "error: interrupted")  # after the ^C of the terminal
