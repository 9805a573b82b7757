"""Checks of a command's output in every format of a table."""

import csv
import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

from inception_lens.cli import run

SUFFIXES = (".txt", ".md", ".tex", ".csv", ".html", ".json")


def written(arguments: list[str], folder: Path, codes: tuple[int, ...] = (0,)) -> dict[str, str]:
    """The files of a command that is run once with all formats, by suffix."""
    files = [str(folder / f"out{suffix}") for suffix in SUFFIXES]
    assert run([*arguments, *[part for file in files for part in ("-o", file)]]) in codes
    return {suffix: (folder / f"out{suffix}").read_text(encoding="utf-8") for suffix in SUFFIXES}


def check_formats(texts: dict[str, str]) -> None:
    """Each text is of its format, and all show the same totals."""
    assert all(text.endswith("\n") and "\x1b" not in text for text in texts.values())
    json.loads(texts[".json"])
    header, *rows = csv.reader(io.StringIO(texts[".csv"], newline=""))
    assert all(header)
    assert len(set(header)) == len(header)
    assert {len(row) for row in rows} <= {len(header)}
    assert texts[".md"].startswith("## ")
    assert texts[".tex"].startswith((r"\begin{table}", "% "))
    assert texts[".tex"].count("{") == texts[".tex"].count("}")
    assert texts[".html"].startswith("<!DOCTYPE html>")
    totals = _of_html(texts[".html"])
    assert _of_markdown(texts[".md"], {row[0] for row in totals}) == totals
    assert _of_latex(texts[".tex"], {row[0] for row in totals}) == totals
    _check_text(texts[".txt"].splitlines(), totals)


def _check_text(lines: list[str], totals: list[list[str]]) -> None:
    """Each total is a line with its first cell; a terminal may leave out others, or show more."""
    for label, *cells in totals:
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{label}  ") and re.search(r"\d|\?", line))
        assert f" {cells[0]}" in lines[at]
        lines = lines[at + 1 :]


class _Page(HTMLParser):
    """The rows of the feet of the tables, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            return
        self.open.append(tag)
        if tag == "tr" and "tfoot" in self.open:
            self.rows.append([])
        elif tag in ("th", "td") and "tfoot" in self.open:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "tfoot" in self.open and self.open[-1] in ("th", "td", "strong"):
            self.rows[-1][-1] += data


def _of_html(text: str) -> list[list[str]]:
    rows = _Page(text).rows
    return [[row[0], *[cell for cell in row[1:] if cell]] for row in rows]


def _of_markdown(text: str, labels: set[str]) -> list[list[str]]:
    found = []
    lines = text.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("| ") and not below.startswith("| --"):
            cells = [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells[0] in labels:
                found.append([cells[0], *[cell for cell in cells[1:] if cell]])
    return found


def _of_latex(text: str, labels: set[str]) -> list[list[str]]:
    found = []
    lines = text.splitlines()
    for line, above in zip(lines, ["", *lines], strict=False):
        if line.endswith(r" \\") and above != r"\toprule":
            cells = [_plain(cell.strip()) for cell in re.split(r"(?<!\\)&", line.removesuffix(r" \\"))]
            if cells[0] in labels:
                found.append([cells[0], *[cell for cell in cells[1:] if cell]])
    return found


def _plain(cell: str) -> str:
    """The text of a cell of LaTeX."""
    cell = re.sub(r"\$(.*)\$", lambda found: found[1].replace(r"\times ", "x"), cell)
    names = {"greater": ">", "less": "<", "asciitilde": "~", "asciicircum": "^", "backslash": "\\"}
    cell = re.sub(r"\\text(\w+)\{\}", lambda found: names[found[1]], cell)
    return re.sub(r"\\(.)", r"\1", html.unescape(cell)).replace("--", "-")
