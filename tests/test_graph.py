"""The graph: what it checks, what it compares and how it is changed."""

import copy
import re
from functools import partial

import msgspec
import pytest

from inception_lens.analyses.analysis import analyze
from inception_lens.errors import GraphError, ShapeError
from inception_lens.graph import Graph, Input, Metadata, Mode, Node, Output, Writer
from inception_lens.ops import (
    LSTM,
    UNKNOWN_SIZE,
    AdaptiveAvgPool2d,
    Add,
    BatchNorm2d,
    Concat,
    Conv2d,
    Elementwise,
    Flatten,
    Linear,
    MatMul,
    MaxPool2d,
    Permute,
    Reduce,
    ReLU,
    Reshape,
    Slice,
    Stack,
    Stored,
    TensorType,
    Unknown,
)
from inception_lens.ops.base import Op

IMAGE = Input("image", TensorType((1, 3, 8, 8)))
CONV = Node("conv", Conv2d(4, (3, 3), padding=(1, 1)), ("image",))
RELU = Node("relu", ReLU(), ("conv",))


def chain(*nodes: Node, mode: Mode = "inference") -> Graph:
    return Graph.of([IMAGE], nodes, [Output(nodes[-1].name)], mode)


def test_a_graph_has_the_types_of_all_tensors() -> None:
    graph = chain(CONV, RELU)
    assert graph.types == {
        "image": (TensorType((1, 3, 8, 8)),),
        "conv": (TensorType((1, 4, 8, 8)),),
        "relu": (TensorType((1, 4, 8, 8)),),
    }
    assert graph.input_types(RELU) == (TensorType((1, 4, 8, 8)),)


def test_a_writer_and_a_list_of_nodes_build_the_same_graph() -> None:
    writer = Writer([IMAGE])
    x = writer.add("conv", CONV.op, "image")
    assert writer.shape(x) == (1, 4, 8, 8)
    assert writer.shape("image") == (1, 3, 8, 8)
    assert writer.graph([Output(writer.add("relu", ReLU(), x))]) == chain(CONV, RELU)


def test_a_graph_does_not_change_with_its_writer() -> None:
    writer = Writer([IMAGE])
    writer.write(CONV)
    before = writer.graph([Output("conv")])
    writer.write(RELU)
    assert before == chain(CONV)
    assert set(before.types) == {"image", "conv"}


@pytest.mark.parametrize("name", ["conv", "image"])
def test_a_name_can_be_used_once(name: str) -> None:
    with pytest.raises(GraphError, match=f"^two nodes are called `{name}`: give each its own name$"):
        chain(CONV, Node(name, ReLU(), ("image",)))


def test_an_input_name_can_be_used_once() -> None:
    with pytest.raises(GraphError, match=r"^two inputs are called `image`; expected different names$"):
        Graph.of([IMAGE, IMAGE], [], [])


@pytest.mark.parametrize("nodes", [[RELU], [RELU, CONV]])
def test_a_node_reads_earlier_nodes(nodes: list[Node]) -> None:
    with pytest.raises(GraphError, match=r"^`relu` reads `conv`, which is not an earlier node or an input$"):
        chain(*nodes)


def test_a_node_cannot_read_itself() -> None:
    with pytest.raises(GraphError, match=r"^`relu` reads `relu`"):
        chain(Node("relu", ReLU(), ("relu",)))


def test_an_output_must_exist() -> None:
    with pytest.raises(GraphError, match=r"^graph output `prob` is not a node$"):
        Graph.of([IMAGE], [CONV], [Output("prob")])


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (1, 3, 0, 8), (1, 3, 8, -1)])
def test_an_empty_input_is_refused(shape: tuple[int, ...]) -> None:
    seen = "x".join(map(str, shape))
    with pytest.raises(GraphError, match=f"^input `image` is {seen}: every size must be at least 1$"):
        Graph.of([Input("image", TensorType(shape))], [], [])


