"""Weights that a file stores as Constant nodes: they count as the initializers of the same network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import inception_lens as il
from inception_lens.analyses.records import Totals
from tests.readers.onnx.onnx_models import ints, model, node, read, weight


def totals(folder: Path, nodes: Sequence[onnx.NodeProto], weights: Sequence[onnx.TensorProto] = ()) -> Totals:
    return il.analyze(read(folder, model(nodes, weights))).totals


def constant(tensor: onnx.TensorProto) -> onnx.NodeProto:
    return node("Constant", "", tensor.name, value=tensor)


NETWORKS = {
    "conv and batch norm": (
        [node("Conv", "x w b", "c"), node("BatchNormalization", "c g h m v")],
        [weight("w", 8, 8, 3, 3), *(weight(name, 8) for name in "bghmv")],
        8 * 72 + 8 + 16,
    ),
    "linear with bias": (
        [node("Flatten", "x", "f"), node("MatMul", "f w", "p"), node("Add", "p b")],
        [weight("w", 960, 5), weight("b", 5)],
        4805,
    ),
    "scale": ([node("Mul", "x g", "m"), node("Conv", "m w")], [weight("g", 8, 1, 1), weight("w", 4, 8, 1, 1)], 8 + 32),
    "mask": (
        [node("Add", "x g", "m"), node("Conv", "m w")],
        [weight("g", 12, 10, value=-1e9), weight("w", 4, 8, 1, 1)],
        32,
    ),
    "reshaped": ([node("Reshape", "w s", "k"), node("Conv", "x k")], [weight("w", 4, 8), ints("s", 4, 8, 1, 1)], 32),
    "reshaped bias": (
        [node("Conv", "x w", "c"), node("Reshape", "b s", "r"), node("Add", "c r")],
        [weight("w", 4, 8, 1, 1), weight("b", 4), ints("s", 1, 4, 1, 1)],
        36,
    ),
    "sliced": (
        [node("Slice", "w i j", "k"), node("Slice", "w j l", "n"), node("Conv", "x k", "c"), node("Conv", "c n")],
        [weight("w", 16, 8, 1, 1), ints("i", 0), ints("j", 8), ints("l", 16)],
        128,
    ),
    "large, sliced": (
        [node("Slice", "w i j", "k"), node("Conv", "x k")],
        [weight("w", 64, 8, 5, 5), ints("i", 0), ints("j", 64)],
        64 * 200,
    ),
    "concatenated": (
        [node("Concat", "v w", "k", axis=0), node("Conv", "x k")],
        [weight("v", 2, 8, 1, 1), weight("w", 2, 8, 1, 1)],
        32,
    ),
    "tiled": (
        [node("Tile", "g r", "t"), node("Mul", "x t", "m"), node("Conv", "m w")],
        [weight("g", 8, 1, 1), weight("w", 4, 8, 1, 1), ints("r", 1, 1, 10)],
        8 + 32,
    ),
    "weight norm": (
        [node("Mul", "v g", "w"), node("Conv", "x w")],
        [weight("v", 4, 8, 1, 1), weight("g", 4, 1, 1, 1)],
        36,
    ),
    "factors of a resize": (
        [node("Conv", "x w", "c"), node("Concat", "a b", "s", axis=0), node("Resize", "c _ s")],
        [weight("w", 4, 8, 1, 1), weight("a", 2, value=1), weight("b", 2, value=2)],
        32,
    ),
}
"""Nodes, weights, and the number of parameters."""


@pytest.mark.parametrize("name", NETWORKS)
def test_constants_count_as_initializers(tmp_path: Path, name: str) -> None:
    nodes, weights, params = NETWORKS[name]
    as_initializers = totals(tmp_path, nodes, weights)
    assert (as_initializers.params, as_initializers.exact) == (params, True)
    assert totals(tmp_path, [*map(constant, weights), *nodes]) == as_initializers
    shapes = [each for each in weights if each.data_type == onnx.TensorProto.INT64]
    floats = [each for each in weights if each not in shapes]
    assert totals(tmp_path, [*map(constant, floats), *nodes], shapes) == as_initializers


def test_random_networks_have_the_same_totals_with_constants(tmp_path: Path) -> None:
    random = np.random.default_rng(19)
    for _ in range(20):
        nodes, weights, channels = [], [], 8
        for i in range(random.integers(1, 6)):
            kind, out = str(random.choice(["Conv", "BatchNormalization", "Mul"])), int(random.integers(2, 9))
            sizes: list[tuple[int, ...]] = [(channels,)] * 4
            if kind != "BatchNormalization":
                sizes = [(out, channels, 1, 1), (out,)] if kind == "Conv" else [(channels, 1, 1)]
            names = [f"{kind}{i}.{j}" for j in range(len(sizes))]
            weights += [weight(name, *shape) for name, shape in zip(names, sizes, strict=True)]
            nodes.append(helper.make_node(kind, [f"y{i}", *names], [f"y{i + 1}"]))
            channels = out if kind == "Conv" else channels
        nodes[0].input[0], nodes[-1].output[0] = "x", "y"
        weights.append(weight("last", 3, channels, 1, 1))
        nodes.append(helper.make_node("Conv", ["y", "last"], ["z"]))
        constants = il.analyze(read(tmp_path, model([*map(constant, weights), *nodes], outputs=["z"])))
        assert constants.totals == il.analyze(read(tmp_path, model(nodes, weights, outputs=["z"]))).totals


def test_constants_next_to_initializers_count_only_in_the_place_of_a_weight(tmp_path: Path) -> None:
    nodes = [
        constant(weight("g", 8, 1, 1)),
        constant(weight("w", 4, 8)),
    ]
    nodes += [node("Mul", "x g", "m"), node("Reshape", "w s", "k"), node("Conv", "m k", "c"), node("Conv", "c v")]
    weights = [weight("v", 2, 4, 1, 1), ints("s", 4, 8, 1, 1)]
    assert totals(tmp_path, nodes, weights).params == 32 + 8


def test_constants_of_a_network_without_layers_are_no_weights(tmp_path: Path) -> None:
    normalisation = [constant(weight("m", 8, 1, 1)), node("Sub", "x m")]
    assert totals(tmp_path, normalisation).params == 0


def test_constants_can_be_lists_of_numbers(tmp_path: Path) -> None:
    numbers = [node("Constant", "", name, value_floats=[1.0] * 8) for name in "gbmv"]
    assert totals(tmp_path, [*numbers, node("BatchNormalization", "x g b m v")]).params == 16


def test_the_dtype_of_a_network_is_that_of_its_constants(tmp_path: Path) -> None:
    half = numpy_helper.from_array(np.ones((4, 8, 1, 1), "f2"), "w")
    made = model([constant(half), node("Conv", "x w")], dtype=onnx.TensorProto.FLOAT16)
    assert read(tmp_path, made).dtype == "float16"


def test_constants_of_two_functions_are_different_weights(tmp_path: Path) -> None:
    functions, calls = [], []
    for name, channels, x, y in (("First", 8, "x", "m"), ("Second", 4, "m", "n"), ("Second", 4, "n", "y")):
        body = [constant(weight("w", 4, channels, 1, 1)), node("Conv", "a w", "b")]
        functions.append(helper.make_function("local", name, ["a"], ["b"], body, [helper.make_opsetid("", 20)]))
        calls.append(helper.make_node(name, [x], [y], domain="local"))
    found = il.analyze(read(tmp_path, model(calls, functions=functions[:2]))).totals
    assert found.params == 32 + 16
    assert found.macs == 120 * (32 + 16 + 16)
