"""What savings say is the difference of two analyses, and agrees with the papers."""

import json
from functools import cache
from typing import Any

import pytest

import inception_lens as il
from inception_lens.analyses.machines import machine
from inception_lens.analyses.savings.branch import Branch, branch_savings
from inception_lens.analyses.savings.changes import branch_sweep, network_sweep, what_if
from inception_lens.analyses.savings.figures import INTEGERS, Counted
from inception_lens.analyses.savings.kinds import KINDS
from inception_lens.analyses.savings.network import Saving, Savings
from inception_lens.errors import ConfigError, GraphError
from inception_lens.graph import Graph, Input, Node, Output
from inception_lens.ops import Concat, Conv2d, MaxPool2d, ReLU, Reshape, TensorType, Unknown
from inception_lens.tables.savings.network import savings_table

MODELS = [
    "googlenet", "googlenet@torchvision", "inception_v2", "inception_v3", "inception_v4", "inception_resnet_v2",
    "xception", "resnet50", "vgg16", "alexnet", "nin", "lenet",
]  # fmt: skip

NARROWER: dict[str, Any] = {"inception_4e/5x5_reduce": 16}

ARTICLE = Branch(in_channels=192, out_channels=96, kernel=(5, 5), reduce=32, size=(28, 28))

TABLE_1 = {  # arXiv 1409.4842, Table 1: channels in, #3x3 reduce, #3x3, #5x5 reduce, #5x5, positions
    "3a": (192, 96, 128, 16, 32, 784), "3b": (256, 128, 192, 32, 96, 784), "4a": (480, 96, 208, 16, 48, 196),
    "4b": (512, 112, 224, 24, 64, 196), "4c": (512, 128, 256, 24, 64, 196), "4d": (512, 144, 288, 32, 64, 196),
    "4e": (528, 160, 320, 32, 128, 196), "5a": (832, 160, 320, 32, 128, 49), "5b": (832, 192, 384, 48, 128, 49),
}  # fmt: skip


@cache
def every(model: str) -> Savings:
    return il.savings(model, kinds=["all"])


def one(model: str, kind: str) -> Saving:
    saving = every(model).of(kind)
    assert saving is not None
    return saving


def test_the_article() -> None:
    found = branch_savings(ARTICLE)
    assert (found.direct.totals.params, found.reduced.totals.params) == (460_800, 82_944)
    assert (found.direct.totals.macs, found.reduced.totals.macs) == (361_267_200, 65_028_096)
    assert round(found.ratio["params"], 2) == round(found.ratio["macs"], 2) == 5.56
    assert json.loads(found.to_json()) == {
        "direct": {"params": 460_800, "macs": 361_267_200},
        "reduced": {"params": 82_944, "macs": 65_028_096},
        "ratio": {"params": 460_800 / 82_944, "macs": 460_800 / 82_944},
    }


@pytest.mark.parametrize("kernel", [(5, 5), (4, 4), (1, 7), (1, 1)])
def test_a_branch_with_biases_and_any_kernel(kernel: tuple[int, int]) -> None:
    found = branch_savings(Branch(in_channels=10, out_channels=6, kernel=kernel, reduce=3, size=(7, 5), bias=True))
    positions = kernel[0] * kernel[1]
    assert found.direct.totals.params == 10 * positions * 6 + 6
    assert found.reduced.totals.params == 30 + 3 + 3 * positions * 6 + 6
    assert found.reduced.totals.macs == 35 * (30 + 3 * positions * 6)


@pytest.mark.parametrize("sizes", [{"reduce": 0}, {"in_channels": -1}, {"kernel": (0, 5)}, {"size": (2**23, 2)}])
def test_a_branch_that_cannot_be(sizes: dict[str, object]) -> None:
    fields = {"in_channels": 8, "out_channels": 8, "kernel": (5, 5), "reduce": 4, "size": (9, 9)} | sizes
    with pytest.raises(ConfigError):
        branch_savings(Branch(**fields))  # type: ignore[arg-type]