def test_a_scalar_input_is_allowed() -> None:
    graph = Graph.of([Input("t", TensorType(()))], [Node("r", ReLU(), ("t",))], [Output("r")])
    assert graph.types["r"] == (TensorType(()),)
    assert graph.with_batch(7) == graph


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            Node("late", Conv2d(4, (9, 9)), ("conv",)),
            "`late` (9x9 of `conv` 1x4x8x8): a 9x9 kernel does not fit the 8x8 map: it needs at least 9x9",
        ),
        (
            Node("join", Concat(), ("conv", "flat")),
            "`join` (concat of `conv` 1x4x8x8, `flat` 1x256): Concat along axis 1 of 1x4x8x8 and 1x256: "
            "every other axis must agree, but 1x256 is not 1x4x8x8",
        ),
    ],
)
def test_a_shape_error_names_the_node_its_inputs_and_the_expected_shape(node: Node, message: str) -> None:
    with pytest.raises(ShapeError) as error:
        chain(CONV, Node("flat", Flatten(), ("conv",)), node)
    assert str(error.value) == message


def test_a_node_is_found_by_its_name() -> None:
    assert chain(CONV, RELU)["relu"] is RELU


@pytest.mark.parametrize("name", ["pool", "image", ""])
def test_an_unknown_name_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError) as error:
        chain(CONV, RELU)[name]
    assert error.value.args == (name,)


def test_two_graphs_are_equal_when_they_compute_the_same() -> None:
    graph = chain(CONV, RELU)
    again = chain(CONV, RELU)
    assert graph == again
    assert not graph != again  # noqa: SIM202 - an operation of its own
    assert hash(graph) == hash(again)
    assert graph != (graph.inputs, graph.nodes)


def test_metadata_is_not_compared() -> None:
    graph = chain(CONV, RELU)
    named = msgspec.structs.replace(graph, metadata=Metadata("net", "by someone", "catalogue"))
    assert named.name == "net"
    assert named == graph
    assert hash(named) == hash(graph)


@pytest.mark.parametrize(
    "other",
    [
        chain(CONV, RELU, mode="training"),
        chain(CONV),
        chain(CONV, Node("relu", ReLU(inplace=True), ("conv",))),
        chain(CONV, Node("act", ReLU(), ("conv",))),
        Graph.of([IMAGE], [CONV, RELU], [Output("relu", 0.3)]),
        Graph.of([IMAGE], [CONV, RELU], [Output("conv")]),
        chain(CONV, RELU).with_batch(2),
        chain(CONV, RELU).with_dtype("float16"),
        msgspec.structs.replace(chain(CONV, RELU), frozen=frozenset({"conv.weight"})),
    ],
)
def test_graphs_with_different_numbers_differ(other: Graph) -> None:
    assert chain(CONV, RELU) != other


def test_a_graph_shows_its_name_inputs_and_size() -> None:
    named = msgspec.structs.replace(chain(CONV, RELU, mode="training"), metadata=Metadata("net"))
    assert repr(named) == "<Graph 'net' of image 1x3x8x8: 2 nodes, training>"


def test_other_inputs_change_the_types_of_all_nodes() -> None:
    graph = msgspec.structs.replace(
        chain(CONV, RELU, mode="training"), metadata=Metadata("net"), frozen=frozenset({"conv.bias"})
    )
    larger = graph.with_inputs({"image": TensorType((2, 3, 20, 10))})
    assert larger.types["relu"] == (TensorType((2, 4, 20, 10)),)
    assert larger.inputs == (Input("image", TensorType((2, 3, 20, 10))),)
    assert (larger.mode, larger.frozen, larger.metadata) == (graph.mode, graph.frozen, graph.metadata)
    assert larger.with_inputs({"image": IMAGE.type}) == graph
    assert graph.types["relu"] == (TensorType((1, 4, 8, 8)),)


