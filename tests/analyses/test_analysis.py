"""The analysis: that its rows, groups, trees and totals all say the same."""

import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inception_lens.analyses.analysis import Analysis, analyze
from inception_lens.analyses.modules import TreeRow
from inception_lens.analyses.records import Group
from inception_lens.architectures import catalogue
from inception_lens.architectures.googlenet import PAPER
from inception_lens.errors import GraphError
from inception_lens.graph import Graph, Input, Metadata, Mode, Node, Output
from inception_lens.ops import BatchNorm2d, Conv2d, MaxPool2d, ReLU, TensorType, Unknown

SUMS = ("params", "params_trainable", "buffers", "macs", "flops", "weight_bytes", "activation_bytes")
TRAINING_SUMS = ("backward_macs", "saved_activation_bytes")


@pytest.fixture(scope="module", params=["inference", "training"])
def googlenet(request: pytest.FixtureRequest) -> Analysis:
    mode: Mode = request.param
    return analyze(PAPER.graph(mode))


def sums(analysis: Analysis) -> tuple[str, ...]:
    return SUMS if analysis.graph.mode == "inference" else SUMS + TRAINING_SUMS


def test_the_googlenet_of_the_paper() -> None:
    totals = analyze(PAPER.graph()).totals
    assert totals.params == totals.params_used == totals.params_trainable == 6_998_552
    assert totals.macs == 1_582_671_872
    assert totals.weight_bytes == 4 * 6_998_552
    assert totals.exact
    trained = analyze(PAPER.graph("training")).totals
    assert trained.params == 13_378_280
    assert trained.macs == 1_591_044_096


@pytest.mark.parametrize(
    ("mode", "params", "macs"),
    [("inference", 6_624_904, 1_498_376_192), ("training", 13_004_888, 1_506_748_416)],
)
def test_the_googlenet_of_torchvision(mode: Mode, params: int, macs: int) -> None:
    totals = analyze(catalogue.find("googlenet@torchvision").config.graph(mode)).totals
    assert (totals.params, totals.macs) == (params, macs)


def test_totals_are_the_sums_of_the_layers(googlenet: Analysis) -> None:
    for name in sums(googlenet):
        assert getattr(googlenet.totals, name) == sum(getattr(layer, name) for layer in googlenet.layers)
    assert googlenet.totals.peak_activation_bytes == max(layer.live_bytes or 0 for layer in googlenet.layers)


def test_flops_are_at_least_twice_the_macs(googlenet: Analysis) -> None:
    assert all(layer.flops is not None and layer.macs is not None for layer in googlenet.layers)
    assert all((layer.flops or 0) >= 2 * (layer.macs or 0) for layer in googlenet.layers)


def test_layers_are_the_nodes_in_their_order(googlenet: Analysis) -> None:
    graph = googlenet.graph
    assert [layer.name for layer in googlenet.layers] == [node.name for node in graph.nodes]
    for layer, node in zip(googlenet.layers, graph.nodes, strict=True):
        assert layer.inputs == node.inputs
        assert layer.input_shapes == tuple(tensor.shape for tensor in graph.input_types(node))
        assert layer.output_shape == graph.types[node.name][0].shape
        assert (layer.kernel is None) == (layer.stride is None) == (layer.category not in ("conv", "pool"))


@pytest.mark.parametrize("depth", range(1, 6))
def test_modules_part_the_layers_and_add_up_to_the_totals(googlenet: Analysis, depth: int) -> None:
    groups = googlenet.by_module(depth)
    assert len({group.name for group in groups}) == len(groups)
    layers = [layer.name for group in groups for layer in group.layers]
    assert sorted(layers) == sorted(layer.name for layer in googlenet.layers)
    for group in groups:
        assert all(layer.name.split("/")[:depth] == group.name.split("/") for layer in group.layers)
    for name in sums(googlenet):
        assert sum(getattr(group, name) for group in groups) == getattr(googlenet.totals, name)
    assert max(group.live_bytes for group in groups) == googlenet.totals.peak_activation_bytes


