"""All of ONNX's own node tests: no shape is wrong, and the numbers of unknown and refused ones may only fall."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import pytest
from onnx import numpy_helper

import inception_lens as il
from inception_lens.errors import FormatError, GraphError
from inception_lens.readers.onnx.model import OnnxModelReader
from inception_lens.readers.onnx.values import OnnxValue
from tests.readers.onnx.onnx_models import Array
from tests.readers.onnx.test_operators import all_node_tests, as_array


def with_inputs_baked_in(model: onnx.ModelProto, arrays: Mapping[str, Array]) -> onnx.ModelProto:
    """The model with its inputs as initializers, and without the shapes that it declares."""
    baked = onnx.ModelProto()
    baked.CopyFrom(model)
    others = [each for each in baked.graph.input if each.name not in arrays]
    baked.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    del baked.graph.input[:], baked.graph.value_info[:]
    baked.graph.input.extend(others)
    for each in baked.graph.output:
        each.type.tensor_type.ClearField("shape") if each.type.HasField("tensor_type") else None
    return baked


def is_known(value: OnnxValue, expected: Any) -> bool:
    """Whether the shape of a tensor, or of each tensor of a sequence, is known; it must be that of ONNX then."""
    if isinstance(expected, list):
        if value.items is None:
            return False
        assert len(value.items) == len(expected)
        return are_known(value.items, expected)
    if value.type is None or expected is None:
        return expected is None
    assert value.type.shape == as_array(expected).shape
    return True


def are_known(values: Sequence[OnnxValue], expected: Sequence[Any]) -> bool:
    known = [is_known(*pair) for pair in zip(values, expected, strict=True)]  # and compare all
    return all(known)


@pytest.mark.parametrize(
    ("baked", "most"),
    [
        (False, {"unknown": 41, "uncounted": 108, "refused": 0}),
        (True, {"unknown": 81, "uncounted": 133, "refused": 0}),
    ],
    ids=["as they are", "with inputs baked in and output shapes removed"],
)
def test_no_shape_is_wrong(baked: bool, most: Mapping[str, int], capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()
    for name, model, inputs, outputs in all_node_tests():
        pairs = zip(model.graph.input, inputs, strict=True)
        arrays = {info.name: as_array(each) for info, each in pairs if info.type.HasField("tensor_type")}
        made = with_inputs_baked_in(model, arrays) if baked else model
        reader = OnnxModelReader(made, name)
        empty = {} if baked else {given: each.shape for given, each in arrays.items() if 0 in each.shape}
        counts["tests"] += 1
        try:
            graph = reader.graph(empty, "inference")
        except (FormatError, GraphError):
            counts["refused"] += 1
            continue
        values = [reader.values[info.name] for info in model.graph.output]
        counts["unknown"] += not are_known(values, outputs)
        counts["uncounted"] += not il.analyze(graph).totals.macs_exact
    with capsys.disabled():
        print(f"\nONNX's node tests: {dict(counts)}")  # noqa: T201
    assert counts["tests"] > 1_800
    assert {name: count for name, count in counts.items() if count > most.get(name, count)} == {}