def test_googlenets_reductions_by_hand() -> None:
    saving = one("googlenet", "reductions")
    changes = {site.name: site.change for site in saving.sites}
    assert len(changes) == 19
    saved_macs = saved_params = 0
    for module, (read, reduce3, made3, reduce5, made5, positions) in TABLE_1.items():
        for kernel, reduce, made in ((3, reduce3, made3), (5, reduce5, made5)):
            change = changes[f"inception_{module}/{kernel}x{kernel}_reduce"]
            direct, reduced = kernel**2 * read * made, read * reduce + kernel**2 * reduce * made
            assert (change.without.params, change.using.params) == (direct + made, reduced + reduce + made)
            assert (change.without.macs, change.using.macs) == (positions * direct, positions * reduced)
            saved_params += direct - reduced - reduce
            saved_macs += positions * (direct - reduced)
    stem = changes["conv2/3x3_reduce"]
    assert (stem.saved("params"), stem.saved("macs")) == (-4_160, -64 * 64 * 56 * 56)
    assert saving.total.saved("params") == saved_params - 4_160
    assert saving.total.saved("macs") == saved_macs - 64 * 64 * 56 * 56


def test_the_naive_network_is_the_catalogues_module_by_module() -> None:
    saving, wanted = one("googlenet", "naive"), il.analyze("googlenet@naive")
    assert saving.rewritten.totals == wanted.totals
    modules = {module.name: module.change.without for module in saving.modules}
    assert list(modules) == [group.name for group in wanted.by_module(1)]
    for group in wanted.by_module(1):
        for key in ("params", "buffers", "macs", "flops", "activation_bytes", "output_shape"):
            assert getattr(modules[group.name], key) == getattr(group, key)
    assert (saving.total.without.params, saving.total.without.macs) == (97_526_008, wanted.totals.macs)


@pytest.mark.parametrize("model", MODELS)
def test_every_figure_is_the_difference_of_two_analyses(model: str) -> None:
    assert every(model).savings
    for saving in every(model).savings:
        own, other = saving.network.totals, saving.rewritten.totals
        using, without = (own, other) if saving.direction == "saved" else (other, own)
        for key in INTEGERS:
            assert getattr(saving.total.using, key) == getattr(using, key)
            assert getattr(saving.total.without, key) == getattr(without, key)
            if key == "peak_activation_bytes":
                continue
            assert sum(module.change.saved(key) for module in saving.modules) == saving.total.saved(key)
            if saving.kind.name != "naive":  # there the modules grow by what is before them, too
                assert sum(site.change.saved(key) for site in saving.sites) == saving.total.saved(key), saving.kind
        groups = {group.name: group for group in saving.network.by_module(1)}
        for module in saving.modules:
            figures = module.change.using if saving.direction == "saved" else module.change.without
            for key in ("params", "macs", "activation_bytes") if module.name in groups else ():
                assert getattr(figures, key) == getattr(groups[module.name], key)
        seconds = sum(module.change.saved("seconds") for module in saving.modules)
        assert seconds == pytest.approx(saving.total.saved("seconds"))


@pytest.mark.parametrize("model", MODELS)
def test_every_rewrite_ends_in_the_same_shape(model: str) -> None:
    for saving in every(model).savings:
        before, after = saving.network.graph, saving.rewritten.graph
        assert after.types[after.outputs[0].node] == before.types[before.outputs[0].node]


def test_which_network_has_what() -> None:
    has = {
        model: {saving.kind.name for saving in every(model).savings if saving.direction == "saved" and saving.sites}
        for model in MODELS
    }
    assert has["googlenet"] == {"reductions", "naive", "global-pooling", "aux-heads"}
    assert has["inception_v2"] >= {"3x3-pairs", "grid"}
    assert has["inception_v3"] >= {"asymmetric", "grid", "3x3-pairs"}
    assert "separable" in has["xception"]
    assert has["vgg16"] == {"3x3-pairs"}
    assert every("vgg16").missing == tuple(KINDS[k] for k in ("reductions", "naive", "grid", "aux-heads", "batch-norm"))


