"""The known disagreements between implementations called GoogLeNet, each under its number in the list of them.

Where both implementations are in the catalogue they are compared; where one is not (Chainer, tflearn, MXNet), what it
does otherwise is set on the network that it ports. Two of the 26 are not in a graph at all, and say so.
"""

from typing import Any

import pytest

import inception_lens as il
from inception_lens.analyses.compare.comparison import compare
from inception_lens.graph import Graph, Node, Output
from tests.analyses.compare.compared import against, alone, changed, head_changes

FIVES = [f"inception_{name}/5x5" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]


def without(graph: Graph, name: str) -> Graph:
    """The graph without one call of one input, whose readers read what it read."""
    (read,) = graph[name].inputs
    nodes = [
        Node(node.name, node.op, tuple(read if each == name else each for each in node.inputs))
        for node in graph.nodes
        if node.name != name
    ]
    return Graph.of(graph.inputs, nodes, graph.outputs, graph.mode)


@pytest.mark.parametrize("port", ["googlenet@torchvision", "googlenet@slim"])
def test_1_the_kernel_of_the_5x5_branch(port: str) -> None:
    comparison = against("googlenet", port)
    assert changed(comparison.changes, "kernel")[:9] == [(name, (5, 5), (3, 3)) for name in FIVES[:7]] + [
        ("pool4/3x3_s2", (3, 3), (2, 2)),
        *[(name, (5, 5), (3, 3)) for name in FIVES[7:8]],
    ]
    kernels = [each for change in comparison.changes for each in change.what if each.attribute == "kernel"]
    assert (sum(each.params for each in kernels), sum(each.macs for each in kernels)) == (-380_928, -84_295_680)


def test_2_the_one_module_of_slim_that_is_named_otherwise_is_no_other() -> None:
    comparison = against("googlenet@torchvision", "googlenet@slim")
    assert not changed(comparison.changes, "kernel")
    assert not changed(comparison.changes, "out_channels")


def test_3_normalisation() -> None:
    assert alone(against("googlenet@caffe", "googlenet@paddle").changes, "removed", "LocalResponseNorm") == [
        "pool1/norm1",
        "conv2/norm2",
    ]
    assert len(alone(against("googlenet@paddle", "googlenet@slim").changes, "added", "BatchNorm2d")) == 57
    torchvision = against("googlenet", "googlenet@torchvision").changes
    assert len(alone(torchvision, "removed", "LocalResponseNorm")) == 2
    added = [change for change in torchvision if change.kind == "added"]
    assert sum(change.params for change in added) == 2 * 7_280


def test_4_alpha_and_window_of_local_response_normalisation() -> None:
    comparison = against("googlenet", "googlenet", set_b={"lrn.alpha": "5e-4", "lrn.size": "11"})
    assert changed(comparison.changes, "alpha") == [("pool1/norm1", 1e-4, 5e-4), ("conv2/norm2", 1e-4, 5e-4)]
    assert changed(comparison.changes, "size") == [("pool1/norm1", 5, 11), ("conv2/norm2", 5, 11)]


def test_5_the_order_of_pool_and_normalisation() -> None:
    comparison = against("googlenet", "googlenet", set_b={"lrn.position": "before_pool"})
    (change,) = comparison.changes
    assert changed([change], "position") == [("pool1/norm1", ("pool1/3x3_s2",), ("conv1/7x7_s2/relu",))]
    assert (change.params, change.macs) == (0, 0)


def test_6_rounding_of_the_stride_2_pools() -> None:
    pools = ["pool1/3x3_s2", "pool2/3x3_s2", "pool3/3x3_s2", "pool4/3x3_s2"]
    cases = [("googlenet@paddle", "ceil_unclipped"), ("googlenet@paddle-fluid", "trunc"), ("googlenet@slim", "same")]
    for port, rounding in cases:
        found = [each for each in changed(against("googlenet@caffe", port).changes, "rounding") if each[0] in pools]
        assert found == [(pool, "ceil", rounding) for pool in pools]
    fluid = against("googlenet@caffe", "googlenet@paddle-fluid")
    assert fluid.b.macs == 1_431_556_352
    assert [a[2:] + b[2:] for name, a, b in _sizes(fluid) if name == "pool1/3x3_s2"] == [(56, 56, 55, 55)]


def _sizes(comparison: Any) -> list[Any]:
    return changed(comparison.changes, "output_shape")


