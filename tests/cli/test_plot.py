from pathlib import Path

import pytest

from inception_lens.cli import run


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_the_suffix_names_the_format(tmp_path: Path, name: str, start: bytes) -> None:
    assert run(["plot", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("arguments", [["plot"], ["plot", "-o", "a.gif"], ["plot", "-o", "a.svg", "--kind", "other"]])
def test_what_cannot_be_drawn_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
