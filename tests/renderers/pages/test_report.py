"""The report without a browser: the text and data of the page, and the files next to it."""

import base64
import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest

import inception_lens as il
from inception_lens.analyses import analysis as analysis_module
from inception_lens.analyses.analysis import analyze
from inception_lens.analyses.costs import Costs, costs
from inception_lens.graph import Graph, Input, Output, Writer
from inception_lens.ops import UNKNOWN_SIZE, Concat, Linear, TensorType, Unknown
from inception_lens.renderers.pages.data import embedded, report_data
from inception_lens.renderers.pages.diagram import MAX_INSIDE, MAX_MODULES, PageDiagram, page_diagram
from inception_lens.renderers.pages.report import FILES, SCRIPTS, Report
from inception_lens.renderers.templates import asset
from tests.renderers.models import flat, resnet, unet, vit


@pytest.fixture(scope="module")
def report() -> Report:
    return il.report("googlenet", against="googlenet@naive", png=True)


def boxes(picture: PageDiagram) -> list[int]:
    """The nodes that closed boxes represent when every box is open that can be."""
    found: list[int] = []
    for box in picture.boxes:
        found += boxes(box.inside) if box.inside else box.nodes
    return found


def test_the_page_is_small_enough_to_mail(report: Report) -> None:
    assert len(report.html.encode()) < 400_000