def test_modules_come_in_the_order_of_execution() -> None:
    names = [group.name for group in analyze(PAPER.graph()).by_module()]
    inceptions = [name for name in names if name.startswith("inception")]
    assert names[:4] == ["conv1", "pool1", "conv2", "pool2"]
    assert inceptions == sorted(inceptions)
    assert names[-1] == "prob"


def test_modules_deeper_than_every_name_are_the_layers(googlenet: Analysis) -> None:
    assert [group.name for group in googlenet.by_module(9)] == [layer.name for layer in googlenet.layers]


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_is_at_least_1(googlenet: Analysis, depth: int) -> None:
    message = f"^a depth of {depth}: modules have a depth of at least 1$"
    with pytest.raises(GraphError, match=message):
        googlenet.by_module(depth)
    with pytest.raises(GraphError, match=message):
        googlenet.tree(depth)


def families(rows: tuple[TreeRow, ...]) -> Iterator[tuple[TreeRow, list[TreeRow]]]:
    """Every row that has rows below it, with those one level down."""
    for i, row in enumerate(rows):
        below = []
        for other in rows[i + 1 :]:
            if other.level <= row.level:
                break
            if other.level == row.level + 1:
                below.append(other)
        if below:
            yield row, below


def check_tree(analysis: Analysis, rows: tuple[TreeRow, ...]) -> None:
    tops = [row for row in rows if row.level == 0]
    assert sum(len(row.group.layers) for row in tops) == len(analysis.layers)
    for name in sums(analysis):
        assert sum(getattr(row.group, name) for row in tops) == sum(getattr(x, name) or 0 for x in analysis.layers)
    for parent, children in families(rows):
        kept = sorted(layer.name for child in children for layer in child.group.layers)
        assert kept == sorted(layer.name for layer in parent.group.layers)
        for name in sums(analysis):
            assert getattr(parent.group, name) == sum(getattr(child.group, name) for child in children)
        assert parent.group.live_bytes == max(child.group.live_bytes for child in children)
        assert parent.group.exact == all(child.group.exact for child in children)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, None])
def test_a_parent_in_the_tree_is_the_sum_of_its_children(googlenet: Analysis, depth: int | None) -> None:
    rows = googlenet.tree(depth)
    check_tree(googlenet, rows)
    assert max(row.level for row in rows) < (depth or 9)


def test_a_tree_of_one_level_is_the_modules(googlenet: Analysis) -> None:
    rows = googlenet.tree()
    assert rows == googlenet.tree(1)
    assert [(row.level, row.label, row.group) for row in rows] == [
        (0, group.name, group) for group in googlenet.by_module(1)
    ]


def test_the_whole_is_the_totals(googlenet: Analysis) -> None:
    for name in sums(googlenet):
        assert getattr(googlenet.whole, name) == getattr(googlenet.totals, name)
    assert googlenet.whole.layers == googlenet.layers
    assert googlenet.whole.live_bytes == googlenet.totals.peak_activation_bytes
    assert googlenet.whole.output_shape == googlenet.layers[-1].output_shape


def test_the_peak_is_where_most_is_alive(googlenet: Analysis) -> None:
    peak = googlenet.peak_layer
    assert peak.live_bytes == googlenet.totals.peak_activation_bytes
    assert all((layer.live_bytes or 0) <= (peak.live_bytes or 0) for layer in googlenet.layers)


