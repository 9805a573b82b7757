"""`diagram`: ids of boxes, styles, and the representation in notebooks."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

import inception_lens as il
from inception_lens.errors import ConfigError
from inception_lens.renderers.diagrams.diagram import diagram
from inception_lens.renderers.diagrams.dot import FlowDirection
from inception_lens.renderers.theme import DARK, LIGHT, PAPER
from tests.renderers.models import flat


def ids(svg: bytes) -> set[str]:
    return {e.get("id", "") for e in ElementTree.fromstring(svg).iter() if e.get("class") == "node"}


def test_the_id_of_each_box_is_mapped_to_its_nodes() -> None:
    graph = il.load("googlenet")
    drawn = diagram(graph, level="layer", id_prefix="layer-")
    assert ids(drawn.draw()) == set(drawn.names)
    assert drawn.names["layer-1"] == ("conv1/7x7_s2", "conv1/7x7_s2/relu")
    assert drawn.names["layer-0"] == ()


def test_light_dark_and_paper() -> None:
    light, dark = (diagram(il.load("lenet"), dark=dark).dot for dark in (False, True))
    assert f'bgcolor="{LIGHT.background}"' in light
    assert f'bgcolor="{DARK.background}"' in dark
    paper = il.diagram("googlenet", module="inception_3a", style="paper").dot
    assert f'fillcolor="{PAPER["pool"]}"' in paper


def test_directions() -> None:
    expected: dict[FlowDirection, str] = {"top-down": "TB", "left-to-right": "LR", "bottom-up": "BT"}
    for direction, rankdir in expected.items():
        assert f"rankdir={rankdir}" in il.diagram("lenet", direction=direction).dot


def test_a_title_can_be_left_out() -> None:
    assert "LeNet" in il.diagram("lenet").dot
    assert "LeNet" not in il.diagram("lenet", title=False).dot


def test_a_title_needs_no_analysis_of_memory() -> None:
    analysis = il.analyze("lenet")
    assert "MACs" in diagram(analysis).content.title[1]
    assert "memory" not in vars(analysis)


@pytest.mark.parametrize(("name", "start"), [("a.svg", b"<?xml"), ("a.PNG", b"\x89PNG"), ("a.gv", b"digraph")])
def test_save_writes_the_format_of_the_suffix(tmp_path: Path, name: str, start: bytes) -> None:
    il.diagram("lenet").save(tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_save_needs_a_known_suffix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.gif`: the suffix of a diagram is one of \.svg, "):
        il.diagram("lenet").save(tmp_path / "a.gif")


def test_a_graph_and_a_diagram_have_an_svg_representation() -> None:
    graph = il.load("lenet")
    svg = graph._repr_svg_()
    assert svg is not None
    assert svg == diagram(graph)._repr_svg_()
    ElementTree.fromstring(svg)


def test_a_large_graph_has_no_svg_representation() -> None:
    assert flat(1_500)._repr_svg_() is None
