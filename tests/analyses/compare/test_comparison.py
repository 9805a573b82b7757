"""`compare`: what must hold for any two networks."""

import itertools
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import inception_lens as il
from inception_lens.analyses.compare.attributes import Difference
from inception_lens.analyses.compare.comparison import compare
from inception_lens.architectures.catalogue import entries
from inception_lens.architectures.googlenet import PAPER, AuxHead, GoogLeNet, InceptionModule, Stem
from inception_lens.architectures.network import BatchNormConfig
from inception_lens.errors import InceptionLensError
from inception_lens.graph import Graph, Input, Mode, Node, Output, Writer
from inception_lens.ops import (
    UNKNOWN_SIZE,
    AdaptiveAvgPool2d,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    Dropout,
    Elementwise,
    Flatten,
    Linear,
    MaxPool2d,
    Op,
    Parameter,
    ReLU,
    Softmax,
    TensorType,
    Unknown,
)
from inception_lens.tables.compare.comparison import compare_table
from tests.analyses.compare.compared import against, alone, as_set, changed, check_sums, head_changes, renamed

CATALOGUE = {entry.name: entry.config.graph() for entry in entries()}
WITH_HEADS = {entry.name: entry.config.graph("training") for entry in entries()}
PAIRS = [(a, b) for a, b in itertools.combinations(CATALOGUE, 2) if a.partition("@")[0] == b.partition("@")[0]]
PAIRS += [(a, b) for a, b in itertools.combinations(CATALOGUE, 2) if "@" not in a + b][::3]

IMAGE = Input("image", TensorType((1, 8, 12, 12)))


def chain(*ops: Op, image: Input = IMAGE, mode: Mode = "inference") -> Graph:
    """Operations one behind the other."""
    writer, x = Writer([image]), image.name
    for i, op in enumerate(ops):
        x = writer.add(f"{op.kind}_{i}", op, x)
    return writer.graph([Output(x)], mode)


def attributes(a: Graph, b: Graph) -> list[tuple[str, object, object]]:
    return [(each.attribute, each.a, each.b) for change in compare(a, b).changes for each in change.what]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_deltas_add_up_and_both_ways_say_the_same(a: str, b: str) -> None:
    there = compare(CATALOGUE[a], CATALOGUE[b], (WITH_HEADS[a], WITH_HEADS[b]))
    back = compare(CATALOGUE[b], CATALOGUE[a], (WITH_HEADS[b], WITH_HEADS[a]))
    check_sums(CATALOGUE[a], CATALOGUE[b], there)
    assert as_set(back) == {change.mirrored() for change in as_set(there)}
    both = compare(WITH_HEADS[a], WITH_HEADS[b])
    check_sums(WITH_HEADS[a], WITH_HEADS[b], both)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_network_is_itself_whatever_its_calls_are_called(name: str) -> None:
    for graph in (CATALOGUE[name], WITH_HEADS[name]):
        for other in (graph, renamed(graph)):
            comparison = compare(graph, other)
            assert not comparison.changes
            assert not head_changes(comparison)
            assert not comparison.shifts
            assert not comparison.differs
            assert len(comparison.trunk.pairs) + sum(len(head.pairs) for head in comparison.heads) == len(graph.nodes)
            assert not comparison.trunk.only_a + comparison.trunk.only_b


def test_names_change_nothing_between_ports() -> None:
    a, b = CATALOGUE["googlenet"], CATALOGUE["googlenet@torchvision"]
    plain, numbered = compare(a, b), compare(a, renamed(b))
    assert [(change.kind, change.a, change.what, change.params) for change in plain.changes if change.a] == [
        (change.kind, change.a, change.what, change.params) for change in numbered.changes if change.a
    ]


