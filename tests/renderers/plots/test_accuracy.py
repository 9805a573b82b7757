import pytest
from matplotlib.text import Annotation

from inception_lens.analyses.catalogue import Sized, sized
from inception_lens.architectures.catalogue import entries
from inception_lens.renderers.plots.accuracy import accuracy_figure
from inception_lens.renderers.plots.figure import FigureFormat, figure_bytes


@pytest.fixture(scope="module")
def networks() -> list[Sized]:
    return sized(entries())


def test_every_network_with_an_imagenet_accuracy_is_a_point(networks: list[Sized]) -> None:
    expected = [n for n in networks if n.classes >= 1000 and n.published and n.published.top1]
    for axes in accuracy_figure(networks).axes:
        (points,) = axes.collections
        assert len(points.get_offsets()) == len(expected)  # type: ignore[arg-type]


def test_each_family_is_named_once_and_names_do_not_overlap(networks: list[Sized]) -> None:
    figure = accuracy_figure(networks)
    for axes in figure.axes:
        labels = [text for text in axes.texts if isinstance(text, Annotation)]
        names = [label.get_text() for label in labels]
        assert len(set(names)) == len(names)
        assert {"GoogLeNet", "Inception V3", "ResNet-50", "VGG-16"} <= set(names)
        boxes = [label.get_window_extent() for label in labels]
        assert not [1 for i, box in enumerate(boxes) for other in boxes[:i] if box.overlaps(other)]


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_figure_is_the_same_on_every_run(networks: list[Sized], form: FigureFormat, start: bytes) -> None:
    first, second = (figure_bytes(accuracy_figure(networks), form) for _ in range(2))
    assert first.startswith(start)
    assert first == second
