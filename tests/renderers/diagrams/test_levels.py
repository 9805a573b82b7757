"""The boxes and arrows of each level."""

import pytest

import inception_lens as il
from inception_lens.analyses.analysis import analyze
from inception_lens.benchmarks.graphs import chain
from inception_lens.errors import ConfigError
from inception_lens.graph import Graph, Input, Node, Output, Writer
from inception_lens.ops import Conv2d, TensorType, Unknown
from inception_lens.renderers.diagrams.content import Box
from inception_lens.renderers.diagrams.diagram import Diagram, diagram
from inception_lens.renderers.plots.costs import modules_figure
from inception_lens.renderers.theme import DARK, LIGHT, heat_color
from tests.renderers.models import flat, resnet, unet, vit


def lines(drawn: Diagram) -> list[tuple[str, ...]]:
    return [box.text for box in drawn.content.boxes]


def arrows(drawn: Diagram) -> set[tuple[str, str, tuple[str, ...]]]:
    boxes = drawn.content.boxes
    return {(boxes[a.tail].text[0], boxes[a.head].text[0], a.text) for a in drawn.content.arrows if a.visible}


def box(drawn: Diagram, first: str) -> Box:
    (found,) = [box for box in drawn.content.boxes if box.text[0] == first]
    return found


def test_a_network_has_the_shape_on_each_arrow() -> None:
    drawn = il.diagram("googlenet")
    assert ("pool2", "inception_3a", ("192x28x28",)) in arrows(drawn)
    assert ("inception_5b", "pool5", ("1024x7x7",)) in arrows(drawn)
    assert all(arrow.text for arrow in drawn.content.arrows)
    assert lines(drawn)[1] == ("conv1", "conv 7x7/2, 64")
    assert "6,998,552 parameters, 1.583 G MACs" in drawn.content.title[1]


def test_training_draws_the_auxiliary_heads() -> None:
    drawn = il.diagram("googlenet", mode="training")
    assert ("inception_4a", "aux1", ("512x14x14",)) in arrows(drawn)
    assert ("inception_4d", "aux2", ("528x14x14",)) in arrows(drawn)
    assert lines(drawn).count(("output", "loss x 0.3")) == 2


def test_figure_3_of_the_paper() -> None:
    drawn = il.diagram("googlenet", mode="training", level="layer", style="paper")
    texts = [text[0] for text in lines(drawn)]
    assert texts[:8] == [
        "input", "Conv 7x7+2(S)", "MaxPool 3x3+2(S)", "LocalRespNorm", "Conv 1x1+1(S)", "Conv 3x3+1(S)",
        "LocalRespNorm", "MaxPool 3x3+2(S)",
    ]  # fmt: skip
    assert texts.count("DepthConcat") == 9
    assert texts.count("Conv 5x5+1(S)") == 9
    assert texts.count("AveragePool 5x5+3(V)") == 2
    assert texts.count("AveragePool 7x7+1(V)") == 1
    assert texts.count("FC") == 5
    assert il.diagram("googlenet", level="layer", style="paper").dot.count("SoftmaxActivation") == 1
    assert '"Conv 7x7+2(S)"' in drawn.dot
    assert drawn.content.panels == (
        *(f"inception_{x}" for x in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")), "aux1", "aux2",
    )  # fmt: skip


def test_every_layer_is_drawn_once() -> None:
    graph = il.load("inception_v4", mode="training")
    drawn = diagram(graph, level="layer")
    assert sorted(name for box in drawn.content.boxes for name in box.nodes) == sorted(n.name for n in graph.nodes)


def test_figure_2_of_the_paper() -> None:
    reduced = il.diagram("googlenet", module="inception_3a", style="paper")
    assert sorted(text[0] for text in lines(reduced)) == sorted(
        ["Previous layer", *4 * ["1x1 convolutions"], "3x3 convolutions", "5x5 convolutions", "3x3 max pooling",
         "Filter concatenation"]
    )  # fmt: skip
    assert [box.kind for box in reduced.content.boxes].count("reduction") == 3
    naive = il.diagram("googlenet@naive", module="inception_3a", style="paper")
    assert sorted(text[0] for text in lines(naive)) == sorted(
        ["Previous layer", "1x1 convolutions", "3x3 convolutions", "5x5 convolutions", "3x3 max pooling",
         "Filter concatenation"]
    )  # fmt: skip


def test_the_boxes_of_a_module_in_plain_style() -> None:
    drawn = il.diagram("googlenet", module="inception_3a")
    assert ("pool2/3x3_s2", "192x28x28") in lines(drawn)
    assert ("5x5_reduce", "conv 1x1, 16") in lines(drawn)
    assert ("output", "256x28x28") in lines(drawn)
    assert ("5x5_reduce", "5x5", ()) in arrows(drawn)


def test_a_reduction_is_what_the_savings_count_as_one() -> None:
    """A 1x1 convolution that increases the channels before a larger kernel is not a reduction."""
    writer = Writer([Input("x", TensorType((1, 4, 8, 8)))])
    wide = writer.add("block/wide", Conv2d(16, (1, 1)), "x")
    narrow = writer.add("block/narrow", Conv2d(2, (1, 1)), writer.add("block/3x3", Conv2d(16, (3, 3)), wide))
    drawn = diagram(writer.graph([Output(writer.add("block/5x5", Conv2d(4, (5, 5)), narrow))]), module="block")
    assert [box(drawn, name).kind for name in ("wide", "3x3", "narrow", "5x5")] == ["conv", "conv", "reduction", "conv"]


def test_level_module_without_a_name_draws_the_first_branching_module() -> None:
    assert il.diagram("googlenet", level="module").content.title == ("inception_3a of googlenet",)
    assert il.diagram("vgg16", level="module").content.boxes


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"`inception_3c` is not a module of `googlenet` .*inception_3"):
        il.diagram("googlenet", module="inception_3c")
    with pytest.raises(ConfigError, match="leave out the module `inception_3a`, or the level"):
        il.diagram("googlenet", module="inception_3a", level="layer")