def test_other_inputs_are_checked_too() -> None:
    graph = chain(Node("conv", Conv2d(4, (5, 5)), ("image",)))
    with pytest.raises(ShapeError, match=r"^`conv` .* a 5x5 kernel does not fit the 4x4 map"):
        graph.with_inputs({"image": TensorType((1, 3, 4, 4))})
    with pytest.raises(GraphError, match=r"^`network` has no input `x` \(valid: image\)$"):
        graph.with_inputs({"x": TensorType((1, 3, 8, 8))})


def test_an_input_that_is_not_named_stays() -> None:
    mask = Input("mask", TensorType((1, 1, 8, 8), "bool"))
    graph = Graph.of([IMAGE, mask], [Node("both", Concat(), ("image", "mask"))], [Output("both")])
    wider = graph.with_inputs({"image": TensorType((1, 7, 8, 8))})
    assert wider.types["both"] == (TensorType((1, 8, 8, 8)),)
    assert wider.types["mask"] == (mask.type,)


def test_a_batch_is_the_first_axis_of_every_input() -> None:
    mask = Input("mask", TensorType((1, 1, 8, 8), "bool"))
    graph = Graph.of([IMAGE, mask], [Node("both", Concat(), ("image", "mask"))], [Output("both")]).with_batch(32)
    assert [given.type.shape for given in graph.inputs] == [(32, 3, 8, 8), (32, 1, 8, 8)]
    assert graph.types["both"][0].shape == (32, 4, 8, 8)
    assert graph.types["mask"][0].dtype == "bool"


def test_a_batch_of_one_sample_is_allowed() -> None:
    assert chain(CONV).with_batch(1) == chain(CONV)


@pytest.mark.parametrize("batch", [0, -3])
def test_a_batch_has_at_least_one_sample(batch: int) -> None:
    with pytest.raises(GraphError, match=f"^a batch of {batch}: expected at least 1 sample$"):
        chain(CONV).with_batch(batch)


def test_a_dtype_is_that_of_parameters_and_floating_point_inputs() -> None:
    tokens = Input("tokens", TensorType((1, 5), "int64"))
    graph = Graph.of([IMAGE, tokens], [CONV, Node("t", Flatten(), ("tokens",))], [Output("conv")])
    half = graph.with_dtype("bfloat16")
    assert half.dtype == "bfloat16"
    assert {name: types[0].dtype for name, types in half.types.items()} == {
        "image": "bfloat16",
        "conv": "bfloat16",
        "tokens": "int64",
        "t": "int64",
    }
    assert half.with_dtype("float32") == graph


def test_an_unknown_dtype_is_refused_with_a_suggestion() -> None:
    with pytest.raises(GraphError, match=r"^`flaot16` is not a dtype \(did you mean `float16`"):
        chain(CONV).with_dtype("flaot16")


def shared(first: Op, second: Op, *names: str) -> Graph:
    nodes = [Node("a", first, ("image",), names), Node("b", second, ("a",), names)]
    return chain(*nodes)


def test_calls_may_share_tensors_that_agree() -> None:
    graph = shared(Conv2d(3, (3, 3)), Conv2d(3, (3, 3)), "w", "b")
    assert [node.parameters for node in graph.nodes] == [("w", "b"), ("w", "b")]


def test_calls_with_different_shapes_of_a_shared_tensor_are_refused() -> None:
    with pytest.raises(GraphError, match=r"^`b` reads `w` as 3x3x1x1, an earlier node as 3x3x3x3$"):
        shared(Conv2d(3, (3, 3)), Conv2d(3, (1, 1)), "w", "b")


def test_buffers_are_shared_by_name_too() -> None:
    assert shared(BatchNorm2d(), BatchNorm2d(), "weight", "bias", "mean", "var")
    with pytest.raises(GraphError, match=r"^`a` names 2 tensors, but reads 4$"):
        shared(BatchNorm2d(), BatchNorm2d(), "weight", "bias")


