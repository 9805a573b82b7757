"""Whether the paper adds up: every figure of Table 1, under every convention, and what an article says."""

from typing import Any

import pytest

import inception_lens as il
from inception_lens.analyses.paper.check import PaperCheck, check_paper
from inception_lens.analyses.paper.table1 import TABLE_1, Convention, fits
from inception_lens.architectures.googlenet import PAPER
from inception_lens.graph import Graph
from inception_lens.lens import source_of
from tests.analyses.compare.compared import renamed


def check(model: str = "googlenet", **overrides: str) -> PaperCheck:
    inference, training = source_of(model, overrides).both_modes()
    return check_paper(inference, training)


def row(found: PaperCheck, module: str) -> Any:
    return next(each for each in found.table.rows if each.printed.module == module)


PAPERS = check()

# weights, weights and biases, MACs; conventions that give the printed figures (K = 1024; M = 10^6)
RECOMPUTED = {
    "conv1": (9_408, 9_472, 118_013_952),
    "conv2": (114_688, 114_944, 359_661_568),
    "inception_3a": (163_328, 163_696, 128_049_152),
    "inception_3b": (388_096, 388_736, 304_267_264),
    "inception_4a": (375_552, 376_176, 73_608_192),
    "inception_4b": (448_512, 449_160, 87_908_352),
    "inception_4c": (509_440, 510_104, 99_850_240),
    "inception_4d": (604_672, 605_376, 118_515_712),
    "inception_4e": (867_328, 868_352, 169_996_288),
    "inception_5a": (1_042_432, 1_043_456, 51_079_168),
    "inception_5b": (1_442_816, 1_444_080, 70_697_984),
    "loss3": (1_024_000, 1_025_000, 1_024_000),
}
PARAMS = {
    "conv2": {("rounded", False), ("truncated", False), ("rounded up", False), ("rounded", True), ("truncated", True)},
    "inception_3a": {("truncated", False), ("truncated", True)},
    "inception_3b": {("rounded", True), ("rounded up", True)},
    "loss3": {("rounded", False), ("truncated", False), ("rounded up", False), ("truncated", True)},
}
OPS = {
    "conv2": {"rounded", "rounded up"}, "inception_3a": {"rounded", "truncated"},
    "inception_3b": {"rounded", "truncated"},
    "inception_4a": {"truncated"}, "inception_4b": {"rounded", "rounded up"}, "inception_4c": {"rounded", "rounded up"},
    "inception_4d": {"rounded", "rounded up"}, "inception_4e": {"rounded", "rounded up"},
    "inception_5b": {"rounded", "rounded up"}, "loss3": {"rounded", "truncated"},
}  # fmt: skip


@pytest.mark.parametrize("module", RECOMPUTED)
def test_each_row_is_recomputed(module: str) -> None:
    found = row(PAPERS, module)
    assert (found.params.count, found.params.count + found.params.biases, found.ops.count) == RECOMPUTED[module]


@pytest.mark.parametrize("module", RECOMPUTED)
def test_conventions_are_found(module: str) -> None:
    """As an independent search found them."""
    found = row(PAPERS, module)
    assert {(each.rounding, each.biases) for each in found.params.conventions} == PARAMS.get(module, set())
    assert {each.unit for each in found.params.conventions} <= {1024}
    million = {each.rounding for each in found.ops.conventions if each.unit == 10**6}
    assert million == OPS.get(module, set())
    binary = {each.rounding for each in found.ops.conventions if each.unit == 2**20}
    assert binary == ({"rounded", "rounded up"} if module == "loss3" else set())


def test_what_is_known_of_the_rest_is_found_too() -> None:
    conv1 = row(PAPERS, "conv1")
    assert conv1.params.note == "a separable 7x7 with depth multiplier 8 costs 2,712 weights"
    assert conv1.ops.note == "a separable 7x7 with depth multiplier 8 costs 34,019,328 MACs"
    for module, widths in (("inception_4a", "a 5x5 of 40 gives both"), ("inception_5a", "no single one gives both")):
        note = row(PAPERS, module).params.note
        assert "the two figures of the row agree with each other, as if counted for other widths" in note
        assert widths in note
    off = {"4a": "2.8 K less", "4b": "1.0 K less", "4c": "34.5 K less", "4d": "10.5 K less", "4e": "7.0 K less"}
    for name, words in {**off, "5a": "54.0 K more", "5b": "21.0 K less"}.items():
        assert row(PAPERS, f"inception_{name}").params.note.startswith(f"printed {words}")


def test_a_4a_with_a_5x5_of_40_has_both_printed_figures() -> None:
    other = row(check(**{"inception_4a/5x5": "40"}), "inception_4a")
    assert (other.params.verdict, other.ops.verdict) == ("reproduced", "reproduced")


def test_the_paper_deviates_in_known_ways_only() -> None:
    verdicts = {found.printed.module: found.verdict for found in PAPERS.table.rows}
    known = {"conv1", *(f"inception_{name}" for name in ("4a", "4b", "4c", "4d", "4e", "5a", "5b"))}
    assert verdicts == {found.module: "known" if found.module in known else "reproduced" for found in TABLE_1}
    assert PAPERS.holds
    totals = PAPERS.totals
    assert (totals.weights, totals.biases, totals.macs) == (6_990_272, 8_280, 1_582_671_872)
    assert PAPERS.table.best_params == (Convention(1024, "truncated"), 3)
    assert PAPERS.table.best_ops == (Convention(10**6, "rounded"), 9)


