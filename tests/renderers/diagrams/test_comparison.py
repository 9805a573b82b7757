"""Two networks side by side."""

from xml.etree import ElementTree

import pytest

import inception_lens as il
from inception_lens.renderers.diagrams.diagram import Diagram, compare_diagram


@pytest.fixture(scope="module")
def drawn() -> Diagram:
    return compare_diagram(il.compare("googlenet", "googlenet@torchvision"))


def fills(drawn: Diagram, first: str) -> list[str | None]:
    return [box.fill for box in drawn.content.boxes if box.text[0] == first]


def test_both_networks_are_complete(drawn: Diagram) -> None:
    names = [name for box in drawn.content.boxes for name in box.nodes]
    for model in ("googlenet", "googlenet@torchvision"):
        assert {node.name for node in il.load(model).nodes} <= set(names)
    assert ("googlenet", "input") in [box.text for box in drawn.content.boxes]
    assert ("googlenet@torchvision", "input") in [box.text for box in drawn.content.boxes]
    ElementTree.fromstring(drawn.draw("svg"))


def test_differences_are_coloured_and_listed_on_each_side(drawn: Diagram) -> None:
    texts = [box.text for box in drawn.content.boxes]
    assert texts.count(("inception_3a", "6 conv, 1 pool", "kernel 5x5")) == 1
    assert texts.count(("inception_3a", "6 conv, 1 pool", "kernel 3x3")) == 1
    differs, detail, same = (fills(drawn, name)[0] for name in ("inception_3a", "conv1", "pool2"))
    assert len({differs, detail, same}) == 3
    assert fills(drawn, "pool4") == [differs, differs]
    assert fills(drawn, "pool2") == [same, same]
    alone = fills(drawn, "prob")
    assert len(alone) == 1
    assert alone[0] not in (differs, detail, same)
    assert [swatch.text for swatch in drawn.content.legend] == [
        "different", "different norm, bias or dropout", "only in the first network", "the same",
    ]  # fmt: skip


def test_the_title_states_the_difference_in_cost(drawn: Diagram) -> None:
    assert drawn.content.title[1] == "googlenet@torchvision has 373.6 k fewer parameters and 84.30 M fewer MACs"


def test_a_network_is_the_same_as_itself() -> None:
    same = compare_diagram(il.compare("lenet", "lenet"), level="layer")
    assert [swatch.text for swatch in same.content.legend] == ["the same"]
    assert same.content.title[1] == "lenet has as many parameters and as many MACs"