@pytest.mark.parametrize(("op", "named", "read"), [(Linear(4, bias=False), 2, 1), (ReLU(), 2, 0)])
def test_a_node_names_all_tensors_that_it_reads_or_none(op: Op, named: int, read: int) -> None:
    with pytest.raises(GraphError, match=f"^`a` names {named} tensors, but reads {read}$"):
        shared(op, op, "w", "b")


def test_the_first_of_several_outputs_is_the_one_that_is_read() -> None:
    split = Node("split", Unknown("split", (TensorType((1, 1, 8, 8)), TensorType((1, 2, 8, 8)))), ("image",))
    graph = chain(split, Node("relu", ReLU(), ("split",)))
    assert graph.types["relu"] == (TensorType((1, 1, 8, 8)),)
    assert len(graph.types["split"]) == 2


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (Node("b", Conv2d(7, (1, 1)), ("image", "image")), "`b` calls Conv2d on 2 inputs"),
        (Node("b", ReLU(), ()), "`b` calls ReLU on 0 inputs"),
        (Node("b", Concat(), ()), "`b` calls Concat on 0 inputs"),
        (Node("b", Unknown("foo", ()), ()), "foo declares no output"),
        (Node("b", Linear(-3), ("image",)), "the output would be 1x3x8x-3"),
        (Node("b", Conv2d(3, (1, 1), (0, 0)), ("image",)), "must be at least 1"),
        (Node("b", Conv2d(3, (0, 0)), ("image",)), "must be at least 1"),
        (Node("b", Conv2d(3, (1,)), ("image",)), "expected one entry for each of the 2 axes"),
        (Node("b", Conv2d(3, (3, 3), padding=(-1, -1)), ("image",)), "padding"),
        (Node("b", Conv2d(3, (1, 1), groups=0), ("image",)), "groups"),
        (Node("b", AdaptiveAvgPool2d((0, 0)), ("image",)), "at least 1"),
        (Node("", ReLU(), ("image",)), "has no name"),
    ],
)
def test_an_invalid_call_is_refused(node: Node, message: str) -> None:
    with pytest.raises(GraphError, match=re.escape(message)):
        Graph.of([IMAGE], [node], [Output(node.name)])


def test_a_network_needs_a_call_and_an_output() -> None:
    with pytest.raises(GraphError, match="at least one call"):
        Graph.of([IMAGE], [], [Output("image")])
    with pytest.raises(GraphError, match="at least one call and one output"):
        Graph.of([IMAGE], [Node("a", ReLU(), ("image",))], [])


def test_a_shared_tensor_and_its_owner_must_agree() -> None:
    nodes = [Node("a", Conv2d(3, (1, 1)), ("image",)), Node("b", Conv2d(7, (1, 1)), ("a",), ("a.weight", "a.bias"))]
    with pytest.raises(GraphError, match=r"`b` reads `a.weight` as 7x3x1x1, an earlier node as 3x3x1x1"):
        Graph.of([IMAGE], nodes, [Output("b")])


def test_an_input_of_an_unknown_dtype_is_refused() -> None:
    with pytest.raises(GraphError, match=r"`float31` is not a dtype .*float32"):
        Graph.of([Input("x", TensorType((1,), "float31"))], [], [])


def test_inputs_that_need_other_weights_or_an_unknown_rule_are_refused() -> None:
    graph = Graph.of([IMAGE], [Node("a", Conv2d(3, (1, 1)), ("image",))], [Output("a")])
    with pytest.raises(GraphError, match="`a` would need weights of 3x9x1x1 and not 3x3x1x1"):
        graph.with_inputs({"image": TensorType((1, 9, 8, 8))})
    odd = Graph.of([IMAGE], [Node("odd", Unknown("Odd", (IMAGE.type,)), ("image",))], [Output("odd")])
    with pytest.raises(GraphError, match=r"the output shape of `odd` \(Odd\) is unknown for another input"):
        odd.with_batch(2)


