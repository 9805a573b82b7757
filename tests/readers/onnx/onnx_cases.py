"""Small ONNX models of one operator, and their check against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

import inception_lens as il
from inception_lens.readers.onnx.model import OnnxModelReader
from tests.readers.onnx.onnx_models import compute, kinds, model, onnxruntime_outputs


class Case(NamedTuple):
    kinds: str
    """Operations without stored tensors."""
    nodes: Sequence[onnx.NodeProto]
    weights: Sequence[Any] = ()
    opset: int = 20
    computed: bool = True
    """Whether a module can be built, whose values are compared too."""
    x: tuple[int, ...] = (1, 8, 12, 10)
    cost: tuple[int, int] | None = None
    """Parameters and MACs, where they are compared."""
    weight_bytes: int | None = None
    """Where they are compared."""


def check(case: Case, *, has_values: bool = True) -> None:
    """Check the operations, and the types and values of the outputs against those that onnxruntime computes.

    Without values, such as those of integers, of which a Graph does not hold the scales.
    """
    outputs = [each for each in case.nodes[-1].output if each]
    made = model(case.nodes, case.weights, case.x, opset=case.opset, outputs=outputs)
    x = np.random.default_rng(5).random(case.x, "f4")
    expected = onnxruntime_outputs(made, x)
    reader = OnnxModelReader(made, "case")
    graph = reader.graph(None, "inference")
    assert kinds(graph) == case.kinds, kinds(graph)
    for output, array in zip(outputs, expected, strict=True):
        found = reader.values[output].type
        assert found is not None
        assert (found.shape, found.dtype) == (array.shape, str(array.dtype))
    totals = il.analyze(graph).totals
    assert case.cost is None or (totals.params, totals.macs, totals.exact) == (*case.cost, True)
    assert case.weight_bytes is None or totals.weight_bytes == case.weight_bytes
    if not has_values:
        return
    stored = {each.name: each for each in case.weights}
    stored |= {each.output[0]: each.attribute[0].t for each in case.nodes if each.op_type == "Constant"}
    values = compute(graph, {"x": x, **{name: numpy_helper.to_array(each) for name, each in stored.items()}})
    assert (values is not None) == case.computed
    for value, array in zip(values or (), expected, strict=case.computed):
        np.testing.assert_allclose(value, array, rtol=1e-3, atol=1e-4)