def test_known_savings() -> None:
    heads = one("googlenet", "aux-heads").total  # arXiv 1409.4842, section 5, as Caffe has them
    assert (heads.saved("params"), heads.saved("macs")) == (6_379_728, 8_372_224)
    vgg = every("vgg16").of("global-pooling", "possible")
    assert vgg is not None
    assert vgg.total.saved("params") == 123_642_856 - 513_000  # three linear layers against one
    assert one("googlenet@torchvision", "batch-norm").total.using.buffers == 0
    assert one("inception_v2", "3x3-pairs").total.without.macs > one("inception_v2", "3x3-pairs").total.using.macs


def test_a_batch_and_overrides_reach_the_network() -> None:
    saving = il.savings("googlenet", batch=4, classes=10).of("reductions")
    assert saving is not None
    assert saving.network.graph.inputs[0].type.shape[0] == 4
    assert saving.total.saved("macs") == 4 * one("googlenet", "reductions").total.saved("macs")
    assert saving.total.saved("params") == one("googlenet", "reductions").total.saved("params")


def test_the_json() -> None:
    given = json.loads(il.savings("googlenet").to_json())
    assert given["schema"] == "inception-lens/savings/1"
    assert (given["model"]["name"], given["machine"]["name"], given["machine"]["dtype"]) == (
        "googlenet", "H200 SXM", "bfloat16",
    )  # fmt: skip
    entry = next(each for each in given["reductions"] if each["name"] == "inception_3a/5x5_reduce")
    assert entry["nodes"] == ["inception_3a/5x5_reduce", "inception_3a/5x5_reduce/relu", "inception_3a/5x5"]
    assert entry["becomes"] == ["inception_3a/5x5"]
    assert (entry["module"], entry["channels"]) == ("inception_3a", [192, 16])
    assert (entry["with"]["params"], entry["without"]["params"]) == (15_920, 153_632)
    assert entry["saved"]["params"] == 153_632 - 15_920
    assert entry["ratio"]["params"] == 153_632 / 15_920
    for part in (given, given["naive"]):
        for key in ("params", "macs", "activation_bytes"):
            assert sum(module["saved"][key] for module in part["modules"]) == part["totals"]["saved"][key]
    assert given["naive"]["totals"]["without"]["params"] == 97_526_008
    several = json.loads(il.savings("inception_v3", kinds=["asymmetric", "separable"]).to_json())
    assert [(each["kind"], each["direction"]) for each in several["savings"]] == [
        ("asymmetric", "saved"), ("asymmetric", "possible"), ("separable", "possible"),
    ]  # fmt: skip
    assert json.loads(il.savings("lenet").to_json())["reductions"] == []


def test_what_nobody_knows_is_said() -> None:
    nodes = [
        Node("q", Conv2d(4, (1, 1)), ("x",)),
        Node("k", Conv2d(4, (3, 3), padding=(1, 1)), ("q",)),
        Node("u", Unknown("mystery", (TensorType((1, 4, 9, 9)),)), ("k",)),
    ]
    given = il.savings(Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("u")]))
    saving = given.of("reductions")
    assert saving is not None
    assert not saving.total.using.exact
    assert saving.sites[0].change.using.exact


def test_kinds_and_machines_that_are_not_there() -> None:
    with pytest.raises(ConfigError, match=r"`reduction` is not a kind of saving .did you mean `reductions`"):
        il.savings("googlenet", kinds=["reduction"])
    with pytest.raises(ConfigError, match="`h20` is not a known machine"):
        il.savings("googlenet", machine="h20")


# --- one width


