"""Operators on sparse tensors: matrix products are counted by the elements that are stored, never as dense ones."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from inception_lens.ops import Declared, Op, TensorType, Unknown
from inception_lens.pytorch.trace.products import PRODUCTS

Types = Sequence[TensorType]
Counts = Sequence[int | None]
"""Stored elements of each input; None if it is dense. -1 if it is sparse and their number is unknown."""

UNKNOWN_COUNT = -1

SPARSE_LAYOUTS = frozenset({
    torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr, torch.sparse_bsc,
})  # fmt: skip
"""Layouts of tensors that store some of their elements; one that a library packs stores them all."""

OPERANDS = {
    **dict.fromkeys(("mm", "matmul", "mv", "bmm", "_sparse_mm", "linear"), 0),
    **dict.fromkeys(("addmm", "addmv", "_sparse_addmm", "baddbmm"), 1),
}
"""Products of a sparse and a dense matrix whose result is dense, and the position of their left operand."""

SAME_COUNT = frozenset({
    "t", "transpose", "detach", "alias", "clone", "_to_copy", "neg", "abs", "relu", "mul", "div", "sqrt", "sin", "tanh",
})  # fmt: skip
"""Functions of a sparse tensor, and of dense ones with it, whose result stores the same elements."""

DENSE_RESULTS = frozenset({
    "_to_dense", "to_dense", "values", "_values", "indices", "_indices", "crow_indices", "col_indices", "ccol_indices",
    "row_indices",
})  # fmt: skip
"""Functions of a sparse tensor whose result is dense."""


def stored_elements(tensor: Tensor) -> int:
    """The number of elements that a sparse tensor stores; explicit zeros and those that are repeated count."""
    if tensor.device.type == "meta":
        return UNKNOWN_COUNT
    values = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()
    return values.numel()


def sparse_operation(name: str, inputs: Types, counts: Counts, outputs: tuple[TensorType, ...]) -> Op:
    """The operation of an operator that reads sparse tensors."""
    if name in OPERANDS:
        first = OPERANDS[name]
        macs = _macs(name, inputs[first : first + 2], counts[first : first + 2])
        added = 1 if first or len(inputs) > 2 else 0  # a tensor that is added, or a bias
        return Unknown(name, outputs) if macs is None else Declared(name, outputs, macs, added * outputs[0].elements)
    if name in PRODUCTS or not (name in SAME_COUNT or name in DENSE_RESULTS):
        return Unknown(name, outputs)
    return Declared(name, outputs, declared_flops=None)


def _macs(name: str, operands: Types, counts: Counts) -> int | None:
    (left, right), (stored_left, stored_right) = [each.shape for each in operands], counts
    if stored_left is None and stored_right is not None and stored_right >= 0:
        if len(right) == 2:  # each row of the left matrix meets each stored element once
            return stored_right * prod(left[:-1])
        return stored_right * left[-2] if len(left) == len(right) == 3 and left[0] == right[0] else None
    if stored_right is None and stored_left is not None and stored_left >= 0 and name != "linear":
        if len(left) == 2:  # each column of the right matrix meets each stored element once
            return stored_left * (prod(right) // left[-1])
        return stored_left * right[-1] if len(left) == len(right) == 3 and left[0] == right[0] else None
    return None


def result_count(name: str, counts: Counts) -> int | None:
    """The stored elements of the result; None if it is dense, `UNKNOWN_COUNT` if they are unknown."""
    sparse = [count for count in counts if count is not None]
    if name in DENSE_RESULTS or (name in OPERANDS and len(sparse) == 1):
        return None
    return sparse[0] if name in SAME_COUNT and len(sparse) == 1 else UNKNOWN_COUNT
