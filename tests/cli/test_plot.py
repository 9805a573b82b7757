from pathlib import Path

import pytest

from inception_lens.cli import run


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.pdf", b"%PDF")])
def test_the_suffix_selects_the_format(tmp_path: Path, name: str, start: bytes) -> None:
    assert run(["plot", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(start)


def test_several_files_are_written(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("a.svg", "a.png", "b")]
    assert run(["plot", "lenet", "-o", files[0], "-o", files[1]]) == 0
    assert run(["plot", "lenet", "--format", "pdf", "-o", files[2]]) == 0
    assert [Path(name).read_bytes()[:4] for name in files] == [b"<?xm", b"\x89PNG", b"%PDF"]


@pytest.mark.parametrize("arguments", [["plot"], ["plot", "-o", "a.gif"], ["plot", "-o", "a.svg", "--kind", "other"]])
def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("kind", ["modules", "cumulative", "receptive-field", "memory", "roofline", "savings"])
def test_each_kind_of_figure_of_a_model(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "a.svg"
    assert run(["plot", "googlenet", "--kind", kind, "--input", "96", "--batch", "2", "-o", str(target)]) == 0
    assert target.stat().st_size > 10_000


def test_a_run_is_drawn_from_its_folder_or_its_file(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"epoch": 1, "loss": 2.0}\n\n{"epoch": 2, "loss": 1.0}\n')
    for run_ in (tmp_path, metrics):
        assert run(["plot", str(run_), "--kind", "training", "--theme", "dark", "-o", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kind", "memory"], "--kind memory needs a MODEL"),
        (["googlenet", "--kind", "accuracy"], "the whole catalogue: leave out `googlenet`"),
        (["nowhere", "--kind", "training"], "nowhere: No such file or directory"),
        (["googlenet", "--kind", "roofline", "--machine", "abacus"], "`abacus` is not a known machine"),
        (["googlenet", "--batch", "0"], "--batch"),
    ],
)
def test_errors_name_the_cause(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert run(["plot", *arguments, "-o", "a.svg"]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_a_file_that_is_not_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "a.jsonl"
    for text in ("[1]\n", "{\n", "\xff\n"):
        broken.write_text(text, encoding="latin-1")
        assert run(["plot", str(broken), "--kind", "training", "-o", "a.svg"]) == 2
        assert "a line is not a JSON object" in capsys.readouterr().err