def test_7_alignment_under_same_padding() -> None:
    comparison = against("googlenet@caffe", "googlenet@slim")
    assert ("conv1/7x7_s2", (3, 3), ((2, 3), (2, 3))) in changed(comparison.changes, "padding")
    shifts = {shift.a: shift.pixels for shift in comparison.shifts}
    assert [(shift.a, shift.pixels) for shift in comparison.shifts if shift.starts] == [
        ("conv1/7x7_s2", (1, 1)),
        ("pool4/3x3_s2", (-7, -7)),
    ]
    until_pool4 = {name for name in shifts if not name.startswith(("pool4", "inception_5", "loss3", "pool5", "drop"))}
    assert {shifts[name] for name in until_pool4} == {(1.0, 1.0)}
    assert {"conv1/7x7_s2", "pool1/3x3_s2", "inception_3a/5x5", "inception_4e/output"} <= until_pool4
    # torchvision's ported weights see the map that Caffe's do, and not that of slim
    assert not [shift for shift in against("googlenet", "googlenet@torchvision").shifts if shift.pixels == (1, 1)]
    assert {shift.pixels for shift in against("googlenet@torchvision", "googlenet@slim").shifts} == {(1.0, 1.0)}


@pytest.mark.parametrize("port", ["googlenet@torchvision", "googlenet@slim"])
def test_8_the_last_pool(port: str) -> None:
    assert ("pool4/3x3_s2", (3, 3), (2, 2)) in changed(against("googlenet", port).changes, "kernel")


def test_9_auxiliary_heads() -> None:
    comparison = against("googlenet", "googlenet@slim")
    assert (comparison.a.heads, comparison.b.heads) == (2, 0)
    assert [(head.a, head.b) for head in comparison.heads] == [("aux1/classifier", None), ("aux2/classifier", None)]
    assert sum(change.params for change in head_changes(comparison)) == -6_379_728
    assert sum(head.macs for head in comparison.heads) == -8_372_224


def test_10_where_the_heads_are_attached_and_not_what_they_are_called() -> None:
    a = il.GoogLeNet().graph("training")
    b = il.GoogLeNet(aux=("inception_4b", "inception_4e")).graph("training")
    comparison = compare(a, b)
    assert changed(head_changes(comparison), "attached_to") == [
        ("aux1/classifier", ("inception_4a/output",), ("inception_4b/output",)),
        ("aux2/classifier", ("inception_4d/output",), ("inception_4e/output",)),
    ]
    assert not comparison.changes
    same = compare(a, il.GoogLeNet(aux=("inception_4d", "inception_4a")).graph("training"))
    assert not changed(head_changes(same), "attached_to")


def test_11_the_order_in_which_the_heads_are_handed_out() -> None:
    graph = il.GoogLeNet().graph("training")
    main, first, second = graph.outputs
    exchanged = Graph.of(graph.inputs, graph.nodes, (main, second, first), "training")
    comparison = compare(graph, exchanged)
    assert changed(head_changes(comparison), "output") == [
        ("aux1/classifier", (1,), (2,)),
        ("aux2/classifier", (2,), (1,)),
    ]
    assert not comparison.changes


def test_12_pooling_of_the_heads() -> None:
    heads = head_changes(against("googlenet", "googlenet@torchvision"))
    expected = [(f"aux{i}/ave_pool", "AvgPool2d", "AdaptiveAvgPool2d") for i in (1, 2)]
    assert [each for each in changed(heads, "op") if each[1] == "AvgPool2d"] == expected


def test_13_what_the_heads_linear_layer_reads() -> None:
    heads = head_changes(against("googlenet", "googlenet@paddle-fluid"))
    assert changed(heads, "in_channels") == [("aux1/fc", 2048, 1152), ("aux2/fc", 2048, 1152)]
    assert [change.params for change in heads if change.a == "aux1/fc"] == [-917_504]


def test_14_dropout_of_the_heads() -> None:
    heads = head_changes(against("googlenet", "googlenet", set_b={"aux_head.dropout": "0"}))
    assert alone(heads, "removed", "Dropout") == ["aux1/dropout", "aux2/dropout"]


def test_15_a_head_without_its_relu() -> None:
    graph = il.GoogLeNet().graph("training")
    heads = head_changes(compare(graph, without(graph, "aux2/fc/relu")))
    assert [(change.kind, change.a) for change in heads] == [("removed", "aux2/fc/relu")]


def test_16_the_weight_of_the_heads_loss() -> None:
    heads = head_changes(against("googlenet", "googlenet", set_b={"aux_head.loss_weight": "0.4"}))
    assert changed(heads, "loss_weight") == [("aux1/classifier", 0.3, 0.4), ("aux2/classifier", 0.3, 0.4)]


@pytest.mark.parametrize("port", ["googlenet@torchvision", "googlenet@slim"])
def test_17_dropout(port: str) -> None:
    assert changed(against("googlenet", port).changes, "p") == [("dropout", 0.4, 0.2)]
    assert not changed(against("googlenet", "googlenet@paddle-fluid").changes, "p")
    none = against("googlenet", "googlenet", set_b={"dropout": "0"})  # MXNet
    assert alone(none.changes, "removed", "Dropout") == ["dropout"]
    assert none.differs


