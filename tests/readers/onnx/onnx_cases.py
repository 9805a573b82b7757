"""Small ONNX models of one operator, and their check against onnxruntime or ONNX's reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

import inception_lens as il
from inception_lens.readers.onnx.model import OnnxModelReader
from tests.readers.onnx.onnx_models import Array, compute, kinds, model, onnxruntime_outputs


class Case(NamedTuple):
    kinds: str
    """Operations without stored tensors."""
    nodes: Sequence[onnx.NodeProto]
    weights: Sequence[Any] = ()
    opset: int = 20
    computed: bool | None = True
    """Whether a module can be built, whose values are compared too; None: values are not compared, because a Graph does
    not hold the numbers that decide them."""
    x: tuple[int, ...] = (1, 8, 12, 10)
    cost: tuple[int, int] | None = None
    """Parameters and MACs, where they are compared."""
    weight_bytes: int | None = None
    """Where they are compared."""
    modern: Sequence[onnx.NodeProto] = ()
    """Nodes of a later opset that compute the same, where neither onnxruntime nor ONNX's reference runs `nodes`."""


def run(made: onnx.ModelProto, x: Array) -> list[Array]:
    """The outputs by onnxruntime, or by ONNX's reference where onnxruntime does not have an operator of this opset."""
    try:
        return onnxruntime_outputs(made, x)
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error):
            raise
        return [np.asarray(each) for each in ReferenceEvaluator(made).run(None, {"x": x})]


def check(case: Case) -> None:
    """Check the operations, and the types and values of the outputs against those of onnxruntime or the reference."""
    outputs = [each for each in case.nodes[-1].output if each]
    made = model(case.nodes, case.weights, case.x, opset=case.opset, outputs=outputs)
    x = np.random.default_rng(5).random(case.x, "f4")
    expected = run(model(case.modern, case.weights, case.x, outputs=outputs) if case.modern else made, x)
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
    if case.computed is None:
        return
    stored = {each.name: each for each in case.weights}
    stored |= {each.output[0]: each.attribute[0].t for each in case.nodes if each.op_type == "Constant"}
    values = compute(graph, {"x": x, **{name: numpy_helper.to_array(each) for name, each in stored.items()}})
    assert (values is not None) == case.computed
    for value, array in zip(values or (), expected, strict=case.computed):
        np.testing.assert_allclose(value, array, rtol=1e-3, atol=1e-4)
