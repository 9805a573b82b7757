"""The tables of the check against the paper."""

from collections.abc import Callable

import msgspec
import pytest

from inception_lens.analyses.paper.check import PaperCheck, check_paper
from inception_lens.analyses.paper.table1 import TABLE_1
from inception_lens.lens import source_of
from inception_lens.renderers.tables import html, latex, markdown, text
from inception_lens.tables.paper import conclusion, paper_table
from inception_lens.tables.table import Table


def check(model: str = "googlenet", **overrides: str) -> PaperCheck:
    inference, training = source_of(model, overrides).both_modes()
    return check_paper(inference, training)


PAPER, PORT = check(), check("googlenet@torchvision")


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("found", [PAPER, PORT, check("vgg16")], ids=["paper", "port", "vgg"])
def test_no_line_is_wider_than_the_terminal(found: PaperCheck, width: int) -> None:
    for unicode in (True, False):
        written = text.render(paper_table(found), width=width, unicode=unicode)
        assert max(map(len, written.splitlines())) <= width
        assert unicode or written.isascii()


@pytest.mark.parametrize("render", [text.render, markdown.render, latex.render, html.render])
def test_every_printed_figure_and_its_count_are_there(render: Callable[[Table], str]) -> None:
    written = render(paper_table(PAPER))
    for row in TABLE_1:
        assert row.params in written
        assert row.ops in written
    for part in ("1,442,816", "6797.7K", "1502M", "82,944"):
        assert part in written
    assert "with depth multiplier 8" in " ".join(written.split())


def test_counts_are_exact_and_add_up() -> None:
    table = paper_table(PAPER)
    rows = {row.name: row.cells for row in table.rows if row.depth}
    params, ops = table.totals
    assert rows["inception (5b) params"][2:4] == (1_442_816, 1_264)
    for k, total in ((2, 6_990_272), (3, 8_280)):
        found = [cells[k] for name, cells in rows.items() if name.endswith(" params")]
        assert sum(value for value in found if isinstance(value, int)) == params.cells[k] == total
    assert ops.cells[2] == 1_582_671_872


def test_the_conclusion() -> None:
    assert conclusion(PAPER).startswith("every deviation is a known one")
    assert conclusion(PORT).startswith(
        "not the network of the paper; differences in Table 1: inception (3a), inception (3b)"
    )
    assert "the article: C1" in conclusion(check(padding="same"))


def test_verdicts_have_colours() -> None:
    assert "\x1b[33mknown: " in text.render(paper_table(PAPER), color=True)


def test_latex_has_balanced_braces_and_as_many_cells_in_every_row() -> None:
    for table, cells in zip(paper_table(PAPER), (4, 4), strict=True):
        written = latex.render(msgspec.structs.replace(table, further=()))
        assert written.count("{") == written.count("}")
        rows = [line for line in written.splitlines() if line.endswith(r" \\")]
        assert {line.replace(r"\&", "").count("&") for line in rows} == {cells - 1}
