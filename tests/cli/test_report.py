import json
import threading
from pathlib import Path

import pytest

from inception_lens.cli import run


def test_it_writes_the_page_and_prints_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "report"
    assert run(["report", "lenet", "-o", str(folder)]) == 0
    assert capsys.readouterr().out.startswith(f"{folder / 'index.html'} (")
    assert (folder / "index.html").read_text().startswith("<!DOCTYPE html>")
    assert {path.suffix for path in folder.iterdir()} == {".html", ".svg", ".csv", ".json", ".md", ".tex"}


def test_a_bitmap_is_written_on_request(tmp_path: Path) -> None:
    assert run(["report", "lenet", "--png", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "network.png").read_bytes().startswith(b"\x89PNG")
    assert 'href="network.png"' in (tmp_path / "index.html").read_text()


def test_another_report_replaces_it_and_leaves_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run(["report", "lenet", "-o", str(tmp_path)]) == 0
    assert run(["report", "alexnet", "--mode", "training", "--set", "classes=7", "-o", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "analysis.json").read_text())["model"]["name"] == "alexnet"
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_second_network_is_compared(tmp_path: Path) -> None:
    arguments = ["report", "lenet", "--against", "lenet", "--set-against", "classes=7", "-o", str(tmp_path)]
    assert run(arguments) == 0
    assert json.loads((tmp_path / "comparison.json").read_text())["differs"]
    assert 'id="comparison"' in (tmp_path / "index.html").read_text()


def test_two_processes_that_write_into_one_folder_leave_complete_files(tmp_path: Path) -> None:
    codes = []
    both = [threading.Thread(target=lambda: codes.append(run(["report", "lenet", "-o", str(tmp_path)]))) for _ in "ab"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert codes == [0, 0]
    assert (tmp_path / "index.html").read_text().endswith("</html>\n")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["googlnet", "-o", "{}"], "did you mean `googlenet`"),
        (["lenet", "-o", "{}/file"], "it is a file, not a folder"),
        (["lenet", "-o", "{}/file/below"], "Not a directory"),
        (["lenet", "-o", "{}", "--set-against", "classes=7"], "name it with --against"),
        (["lenet", "-o", "{}", "--against", "nothing"], "nothing"),
        (["lenet"], "Missing option '-o'"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("mine")
    assert run(["report", *[each.format(tmp_path) for each in arguments]]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"
