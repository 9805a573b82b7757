"""Operations without a PyTorch module are refused, with the reason."""

import re

import pytest

from inception_lens import ops
from inception_lens.errors import GraphError
from inception_lens.ops import Op, TensorType
from inception_lens.writers.pytorch.module_table import torch_module

MATRIX = TensorType((2, 3))


@pytest.mark.parametrize(
    ("op", "inputs", "message"),
    [
        (ops.Unknown("x", (MATRIX,)), (MATRIX,), "the graph does not define what x computes: no module can be built"),
        (ops.InstanceNorm(), (MATRIX,), "PyTorch has no module that computes InstanceNorm("),
        (ops.Elementwise("mul"), (MATRIX,), "the graph does not hold the numbers that `mul` is called with"),
        (ops.Reduce("norm", (1,)), (MATRIX,), "the graph does not define `norm` over 1 axes"),
        (ops.Reduce("argmax", (0, 1)), (MATRIX,), "the graph does not define `argmax` over 2 axes"),
        (ops.Reduce("count_nonzero", (1,), True), (MATRIX,), "PyTorch has no `count_nonzero` that keeps its axes"),
        (ops.Reduce("sum", (1,), dtype="float64"), (MATRIX,), "PyTorch has no `sum` from float32 to float64"),
        (ops.Stored((2,), tensor_kind="constant"), (), "the graph holds a constant's shape but not its value"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_operation_without_a_module_is_refused(op: Op, inputs: tuple[TensorType, ...], message: str) -> None:
    with pytest.raises(GraphError, match=f"^{re.escape(message)}"):
        torch_module(op, inputs)