parts = st.sampled_from(["a", "b", "c"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


def named(names: list[str], mode: Mode = "inference") -> Graph:
    nodes = []
    for i, name in enumerate(names):
        op = [Conv2d(2, (3, 3), padding=(1, 1)), ReLU(), BatchNorm2d()][i % 3]
        nodes.append(Node(name, op, (names[i - 1] if i else "image",)))
    return Graph.of([Input("image", TensorType((1, 2, 5, 5)))], nodes, [Output(names[-1])], mode)


@given(names=st.lists(paths, min_size=1, max_size=9, unique=True), depth=st.one_of(st.none(), st.integers(1, 5)))
@settings(max_examples=100, deadline=None)
def test_whatever_the_names_are_a_tree_loses_nothing(names: list[str], depth: int | None) -> None:
    analysis = analyze(named(names, "training"))
    rows = analysis.tree(depth)
    check_tree(analysis, rows)
    assert all(row.label for row in rows)
    parents = [parent for parent, _ in families(rows)]
    leaves = [row for row in rows if row not in parents]
    assert sum(len(row.group.layers) for row in leaves) == len(names)
    if depth is None:
        assert all(len(row.group.layers) == 1 for row in leaves)


@given(names=st.lists(paths, min_size=1, max_size=9, unique=True), depth=st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_whatever_the_names_are_modules_part_the_layers(names: list[str], depth: int) -> None:
    analysis = analyze(named(names))
    groups = analysis.by_module(depth)
    assert sorted(layer.name for group in groups for layer in group.layers) == sorted(names)
    assert {group.name for group in groups} == {"/".join(name.split("/")[:depth]) for name in names}
    for name in SUMS:
        assert sum(getattr(group, name) for group in groups) == getattr(analysis.totals, name)


def test_a_module_with_one_part_stands_in_the_tree_as_that_part() -> None:
    rows = analyze(named(["stem/block/conv", "head/fc", "head/act"])).tree(None)
    assert [(row.level, row.label, row.group.name) for row in rows] == [
        (0, "stem/block/conv", "stem/block/conv"),
        (0, "head", "head"),
        (1, "fc", "head/fc"),
        (1, "act", "head/act"),
    ]


NESTED = ["a/p/x", "a/p/y", "a/q/z/u", "a/q/z/v", "a/r", "b"]


@pytest.mark.parametrize(
    ("depth", "lines"),
    [
        (1, ["a", "b"]),
        (2, ["a", " p", " q", " r", "b"]),
        (3, ["a", " p", "  x", "  y", " q/z", " r", "b"]),
        (None, ["a", " p", "  x", "  y", " q/z", "  u", "  v", " r", "b"]),
    ],
)
def test_a_tree_opens_as_many_levels_as_asked(depth: int | None, lines: list[str]) -> None:
    rows = analyze(named(NESTED)).tree(depth)
    assert [" " * row.level + row.label for row in rows] == lines


def test_a_layer_that_others_stand_below_is_called_by_its_operation() -> None:
    rows = analyze(named(["conv", "conv/relu"])).tree(2)
    assert [(row.level, row.label) for row in rows] == [(0, "conv"), (1, "Conv2d"), (1, "relu")]


def test_a_tree_of_names_with_thousands_of_parts() -> None:
    path = "/".join(f"p{i}" for i in range(5_000))
    rows = analyze(named([f"{path}/{name}" for name in ("conv", "relu", "norm")])).tree(None)
    assert [(row.level, row.label) for row in rows] == [(0, path), (1, "conv"), (1, "relu"), (1, "norm")]


def test_a_tree_of_thousands_of_levels() -> None:
    names = [f"{'m/' * level}layer" for level in range(1_200)]
    rows = analyze(named(names)).tree(None)
    assert max(row.level for row in rows) == 1_198  # the innermost module has a single layer
    assert [row.label for row in rows[:4]] == ["layer", "m", "layer", "m"]


def test_sorting_orders_the_parts_of_each_module(googlenet: Analysis) -> None:
    def most_macs_first(group: Group) -> int:
        return -group.macs

    rows = googlenet.tree(2, sort=most_macs_first)
    check_tree(googlenet, rows)
    tops = [row.group.macs for row in rows if row.level == 0]
    assert tops == sorted(tops, reverse=True)
    for _, children in families(rows):
        macs = [child.group.macs for child in children]
        assert macs == sorted(macs, reverse=True)


@pytest.mark.parametrize("batch", [2, 32])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_batch_costs_its_samples(batch: int, mode: Mode) -> None:
    one = analyze(PAPER.graph(mode)).totals
    for graph in (PAPER.graph(mode, batch=batch), PAPER.graph(mode).with_batch(batch)):
        many = analyze(graph).totals
        assert many.params == one.params
        assert many.macs == batch * one.macs
        assert many.flops == batch * one.flops
        assert many.activation_bytes == batch * one.activation_bytes
        assert many.peak_activation_bytes == batch * one.peak_activation_bytes


@pytest.mark.parametrize(("dtype", "bytes_per_element"), [("float16", 2), ("bfloat16", 2), ("float64", 8)])
def test_bytes_follow_the_dtype_and_nothing_else_does(dtype: str, bytes_per_element: int) -> None:
    full, other = analyze(PAPER.graph()).totals, analyze(PAPER.graph().with_dtype(dtype)).totals
    assert 4 * other.weight_bytes == bytes_per_element * full.weight_bytes
    assert 4 * other.activation_bytes == bytes_per_element * full.activation_bytes
    assert 4 * other.peak_activation_bytes == bytes_per_element * full.peak_activation_bytes
    assert (other.params, other.macs, other.flops) == (full.params, full.macs, full.flops)


def test_statistics_take_bytes_of_their_own() -> None:
    totals = analyze(named(["conv", "relu", "bn"])).totals
    assert (totals.buffers, totals.buffer_bytes) == (4, 16)
    assert totals.weight_bytes == 4 * totals.params


def test_kernel_and_stride_are_told_of_what_slides() -> None:
    nodes = [
        Node("conv", Conv2d(4, (3, 5), (2, 1)), ("image",)),
        Node("pool", MaxPool2d((2, 2), (2, 2)), ("conv",)),
        Node("relu", ReLU(), ("pool",)),
    ]
    graph = Graph.of([Input("image", TensorType((1, 2, 20, 30)))], nodes, [Output("relu")])
    conv, pool, relu = analyze(graph).layers
    assert (conv.kernel, conv.stride, conv.receptive_field) == ((3, 5), (2, 1), 5)
    assert (pool.kernel, pool.stride, pool.receptive_field) == ((2, 2), (2, 2), 6)
    assert (relu.kernel, relu.stride, relu.receptive_field) == (None, None, 6)


def test_json_says_what_the_analysis_says() -> None:
    mystery = Unknown("grid_sample", (TensorType((1, 2, 5, 5)),))
    nodes = [*named(["block/conv", "block/relu"]).nodes, Node("warp", mystery, ("block/relu",))]
    graph = Graph.of([Input("image", TensorType((1, 2, 5, 5)))], nodes, [Output("warp")])
    graph = msgspec.structs.replace(graph, metadata=Metadata("net", "of nobody", "python"))
    analysis = analyze(graph)
    record = json.loads(analysis.to_json())
    assert record["schema"] == "inception-lens/analysis/1"
    assert record["model"] == {
        "name": "net",
        "description": "of nobody",
        "source": "python",
        "note": "",
        "mode": "inference",
        "dtype": "float32",
    }
    assert record["inputs"] == [{"name": "image", "shape": [1, 2, 5, 5], "dtype": "float32"}]
    assert record["totals"]["macs"] == analysis.totals.macs == 2 * 2 * 9 * 25
    assert record["totals"]["exact"] is False
    assert record["uncounted"] == [{"name": "warp", "op": "grid_sample"}]
    warp = record["layers"][-1]
    assert [warp[key] for key in ("macs", "flops", "receptive_field", "receptive_field_detail")] == [None] * 4
    assert [layer["name"] for layer in record["layers"]] == ["block/conv", "block/relu", "warp"]


@pytest.mark.parametrize("key", ["backward_macs", "saved_activation_bytes"])
def test_json_has_the_columns_of_training_only_in_training(key: str) -> None:
    for mode, there in (("inference", False), ("training", True)):
        graph = named(["conv", "relu", "bn"], "training" if mode == "training" else "inference")
        record = json.loads(analyze(graph).to_json())
        assert (key in record["totals"]) is there
        assert all((key in layer) is there for layer in record["layers"])


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_pandas_has_a_row_per_layer(mode: Mode) -> None:
    analysis = analyze(named(["conv", "relu", "bn"], mode))
    frame = analysis.to_pandas()
    assert list(frame["name"]) == ["conv", "relu", "bn"]
    assert int(frame["macs"].sum()) == analysis.totals.macs
    assert ("backward_macs" in frame.columns) == (mode == "training")