def test_sizes_that_may_follow_from_the_inputs_are_refused() -> None:
    half = Graph.of([IMAGE], [Node("half", Slice(2, 0, 4), ("image",))], [Output("half")])
    with pytest.raises(GraphError, match=r"^`half` \(.*\) holds for an input of 1x3x8x8; its sizes are unknown for "):
        half.with_inputs({"image": TensorType((1, 3, 16, 8))})
    nodes = [
        Node("zeros", Stored((2, 8), "float32", "constant"), ()),
        Node("square", Stored((8, 8)), ()),
        Node("state", MatMul(), ("zeros", "square")),
        Node("sum", Reduce("sum", ()), ("state",)),
        Node("result", Elementwise("add"), ("image", "sum")),
    ]
    created = Graph.of([IMAGE], nodes, [Output("result")])
    message = r"^axis 0 of `zeros`, 2x8, may follow from the inputs: the cost of `state` \(.*\) is unknown for another"
    with pytest.raises(GraphError, match=message):
        created.with_batch(3)
    assert created.with_dtype("float64").types["state"][0].shape == (2, 8)
    pair = Graph.of([Input("image", TensorType((2, 3, 8, 8)))], nodes, [Output("result")])
    with pytest.raises(GraphError, match=r"^the first axis of `zeros`, 2x8, may be the batch of 2: its"):
        pair.with_batch(3)


# --- lookups by name


def branching() -> Graph:
    """Two inputs, a recurrent layer with three outputs, and nodes that read the input, some outputs, and one twice."""
    sequence = Input("sequence", TensorType((5, 2, 8)))
    return Graph.of(
        [IMAGE, sequence],
        [
            CONV,
            Node("lstm", LSTM(8), ("sequence",)),
            Node("states", Stack(), ("lstm:1", "lstm:2")),
            Node("twice", Add(), ("lstm", "lstm")),
            Node("both", Add(), ("twice", "sequence")),
        ],
        [Output("conv"), Output("both"), Output("lstm:2"), Output("states")],
    )


def test_the_index_locates_every_tensor_its_producer_and_its_readers() -> None:
    graph = branching()
    index = graph.index
    assert index.nodes == {node.name: node for node in graph.nodes}
    assert index.producer == {
        **{name: name for name in ("image", "sequence", "conv", "lstm", "states", "twice", "both")},
        "lstm:1": "lstm",
        "lstm:2": "lstm",
    }
    assert index.position == {
        "image": -1, "sequence": -1, "conv": 0, "lstm": 1, "lstm:1": 1, "lstm:2": 1, "states": 2, "twice": 3, "both": 4,
    }  # fmt: skip
    assert index.readers == {
        "image": (0,), "sequence": (1, 4), "conv": (), "lstm": (2, 2, 3, 3), "states": (), "twice": (4,), "both": (),
    }  # fmt: skip
    assert [index.reads(node) for node in graph.nodes] == [(-1,), (-1,), (1, 1), (1, 1), (3, -1)]


def test_a_colon_in_a_name_does_not_start_an_output_number() -> None:
    sequence = Input("model:0", TensorType((5, 2, 8)))
    nodes = [Node("a:b:1", LSTM(8), ("model:0",)), Node("end:2", Add(), ("a:b:1", "model:0"))]
    index = Graph.of([sequence], nodes, [Output("end:2"), Output("a:b:1:2")]).index
    assert index.producer["a:b:1:2"] == index.producer["a:b:1"] == "a:b:1"
    assert index.position["end:2"] == 1
    assert index.readers["model:0"] == (0, 1)


def test_a_node_cannot_have_the_name_of_a_later_nodes_output() -> None:
    sequence = Input("sequence", TensorType((5, 2, 8)))
    nodes = [Node("lstm:1", ReLU(), ("sequence",)), Node("lstm", LSTM(8), ("sequence",))]
    with pytest.raises(GraphError, match="`lstm:1` is"):
        Graph.of([sequence], nodes, [Output("lstm")])


