"""Arithmetic on known arrays: the values of ONNX's own node tests, and its limits."""

import numpy as np
import pytest

from inception_lens.errors import FormatError
from inception_lens.ops import TensorType
from inception_lens.readers.onnx import constant_folding
from inception_lens.readers.onnx.constant_folding import FOLDS, fold
from inception_lens.readers.onnx.protos import attributes_of
from inception_lens.readers.onnx.values import Attribute, OnnxCall, OnnxValue, known_value
from tests.readers.onnx.onnx_models import Array
from tests.readers.onnx.test_operators import node_tests


def call(op: str, *arrays: Array, **attributes: Attribute) -> OnnxCall:
    return OnnxCall(op, op.lower(), tuple(map(known_value, arrays)), attributes, ("y",), (None,), 20, (1,))


@pytest.mark.parametrize("op", sorted(set(FOLDS) - {"Range"}))
def test_a_fold_has_the_values_of_onnx(op: str) -> None:
    folded = 0
    for name, model, arrays, outputs in node_tests()[op]:
        node = model.graph.node[0]
        inputs = tuple(known_value(arrays[each]) if each else None for each in node.input)
        attributes = attributes_of(node.attribute, {})
        made = fold(OnnxCall(op, name, inputs, attributes, tuple(node.output), (None,), 20, (1,)))
        if outputs[0].dtype.kind in "fiub" and "FLOAT8" not in name:  # casts to float8 saturate
            assert made is not None
            assert made.array is not None
            assert made.type == TensorType(outputs[0].shape, str(outputs[0].dtype)), name
            np.testing.assert_allclose(made.array.astype("f8"), outputs[0].astype("f8"), 1e-3, 1e-4, err_msg=name)
            folded += 1
    assert folded


@pytest.mark.parametrize(("limits", "expected"), [((1, 10, 4), [1, 5, 9]), ((5, 0, -2), [5, 3, 1]), ((3, 3, 1), [])])
def test_a_range_is_folded(limits: tuple[int, int, int], expected: list[int]) -> None:
    made = fold(call("Range", *(np.array(each) for each in limits)))
    assert made is not None
    assert made.array is not None
    assert made.array.tolist() == expected
    assert made.dtype == "int64"


def test_integers_are_divided_towards_zero() -> None:
    made = fold(call("Div", np.array([7, -7, 7, 5]), np.array([2, 2, -2, 0])))
    assert made is not None
    assert made.array is not None
    assert made.array.tolist()[:3] == [3, -3, -3]


LARGE = np.array(2**40)


@pytest.mark.parametrize(
    "too_large",
    [
        call("Range", np.array(0), LARGE, np.array(1)),
        call("Expand", np.array([1]), LARGE.reshape(1)),
        call("ConstantOfShape", LARGE.reshape(1)),
        call("ConstantOfShape", np.array([-1])),
        call("Tile", np.array([1, 2]), LARGE.reshape(1)),
        call("Add", np.zeros((400, 1)), np.zeros((1, 400))),
        call("Concat", np.zeros(60_000), np.zeros(60_000), axis=0),
        call("Unsqueeze", np.zeros(100_001), axes=[0]),
    ],
    ids=lambda value: value.op,
)
def test_large_arrays_are_not_folded(too_large: OnnxCall) -> None:
    assert fold(too_large) is None


def test_the_limit_counts_the_elements_of_the_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constant_folding, "MAX_ELEMENTS", 6)
    assert fold(call("Neg", np.zeros(6))) is not None
    assert fold(call("Neg", np.zeros(7))) is None
    assert fold(call("Concat", np.zeros(3), np.zeros(3), axis=0)) is not None
    assert fold(call("Concat", np.zeros(4), np.zeros(3), axis=0)) is None


def test_only_known_arrays_are_folded() -> None:
    known = OnnxValue(TensorType((2,)), node="x", array=np.ones(2, "f4"))
    assert fold(call("Neg")._replace(inputs=(known,))) is not None
    assert fold(call("Neg")._replace(inputs=(OnnxValue(TensorType((2,)), node="x"),))) is None
    assert fold(call("Relu", np.zeros(2))) is None
    assert fold(call("Concat")) is None


@pytest.mark.parametrize(
    "invalid",
    [
        call("Gather", np.arange(3), np.array(9)),
        call("Reshape", np.arange(6), np.array([4, 2])),
        call("Concat", np.zeros((2, 3)), np.zeros((2, 4)), axis=0),
        call("Slice", np.arange(3), np.array([0]), np.array([1, 2])),
        call("Transpose", np.zeros((2, 3)), perm=[0, 0]),
        call("Range", np.array(1), np.array(2)),
        call("Squeeze", np.zeros((2, 3)), axes=[0]),
    ],
    ids=lambda value: value.op,
)
def test_inputs_that_do_not_fit_are_an_error(invalid: OnnxCall) -> None:
    with pytest.raises(FormatError, match="its inputs or attributes are invalid"):
        fold(invalid)