widths = st.integers(1, 24)
reductions = st.one_of(widths, st.just("none"))
configs = st.builds(
    GoogLeNet,
    classes=st.integers(1, 12),
    input=st.sampled_from([(3, 64, 64), (3, 80, 64)]),
    stem=st.builds(Stem, conv1=widths, conv2_reduce=reductions, conv2=widths),
    modules=st.dictionaries(
        st.sampled_from(sorted(PAPER.modules)),
        st.builds(
            InceptionModule,
            conv_1x1=widths, reduce_3x3=reductions, conv_3x3=widths, reduce_5x5=reductions, conv_5x5=widths,
            pool_proj=reductions,
        ),
        min_size=1,
        max_size=4,
    ),
    kernel_5x5=st.sampled_from([3, 5]),
    padding=st.sampled_from(["explicit", "same"]),
    rounding=st.sampled_from(["ceil", "floor", "same"]),
    last_pool=st.sampled_from([2, 3]),
    norm=st.sampled_from(["lrn", "batch", "none"]),
    batch_norm=st.builds(BatchNormConfig, scale=st.booleans()),
    bias=st.booleans(),
    activation=st.sampled_from(["relu", "gelu", "none"]),
    activation_at=st.sampled_from(["conv", "before_norm", "concat"]),
    dropout=st.sampled_from([0.0, 0.2, 0.4]),
    classifier=st.sampled_from(["linear", "conv"]),
    softmax=st.booleans(),
    aux=st.just(()),
    aux_head=st.just(AuxHead()),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(configs, configs, st.booleans())
def test_any_two_configs(first: GoogLeNet, second: GoogLeNet, training: bool) -> None:
    mode: Mode = "training" if training else "inference"
    try:
        a, b = (
            config.replace(aux=(min(config.modules),) if training else ()).graph(mode) for config in (first, second)
        )
    except InceptionLensError:
        return  # a map vanishes
    there, back = compare(a, b), compare(b, a)
    check_sums(a, b, there)
    assert as_set(back) == {change.mirrored() for change in as_set(there)}
    assert not as_set(compare(a, renamed(a)))
    if sorted(node.op.kind for node in a.nodes) != sorted(node.op.kind for node in b.nodes):
        assert as_set(there)
    seen_a = [*[pair[0] for pair in there.trunk.pairs], *there.trunk.only_a]
    seen_b = [*[pair[1] for pair in there.trunk.pairs], *there.trunk.only_b]
    for seen, graph, heads in ((seen_a, a, 0), (seen_b, b, 1)):
        for head in there.heads:
            seen += [*[pair[heads] for pair in head.pairs], *(head.only_b if heads else head.only_a)]
        assert sorted(seen) == sorted(node.name for node in graph.nodes)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (Conv2d(8, (3, 3)), Conv2d(8, (3, 3), groups=2), [("groups", 1, 2)]),
        (Conv2d(8, (3, 3)), Conv2d(8, (3, 3), padding=(1, 1)), [("padding", (0, 0), (1, 1)), OUTPUT := "output_shape"]),
        (Conv2d(8, (3, 3), padding=(2, 2), dilation=(2, 2)), Conv2d(8, (3, 3), padding=(1, 1)), "dilation"),
        (Conv2d(8, (1, 1)), Conv2d(8, (1, 1), bias=False), [("bias", True, False)]),
        (BatchNorm2d(), BatchNorm2d(eps=1e-3), [("eps", 1e-5, 1e-3)]),
        (BatchNorm2d(), BatchNorm2d(momentum=0.01), [("momentum", 0.1, 0.01)]),
        (ReLU(), ReLU(inplace=True), []),
        (Dropout(0.4), Dropout(0.2), [("p", 0.4, 0.2)]),
        (
            MaxPool2d((3, 3), (2, 2), (1, 1), "floor"),
            MaxPool2d((3, 3), (2, 2), (1, 1), "trunc"),
            [("rounding", "floor", "trunc")],
        ),
        (MaxPool2d((3, 3), (1, 1), (1, 1), "floor"), MaxPool2d((3, 3), (1, 1), "same", "ceil"), []),
        (Conv2d(8, (3, 3), padding=(1, 1)), Conv2d(8, (3, 3), padding="same"), []),
        (
            AvgPool2d((3, 3), (1, 1), (1, 1)),
            AvgPool2d((3, 3), (1, 1), (1, 1), count_include_pad=False),
            [("count_include_pad", True, False)],
        ),
    ],
)  # fmt: skip
def test_attributes_are_seen_though_shapes_agree(a: Op, b: Op, expected: object) -> None:
    found = attributes(chain(a, ReLU()), chain(b, ReLU()))
    if isinstance(expected, str):
        assert expected in [attribute for attribute, _, _ in found]
    elif isinstance(expected, list):
        assert found[: len(expected)] == [each for each in expected if each != OUTPUT] or found[0] == expected[0]


