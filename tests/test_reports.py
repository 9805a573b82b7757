"""`reports/` holds what `make reports` makes: the commands in the Makefile are run and compared."""

import re
import shlex
from pathlib import Path

import msgspec
import pytest

from inception_lens.benchmarks.ports import CASES, LIMIT
from inception_lens.cli import run
from inception_lens.renderers.plots.ablation import ablation_figure
from inception_lens.renderers.plots.figure import figure_bytes
from inception_lens.renderers.tables import markdown
from inception_lens.training.ablation import Ablation
from inception_lens.training.ablation_table import ablation_table, subtitle

ROOT = Path(__file__).parent.parent
REPORTS = ROOT / "reports"
COMMANDS = re.findall(
    r"^\t\$\(BIN\)/inception-lens (.+ -o reports/(\S+))$", (ROOT / "Makefile").read_text(), re.MULTILINE
)


def rounded(text: str) -> str:
    """The text with its coordinates to one digit: libraries may differ in the last ones."""
    return re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.1f}", text)


@pytest.mark.parametrize(("command", "name"), COMMANDS, ids=[name for _, name in COMMANDS])
def test_it_is_what_the_makefile_makes(tmp_path: Path, command: str, name: str) -> None:
    *arguments, _ = shlex.split(command)
    assert run([*arguments, str(tmp_path / name)]) == 0
    made, kept = ((folder / name).read_text() for folder in (tmp_path, REPORTS))
    assert rounded(made) == rounded(kept), f"make reports, and look at reports/{name}"


def test_the_ports_agree_within_rounding() -> None:
    """`make ports` ran the other libraries' own modules; tests/pytorch/test_weights.py runs most of them again."""
    rows = [line.split("|") for line in (REPORTS / "ports.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert [row[1].strip() for row in rows] == [case.name for case in CASES]
    for row in rows:
        largest, inference, training = map(float, row[5:8])
        assert max(inference, training) <= LIMIT * largest


def test_the_report_of_the_ablation_has_its_results() -> None:
    ablation = msgspec.json.decode((REPORTS / "ablation.json").read_bytes(), type=Ablation)
    lines = markdown.render(ablation_table(ablation)).splitlines()
    assert set(lines[1:]) <= set((REPORTS / "ablation.md").read_text().splitlines())
    figure = figure_bytes(ablation_figure(ablation.arms, f"{ablation.name} on {subtitle(ablation)}"), "svg").decode()
    assert rounded((REPORTS / "ablation.svg").read_text()) == rounded(figure)


def test_nothing_else_is_there_and_the_gallery_shows_all() -> None:
    names = {name for _, name in COMMANDS} | {"ablation.json", "ablation.md", "ablation.svg", "bench.json", "ports.md"}
    assert {path.name for path in REPORTS.iterdir() if path.is_file()} == names | {"README.md"}
    assert set(re.findall(r"\]\(([^)]+)\)", (REPORTS / "README.md").read_text())) == names
