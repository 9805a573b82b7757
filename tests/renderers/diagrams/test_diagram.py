"""The front door of diagrams: ids, looks, and what a notebook shows."""

from xml.etree import ElementTree

import inception_lens as il
from inception_lens.renderers.diagrams.diagram import diagram
from inception_lens.renderers.diagrams.dot import FlowDirection
from inception_lens.renderers.theme import DARK, LIGHT, PAPER
from tests.renderers.models import flat


def ids(svg: bytes) -> set[str]:
    return {e.get("id", "") for e in ElementTree.fromstring(svg).iter() if e.get("class") == "node"}


def test_each_box_has_an_id_that_tells_its_nodes() -> None:
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


def test_a_graph_and_a_diagram_show_themselves_in_a_notebook() -> None:
    graph = il.load("lenet")
    svg = graph._repr_svg_()
    assert svg is not None
    assert svg == diagram(graph)._repr_svg_()
    ElementTree.fromstring(svg)


def test_a_graph_that_is_too_large_shows_itself_as_text() -> None:
    assert flat(1_500)._repr_svg_() is None
