"""Opens pages in the installed Chromium; a page must not request anything but itself."""

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
MISSING = "no Chromium found (Debian: apt-get install chromium); the page was NOT tested in a browser"


def program() -> str | None:
    """The path of the installed browser."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def started() -> Iterator["Browser"]:
    """Start the browser; without one the test is skipped or, if CI is set, fails."""
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
    """Open a file; at the end, the page must not have requested anything else or written to the console."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    tab = context.new_page()
    tab.set_default_timeout(5_000)
    messages: list[str] = []

    def dismissed(dialog: "Dialog") -> None:
        messages.append(dialog.message)
        dialog.dismiss()

    tab.on("console", lambda message: messages.append(message.text))
    tab.on("pageerror", lambda error: messages.append(str(error)))
    tab.on("dialog", dismissed)
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.as_uri())
    yield tab
    assert messages == []
    assert requests == [page.as_uri()]
    context.close()
