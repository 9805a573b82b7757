"""Drawings by pygraphviz and by the `dot` program: valid files, the same on every run."""

import shutil
import struct
from xml.etree import ElementTree

import pytest

import inception_lens as il
from inception_lens.errors import MissingExtraError, OutputError
from inception_lens.renderers.diagrams import engine
from inception_lens.renderers.diagrams.diagram import diagram
from inception_lens.renderers.diagrams.engine import drawing
from tests.renderers.models import flat

CAIROS_LIMIT = 32_767
DOT = 'digraph network { graph [label="a & b"] a -> b }'


def png_size(data: bytes) -> tuple[int, int]:
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_an_svg_is_the_same_on_every_run_and_does_not_mention_graphviz() -> None:
    first, second = (il.diagram("googlenet").draw("svg") for _ in range(2))
    assert first == second
    assert b"Graphviz" not in first
    assert b"graphviz" not in first
    assert b"<!" not in first
    assert b"<title>" not in first
    ElementTree.fromstring(first)


def test_a_png_has_the_size_of_the_svg_at_200_dots_per_inch() -> None:
    drawn = il.diagram("lenet")
    root = ElementTree.fromstring(drawn.draw("svg"))
    points = [float(root.get(side, "").removesuffix("pt")) for side in ("width", "height")]
    for pixels, length in zip(png_size(drawn.draw("png")), points, strict=True):
        assert pixels == pytest.approx(length / 72 * 200, abs=3)


def test_a_very_long_diagram_fits_into_a_png_and_a_pdf() -> None:
    drawn = diagram(flat(1_000))
    assert max(png_size(drawn.draw("png"))) <= CAIROS_LIMIT
    assert drawn.draw("pdf").startswith(b"%PDF")


def test_format_dot_is_the_dot_text() -> None:
    assert drawing(DOT, "dot") == DOT.encode()


def test_nothing_is_written_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    engine._load_fonts.cache_clear()
    diagram(flat(1_100)).draw("svg")
    assert capfd.readouterr() == ("", "")


def test_the_environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FONTCONFIG_FILE", "mine")
    engine._load_fonts.cache_clear()
    drawing(DOT, "svg")
    import os

    assert os.environ["FONTCONFIG_FILE"] == "mine"


@pytest.mark.skipif(shutil.which("dot") is None, reason="the system has no dot")
@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_dot_program_of_the_system_draws_without_pygraphviz(
    monkeypatch: pytest.MonkeyPatch, form: engine.DiagramFormat, start: bytes
) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    assert drawing(il.diagram("lenet").dot, form).startswith(start)


def test_without_graphviz_the_error_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install pygraphviz"):
        drawing(DOT, "svg")


@pytest.mark.skipif(shutil.which("dot") is None, reason="the system has no dot")
def test_an_error_of_the_dot_program_is_an_output_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(OutputError, match="could not draw it"):
        drawing("digraph {", "svg")
