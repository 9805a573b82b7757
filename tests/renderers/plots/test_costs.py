"""Figures of one network: they show the numbers of the analysis."""

from itertools import accumulate

import pytest
from matplotlib.figure import Figure

import inception_lens as il
from inception_lens.analyses.analysis import Analysis
from inception_lens.analyses.machines import machine
from inception_lens.analyses.roofline import roofline
from inception_lens.renderers.diagrams.grouping import modules
from inception_lens.renderers.plots.costs import (
    COST_FIGURES,
    CostPlot,
    cumulative_figure,
    memory_figure,
    modules_figure,
    receptive_field_figure,
)
from inception_lens.renderers.plots.figure import FigureFormat, figure_bytes
from inception_lens.renderers.plots.roofline import roofline_figure
from inception_lens.renderers.theme import DARK
from tests.renderers.diagrams.test_dot import HOSTILE, named
from tests.renderers.figures import numbers, offsets
from tests.renderers.models import flat, vit


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return il.analyze("googlenet")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda part: hasattr(part, "get_text"))]  # type: ignore[attr-defined]


def test_bars_sum_to_the_totals(analysis: Analysis) -> None:
    for axes, total in zip(modules_figure(analysis).axes, (analysis.totals.params, analysis.totals.macs), strict=True):
        assert sum(bar.get_height() for bar in axes.patches) == total  # type: ignore[attr-defined]
    figure = modules_figure(analysis)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1x1", "3x3", "5x5", "pool", "no branch"]


def test_cumulative_shares_end_at_100_percent(analysis: Analysis) -> None:
    (axes,) = cumulative_figure(analysis).axes
    lines = {str(line.get_label()).partition(":")[0]: line for line in axes.lines}
    parts = modules(analysis.graph)
    macs = list(accumulate(sum(analysis.layers[i].macs or 0 for i in part.nodes) for part in parts))
    assert numbers(lines["MACs"], "y") == pytest.approx([100 * value / macs[-1] for value in macs])
    assert "MACs: half by inception_3b" in texts(cumulative_figure(analysis))


def test_the_receptive_field_of_every_layer(analysis: Analysis) -> None:
    figure = receptive_field_figure(analysis)
    points = [point for each in figure.axes[0].collections for point in offsets(each)]
    assert set(points) == {
        (k, layer.receptive_field) for k, layer in enumerate(analysis.layers) if layer.receptive_field
    }
    assert "input 224" in texts(figure)


def test_the_peak_of_memory_is_marked(analysis: Analysis) -> None:
    figure = memory_figure(analysis)
    marker = figure.axes[0].lines[-1]
    assert numbers(marker, "y") == [analysis.totals.peak_activation_bytes]
    assert "peak 4.82 MB at conv2/norm2" in texts(figure)


def test_points_are_on_the_roof_or_at_the_measured_speed(analysis: Analysis) -> None:
    roof = roofline(analysis.graph, analysis.costs, machine("h200"))
    peak = roof.machine.flops_per_second
    speeds = [y for each in roofline_figure(analysis, roof).axes[0].collections for _, y in offsets(each)]
    assert max(speeds) == pytest.approx(peak)
    measured = {layer.name: 1.0 for layer in analysis.layers[:1]}
    (points,) = roofline_figure(analysis, roof, measured).axes[0].collections
    assert offsets(points) == [(pytest.approx(analysis.layers[0].flops / roof.bytes[0]), analysis.layers[0].flops)]  # type: ignore[operator]


@pytest.mark.parametrize("kind", COST_FIGURES)
def test_any_network_is_drawn(kind: CostPlot) -> None:
    for graph in (flat(400), vit(), il.load("inception_v4", mode="training")):
        figure = COST_FIGURES[kind](il.analyze(graph), True)
        assert figure_bytes(figure, "svg").startswith(b"<?xml")
        assert figure.get_facecolor()[:3] == pytest.approx(
            [int(DARK.background[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        )


@pytest.mark.parametrize("name", ["$x^2$", "a_b$", *HOSTILE[:3]])
def test_names_are_not_parsed_as_tex(name: str) -> None:
    for draw in COST_FIGURES.values():
        figure_bytes(draw(il.analyze(named(name)), False), "svg")


@pytest.mark.parametrize(("form", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_figure_is_the_same_on_every_run(analysis: Analysis, form: FigureFormat, start: bytes) -> None:
    first, second = (figure_bytes(modules_figure(analysis), form) for _ in range(2))
    assert first.startswith(start)
    assert first == second
