"""`reports/` holds what `make reports` makes."""

import re
from pathlib import Path

from inception_lens.analyses.catalogue import sized
from inception_lens.architectures.catalogue import entries
from inception_lens.benchmarks.ports import CASES, LIMIT
from inception_lens.renderers.frame import catalogue_markdown
from inception_lens.renderers.plots import accuracy_figure, drawn

REPORTS = Path(__file__).parent.parent / "reports"


def rounded(svg: str) -> str:
    """The figure with its coordinates to one digit: libraries may differ in the last ones."""
    return re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.1f}", svg)


def test_the_catalogue() -> None:
    assert (REPORTS / "catalogue.md").read_text() == catalogue_markdown(sized(entries()))


def test_the_accuracy_figure() -> None:
    figure = drawn(accuracy_figure(sized(entries())), "svg").decode()
    assert rounded((REPORTS / "accuracy.svg").read_text()) == rounded(figure)


def test_the_ports_agree_within_rounding() -> None:
    """`make ports` ran the other libraries' own modules; tests/pytorch/test_weights.py runs most of them again."""
    rows = [line.split("|") for line in (REPORTS / "ports.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert [row[1].strip() for row in rows] == [case.name for case in CASES]
    for row in rows:
        largest, inference, training = map(float, row[5:8])
        assert max(inference, training) <= LIMIT * largest


def test_nothing_else_is_there() -> None:
    assert {path.name for path in REPORTS.iterdir()} == {"catalogue.md", "accuracy.svg", "ports.md"}