def test_the_policy_allows_only_the_scripts_and_styles_of_the_page(report: Report) -> None:
    html = report.html
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    assert found
    policy = dict(rule.strip().split(" ", 1) for rule in found[1].split(";"))
    assert policy["default-src"] == "'none'"
    for rule, tag in (("script-src", "<script>"), ("style-src", "<style>")):
        text = html.split(tag, 1)[1].split(tag.replace("<", "</"), 1)[0]
        assert policy[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert "unsafe" not in found[1]
    assert policy["img-src"] == "data:"
    assert not re.search(r"""\s(on\w+|style)=["']""", html)
    assert {text[:5] for text in re.findall(r'(?:src|srcset)="([^"]*)"', html)} == {"data:"}
    assert set(re.findall(r'href="([^"#][^"]*)"', html)) <= {*FILES, "data:,"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_never_parses_markup_or_text_as_code(name: str) -> None:
    text = asset(f"report/{name}.js")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|fetch\(", text)
    assert "://" not in text.replace('"http://www.w3.org/2000/svg"', "")


def test_the_script_has_short_lines_and_no_unused_function() -> None:
    texts = [asset(f"report/{name}.js") for name in SCRIPTS]
    assert max(len(line) for text in texts for line in text.splitlines()) <= 120
    assert max(text.count("\n") for text in texts) <= 300
    whole = "\n".join(texts)
    for name in re.findall(r"^ *(?:function|const) (\w+)", whole, re.MULTILINE):
        assert len(re.findall(rf"\b{name}\b", whole)) > 1, name


def test_data_cannot_end_its_element() -> None:
    text = embedded({"name": "</script><!--&\u2028\u2029"})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"name": "</script><!--&\u2028\u2029"}


def test_the_page_is_the_same_on_every_run() -> None:
    assert il.report("lenet").html == il.report("lenet").html


def test_the_data_are_the_exact_numbers_of_the_analysis() -> None:
    analysis = analyze(il.load("googlenet"))
    data = json.loads(embedded(report_data(analysis, page_diagram(analysis.graph))))
    keys = [column["key"] for column in data["columns"]]
    leaves = {tuple(row["nodes"]): row for row in data["rows"]}
    for i, layer in enumerate(analysis.layers):
        row = dict(zip(keys, leaves[(i,)]["values"], strict=True))
        assert (row["params"], row["macs"], row["flops"]) == (layer.params, layer.macs, layer.flops)
        assert row["receptive_field"] == layer.receptive_field
    tops = [row for row in data["rows"] if row["level"] == 0]
    assert sum(row["values"][keys.index("macs")] for row in tops) == analysis.totals.macs


@pytest.mark.parametrize("graph", [resnet(), unet(), vit(), flat(5), il.load("googlenet", mode="training")], ids=str)
def test_every_call_is_in_one_box(graph: Graph) -> None:
    assert sorted(boxes(page_diagram(graph))) == list(range(len(graph.nodes)))


def test_boxes_are_inside_their_diagram() -> None:
    picture = page_diagram(il.load("googlenet", mode="training"))
    for each in (picture, *[box.inside for box in picture.boxes if box.inside]):
        for box in each.boxes:
            assert 0 <= box.x - box.width / 2 < box.x + box.width / 2 <= each.width
            assert 0 <= box.y - box.height / 2 < box.y + box.height / 2 <= each.height
        assert len(each.arrows) >= len(each.boxes) - 1


def test_a_network_with_many_modules_is_shown_in_runs_that_never_read_a_later_run() -> None:
    graph = flat(MAX_MODULES + 1)
    picture = page_diagram(graph)
    assert "1,202 layers in 241 runs" in picture.note
    assert sorted(boxes(picture)) == list(range(1202))
    assert all(picture.boxes[arrow.tail].y < picture.boxes[arrow.head].y for arrow in picture.arrows)


def test_a_module_with_too_many_layers_does_not_open() -> None:
    net, x = Writer([Input("x", TensorType((1, 4)))]), "x"
    for name, wide in (("first", 3), ("second", MAX_INSIDE), ("third", MAX_INSIDE)):
        x = net.add(f"{name}/cat", Concat(), *[net.add(f"{name}/fc{i}", Linear(2), x) for i in range(wide)])
    modules = [box for box in page_diagram(net.graph([Output(x)])).boxes if box.nodes]
    assert [box.text[0] for box in modules] == ["first", "second", "third"]
    assert [box.inside is not None for box in modules] == [True, False, False]


def test_the_files_are_those_that_the_page_lists(report: Report) -> None:
    assert list(report.files)[-1] == "index.html"
    assert {*report.files} == {*FILES, "index.html"}
    assert report.files["network.png"].startswith(b"\x89PNG")
    assert json.loads(report.files["analysis.json"])["totals"]["macs"] == 1_582_671_872
    for name in FILES:
        assert f'href="{name}"' in report.html


def test_save_writes_every_file(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "report")
    assert {path.name: path.read_bytes() for path in (tmp_path / "report").iterdir()} == report.files


def test_the_page_states_that_there_are_no_reductions() -> None:
    assert "reductions save nothing" in il.report("lenet").html


def test_a_network_without_image_input_has_a_page() -> None:
    net = Writer([Input("x", TensorType((2, 4)))])
    report = il.report(net.graph([Output(net.add("fc", Linear(3), "x"))]))
    assert "receptive field of an input" not in report.html
    assert msgspec.json.decode(report.files["analysis.json"])["totals"]["params"] == 15


def test_unknown_sizes_are_null_in_the_data_and_lower_bounds_on_the_page() -> None:
    net = Writer([Input("x", TensorType((1, 4)))])
    boxes = net.add("boxes", Unknown("Boxes", (TensorType((UNKNOWN_SIZE, 4)),)), "x")
    graph = net.graph([Output(net.add("fc", Linear(3), boxes))])
    data = json.loads(embedded(report_data(analyze(graph), page_diagram(graph))))
    keys = [column["key"] for column in data["columns"]]
    values = {row["name"]: dict(zip(keys, row["values"], strict=True)) for row in data["rows"]}
    assert data["live_bytes"] == [None, None]
    assert (values["fc"]["params"], values["fc"]["macs"], values["fc"]["activation_bytes"]) == (15, None, None)
    assert "at least 0 bytes" in il.report(graph).html


def test_no_graph_is_analysed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Graph] = []

    def count_once(graph: Graph) -> Costs:
        assert graph not in counted
        counted.append(graph)
        return costs(graph)

    monkeypatch.setattr(analysis_module, "costs", count_once)
    assert il.report("googlenet", against="googlenet@torchvision").files
    # Both networks in both modes, and googlenet without reductions and with naive modules.
    assert len(counted) == 6
