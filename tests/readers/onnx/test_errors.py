"""What an ONNX model can violate: each error names the node and what would be right."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inception_lens.cli import run
from inception_lens.errors import FormatError
from inception_lens.readers.onnx import graph_builder, stripping
from inception_lens.readers.onnx.dtypes import onnx_dtype_number
from inception_lens.readers.onnx.stripping import strip_tensor_data
from tests.readers.onnx.onnx_models import info, ints, model, node, read, scalar, weight

W = weight("w", 4, 8, 1, 1)
SQUARE = (1, 8, 4, 4)


@pytest.mark.parametrize(
    ("nodes", "weights", "message"),
    [
        # Convolutions and pools
        ([node("Conv", "x w")], [weight("w", 4, 7, 1, 1)], "`conv` (Conv): weights of 4x7x1x1 do not fit an input of"),
        ([node("Conv", "x w")], [weight("w", 4, 8, 1)], "weights of 4x8x1 do not fit an input of 1x8x12x10"),
        ([node("Conv", "x w", group=0)], [W], "weights of 4x8x1x1 do not fit an input of 1x8x12x10"),
        ([node("Conv", "x w")], [weight("w", 4, 8, 99, 1)], "kernel does not fit the 12x10 map"),
        ([node("Conv", "x w", pads=[1, 1])], [W], "`pads` is [1, 1]; expected 4 integers"),
        ([node("Conv", "x w", pads=[-1] * 4)], [W], "`pads` contains -1; expected integers from 0 to 1,048,576"),
        ([node("Conv", "x w", strides=[1])], [W], "`strides` is [1]; expected 2 integers"),
        ([node("Conv", "x w", dilations=[1, 2**21])], [W], "`dilations` contains 2097152; expected integers from 1 to"),
        ([node("Conv", "x w", kernel_shape=[1, 3])], [W], "is [1, 3], but that of the weights is [1, 1]"),
        ([node("ConvTranspose", "x w", kernel_shape=[3, 3])], [weight("w", 8, 4, 2, 2)], "that of the weights is [2"),
        ([node("Conv", "x w b")], [W, weight("b", 3)], "a bias of 3 does not fit 4 channels"),
        ([node("MaxPool", "x", kernel_shape=[0, 1])], [], "`kernel_shape` contains 0; expected"),
        ([node("MaxPool", "x", pads=[-1] * 4, kernel_shape=[2, 2])], [], "`pads` contains -1; expected"),
        ([node("AveragePool", "x")], [], "`averagepool` (AveragePool): attribute `kernel_shape` is missing"),
        # Names
        ([node("Relu", "x"), node("Exp", "x")], [], "`exp` (Exp): output `y` is produced a second time"),
        ([node("Split", "x", "y y")], [], "`split` (Split): output `y` is produced a second time"),
        ([node("Relu", "x", "x"), node("Exp", "x")], [], "`relu` (Relu): output `x` is produced a second time"),
        ([node("Conv", "x w", "w"), node("Exp", "w")], [W], "`conv` (Conv): output `w` is produced a second time"),
        ([node("Conv", "x w")], [W, W], "initializer `w` is stored a second time"),
        ([node("Reshape", "x r", "f"), node("GlobalMaxPool", "f")], [ints("r", -1)], "must have 1 to 3 axes after the"),
        # Matrix products
        ([node("Gemm", "x w")], [weight("w", 10, 5)], "a product of 1x8x12x10 and 10x5; expected two matrices"),
        ([node("Flatten", "x", "f"), node("Gemm", "f w")], [weight("w", 9, 5)], "weights of 9x5 do not fit an input"),
        ([node("MatMul", "x w")], [weight("w", 9, 5)], "weights of 9x5 do not fit an input of 1x8x12x10"),
        ([node("Einsum", "x", equation="nc->n")], [], "`nc` does not fit a tensor of 1x8x12x10"),
        ([node("Einsum", "x", equation="nchw->z")], [], "`nchw->z` has the output index `z`, which no input has"),
        # Norms
        (
            [node("BatchNormalization", "x g g g g")], [weight("g", 7)],
            "scale, shift, mean and variance of 7, 7, 7, 7 do not fit 1x8x12x10",
        ),
        (
            [node("Reshape", "x r", "f"), node("BatchNormalization", "f g g g g")], [ints("r", -1), weight("g", 7)],
            "a batch norm of a tensor of 1 axes; expected 2 to 5",
        ),
        ([node("LRN", "x", size=0)], [], "`size` is 0; expected at least 1"),
        # Shapes
        ([node("Reshape", "x s")], [ints("s", 7, -1)], "1x8x12x10 cannot be reshaped to 7x-1"),
        ([node("Reshape", "x s")], [ints("s", -1, -1)], "1x8x12x10 cannot be reshaped to -1x-1"),
        ([node("Reshape", "x s")], [ints("s", 7, 9)], "1x8x12x10 cannot be reshaped to 7x9"),
        ([node("Squeeze", "x a")], [ints("a", 1)], "1x8x12x10 cannot be reshaped to 1x12x10"),
        ([node("Concat", "x x", axis=9)], [], "axis 9 is out of range for a tensor of 4 axes"),
        ([node("Softmax", "x", axis=-5)], [], "axis -5 is out of range for a tensor of 4 axes"),
        ([node("Flatten", "x", axis=5)], [], "axis 5 is out of range for a tensor of 4 axes"),
        ([node("Transpose", "x", perm=[0, 0, 1, 2])], [], "`perm` is [0, 0, 1, 2]; expected the axes of 1x8x12x10"),
        ([node("Split", "x s", axis=1)], [ints("s", 3)], "cannot split an axis of 8 into 1 parts of [3]"),
        ([node("Expand", "x e")], [ints("e", 3, 1, 1)], "broadcast"),
        ([node("Gather", "x i", axis=1)], [scalar("i", 99)], "Select 99"),
        ([node("DepthToSpace", "x", blocksize=3)], [], "1x8x12x10 cannot be divided into blocks of 3"),
        ([node("SpaceToDepth", "x", blocksize=4)], [], "1x8x12x10 cannot be divided into blocks of 4"),
        # Attributes, inputs and types
        ([node("Concat", "x", axis=1.5)], [], "`concat` (Concat): attribute `axis` is not an integer"),
        ([node("Elu", "x", alpha="one")], [], "attribute `alpha` is not a number"),
        ([node("Conv", "x w", auto_pad=1)], [W], "attribute `auto_pad` is not a string"),
        ([node("Conv", "x w", strides=["one", "two"])], [W], "attribute `strides` is not a list of numbers"),
        ([node("Conv", "x w", strides=1)], [W], "attribute `strides` is not a list of numbers"),
        ([node("Conv", "x")], [], "`conv` (Conv): input 1 is missing"),
        ([node("Conv", "_ x")], [], "`conv` (Conv): input 0 is missing"),
        ([node("Add", "_ _")], [], "has no inputs"),
        ([node("Relu", "z")], [], "`relu` (Relu): input `z` is not produced by any node before it"),
        ([node("Relu", "x", "z")], [], "graph output `y` is not produced by any node"),
        ([node("Cast", "x", to=99)], [], "`cast` (Cast): unknown data type 99"),
        ([node("Constant", "", value_string="one")], [], "`constant` (Constant): has no `value` that is a tensor or"),
        ([node("Slice", "x a b")], [ints("a", 1), ints("b", 1, 2)], "its inputs or attributes are invalid"),
        ([node("Shape", "x", "s"), node("Gather", "s i")], [ints("i", 9)], "`gather` (Gather): its inputs or"),
        ([node("Relu", "x", "r"), node("Concat", "r", axis=9, name="layer/last")], [], "`layer/last` (Concat): axis 9"),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)  # fmt: skip
def test_an_error_names_the_node_and_what_would_be_right(
    tmp_path: Path, nodes: Sequence[onnx.NodeProto], weights: Sequence[Any], message: str
) -> None:
    with pytest.raises(FormatError, match=re.escape(message)) as caught:
        read(tmp_path, model(nodes, weights))
    assert str(caught.value).startswith(f"{tmp_path / 'model.onnx'}: ")
    assert "\n" not in str(caught.value)


def test_the_batch_of_a_given_shape_can_be_left_out(tmp_path: Path) -> None:
    made = model([node("Relu", "x")], x=(7, 3, 4))
    assert read(tmp_path, made, {"x": (3, 9)}).inputs[0].type.shape == (1, 3, 9)
    assert read(tmp_path, made, (2, 3, 9)).inputs[0].type.shape == (2, 3, 9)
    without_inputs = model([node("RandomNormal", "", shape=[2])])
    del without_inputs.graph.input[:]
    assert read(tmp_path, without_inputs, (2, 3, 9)).inputs == ()
    assert read(tmp_path, made, {"x": (2, 3, 9)}).inputs[0].type.shape == (2, 3, 9)
    with pytest.raises(FormatError, match=r"input `x` has 2 axes, not 1: 4"):
        read(tmp_path, model([node("Relu", "x")], x=(7, 4)), {"x": (4,)})


def test_an_input_must_have_the_declared_rank(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"input `x` has 4 axes, not 2: 3x4"):
        read(tmp_path, model([node("Relu", "x")]), {"x": (3, 4)})
    with pytest.raises(FormatError, match=r"input `x` has sizes that are not fixed \(\?\): .* --input x=1x128x3"):
        read(tmp_path, model([node("Relu", "x")], x=(1, 0, 3)))
    with pytest.raises(FormatError, match=r"has no input `z` \(valid: x\)"):
        read(tmp_path, model([node("Relu", "x")]), {"z": (1, 2, 3, 4)})
    with pytest.raises(FormatError, match="input `x` has a negative size: 1x-3x8"):
        read(tmp_path, model([node("Relu", "x")], x=(1, -3, 8)))
    assert read(tmp_path, model([node("Relu", "x")], x=(-1, 3, 8))).inputs[0].type.shape == (1, 3, 8)
    assert read(tmp_path, model([node("Relu", "x")], x=(1, -3, 8)), {"x": (1, 3, 8)}).inputs[0].type.shape == (1, 3, 8)
    no_shape = model([node("Relu", "x")])
    no_shape.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(FormatError, match=r"not fixed \(all\): give them, --input x=1x128"):
        read(tmp_path, no_shape)
    assert read(tmp_path, no_shape, {"": (2, 3)}).inputs[0].type.shape == (2, 3)


@pytest.mark.parametrize(
    "dims", [[-1], [2**51], [1] * 65, [2**30, 2**30]], ids=["negative", "large", "axes", "product"]
)
def test_a_weight_must_have_a_valid_shape(tmp_path: Path, dims: list[int]) -> None:
    tensor = TensorProto(name="w", data_type=1, dims=dims)
    with pytest.raises(FormatError, match="`w` has an invalid shape"):
        read(tmp_path, model([node("Conv", "x w")], [tensor]))


def test_a_dtype_that_onnx_does_not_have_is_refused() -> None:
    assert onnx_dtype_number("bfloat16") == TensorProto.BFLOAT16
    with pytest.raises(FormatError, match="ONNX has no data type `qint8`"):
        onnx_dtype_number("qint8")


def recursive(calls: int) -> onnx.ModelProto:
    """A function that calls itself, so often each time."""
    body = [helper.make_node("Layer", ["a"], [f"d{i}"], domain="local") for i in range(calls)]
    inner = helper.make_function("local", "Layer", ["a"], ["d0"], body, [helper.make_opsetid("local", 1)])
    return model([helper.make_node("Layer", ["x"], ["y"], domain="local")], functions=[inner])


def doubling(depth: int) -> onnx.ModelProto:
    """Functions each of which calls the next one twice."""
    functions = []
    for i in range(depth):
        name = f"F{i + 1}" if i + 1 < depth else ""
        calls = [helper.make_node(name or "Relu", ["a"], [f"d{j}"], domain="local" if name else "") for j in (0, 1)]
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
        functions.append(helper.make_function("local", f"F{i}", ["a"], ["d0"], calls, opsets))
    return model([helper.make_node("F0", ["x"], ["y"], domain="local")], functions=functions)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (recursive(1), "more than 32 functions, branches or loops inside each other"),
        (recursive(2), "more than 32 functions, branches or loops inside each other"),
        (doubling(30), "more than 2,000 calls and nodes"),
        (model([node("Sum", " ".join(["x"] * 3_000))]), "Add"),
        (model([node("Max", " ".join(["x"] * 3_000))]), "more than 2,000 calls and nodes"),
    ],
    ids=["itself", "twice", "doubling", "one node", "many nodes"],
)
def test_the_number_of_calls_and_nodes_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: onnx.ModelProto, message: str
) -> None:
    monkeypatch.setattr(graph_builder, "MAX_STEPS", 2_000)
    if message == "Add":
        assert [each.op.kind for each in read(tmp_path, made).nodes] == [message]
        return
    with pytest.raises(FormatError, match=message):
        read(tmp_path, made)


def nested(depth: int) -> bytes:
    """Graphs inside attributes of nodes inside graphs."""
    graph = helper.make_graph([node("Relu", "x")], "inner", [], [info("y")])
    for _ in range(depth):
        graph = helper.make_graph([node("If", "x", then_branch=graph)], "outer", [], [info("y")])
    data: bytes = helper.make_model(graph).SerializeToString()
    return data


def test_the_depth_and_the_fields_of_a_file_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    assert strip_tensor_data(memoryview(nested(5))) == nested(5)
    with pytest.raises(FormatError, match="more than 24 messages inside each other"):
        strip_tensor_data(memoryview(nested(9)))
    monkeypatch.setattr(stripping, "MAX_FIELDS", 20)
    with pytest.raises(FormatError, match="more than 20 fields"):
        strip_tensor_data(memoryview(nested(5)))


def test_large_data_and_places_of_other_files_are_stripped() -> None:
    small, large = weight("small", 4_096), weight("large", 4_097)
    outside = TensorProto(name="outside", data_type=1, dims=[9], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/etc/passwd")
    floats = helper.make_tensor("floats", 1, [5_000], np.zeros(5_000))
    made = model([node("Relu", "x")], [small, large, outside, floats])
    stripped = onnx.ModelProto.FromString(strip_tensor_data(memoryview(made.SerializeToString())))
    first, second, third, fourth = stripped.graph.initializer
    assert (numpy_helper.to_array(first) == numpy_helper.to_array(small)).all()
    assert (second.name, list(second.dims), second.raw_data) == ("large", [4_097], b"")
    assert (third.name, list(third.external_data), third.data_location) == ("outside", [], TensorProto.EXTERNAL)
    assert (fourth.name, list(fourth.float_data), list(fourth.dims)) == ("floats", [], [5_000])
    assert stripped.graph.node == made.graph.node


def test_large_data_of_attributes_branches_and_functions_are_stripped() -> None:
    large = weight("large", 4_097)
    branch = helper.make_graph([node("Custom", "x", tensor=large)], "branch", [], [info("y")], [large])
    calls = [node("Custom", "x", tensor=large, tensors=[large, large]), node("If", "x", branch=branch, graphs=[branch])]
    function = helper.make_function("local", "F", ["x"], ["y"], [node("Custom", "x", tensor=large)], [])
    made = model(calls, functions=[function])
    stripped = strip_tensor_data(memoryview(made.SerializeToString()))
    assert made.SerializeToString().count(large.raw_data) == 8
    assert large.raw_data[:1_000] not in stripped
    assert onnx.ModelProto.FromString(stripped).SerializeToString() == stripped


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; expected an ONNX model"),
        (b"\x08\x07", "is not an ONNX model: it has no graph"),
        (b"not a model", "not a protocol buffer: wire type 6 at byte 1"),
        (b"\0" * 1000, "truncated or not a protocol buffer: field 0"),
        (model([node("Relu", "x")]).SerializeToString()[:-9], "truncated or not a protocol buffer"),
        (b"\x3a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "unterminated varint"),
        (b"\x3a\x03\x0a\x01\xff", "unterminated varint"),
        (b"\x3a\x02\x12\x00" + b"\x12\x01\xff", "is not an ONNX model: it has no graph"),
        (b"\x3a\x07\x0a\x05\x12\x01\xff\x0a\x00", "a `output` is not text"),
    ],
    ids=["empty", "no graph", "text", "zeros", "cut", "length", "inside", "no nodes", "not text"],
)
def test_a_file_that_is_not_a_model_is_reported_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes, message: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert run(["summary", str(path)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