def test_the_index_belongs_to_one_graph() -> None:
    graph = branching()
    before = hash(graph)
    assert graph.index is graph.index
    assert graph == branching()
    assert hash(graph) == before == hash(branching())
    fewer = msgspec.structs.replace(graph, nodes=graph.nodes[:1], outputs=graph.outputs[:1])
    assert set(fewer.index.nodes) == {"conv"}
    for copied in (copy.copy(graph), copy.deepcopy(graph)):
        assert copied == graph
        assert copied.index == graph.index


def test_neither_building_nor_analysing_a_graph_builds_its_index() -> None:
    graph = branching()
    assert analyze(graph).totals.macs
    assert not graph.__dict__


def module(writer: Writer, x: str, name: str, *, width: int = 4, written: list[str] | None = None) -> str:
    """Two branches, written as a block; `written` collects the names of the blocks that are not copied."""

    def write() -> str:
        if written is not None:
            written.append(name)
        a = writer.add(f"{name}/a", Conv2d(width, (3, 3), padding=(1, 1)), x)
        b = writer.add(f"{name}/b", ReLU(inplace=True), writer.add(f"{name}/b/conv", Conv2d(width, (1, 1)), x))
        return writer.add(f"{name}/sum", Add(), a, b)

    return writer.block(width, name, x, write)


def test_a_repeated_block_is_copied_and_the_graph_is_that_of_blocks_written_one_by_one() -> None:
    written: list[str] = []
    writer, plain, x, y = Writer([IMAGE]), Writer([IMAGE]), "image", "image"
    for i, width in enumerate((4, 4, 4, 8, 4, 4)):
        x = module(writer, x, f"m{i}", width=width, written=written)
        a = plain.add(f"m{i}/a", Conv2d(width, (3, 3), padding=(1, 1)), y)
        b = plain.add(f"m{i}/b", ReLU(inplace=True), plain.add(f"m{i}/b/conv", Conv2d(width, (1, 1)), y))
        y = plain.add(f"m{i}/sum", Add(), a, b)
    copied, same = writer.graph([Output(x)]), plain.graph([Output(y)])
    assert written == ["m0", "m1", "m3", "m4"]  # m0 reads 3 channels, m4 reads 8; m2 and m5 repeat m1
    assert copied == same
    assert copied.types == same.types
    assert [facts.inputs for facts in copied.facts] == [facts.inputs for facts in same.facts]
    assert analyze(copied).totals == analyze(same).totals


def test_a_repeated_block_needs_a_name_of_its_own() -> None:
    writer = Writer([IMAGE])
    x = module(writer, module(writer, "image", "m"), "n")
    module(writer, x, "o")
    with pytest.raises(GraphError, match=r"^two nodes are called `n/a`: give each its own name$"):
        module(writer, x, "n")


@pytest.mark.parametrize("kind", ["name", "input", "output", "parameters", "dtype", "outputs"])
def test_a_block_that_a_copy_could_not_equal_is_written_each_time(kind: str) -> None:
    written: list[str] = []
    writer = Writer([Input("x", TensorType((2, 3, 8))), Input("y", TensorType((2, 3, 8)))])

    def write(name: str, x: str) -> str:
        written.append(name)
        match kind:
            case "name":
                return writer.add(f"elsewhere{len(written)}", Linear(8), x)
            case "input":
                return writer.add(f"{name}/add", Add(), x, "y")
            case "output":
                return x
            case "parameters":
                return writer.add(f"{name}/fc", Linear(8), x, parameters=("w", "b"))
            case "dtype":
                return writer.write(Node(f"{name}/fc", Linear(8), (x,), dtype="float32"))
        return writer.add(f"{name}/act", ReLU(), f"{writer.add(f'{name}/lstm', LSTM(8), x)}:1")

    for name in ("first", "second", "third"):
        writer.block(kind, name, "x", partial(write, name, "x"))
    assert written == ["first", "second", "third"]


