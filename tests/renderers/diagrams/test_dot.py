"""DOT text: golden files, and names that contain markup or syntax of Graphviz."""

from collections.abc import Callable
from xml.etree import ElementTree

import pytest

import inception_lens as il
from inception_lens.graph import Graph, Input, Metadata, Output, Writer
from inception_lens.ops import Add, Conv2d, TensorType, Unknown
from inception_lens.renderers.diagrams.diagram import Diagram, diagram
from inception_lens.renderers.diagrams.dot import quoted
from inception_lens.renderers.escape import printable

GOLDEN: dict[str, Callable[[], Diagram]] = {
    "lenet.dot": lambda: il.diagram("lenet"),
    "inception_3a.dot": lambda: il.diagram("googlenet", module="inception_3a", heat="macs"),
    "inception_3a-naive-paper.dot": lambda: il.diagram(
        "googlenet@naive", module="inception_3a", style="paper", direction="bottom-up"
    ),
    "resnet50-fold-dark.dot": lambda: il.diagram("resnet50", fold=True, dark=True, direction="left-to-right"),
}

HOSTILE = [
    "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<b>bold</b>", "<", ">", "<<table>>",
    'a"b', "a\\", "\\N\\G\\E\\T\\H\\L", "a\\nb", "new\nline", "nul\0", "tab\there", "a|b{c}<d>", "javascript:alert(1)",
    "&amp;&lt;&#60;", "a:b:c", "node", "subgraph cluster_x {", "}; evil -> worse; {", "/* c */ // c # c",
    'x" URL="javascript:alert(1)', "\u202egnp.exe", "\ud800", "naïve-卷积-🧠", "x" * 5_000, "a/b/../c", " ", "%s%n",
    'charset="utf-7"', "]]>", "<!--",
]  # fmt: skip


def named(name: str) -> Graph:
    """A graph whose inputs, nodes, operations and metadata contain the name."""
    writer = Writer([Input(f"{name} in", TensorType((1, 3, 8, 8)))])
    a = writer.add(f"{name}/{name}/conv", Conv2d(4, (3, 3)), f"{name} in")
    b = writer.add(f"{name}/{name}/other", Unknown(name, (TensorType((1, 4, 6, 6)),)), a)
    c = writer.add(f"{name}/{name}", Add(), a, b)
    return writer.graph([Output(c)], metadata=Metadata(name, name))


@pytest.mark.parametrize("name", GOLDEN)
def test_dot_text_equals_the_golden_file(name: str, golden: Callable[[str, str], None]) -> None:
    golden(name, GOLDEN[name]().dot)


def test_every_golden_dot_file_has_a_test(golden_names: set[str]) -> None:
    assert {name for name in golden_names if name.endswith(".dot")} == set(GOLDEN)


@pytest.mark.parametrize("level", ["network", "layer", "module"])
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_are_text_and_not_markup(name: str, level: str) -> None:
    drawn = diagram(named(name), level=level)  # type: ignore[arg-type]
    plain = drawn.dot.replace("label=<<table border", "")
    assert "label=<" not in plain
    assert "URL=" not in plain.replace('x\\" URL=\\"', "")
    svg = drawn.draw("svg").decode()
    root = ElementTree.fromstring(svg)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "polygon", "path", "text"}
    assert not [key for element in root.iter() for key in element.attrib if key.startswith("on") or "href" in key]
    boxes = [element for element in root.iter() if element.get("class") == "node"]
    assert {box.get("id") for box in boxes} == set(drawn.names)
    if 1 < len(name) < 20 and name.strip():
        texts = [element.text or "" for element in root.iter() if element.tag.endswith("text")]
        assert any(printable(name) in text for text in texts)


def test_an_entity_in_a_name_is_shown_literally() -> None:
    assert quoted("&lt;") == "&amp;lt;"
    assert quoted("a\\b", "c") == "a\\\\b\\nc"


def test_no_line_of_a_label_is_empty() -> None:
    assert quoted("", "a") == " \\na"
    assert quoted("") == " "
    texts = [text for box in diagram(named("//")).content.boxes for text in box.text]
    assert "" not in texts


def test_the_title_of_a_heat_map_is_escaped() -> None:
    graph = named("a")
    svg = diagram(graph, heat={"a/a/conv": 1.0}, heat_title="<b>&</b>").draw("svg").decode()
    assert "&lt;b&gt;&amp;&lt;/b&gt;: 0" in svg


def test_the_middle_of_a_long_name_is_left_out() -> None:
    assert quoted("a" * 100 + "b" * 100).replace(" ... ", "") == "a" * 30 + "b" * 29
