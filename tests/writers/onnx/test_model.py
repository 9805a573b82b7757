"""Written ONNX models are valid, give the same results as PyTorch in a runtime, and read back equal."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import inception_lens as il
from inception_lens.architectures.catalogue import entries
from inception_lens.cli import run
from inception_lens.errors import FormatError
from inception_lens.graph import Graph, Input, Mode, Node, Output
from inception_lens.lens import source_of
from inception_lens.ops import (
    ELU,
    GELU,
    LSTM,
    Add,
    AvgPool2d,
    BatchNorm2d,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Elementwise,
    Flatten,
    GroupNorm,
    Hardswish,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Op,
    Pad,
    Permute,
    PReLU,
    Reduce,
    ReLU,
    Reshape,
    RMSNorm,
    Select,
    SiLU,
    Slice,
    Softmax,
    Stored,
    TensorType,
    Upsample,
)
from inception_lens.ops.arithmetic import ARITY
from inception_lens.ops.pool import AdaptiveAvgPool2d
from inception_lens.readers.onnx.elementwise import LOGIC
from inception_lens.readers.onnx.model import read_onnx
from inception_lens.writers.differences import grouped
from inception_lens.writers.onnx.arithmetic import ELEMENTWISE, NEED_ATTRIBUTES
from inception_lens.writers.onnx.differences import differences
from inception_lens.writers.onnx.model import to_onnx
from tests.writers.canonical_nodes import canonical_nodes

ENTRIES = {entry.name: entry for entry in entries()}
RENAMED = {"googlenet@paddle-fluid"}
"""Networks with a window that extends beyond the map only by rounding, which is written as padding."""
RUN = ["googlenet", "googlenet@paddle-fluid", "googlenet@slim", "inception_v3", "alexnet", "resnet18", "lenet"]


def read_back(folder: Path, data: bytes) -> Graph:
    path = folder / "net.onnx"
    path.write_bytes(data)
    return read_onnx(str(path))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_network_reads_back_equal(tmp_path: Path, name: str) -> None:
    graph = ENTRIES[name].config.graph()
    data = to_onnx(graph)
    onnx.checker.check_model(data, full_check=True)
    again = read_back(tmp_path, data)
    if name not in RENAMED:
        assert canonical_nodes(again) == canonical_nodes(graph)
    assert (again.inputs, again.outputs, again.types) == (graph.inputs, graph.outputs, graph.types)
    assert il.analyze(again).totals == il.analyze(graph).totals


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("name", ENTRIES)
def test_each_difference_when_read_back_is_named(tmp_path: Path, name: str, mode: Mode) -> None:
    graph = ENTRIES[name].config.graph(mode)
    data = to_onnx(graph)
    again = msgspec.structs.replace(read_back(tmp_path, data), mode=mode)
    found = differences(graph, data)
    assert bool(found) == (again != graph)
    theirs = {node.name: node for node in again.nodes}
    expected = {node.name for node in graph.nodes if theirs.pop(node.name, None) != node} | set(theirs)
    expected |= {"weights of the losses"} if again.outputs != graph.outputs else set()
    assert {line.partition(": ")[0] for line in found} == expected
    assert len(grouped(found)) <= 8


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_numbers_are_written_in_the_dtype_of_the_network(dtype: str) -> None:
    graph = il.load("googlenet@slim", overrides={"classes": 10, "width": 0.125}, dtype=dtype)
    data = to_onnx(graph, source_of(graph).tensors(graph))
    onnx.checker.check_model(data, full_check=True)
    assert not differences(graph, data)


def test_the_command_names_the_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", "--to", "onnx", "--weights", "none", "-o", str(tmp_path / "net.onnx")]
    assert run([*command, "googlenet@paddle", "--mode", "training"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "difference when read back: pool1/3x3_s2 and 15 more: rounding ceil instead of ceil_unclipped",
        "difference when read back: weights of the losses: [1.0, 1.0, 1.0] instead of [1.0, 0.3, 0.3]",
    ]
    assert run([*command, "googlenet"]) == 0
    assert capsys.readouterr().err == ""


def computed(data: bytes, *inputs: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(data, options)
    given = dict(zip([each.name for each in session.get_inputs()], inputs, strict=True))
    return session.run(None, given)  # type: ignore[no-any-return]


def random_state(module: torch.nn.Module) -> Mapping[str, Any]:
    """The state of a module, with random running statistics."""
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("name", RUN)
def test_a_runtime_computes_what_pytorch_does(name: str) -> None:
    torch.manual_seed(0)
    graph = ENTRIES[name].config.replace(classes=10, width=0.125 if "lenet" not in name else 1.0).graph()
    module = il.build(graph).eval()
    data = to_onnx(graph, random_state(module))
    onnx.checker.check_model(data, full_check=True)
    image = torch.rand(graph.inputs[0].type.shape)
    with torch.no_grad():
        expected = module(image).numpy()
    (found,) = computed(data, image.numpy())
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_heads_with_uneven_adaptive_pools_are_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    graph = ENTRIES["googlenet@torchvision"].config.replace(classes=10, width=0.125).graph("training")
    module = il.build(graph)
    for each in module.modules():
        if isinstance(each, torch.nn.Dropout | torch.nn.BatchNorm2d):
            each.eval()
    data = to_onnx(graph, random_state(module))
    image = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        expected = module(image)
    found = computed(to_onnx(graph.with_batch(2), random_state(module)), image.numpy())
    assert len(found) == len(expected) == 3
    assert il.analyze(read_back(tmp_path, data)).totals.macs == il.analyze(graph).totals.macs


OPERATIONS: list[tuple[Op, tuple[int, ...]]] = [
    (ReLU(inplace=True), (1, 4, 9, 9)),
    (SiLU(), (1, 4, 9, 9)),
    (GELU(), (1, 4)),
    (Hardswish(inplace=True), (1, 4)),
    (ELU(alpha=0.25), (1, 4)),
    (LeakyReLU(negative_slope=0.2), (1, 4)),
    (PReLU(slopes=4), (1, 4, 3, 3)),
    (Softmax(1), (1, 4, 3)),
    (LocalResponseNorm(3, 1e-3, 0.5, 2.0), (1, 4, 9, 9)),
    (Conv2d(6, (3, 5), (2, 1), ((0, 1), 2), (1, 2), groups=2, bias=False), (1, 4, 12, 12)),
    (Conv2d(6, (4, 4), (3, 3), "same"), (1, 4, 11, 11)),
    (ConvTranspose2d(6, (3, 3), (2, 2), (1, 1), output_padding=(1, 1)), (1, 4, 5, 5)),
    (MaxPool2d((3, 3), (2, 2), (1, 1), "ceil"), (1, 4, 10, 10)),
    (AvgPool2d((3, 3), (1, 1), "same", count_include_pad=False), (1, 4, 9, 9)),
    (AvgPool2d((3, 3), (2, 2), (1, 1)), (1, 4, 9, 9)),
    (AdaptiveAvgPool2d((1, 1)), (1, 4, 9, 9)),
    (BatchNorm2d(1e-3, 0.0003, scale=False), (1, 4, 5, 5)),
    (BatchNorm2d(scale=False, shift=False), (1, 4, 5, 5)),
    (LayerNorm((6,)), (1, 4, 6)),
    (LayerNorm((4, 6), scale=False, shift=False), (1, 4, 6)),
    (RMSNorm((6,)), (1, 4, 6)),
    (RMSNorm((6,), 1e-6, scale=False), (1, 4, 6)),
    (GroupNorm(2), (1, 4, 3, 3)),
    (GroupNorm(4, affine=False), (1, 4, 3, 3)),
    (InstanceNorm(), (1, 4, 3, 3)),
    (InstanceNorm(affine=True), (1, 4, 3, 3)),
    (Elementwise("mul", numbers=(None, 0.1)), (1, 4)),
    (Elementwise("sub", numbers=(0.25, None)), (1, 4)),
    (Elementwise("pow", numbers=(None, 2.0)), (1, 4)),
    (Elementwise("gt", "bool", numbers=(None, 0.5)), (1, 4)),
    (Elementwise("clamp", numbers=(None, float("-inf"), 3.0)), (1, 4)),
    (Linear(3), (1, 4, 6)),
    (Linear(3, bias=False), (2, 6)),
    (Dropout(0.3), (1, 4)),
    (Flatten(), (1, 4, 3, 3)),
    (Reshape((-1, 2, 18)), (1, 4, 3, 3)),
    (Permute((0, 2, 1)), (1, 4, 3)),
    (Slice(1, 1, 4, 2), (1, 6, 3)),
    (Select(1, 2), (1, 6, 3)),
    (Pad(((0, 0), (0, 0), (1, 2), (3, 0)), "constant", 0.5), (1, 4, 3, 3)),
    (Upsample((6, 6)), (1, 4, 3, 3)),
    (Upsample((5, 7), "bilinear"), (1, 4, 3, 3)),
    (Reduce("mean", (2, 3), True), (1, 4, 3, 3)),
    (Elementwise("abs"), (1, 4)),
]


@pytest.mark.parametrize(("op", "shape"), OPERATIONS, ids=lambda value: repr(value)[:50])
def test_an_operation_reads_back_equal(tmp_path: Path, op: Op, shape: tuple[int, ...]) -> None:
    graph = Graph.of([Input("x", TensorType(shape))], [Node("y", op, ("x",))], [Output("y")])
    data = to_onnx(graph)
    onnx.checker.check_model(data, full_check=True)
    assert read_back(tmp_path, data) == graph


@pytest.mark.parametrize("op", [Add(), Add(0.17), Concat(1), Concat(-1), Elementwise("mul"), Elementwise("maximum")])
def test_operations_of_two_tensors_read_back_equal(tmp_path: Path, op: Op) -> None:
    nodes = [Node("a", ReLU(), ("x",)), Node("b", ELU(), ("x",)), Node("y", op, ("a", "b"))]
    graph = Graph.of([Input("x", TensorType((1, 4, 3, 3)))], nodes, [Output("y")])
    assert canonical_nodes(read_back(tmp_path, to_onnx(graph)))[:2] == canonical_nodes(graph)[:2]
    assert il.analyze(read_back(tmp_path, to_onnx(graph))).totals == il.analyze(graph).totals


def test_shared_tensors_are_written_once(tmp_path: Path) -> None:
    nodes = [Node("a", Linear(4), ("x",), ("w", "b")), Node("y", Linear(4), ("a",), ("w", "b"))]
    graph = Graph.of([Input("x", TensorType((1, 4)))], nodes, [Output("y")])
    assert read_back(tmp_path, to_onnx(graph)) == graph
    numbers = {
        name: np.ones((4, 4) if "weight" in name else 4, "f4") for name in ("a.weight", "a.bias", "y.weight", "y.bias")
    }
    made = onnx.ModelProto.FromString(to_onnx(graph, numbers))
    assert [each.name for each in made.graph.initializer] == ["w", "b"]


def of_one(op: Op, *shapes: tuple[int, ...]) -> Graph:
    """A graph of one operation, `y`."""
    inputs = [Input(f"x{i}", TensorType(shape)) for i, shape in enumerate(shapes)] or [Input("x", TensorType((1, 4)))]
    return Graph.of(inputs, [Node("y", op, tuple(each.name for each in inputs[: len(shapes)]))], [Output("y")])


@pytest.mark.parametrize(
    ("op", "shape", "reason"),
    [
        (LSTM(3), (5, 1, 4), "there is no operator for LSTM"),
        (Elementwise("frac"), (1, 4), "there is no operator for `frac`"),
        (Elementwise("remainder"), (1, 4), "there is no operator for `remainder`"),
        (Elementwise("mul"), (1, 4), "the graph does not hold the numbers that `mul` is called with"),
        (Elementwise("cast", "qint8"), (1, 4), "ONNX has no data type `qint8`"),
        (Reduce("var", (1,)), (1, 4), "there is no operator for `var`"),
        (BatchNorm2d(track=False), (1, 4, 5, 5), "needs running statistics"),
        (BatchNorm2d(momentum=None), (1, 4, 5, 5), "needs running statistics"),
        (RMSNorm((4,), None), (1, 4), "the smallest number of the dtype is its eps"),
        (InstanceNorm(track=True), (1, 4, 5, 5), "InstanceNormalization has no running statistics"),
        (Elementwise("add", numbers=(None, 1.0, 2.0)), (1, 4), "does not hold the numbers that `add` is called with"),
        (AvgPool2d((2, 2), (3, 3), (1, 1), "ceil_unclipped"), (1, 4, 4, 4), "3x3 windows need more padding"),
        (Stored((4,), tensor_kind="constant"), (), "the graph holds a constant's shape but not its value"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_error_names_the_node_that_onnx_cannot_express(op: Op, shape: tuple[int, ...], reason: str) -> None:
    with pytest.raises(FormatError, match=r"^ONNX cannot express `y` \(.*\) of `network`: ") as caught:
        to_onnx(of_one(op, *([shape] if shape else [])))
    assert reason in str(caught.value)


@pytest.mark.parametrize("function", [name for name in ELEMENTWISE if name not in NEED_ATTRIBUTES])
def test_every_elementwise_operator_is_valid(function: str) -> None:
    boolean = function.startswith("logical")
    dtype = "int32" if function.startswith("bitwise") else "bool" if boolean else "float32"
    inputs = [Input(f"x{i}", TensorType((2, 3), dtype)) for i in range(ARITY.get(function, 1))]
    if function == "where":
        inputs[0] = Input("x0", TensorType((2, 3), "bool"))
    result = "bool" if function in LOGIC.values() else "float32" if function == "where" else ""
    node = Node("y", Elementwise(function, result), tuple(each.name for each in inputs))
    onnx.checker.check_model(to_onnx(Graph.of(inputs, [node], [Output("y")])), full_check=True)


def test_weights_must_be_complete_and_of_the_right_shapes() -> None:
    graph = of_one(Linear(3), (1, 4))
    weights = {"y.weight": np.ones((3, 4), "f4"), "y.bias": np.ones(3, "f4")}
    assert to_onnx(graph, weights)
    with pytest.raises(FormatError, match=r"^the weights lack `y\.bias`$"):
        to_onnx(graph, {"y.weight": weights["y.weight"]})
    with pytest.raises(FormatError, match=r"^the weights have `y\.bias` of 4, but the network needs 3$"):
        to_onnx(graph, {**weights, "y.bias": np.ones(4, "f4")})


def test_weights_that_are_too_large_for_one_file_are_refused() -> None:
    graph = of_one(Linear(40_000, bias=False), (1, 20_000))
    with pytest.raises(FormatError, match=r"^`network` has 3,200,000,000 bytes of weights; one ONNX file holds less"):
        to_onnx(graph, {})


def test_an_input_of_a_type_that_onnx_lacks_is_refused() -> None:
    graph = Graph.of([Input("x", TensorType((1, 4), "complex32"))], [Node("y", ReLU(), ("x",))], [Output("y")])
    with pytest.raises(FormatError, match="ONNX has no data type `complex32`"):
        to_onnx(graph)


def test_the_command_writes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.onnx"
    command = ["export", "lenet@caffe", "--to", "onnx", "-o", str(path)]
    assert run([*command, "--weights", "none"]) == 0
    assert il.load(path) == il.load("lenet@caffe")
    assert run(command) == 0
    assert sum(np.prod(each.dims) for each in onnx.load(path).graph.initializer) == 431_080
    first = path.read_bytes()
    assert run(command) == 0
    assert path.read_bytes() == first
    assert run(["weights", str(path), "--into", "lenet@caffe", "-o", str(tmp_path / "w.safetensors")]) == 0
    assert run([*command, "--weights", str(tmp_path / "w.safetensors")]) == 0
    assert path.read_bytes() == first
    capsys.readouterr()
    assert run(["export", "lenet", "--to", "onnx", "--weights", str(tmp_path / "w.safetensors"), "-o", str(path)]) == 2
    assert "lenet" in capsys.readouterr().err
    assert run(["export", "lenet", "--to", "onnx"]) == 2
    assert "with -o net.onnx" in capsys.readouterr().err
    assert run(["export", str(path), "--to", "prototxt"]) == 0
    assert 'type: "InnerProduct"' in capsys.readouterr().out
