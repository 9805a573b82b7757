"""The public functions: what a model can be, and how results show themselves."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import inception_lens as il
from inception_lens.analyses.compare.records import Comparison
from inception_lens.analyses.savings.network import Savings
from inception_lens.architectures.catalogue import entries
from inception_lens.architectures.googlenet import PAPER
from inception_lens.architectures.network import Network
from inception_lens.errors import ConfigError, GraphError, ShapeError, UnknownModelError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.lens import source_of
from inception_lens.lens.keys import Keys
from inception_lens.ops import Add, Conv2d, TensorType, Unknown

IMAGE = TensorType((1, 3, 8, 8))
TWO_INPUTS = Graph.of(
    [Input("left", IMAGE), Input("right", IMAGE)], [Node("sum", Add(), ("left", "right"))], [Output("sum")]
)


class Tensor:
    """An object with a shape."""

    shape = (2, 3, 64, 64)


def config_file(folder: Path, text: str = "classes = 10") -> Path:
    path = folder / "net.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_name_a_config_and_a_graph_are_the_same_network() -> None:
    graph = il.load("googlenet")
    assert graph == il.load(PAPER) == il.load(il.GoogLeNet()) == il.load(graph) == PAPER.graph()


def test_a_config_file_is_a_path_or_text(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    assert il.load(path) == il.load(str(path)) == il.load("googlenet", classes=10)


def test_a_graph_names_its_source(tmp_path: Path) -> None:
    sources = [
        il.load("googlenet").metadata.source,
        il.load(config_file(tmp_path)).metadata.source,
        TWO_INPUTS.metadata.source,
    ]
    assert sources == ["catalogue", "config", "python"]
    assert il.load(config_file(tmp_path)).name == "net"


def test_training_keeps_the_heads() -> None:
    assert len(il.load("googlenet", mode="training").outputs) == 3
    assert len(il.load("googlenet").outputs) == 1


def test_overrides_are_keys_of_the_config() -> None:
    graph = il.load("googlenet", classes=10, overrides={"inception_3a/5x5_reduce": 24, "stem.conv1": 32})
    assert graph.types["loss3/classifier"][0].shape == (1, 10)
    assert graph.types["inception_3a/5x5_reduce"][0].shape == (1, 24, 28, 28)
    assert graph.types["conv1/7x7_s2"][0].shape == (1, 32, 112, 112)


def test_overrides_change_a_config_file(tmp_path: Path) -> None:
    path = config_file(tmp_path, 'classes = 10\nnorm = "none"')
    assert il.load(path, classes=7) == il.load("googlenet", classes=7, norm="none")
    assert il.load(path, overrides={"classes": "7"}) == il.load(path, classes=7)


@pytest.mark.parametrize(
    ("inputs", "shape"),
    [
        (None, (1, 3, 224, 224)),
        ((2, 1, 64, 96), (2, 1, 64, 96)),
        ([2, 1, 64, 96], (2, 1, 64, 96)),
        ((1, 64, 96), (1, 1, 64, 96)),
        ([(2, 3, 64, 64)], (2, 3, 64, 64)),
        ({"input": (2, 3, 64, 64)}, (2, 3, 64, 64)),
        ([Tensor()], (2, 3, 64, 64)),
        ({"input": Tensor()}, (2, 3, 64, 64)),
    ],
)
def test_an_input_is_a_shape_or_has_one(inputs: Any, shape: tuple[int, ...]) -> None:
    assert il.load("googlenet", inputs).types["input"][0].shape == shape


def test_a_graph_takes_other_inputs_in_order_or_by_name() -> None:
    wide, shapes = (2, 3, 8, 16), {"left": (2, 3, 8, 16), "right": (2, 3, 8, 16)}
    assert il.load(TWO_INPUTS, [wide, wide]) == il.load(TWO_INPUTS, shapes)
    assert il.load(TWO_INPUTS, shapes).types["sum"][0].shape == wide
    assert il.load(TWO_INPUTS) is TWO_INPUTS


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((1, 3, 0, 224), "Expected `int` >= 1"),
        ((0, 3, 224, 224), "at least 1"),
        ((3, 224), "1x3x224x224"),
        ((1, 1, 3, 224, 224), "1x3x224x224"),
        ((), "1x3x224x224"),
        ("1x3x224x224", "is not a shape"),
        ((1.0, 3, 64, 64), "is not a shape"),
        ((1, 3, 10, 10), "the smallest square input that works is 3x31x31"),
    ],
)
def test_an_invalid_input_is_an_error(inputs: Any, message: str) -> None:
    with pytest.raises(il.InceptionLensError, match=message):
        il.load("googlenet", inputs)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([(1, 3, 8, 8)], ConfigError, "takes 2 inputs, not 1"),
        ({"lft": (1, 3, 8, 8)}, ConfigError, "did you mean `left`"),
        ([(1, 3, 8, 8), (1, 3, 9, 9)], ShapeError, "`sum`"),
    ],
)
def test_inputs_that_do_not_fit_a_graph_are_an_error(inputs: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        il.load(TWO_INPUTS, inputs)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("googlnet", "did you mean `googlenet`"),
        ("googlenet@torchvison", "did you mean `googlenet@torchvision`"),
        ("net.prototxtt", "is not a file that can be read"),
        ("folder/net", "is not a file that can be read"),
    ],
)
def test_an_unknown_model_error_suggests_the_nearest(model: str, message: str) -> None:
    with pytest.raises(UnknownModelError, match=message):
        il.load(model)


def test_the_keywords_are_the_top_level_keys_of_all_configs() -> None:
    known = {type(entry.config): entry.config for entry in entries()}
    assert set().union(*(config.__struct_encode_fields__ for config in known.values())) == Keys.__optional_keys__
    assert set(known) == {*Network.__subclasses__()}


def test_a_graph_has_no_keys_to_override() -> None:
    with pytest.raises(ConfigError, match="no keys to override: classes"):
        il.load(TWO_INPUTS, classes=10)
    with pytest.raises(UnknownModelError, match="the Graph `network` has no config"):
        assert source_of(TWO_INPUTS).config


def test_analyze_takes_inputs_mode_and_batch() -> None:
    analysis = il.analyze("googlenet", (1, 3, 64, 64), mode="training", batch=4)
    assert analysis.graph.mode == "training"
    assert analysis.graph.types["input"][0].shape == (4, 3, 64, 64)
    assert {output.node for output in analysis.graph.outputs} >= {"aux1/classifier", "aux2/classifier"}


def test_a_graph_keeps_its_mode_and_batch_by_default() -> None:
    graph = il.load("googlenet", (2, 3, 64, 64), mode="training")
    assert il.analyze(graph).graph == graph
    assert il.analyze(graph, mode="inference").graph.mode == "inference"
    assert il.analyze(graph, batch=1).graph.types["input"][0].shape == (1, 3, 64, 64)


def test_a_batch_has_at_least_one_sample() -> None:
    with pytest.raises(GraphError, match="at least 1 sample"):
        il.analyze("googlenet", batch=0)


def test_summary_prints_the_table_and_returns_the_analysis(capsys: pytest.CaptureFixture[str]) -> None:
    analysis = il.summary("googlenet", (1, 3, 64, 64))
    out = capsys.readouterr().out
    assert analysis.totals.params == 6_998_552
    assert "6,998,552" in out
    assert "input 1x3x64x64" in out


def test_a_graph_written_by_hand_is_analysed() -> None:
    graph = Graph.of([Input("x", IMAGE)], [Node("conv", Conv2d(4, (3, 3)), ("x",))], [Output("conv")])
    totals = il.analyze(graph).totals
    assert (totals.params, totals.macs) == (3 * 4 * 9 + 4, 4 * 36 * 27)


def test_json_holds_any_name_exactly_and_unknown_values_as_null() -> None:
    names = [
        "</script><script>alert(1)</script>",
        "=cmd()",
        '"q"\\\'',
        "a\nb",
        "\x1b[31mred",
        "[red]",
        "|{}",
        "\u2028é",
    ]
    nodes = [Node(name, Conv2d(3, (1, 1)), (before,)) for before, name in zip(["x", *names], names, strict=False)]
    nodes[1] = Node(names[1], Unknown("<Odd>", (IMAGE,)), (names[0],))
    graph = Graph.of([Input("x", IMAGE)], nodes, [Output(names[-1])])
    given = msgspec.json.decode(il.analyze(graph).to_json())
    assert [layer["name"] for layer in given["layers"]] == names
    assert (given["layers"][1]["op"], given["layers"][1]["macs"], given["layers"][1]["flops"]) == ("<Odd>", None, None)
    assert given["uncounted"] == [{"name": "=cmd()", "op": "<Odd>"}]
    assert given["totals"]["exact"] is False
    assert given["totals"]["macs"] == (len(names) - 1) * 3 * 3 * 64


def check_forms(result: il.Analysis | Savings | Comparison, line: str, cell: str) -> None:
    assert repr(result) == line
    assert cell in str(result)
    assert str(result).count("\n") > 3
    assert "<table" in result._repr_html_()


def test_a_result_is_one_line_as_repr_and_its_table_as_text_and_html() -> None:
    check_forms(il.analyze("lenet"), "<Analysis of 'lenet': 61,706 parameters, 416,520 MACs>", "61,706")
    check_forms(il.savings("resnet50"), "<Savings of 'resnet50': reductions, naive>", "res2_1")
    comparison = il.compare("googlenet", "googlenet", overrides_b={"inception_3a/5x5_reduce": 24})
    check_forms(comparison, "<Comparison of 'googlenet' and 'googlenet': 2 changes>", "+6,400")


def test_a_notebook_shows_a_graph_from_any_public_name() -> None:
    code = "import inception_lens as il; print(il.Graph._repr_svg_, il.GoogLeNet().graph()._repr_svg_()[:5])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "<?xml" in done.stdout