BOXES = Node("boxes", Unknown("Boxes", (TensorType((UNKNOWN_SIZE, 8, 6, 6)), TensorType((), has_shape=False))), ("x",))
"""An unknown number of boxes of 8 channels, and a tensor of which nothing is known."""


def boxes(*nodes: Node) -> Graph:
    return Graph.of([Input("x", TensorType((1, 3, 8, 8)))], [BOXES, *nodes], [Output(nodes[-1].name)])


@pytest.mark.parametrize(
    ("op", "sizes", "params", "macs"),
    [
        (Conv2d(4, (3, 3)), (None, 4, 4, 4), 4 * 72 + 4, None),
        (ReLU(), (None, 8, 6, 6), 0, 0),
        (Flatten(), (None, 288), 0, 0),
        (Flatten(0), (None,), 0, 0),
        (Reshape((-1, 8, 36)), (None, 8, 36), 0, 0),
        (Reshape((8, -1)), (8, None), 0, 0),
        (Permute((1, 0, 2, 3)), (8, None, 6, 6), 0, 0),
        (Slice(0, 2, 7), (5, 8, 6, 6), 0, 0),
        (MaxPool2d((2, 2), (2, 2)), (None, 8, 3, 3), 0, 0),
    ],
    ids=repr,
)
def test_what_does_not_depend_on_an_unknown_size_is_known(
    op: Op, sizes: tuple[int | None, ...], params: int, macs: int | None
) -> None:
    graph = boxes(Node("y", op, ("boxes",)))
    facts = graph.facts[1]
    assert graph.types["y"][0].sizes == sizes
    assert (facts.parameter_elements, facts.params_known, facts.macs) == (params, True, macs)
    assert (facts.flops is None) == (isinstance(op, Conv2d | ReLU | MaxPool2d))
    assert [tensor.elements for _, tensor in graph.tensors(graph["y"])] == [each.elements for each in facts.parameters]


def test_weights_that_depend_on_an_unknown_size_are_unknown() -> None:
    turned = Node("turned", Permute((1, 0, 2, 3)), ("boxes",))
    facts = boxes(turned, Node("y", Conv2d(4, (3, 3)), ("turned",))).facts[2]
    assert (facts.outputs[0].sizes, facts.parameters, facts.params_known) == ((8, 4, 4, 4), (), False)


def test_unknown_sizes_that_are_multiplied_are_unknown() -> None:
    joined = boxes(Node("y", Concat(0), ("boxes", "boxes")), Node("z", Add(), ("y", "y")))
    assert joined.types["z"][0].sizes == (None, 8, 6, 6)


def test_an_operation_cannot_read_a_tensor_of_which_nothing_is_known() -> None:
    with pytest.raises(ShapeError, match=r"`y` \(ReLU\) reads a tensor of unknown shape"):
        boxes(Node("y", ReLU(), ("boxes:1",)))


def test_a_tensor_of_unknown_size_counts_nothing_towards_a_lower_bound() -> None:
    boxes, nothing = BOXES.op.output_types(())
    assert (boxes.bytes, boxes.elements, nothing.bytes, nothing.sizes) == (0, 0, 0, None)
    assert TensorType(()).bytes == 4


def test_a_writer_forgets_the_calls_that_are_removed() -> None:
    writer = Writer([IMAGE])
    writer.write(CONV)
    writer.add("lstm", LSTM(4), writer.add("flat", Reshape((1, 8, 32)), "conv"))
    assert (len(writer), writer.truncate(1), len(writer)) == (3, ["flat", "lstm"], 1)
    assert writer.add("flat", ReLU(), "conv") == "flat"
    assert [node.name for node in writer.graph([Output("flat")]).nodes] == ["conv", "flat"]