def test_numbers_of_arithmetic_differ_where_both_are_known() -> None:
    half, quarter, unknown = (Elementwise("mul", numbers=each) for each in ((None, 0.5), (None, 0.25), ()))
    comparison = compare(chain(half), chain(quarter))
    assert attributes(chain(half), chain(quarter)) == [("numbers", (None, 0.5), (None, 0.25))]
    assert "the mul has the arguments (x, 0.25) instead of (x, 0.5)" in str(compare_table(comparison))
    assert not compare(chain(half), chain(unknown)).changes


def test_another_activation_is_the_same_call_with_another_operation() -> None:
    graph = CATALOGUE["googlenet"]
    other = il.load("googlenet", activation="gelu")
    assert [what[1:] for what in changed(compare(graph, other).changes, "op")] == [("ReLU", "GELU")] * 57


def test_a_softmax_at_the_end_is_told() -> None:
    a, b = chain(Flatten(), Linear(4), Softmax()), chain(Flatten(), Linear(4))
    assert alone(compare(a, b).changes, "removed", "Softmax") == ["Softmax_2"]
    assert compare(a, b).differs


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (AdaptiveAvgPool2d(), AvgPool2d((12, 12), (12, 12))),
        (AvgPool2d((12, 12), (1, 1)), AdaptiveAvgPool2d()),
        (MaxPool2d((3, 3), (2, 2), (0, 0), "ceil"), MaxPool2d((3, 3), (2, 2), "same")),
        (MaxPool2d((3, 3), (2, 2), (0, 0), "ceil"), MaxPool2d((3, 3), (2, 2), (0, 0), "ceil_unclipped")),
    ],
)
def test_two_ways_to_write_the_same_are_told_and_do_not_count(a: Op, b: Op) -> None:
    comparison = compare(chain(a, ReLU()), chain(b, ReLU()))
    assert [change.equivalent for change in comparison.changes] == [True]
    assert not comparison.differs


def test_a_linear_layer_and_a_convolution_over_the_whole_map_are_the_same() -> None:
    a = chain(AdaptiveAvgPool2d(), Conv2d(4, (1, 1)), Flatten())
    b = chain(AdaptiveAvgPool2d(), Flatten(), Linear(4))
    assert changed(compare(a, b).changes, "op") == [("Conv2d_1", "Conv2d", "Linear")]
    assert not compare(a, b).differs
    assert compare(a, chain(AdaptiveAvgPool2d(), Flatten(), Linear(4, bias=False))).differs


def test_a_missing_module_is_missing_and_no_other() -> None:
    comparison = compare(CATALOGUE["googlenet"], il.load("googlenet", overrides={"inception_4c": "none"}))
    lacking = {name.partition("/")[0] for name in comparison.trunk.only_a}
    assert lacking == {"inception_4c"}
    assert not comparison.trunk.only_b
    assert all(a == b for a, b in comparison.trunk.pairs)