def test_consecutive_equal_blocks_are_folded() -> None:
    drawn = il.diagram("resnet152", fold=True)
    assert ("res3_2 to res3_36  x 35", "3 conv") in lines(drawn)
    assert ("res3_1", "res3_2 to res3_36  x 35", ("1024x14x14",)) in arrows(drawn)
    assert ("res3_2 to res3_36  x 35", "res4_1", ("1024x14x14",)) in arrows(drawn)
    assert len(il.diagram("googlenet", fold=True).content.boxes) == len(il.diagram("googlenet").content.boxes)


def test_folded_layers_are_drawn_once_and_connected_to_the_next_layer() -> None:
    drawn = diagram(vit(), level="layer", fold=True)
    assert drawn.content.panels == ("encoder/layers/encoder_layer_0  x 4",)
    assert ("add_1", "encoder/ln", ()) in arrows(drawn)
    assert ("conv_proj", "ln_1", ()) in arrows(drawn)
    assert len(box(drawn, "mlp/0").nodes) == 2 * 4
    stages = [text[0] for text in lines(diagram(resnet(), fold=True)) if " x " in text[0]]
    assert stages == ["1 to 2  x 2"]


def test_the_error_for_too_many_boxes_names_options_with_fewer() -> None:
    with pytest.raises(ConfigError, match=r"8,000 boxes.*--level network draws 1,000.*--fold.*--module inception_0"):
        diagram(chain(1_000), level="layer")
    with pytest.raises(ConfigError, match=r"level network .* 12,500 boxes.*--fold"):
        diagram(flat(12_500))


def test_a_thousand_modules_are_drawn() -> None:
    drawn = diagram(chain(1_000))
    assert drawn.draw("svg").count(b'class="node"') == 1_002
    assert len(diagram(chain(1_000), fold=True).content.boxes) == 3


def test_heat_is_the_sum_over_the_nodes_of_a_box() -> None:
    analysis = il.analyze("googlenet")
    drawn = diagram(analysis, heat="macs")
    assert box(drawn, "conv2").text[-1] == "359.7 M"
    assert box(drawn, "conv2").fill == heat_color(1.0, LIGHT)
    assert box(drawn, "pool2").fill == heat_color(0.0, LIGHT)
    assert drawn.content.legend_title == "MACs: 0"
    assert [swatch.text for swatch in drawn.content.legend][-1] == "359.7 M"
    assert box(diagram(analysis, heat="macs", dark=True), "conv2").fill == heat_color(1.0, DARK)
    folded = il.diagram("resnet152", fold=True, heat="params")
    assert box(folded, "res3_2 to res3_36  x 35").text[-1] == "39.10 M"


def test_heat_of_the_receptive_field_is_the_maximum() -> None:
    assert box(il.diagram("googlenet", heat="receptive_field"), "inception_3a").text[-1] == "59"
    assert box(il.diagram("googlenet", heat="activations"), "conv1").text[-1] == "3.21 MB"


def test_heat_by_given_numbers() -> None:
    seconds = {"conv1/7x7_s2": 0.5, "pool1/3x3_s2": None, "conv2/3x3": float("nan"), "inception_3a/1x1": 0.25}
    drawn = diagram(il.load("googlenet"), heat=seconds, heat_title="seconds")
    assert box(drawn, "conv1").text[-1] == "0.5"
    assert box(drawn, "inception_3a").text[-1] == "0.25"
    assert box(drawn, "pool1").text[-1] == box(drawn, "conv2").text[-1] == "unknown"
    assert drawn.content.legend[-1].text == "unknown"


def test_panels_contain_only_consecutive_modules() -> None:
    assert diagram(unet()).content.panels == ("unet/up",)
    assert diagram(resnet()).content.panels == ("backbone/body", "backbone/body/layer1", "backbone/body/layer2")


def test_an_unknown_operation_is_drawn() -> None:
    from tests.renderers.diagrams.test_dot import named

    drawn = diagram(named("op"), heat="macs", level="layer")
    assert "at least" in drawn.content.title[1]
    assert "unknown" in [text[-1] for text in lines(drawn)]


def test_unknown_parameters_are_shown() -> None:
    type_ = TensorType((1, 3, 4, 4))
    nodes = [Node("a", Conv2d(3, (1, 1)), ("x",)), Node("b", Unknown("op", (type_,), params_known=False), ("a",))]
    graph = Graph.of([Input("x", type_)], nodes, [Output("b")])
    drawn = diagram(graph, heat="params", level="layer")
    assert "at least 12 parameters, at least 144" in drawn.content.title[1]
    assert [text[-1] for text in lines(drawn)].count("unknown") == 1
    figure = modules_figure(analyze(graph))
    assert "at least 12 parameters and at least" in figure.get_suptitle()


def test_a_graph_and_its_analysis_have_the_same_diagram() -> None:
    graph = il.load("lenet")
    assert diagram(graph).dot == diagram(analyze(graph)).dot
