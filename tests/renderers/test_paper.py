"""The check against the paper, as tables."""

import pytest

from inception_lens.analyses.paper.check import PaperCheck, check_paper
from inception_lens.analyses.paper.table1 import TABLE_1
from inception_lens.lens import Source
from inception_lens.renderers.paper import conclusion, paper_latex, paper_markdown, paper_table


def check(model: str = "googlenet", **overrides: str) -> PaperCheck:
    inference, training = Source.of(model, overrides).both_modes()
    return check_paper(inference, training)


PAPER, PORT = check(), check("googlenet@torchvision")


@pytest.mark.parametrize("width", [80, 100, 140])
@pytest.mark.parametrize("found", [PAPER, PORT, check("vgg16")], ids=["paper", "port", "vgg"])
def test_no_line_is_wider_than_asked(found: PaperCheck, width: int) -> None:
    for unicode in (True, False):
        text = paper_table(found, width=width, unicode=unicode)
        assert max(map(len, text.splitlines())) <= width
        assert unicode or text.isascii()


def test_every_printed_figure_stands_beside_its_recomputed_one() -> None:
    for text in (paper_table(PAPER, width=140), paper_markdown(PAPER), paper_latex(PAPER)):
        for row in TABLE_1:
            assert row.params in text
            assert row.ops in text
        assert "1,442,816" in text
        assert "6797.7K" in text
        assert "1502M" in text
        assert "with depth multiplier 8 costs 2,712 weights" in text
        assert "82,944" in text


def test_what_it_comes_to() -> None:
    assert "every deviation is a known one" in paper_table(PAPER)
    told = conclusion(PORT)
    assert told.startswith("not the network that is printed; Table 1: inception (3a), inception (3b)")
    assert "the article: C1" in conclusion(check(padding="same"))


def test_verdicts_are_coloured_where_that_is_asked_for() -> None:
    assert "\x1b[" in paper_table(PAPER, color=True)
    assert "\x1b[" not in paper_table(PAPER)


def test_latex_has_balanced_braces_and_as_many_cells_in_every_row() -> None:
    text = paper_latex(PAPER)
    assert text.count("{") == text.count("}")
    assert {line.replace(r"\&", "").count(" & ") for line in text.splitlines() if line.endswith(r" \\")} == {3}
    assert text.count(r"\toprule") == 2