def test_18_what_the_classifier_reads() -> None:
    same: dict[str, object] = {"input": "227", "classes": "17", "padding": "same", "rounding": "same"}
    comparison = against("googlenet", "googlenet", same, {**same, "final_pool": "1x1/1"})  # tflearn's maps are 8x8
    assert comparison.b.params - comparison.a.params == 1_114_129 - 17_425
    assert ("loss3/classifier", 1024, 65_536) in changed(comparison.changes, "in_channels")


@pytest.mark.parametrize("port", ["googlenet@torchvision", "googlenet@slim", "googlenet@paddle-fluid"])
def test_19_bias(port: str) -> None:
    found = [each for change in against("googlenet", port).changes for each in change.what if each.attribute == "bias"]
    assert len(found) == 57
    assert sum(each.params for each in found) == -7_280


def test_20_activations() -> None:
    comparison = against("googlenet", "googlenet@paddle-fluid")
    assert len(alone(comparison.changes, "removed", "ReLU")) == 57
    assert len(alone(comparison.changes, "added", "ReLU")) == 9
    graph = il.load("googlenet")  # tflearn leaves one convolution linear
    (change,) = compare(graph, without(graph, "inception_3b/5x5/relu")).changes
    assert (change.kind, change.a) == ("removed", "inception_3b/5x5/relu")


def test_21_epsilon_and_gamma_of_batch_norm() -> None:
    slim = against("googlenet@slim", "googlenet@torchvision")
    assert [each[1:] for each in changed(slim.changes, "scale")] == [(False, True)] * 57
    assert [each[1:] for each in changed(slim.changes, "momentum")] == [(0.0003, 0.1)] * 57
    assert sum(change.params for change in slim.changes) == 7_280
    eps = against("googlenet@torchvision", "googlenet@torchvision", set_b={"batch_norm.eps": "1e-5"})
    assert [each[1:] for each in changed(eps.changes, "eps")] == [(1e-3, 1e-5)] * 57
    v3 = against("inception_v3", "inception_v3@torchvision")
    assert v3.b.params - v3.a.params == 23_834_568 - 23_817_352


def test_22_the_stem_of_v2() -> None:
    comparison = against("inception_v2", "inception_v2@nonseparable")
    assert comparison.trunk.only_a == ("Conv2d_1a_7x7/pointwise",)
    assert changed(comparison.changes, "groups") == [("Conv2d_1a_7x7/depthwise", 3, 1)]
    assert comparison.b.macs - comparison.a.macs == 2_018_851_840 - 1_934_857_216


@pytest.mark.parametrize(
    ("a", "b", "pools"), [("inception_v3", "inception_v3@torchvision", 9), ("inception_v3", "inception_v3@timm", 9)]
)
def test_23_whether_an_average_counts_the_padding(a: str, b: str, pools: int) -> None:
    assert [each[1:] for each in changed(against(a, b).changes, "count_include_pad")] == [(False, True)] * pools


def test_24_classes() -> None:
    paddle = against("googlenet@caffe", "googlenet@paddle")
    assert changed(paddle.changes, "out_features") == [("loss3/classifier", 1000, 102)]
    slim = against("googlenet@slim", "googlenet@slim", set_b={"classes": "1001"})
    assert changed(slim.changes, "out_channels") == [("loss3/classifier", 1000, 1001)]
    assert slim.b.params - slim.a.params == 1_025
    v4 = against("inception_v4", "inception_v4@timm")
    assert changed(v4.changes, "out_features") == [("Logits", 1001, 1000)]


def test_25_the_reported_number_of_parameters_is_a_figure_about_a_graph_and_not_in_it() -> None:
    """Metadata differ in whether they count the heads; here the two are never one sum."""
    comparison = against("googlenet@torchvision", "googlenet@torchvision")
    assert comparison.a.params == 6_624_904
    assert not comparison.changes


def test_26_input_and_not_what_is_done_to_the_image_before() -> None:
    """The mean and scale of the image belong to the data: no graph holds them."""
    comparison = against("googlenet", "googlenet", set_b={"input": "227"})
    assert changed(comparison.changes, "shape") == [("input", (1, 3, 224, 224), (1, 3, 227, 227))]


def test_an_output_that_is_no_call_is_no_trouble() -> None:
    graph = il.load("lenet")
    handed_through = Graph.of(graph.inputs, graph.nodes, (*graph.outputs, Output("input")))
    assert not compare(handed_through, handed_through).changes
