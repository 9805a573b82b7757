"""`inception-lens completion`, and what a shell is offered."""

import os
import subprocess
import sys

import pytest

from inception_lens.architectures.catalogue import entries
from inception_lens.cli import COMMANDS, PROGRAM, run

ENTRIES = {entry.name: entry for entry in entries()}

Capture = pytest.CaptureFixture[str]


def offered(*words: str) -> set[str]:
    """The words that a shell is offered for the last of `words`."""
    variables = {
        "_INCEPTION_LENS_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join([PROGRAM, *words]),
        "COMP_CWORD": str(len(words)),
    }
    call = [sys.executable, "-c", "from inception_lens.cli import main; main([])"]
    done = subprocess.run(call, env=os.environ | variables, capture_output=True, text=True, check=True)
    lines = (line.partition(",") for line in done.stdout.splitlines())
    return {word for kind, _, word in lines if kind == "plain"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_for_the_shell_and_calls_the_command(capsys: Capture, shell: str) -> None:
    assert run(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert f"_INCEPTION_LENS_COMPLETE={shell}_complete" in out
    assert PROGRAM in out


def test_an_unknown_shell_is_refused(capsys: Capture) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


def test_every_command_is_offered() -> None:
    assert offered("") == set(COMMANDS)
    assert offered("su") == {name for name in COMMANDS if name.startswith("su")}


def test_every_network_is_offered_for_a_model() -> None:
    assert offered("summary", "") == set(ENTRIES)
    assert offered("export", "googlenet@t") == {name for name in ENTRIES if name.startswith("googlenet@t")}


def test_the_words_of_an_option_are_offered() -> None:
    assert offered("summary", "--mode", "") == {"inference", "training"}
    assert "--depth" in offered("summary", "--d")