def test_what_if_one_width_were_another() -> None:
    graph = il.load("googlenet")
    found = what_if(graph, {"inception_4e/5x5_reduce": 16}, machine())
    wanted = il.analyze(il.load("googlenet", overrides=NARROWER)).totals
    assert (found.total.using.params, found.total.using.macs) == (wanted.params, wanted.macs)
    assert found.total.saved("params") == 16 * 529 + 16 * 25 * 128
    for parts in (found.layers, found.modules):
        assert sum(part.change.saved("macs") for part in parts) == found.total.saved("macs")
    assert [module.name for module in found.modules] == ["inception_4e"]
    record = json.loads(found.to_json())
    assert record["changes"] == [{"node": "inception_4e/5x5_reduce", "now": 32, "then": 16}]
    assert record["totals"]["with"]["params"] == wanted.params


def test_a_sweep_of_one_branch() -> None:
    sweep = branch_sweep(ARTICLE, [64, 8, 32, 8])
    assert [(p.value, p.params) for p in sweep.points] == [(8, 20_736), (32, 82_944), (64, 165_888)]
    assert (sweep.own, sweep.direct) == (None, (0, 460_800, 361_267_200, True, True))


def test_a_sweep_of_a_networks_layer() -> None:
    graph = il.load("googlenet")
    sweep = network_sweep(graph, "inception_4e/5x5_reduce", range(16, 33, 8))
    assert [point.value for point in sweep.points] == [16, 24, 32]
    assert sweep.own == 32
    assert sweep.points[-1].macs == 1_582_671_872
    assert sweep.points[0].params == il.analyze(il.load("googlenet", overrides=NARROWER)).totals.params
    change = next(s.change for s in one("googlenet", "reductions").sites if s.name == "inception_4e/5x5_reduce")
    assert sweep.direct is not None
    assert sweep.direct.params == 6_998_552 + change.saved("params")
    assert network_sweep(graph, "inception_3a/1x1", [8]).direct is None
    with pytest.raises(GraphError, match="`nothing` is not a layer"):
        network_sweep(graph, "nothing", [8])
    assert json.loads(sweep.to_json())["points"][0] == sweep.points[0]._asdict()


def test_sums_over_some_calls() -> None:
    nodes = [Node("a", Conv2d(4, (3, 3)), ("x",)), Node("r", ReLU(), ("a",))]
    counted = Counted(Graph.of([Input("x", TensorType((1, 2, 5, 5)))], nodes, [Output("r")]), machine())
    assert counted.of(["a", "nothing"]).macs == 9 * 2 * 4 * 9
    assert counted.of([]).params == 0
    assert counted.in_order(["r", "b", "a"]) == ("a", "r")


def test_a_rewrite_that_the_network_does_not_take_leaves_the_others() -> None:
    nodes = [
        Node("q", Conv2d(4, (1, 1)), ("x",)),
        Node("k", Conv2d(4, (3, 3), padding=(1, 1)), ("q",)),
        Node("p", MaxPool2d((3, 3), (1, 1), (1, 1)), ("x",)),
        Node("proj", Conv2d(4, (1, 1)), ("p",)),
        Node("j", Concat(), ("k", "proj")),
        Node("v", Reshape((1, 8 * 81)), ("j",)),
    ]
    graph = Graph.of([Input("x", TensorType((1, 8, 9, 9)))], nodes, [Output("v")])
    found = il.savings(graph)
    assert [saving.kind.name for saving in found.savings] == ["reductions"]
    assert [refused.kind for refused in found.refused] == ["naive"]
    assert "`v` (reshape of `j` 1x12x9x9)" in found.refused[0].reason
    record = json.loads(found.to_json())
    assert (record["refused"][0]["kind"], record["naive"], len(record["reductions"])) == ("naive", None, 1)
    assert any(note.startswith("naive: not possible in network: ") for note in savings_table(found).further[0].notes)
    with pytest.raises(GraphError, match="1x12x9x9"):
        il.savings(graph, kinds=["naive"])


def test_the_order_of_names_does_not_change_a_sum() -> None:
    counted = Counted(il.load("googlenet"), machine())
    names = [node.name for node in counted.analysis.graph.nodes]
    assert counted.of(sorted(names)) == counted.of(sorted(names, reverse=True)) == counted.of(names)
