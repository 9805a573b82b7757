"""The commands of the README print what it shows, and the files that it links to exist."""

import re
import shlex
from pathlib import Path

import pytest

from inception_lens.cli import COMMANDS, run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

SHOWN = re.findall(r"^```\n\$ inception-lens (.+?)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
"""Commands and what they are shown to print, a line of dots standing for any lines."""


def matches(shown: list[str], printed: list[str]) -> bool:
    """Whether the lines are those that were printed, where `...` may be any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(matches(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and matches(shown[1:], printed[1:])


def test_there_are_commands_to_check() -> None:
    assert len(SHOWN) >= 5


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=[command for command, _ in SHOWN])
def test_a_command_prints_what_is_shown(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "100")
    assert run(shlex.split(command)) == 0
    printed = capsys.readouterr().out
    assert matches(shown.splitlines(), printed.splitlines()), printed


def test_every_command_that_is_named_exists() -> None:
    named = set(re.findall(r"inception-lens ([a-z-]+)", README))
    assert named <= set(COMMANDS)
    assert set(COMMANDS) <= named


def test_every_file_that_is_linked_is_there() -> None:
    links = [*re.findall(r"\]\(([^)#]+)\)", README), *re.findall(r'src="([^"]+)"', README)]
    local = [link for link in links if not link.startswith("https://")]
    assert local
    assert [link for link in local if not (ROOT / link).exists()] == []
