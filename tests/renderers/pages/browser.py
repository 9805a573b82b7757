"""The page in a real browser: Chromium, as the machine has it, that may ask for nothing but the file itself."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-quic",
)  # fmt: skip
MISSING = "no Chromium found (Debian: apt-get install chromium): the page was NOT tested in a browser"


def program() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def started() -> Iterator["Browser"]:
    """Start the browser, or skip; where CI is set, a missing browser fails."""
    from playwright.sync_api import sync_playwright

    path = program()
    if path is None:
        assert not os.environ.get("CI"), MISSING
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: "Browser", page: Path, *, scheme: Literal["light", "dark"] = "light", size: tuple[int, int] = (1440, 900)
) -> Iterator["Page"]:
    """Open a file; at the end nothing may have been asked of the network, and nothing told on the console."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    tab = context.new_page()
    tab.set_default_timeout(5_000)
    told: list[str] = []

    def refused(dialog: "Dialog") -> None:
        told.append(dialog.message)
        dialog.dismiss()

    tab.on("console", lambda message: told.append(message.text))
    tab.on("pageerror", lambda error: told.append(str(error)))
    tab.on("dialog", refused)
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    yield tab
    assert told == []
    assert asked == [page.as_uri()]
    context.close()