def test_the_printed_rows_are_those_of_the_catalogue() -> None:
    graph = PAPER.graph()
    modules = list(dict.fromkeys(node.name.partition("/")[0] for node in graph.nodes))
    assert [found.module for found in TABLE_1] == modules
    assert sum(float(found.params[:-1]) for found in TABLE_1 if found.params) == pytest.approx(6797.7)
    assert sum(float(found.ops[:-1]) for found in TABLE_1 if found.ops) == 1502


def test_rows_are_found_whatever_the_calls_are_called() -> None:
    graph = il.load("googlenet")
    found = check_paper(renamed(graph), renamed(il.load("googlenet", mode="training")))
    assert found.holds
    assert [each.verdict for each in found.table.rows] == [each.verdict for each in PAPERS.table.rows]


@pytest.mark.parametrize(
    ("model", "overrides", "rows"),
    [
        ("googlenet@caffe", {}, set()),
        ("googlenet", {"inception_3a/5x5_reduce": "24"}, {"inception_3a"}),
        ("googlenet", {"inception_3a/1x1": "65"}, {"inception_3a", "inception_3b"}),
        ("googlenet", {"bias": "false"}, {"inception_3b"}),  # 380K is printed with biases
        ("googlenet", {"classes": "10"}, {"loss3", "prob"}),
        ("googlenet", {"last_pool": "2"}, {"pool4"}),
        ("googlenet", {"dropout": "0.5"}, {"dropout"}),
        ("googlenet", {"dropout": "0"}, {"dropout"}),
        ("googlenet", {"softmax": "false"}, {"prob"}),
        ("googlenet", {"final_pool": "7x7/1"}, set()),
        ("googlenet", {"norm": "none"}, set()),  # the table says nothing of it
        (
            "googlenet@torchvision",
            {},
            {"pool4", "dropout", "prob", *(found.module for found in TABLE_1 if found.type.startswith("inception"))},
        ),
    ],
)
def test_other_networks_are_told_by_row(model: str, overrides: dict[str, str], rows: set[str]) -> None:
    found = check(model, **overrides)
    assert {each.printed.module for each in found.table.rows if each.verdict == "differs"} == rows
    assert found.table.holds == (not rows)


def test_a_layer_that_differs_is_named() -> None:
    found = row(check(**{"inception_3a/5x5_reduce": "24"}), "inception_3a")
    assert found.deviations == ("inception_3a/5x5_reduce has a width of 24, not 16",)
    kernel = row(check("googlenet@torchvision"), "inception_3a").deviations
    assert kernel == ("inception_3a/5x5_branch_3x3 has a kernel of 3x3, not 5x5",)


@pytest.mark.parametrize("model", ["vgg16", "lenet", "inception_v3", "nin", "xception", "resnet18"])
def test_any_network_can_be_put_beside_it(model: str) -> None:
    found = check(model)
    assert not found.holds
    found.to_json()


def test_fits_is_exact() -> None:
    assert {str(each) for each in fits("2.7K", 2712)} == {
        "K = 1000, rounded",
        "K = 1000, truncated",
        "K = 1024, rounded up",
    }
    assert not list(fits("112K", 112 * 1024 + 1024))
    assert [each.rounding for each in fits("1M", 10**6)][:3] == ["rounded", "truncated", "rounded up"]


def test_what_the_article_says() -> None:
    claims = {each.topic: (each.claim, each.found, each.verdict) for each in PAPERS.statements}
    assert claims["96 filters of 5x5 on 28x28x192"] == ("460,800 weights", "460,800 weights", "holds")
    assert claims["the same after 32 filters of 1x1"] == ("82,944 weights", "82,944 weights", "holds")
    assert claims["the saving"] == ("1/5.5", "1/5.56", "holds")
    assert claims["P1"] == ("56", "56", "holds")
    assert claims["C2, layers"][2] == claims["3a, pool branch"][2] == claims["3b, pool branch"][2] == "corrected"
    assert claims["C2, layers"][1] == "two: of 4,096 and 110,592 weights"
    assert claims["padding marks"][2] == "holds"
    assert claims["average pooling"][2] == "unchecked"
    notes = {each.topic: each.note for each in PAPERS.statements}
    assert "down is 55" in notes["P1"]
    assert "the ratio is 5.5556" in notes["the saving"]
    assert "331,776" in notes["3a, pool branch"]
    assert "2 before and 3 after" in notes["padding marks"]


@pytest.mark.parametrize(
    ("overrides", "topic"),
    [
        ({"rounding": "floor"}, "P1"),
        ({"padding": "same"}, "C1"),
        ({"stem.conv2_reduce": "none"}, "C2, layers"),
        ({"aux_head.dropout": "0.5"}, "heads on 4a and 4d"),
        ({"activation": "gelu"}, "activations"),
        ({"classifier": "conv"}, "the end"),
    ],
)
def test_a_network_that_is_not_the_article_s(overrides: dict[str, str], topic: str) -> None:
    try:
        found = check(**overrides)
    except il.InceptionLensError as error:
        pytest.fail(str(error))
    assert {each.topic: each.verdict for each in found.statements}[topic] == "differs"
    assert not found.holds


def test_a_network_without_heads_leaves_them_unchecked() -> None:
    graph: Graph = il.load("googlenet")
    found = check_paper(graph, graph)
    assert {each.topic: each.verdict for each in found.statements}["heads on 4a and 4d"] == "unchecked"
    assert found.holds
