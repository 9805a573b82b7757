from pathlib import Path

import pytest

from inception_lens.cli import run


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.dot", b"digraph"), ("a.gv", b"digraph")],
)
def test_the_suffix_selects_the_format(tmp_path: Path, name: str, start: bytes) -> None:
    assert run(["diagram", "lenet", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(start)


def test_standard_output_is_dot_unless_a_format_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diagram", "lenet"]) == 0
    assert capsys.readouterr().out.startswith("digraph network {")
    assert run(["diagram", "lenet", "--format", "svg", "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("<?xml")


def test_several_files_are_written_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    svg, png = str(tmp_path / "a.svg"), str(tmp_path / "a.png")
    assert run(["diagram", "lenet", "-o", svg, "-o", png, "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("digraph")
    assert [Path(name).read_bytes()[:4] for name in (svg, png)] == [b"<?xm", b"\x89PNG"]
    assert run(["diagram", "lenet", "-o", str(tmp_path / "b.svg"), "-o", str(tmp_path / "b.gif")]) == 2
    assert not (tmp_path / "b.svg").exists()


def test_every_option(tmp_path: Path) -> None:
    target = tmp_path / "a.svg"
    looks = ["--theme", "dark", "--direction", "left-to-right", "--no-title", "--fold", "--mode", "training"]
    assert run(["diagram", "googlenet", "--set", "width=0.5", "--input", "96", *looks, "-o", str(target)]) == 0
    assert "3x96x96" in target.read_text()
    assert run(["diagram", "googlenet", "--module", "inception_3a", "--heat", "params", "-o", str(target)]) == 0
    assert "parameters: 0" in target.read_text()
    assert run(["diagram", "googlenet", "--level", "layer", "--style", "paper", "-o", str(target)]) == 0
    assert "Conv 7x7+2(S)" in target.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["googlenet", "-o", "a.gif"], "unknown suffix `.gif`"),
        (["googlnet", "-o", "a.svg"], "did you mean `googlenet`"),
        (["googlenet", "--module", "inception_9z"], "is not a module of `googlenet`"),
        (["googlenet", "--module", "inception_3a", "--level", "network"], "leave out the module `inception_3a`"),
        (["googlenet", "--heat", "beauty"], "--heat beauty: not a measure"),
        (["googlenet", "-o", "/no/such/folder/a.svg"], "No such file or directory"),
        (["googlenet", "--input", "1"], "does not fit"),
    ],
)
def test_errors_are_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert run(["diagram", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_compare_draws_both_networks(tmp_path: Path) -> None:
    target = tmp_path / "a.svg"
    assert run(["compare", "lenet", "lenet@caffe", "-o", str(target)]) == 0
    assert "lenet@caffe" in target.read_text()
    assert (
        run(["compare", "lenet", "lenet@caffe", "--level", "layer", "--exit-code", "-o", str(tmp_path / "a.png")]) == 1
    )
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_savings_and_sweeps_are_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    branch = ["--in", "192", "--out", "96", "--kernel", "5", "--size", "28", "--reduce"]
    for name, arguments in {
        "a.png": ["savings", "googlenet"],
        "b.svg": ["sweep", "googlenet", "inception_3a/5x5_reduce=8..32..8"],
        "c.pdf": ["what-if", "googlenet", "inception_4e/5x5_reduce=16"],
        "d.svg": ["sweep", *branch, "8..64..8"],
    }.items():
        assert run([*arguments, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 1_000
    assert run(["savings", *branch, "32", "-o", str(tmp_path / "e.svg")]) == 2
    assert "one branch has no figure" in capsys.readouterr().err


def test_heat_by_measured_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "profile.json"
    assert run(["profile", "lenet", "--repeats", "1", "--warmup", "0", "-o", str(profile)]) == 0
    assert run(["diagram", "lenet", "--heat", str(profile), "-o", str(tmp_path / "lenet.svg")]) == 0
    assert "ms on this CPU" in (tmp_path / "lenet.svg").read_text(encoding="utf-8")
    capsys.readouterr()
    profile.write_text("{}", encoding="utf-8")
    for heat, message in ((str(profile), "not a .json of `inception-lens profile`"), ("mac", "did you mean `macs`")):
        assert run(["diagram", "lenet", "--heat", heat]) == 2
        assert message in capsys.readouterr().err
