"""Golden files: reviewed output that tests compare with.

To update them after an intended change, run this and review the difference in git:

    INCEPTION_LENS_UPDATE_GOLDEN=1 pytest tests/renderers
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.renderers.pages.browser import MISSING, program, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = Path(__file__).parent / "golden"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """A function that compares a text with the golden file of the given name."""

    def compare(name: str, text: str) -> None:
        path = FOLDER / name
        if os.environ.get("INCEPTION_LENS_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8", newline="")
        assert text == path.read_text(encoding="utf-8"), f"differs from {path}; see {__file__} on how to update it"

    return compare


@pytest.fixture
def golden_names() -> set[str]:
    """The names of all golden files."""
    return {path.name for path in FOLDER.iterdir()}


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """The installed browser, started once."""
    with started() as chromium:
        yield chromium


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if program() is None:
        terminalreporter.write_line(f"WARNING: {MISSING}", red=True, bold=True)