def test_branches_in_another_order_are_found_and_the_order_is_told() -> None:
    def network(order: tuple[int, ...]) -> Graph:
        writer = Writer([IMAGE])
        ends = [writer.add(f"branch{k}", Conv2d(4 + k, (k, k), padding=(k // 2, k // 2)), "image") for k in (1, 3, 5)]
        return writer.graph([Output(writer.add("join", Concat(), *(ends[i] for i in order)))])

    comparison = compare(network((0, 1, 2)), network((2, 0, 1)))
    assert sorted(comparison.trunk.pairs) == [(name, name) for name in ("branch1", "branch3", "branch5", "join")]
    assert [change.what for change in comparison.changes] == [
        (Difference("input_order", ("branch1", "branch3", "branch5"), ("branch5", "branch1", "branch3")),)
    ]


def test_the_order_of_a_sum_is_no_difference_and_another_summand_is() -> None:
    def network(first: str, second: str) -> Graph:
        writer = Writer([IMAGE])
        writer.add("a", Conv2d(8, (3, 3), padding=(1, 1)), "image")
        writer.add("b", Conv2d(8, (3, 3), padding=(1, 1)), "a")
        return writer.graph([Output(writer.add("sum", Add(), first, second))])

    assert not compare(network("a", "b"), network("b", "a")).changes
    assert changed(compare(network("a", "b"), network("image", "b")).changes, "inputs")


def test_a_concatenation_inside_of_another_is_paired_with_its_like() -> None:
    def network(kernel: int, nested: bool) -> Graph:
        writer = Writer([IMAGE])
        ends = [writer.add(f"{k}", Conv2d(4 + k, (k, k), padding=(k // 2, k // 2)), "image") for k in (1, 3, kernel)]
        if nested:
            ends = [ends[0], writer.add("inner", Concat(), "image", *ends[1:])]
        else:
            ends.insert(1, "image")
        return writer.graph([Output(writer.add("outer", Concat(), *ends))])

    for other in (network(5, True), renamed(network(5, True)), network(5, False)):
        there, back = compare(network(5, True), other), compare(other, network(5, True))
        assert not there.differs
        assert as_set(back) == {change.mirrored() for change in as_set(there)}
    assert not compare(network(5, True), network(5, True)).changes
    assert [change.b for change in compare(network(5, False), network(7, True)).changes] == ["7", "inner"]


def test_a_module_with_a_branch_less() -> None:
    def network(branches: int) -> Graph:
        writer, x = Writer([IMAGE]), "image"
        for i in range(4):
            ends = [
                writer.add(f"m{i}/{k}", Conv2d(4 + k, (k, k), padding=(k // 2, k // 2)), x)
                for k in (1, 3, 5, 7)[: branches if i == 2 else 4]
            ]
            x = writer.add(f"m{i}/join", Concat(), *ends)
        return writer.graph([Output(x)])

    comparison = compare(network(4), network(3))
    assert comparison.trunk.only_a == ("m2/7",)
    assert not comparison.trunk.only_b
    one = compare(network(4), network(1)).trunk
    assert one.only_a == ("m2/3", "m2/5", "m2/7")


def test_a_plain_network_beside_its_residual_twin() -> None:
    def network(residual: bool) -> Graph:
        writer, x = Writer([IMAGE]), "image"
        for i in range(6):
            y = writer.add(f"{i}/conv", Conv2d(8, (3, 3), padding=(1, 1)), x)
            y = writer.add(f"{i}/relu", ReLU(), y)
            x = writer.add(f"{i}/add", Add(), x, y) if residual else y
        return writer.graph([Output(x)])

    comparison = compare(network(False), network(True))
    assert comparison.trunk.only_b == tuple(f"{i}/add" for i in range(6))
    assert all(change.kind == "added" for change in comparison.changes)


def test_a_tangle_that_is_no_series_of_forks() -> None:
    def dense(layers: int) -> Graph:
        writer = Writer([IMAGE])
        outputs = ["image"]
        for i in range(layers):
            x = writer.add(f"{i}/concat", Concat(), *outputs) if len(outputs) > 1 else "image"
            outputs.append(writer.add(f"{i}/conv", Conv2d(4, (3, 3), padding=(1, 1)), x))
        return writer.graph([Output(writer.add("last", Concat(), *outputs))])

    assert not compare(dense(30), renamed(dense(30))).changes
    comparison = compare(dense(12), dense(10))
    assert len(comparison.trunk.only_a) == 4
    check_sums(dense(12), dense(10), comparison)


def test_deeply_nested_forks_are_no_deep_recursion() -> None:
    writer, x = Writer([IMAGE]), "image"
    down = []
    for i in range(400):
        down.append(x)
        x = writer.add(f"down{i}", ReLU(), x)
    for i, skip in enumerate(reversed(down)):
        x = writer.add(f"up{i}", Concat(dim=2), x, skip)
    graph = writer.graph([Output(x)])
    assert not compare(graph, renamed(graph)).changes


def test_shared_tensors_count_once() -> None:
    def network(shared: bool) -> Graph:
        conv = Conv2d(8, (3, 3), padding=(1, 1))
        names = ("w", "b") if shared else ()
        return Graph.of([IMAGE], [Node("a", conv, ("image",), names), Node("b", conv, ("a",), names)], [Output("b")])

    comparison = compare(network(False), network(True))
    assert changed(comparison.changes, "params") == [("b", 584, 0)]
    check_sums(network(False), network(True), comparison)


def test_tensors_that_nobody_reads_are_told_and_do_not_count() -> None:
    graph = chain(Conv2d(4, (1, 1)))
    idle = msgspec.structs.replace(graph, unused=(Parameter("aux.weight", (7, 3)),))
    comparison = compare(graph, idle)
    assert [(change.kind, change.b, change.params) for change in comparison.changes] == [("added", "aux.weight", 21)]
    assert not comparison.differs
    check_sums(graph, idle, comparison)


def test_an_unknown_size_is_null_and_so_is_what_depends_on_it() -> None:
    boxes = Unknown("Boxes", (TensorType((UNKNOWN_SIZE, 8, 2, 2)),), params_known=False)
    a, b = (chain(ReLU(), boxes, Flatten(), Linear(width)) for width in (4, 5))
    record = json.loads(compare(a, b).to_json())
    (change,) = record["changes"]
    assert change["what"][-1] == {"attribute": "output_shape", "a": [None, 4], "b": [None, 5]}
    assert (change["params"], change["macs"]) == (33, None)
    totals = record["totals"]
    assert (totals["params"], totals["macs"], totals["a"]["params"], totals["a"]["params_exact"]) == (
        None, None, 132, False,
    )  # fmt: skip


def test_what_nobody_knows_is_said() -> None:
    unknown = Unknown("Mystery", (TensorType((1, 8, 12, 12)),))
    a, b = chain(ReLU(), unknown, Conv2d(4, (1, 1))), chain(ReLU(), Conv2d(4, (1, 1)))
    comparison = compare(a, b)
    assert [(change.kind, change.a, change.macs) for change in comparison.changes] == [("removed", "Mystery_1", None)]
    assert not json.loads(comparison.to_json())["totals"]["exact"]


def test_inputs_dtypes_and_modes_are_told() -> None:
    graph = chain(Conv2d(4, (1, 1)), ReLU())
    batch = graph.with_batch(2)
    assert ("shape", (1, 8, 12, 12), (2, 8, 12, 12)) in attributes(graph, batch)
    check_sums(graph, batch, compare(graph, batch))
    assert attributes(graph, graph.with_dtype("float16")) == [
        ("dtype", "float32", "float16"),
        ("params_dtype", "float32", "float16"),
    ]
    assert attributes(graph, msgspec.structs.replace(graph, mode="training")) == [("mode", "inference", "training")]
    two = Graph.of([IMAGE, Input("mask", IMAGE.type)], graph.nodes, graph.outputs)
    assert [(change.kind, change.b) for change in compare(graph, two).changes] == [("added", "mask")]


def test_results_handed_out_in_another_order() -> None:
    def network(*outputs: str) -> Graph:
        nodes = [Node("a", Conv2d(4, (1, 1)), ("image",)), Node("b", Conv2d(5, (3, 3)), ("a",))]
        return Graph.of([IMAGE], nodes, [Output(name) for name in outputs])

    assert changed(compare(network("b", "a"), network("a", "b")).changes, "output") == [
        ("b", (0,), (1,)),
        ("a", (1,), (0,)),
    ]
    assert changed(compare(network("b"), network("b", "a")).changes, "output") == [("a", None, (1,))]


def test_frozen_parameters_are_told() -> None:
    graph = chain(Conv2d(4, (1, 1)))
    frozen = msgspec.structs.replace(graph, frozen=frozenset({"Conv2d_0.weight"}))
    assert attributes(graph, frozen) == [("params_trainable", 36, 4)]


def test_the_front_door_takes_names_configs_and_graphs() -> None:
    comparison = il.compare("googlenet", il.GoogLeNet(classes=10))
    assert [change.a for change in comparison.changes] == ["loss3/classifier"]
    assert len(comparison.heads) == 2
    graph = il.load("googlenet")
    assert not il.compare(graph, "googlenet").changes
    assert [head.b for head in il.compare(graph, "googlenet").heads] == ["aux1/classifier", "aux2/classifier"]
    training = il.load("googlenet", mode="training")
    assert not any(head.changes for head in il.compare(training, "googlenet").heads)
    assert not il.compare("googlenet", training).changes
    assert il.compare("googlenet", "googlenet", (2, 3, 224, 224)).a.macs == 2 * 1_582_671_872


def test_the_json_is_the_contract() -> None:
    comparison = against("googlenet", "googlenet@torchvision")
    record = json.loads(comparison.to_json())
    assert (record["a"], record["b"]) == ("googlenet", "googlenet@torchvision")
    assert record["totals"]["params"] == sum(change["params"] for change in record["changes"]) == -373_648
    assert record["totals"]["macs"] == sum(change["macs"] for change in record["changes"]) == -84_295_680
    assert record["totals"]["heads"]["params"] == sum(change["params"] for change in record["heads"]) == 256
    (change,) = (change for change in record["changes"] if change["a"] == "inception_3a/5x5")
    assert (change["kind"], change["b"]) == ("changed", "inception_3a/5x5_branch_3x3")
    assert {"attribute": "kernel", "a": [5, 5], "b": [3, 3]} in change["what"]
    added = [change for change in record["changes"] if change["kind"] == "added"]
    assert {change["a"] for change in added} == {None}
    assert {change["what"][0]["b"] for change in added} == {"BatchNorm2d"}


@pytest.mark.parametrize("name", ["googlenet", "googlenet@paddle-fluid", "googlenet@torchvision", "inception_v3"])
def test_heads_that_are_computed_at_inference_are_added(name: str) -> None:
    """As in Paddle's own export of its GoogLeNet, which has three outputs at inference."""
    plain = CATALOGUE[name]
    live = msgspec.structs.replace(renamed(WITH_HEADS[name]), mode="inference")
    there = compare(plain, live, (WITH_HEADS[name], live))
    assert there.has_live_heads
    assert there.differs
    lacking = [*there.trunk.only_a, *there.trunk.only_b]
    assert all(node.op.kind == "Softmax" for node in plain.nodes if node.name in lacking)
    assert len(lacking) <= 1
    heads = len(live.outputs) - 1
    assert [(head.a, head.b) for head in there.heads] == [(None, output.node) for output in live.outputs[1:]]
    assert (there.a.heads, there.b.heads) == (0, heads)
    extra = il.analyze(live).totals.params - il.analyze(plain).totals.params
    assert sum(head.params for head in there.heads) == extra > 0
    back = compare(live, plain, (live, WITH_HEADS[name]))
    assert as_set(back) == {change.mirrored() for change in as_set(there)}
    assert str(back.heads) != str(there.heads)
    same = compare(live, renamed(live), (live, live))
    assert not same.heads
    assert not same.differs


def test_an_output_of_one_network_only_has_no_head_if_another_output_needs_its_calls() -> None:
    def network(outputs: tuple[str, ...]) -> Graph:
        writer = Writer([IMAGE])
        writer.add("b", ReLU(), writer.add("a", Conv2d(4, (1, 1)), "image"))
        return writer.graph(map(Output, outputs))

    comparison = compare(network(("b",)), network(("b", "a")))
    assert not comparison.heads
    assert [change.what for change in comparison.changes] == [(Difference("output", None, (1,)),)]
