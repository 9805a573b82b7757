"""Operators on nested tensors of the strided layout, which PyTorch's attention of jagged tensors uses.

In a graph such a tensor is its memory: one axis with the elements of all parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from inception_lens.ops import ELEMENTWISE, Declared, Op, TensorType, Unknown
from inception_lens.pytorch.trace.operator_costs import FREE, WITHOUT_PRODUCTS

COPIES = frozenset(
    {
        "_nested_tensor_from_tensor_list",
        "contiguous",
        "clone",
        "transpose",
        "values",
        "to_padded_tensor",
        "nested_to_padded_tensor",
    }
)
"""Operators that only move the elements, next to those that do so for every tensor."""


def flat_tensor(tensor: Tensor) -> Tensor:
    """A tensor itself; for a nested one all of its memory."""
    if not tensor.is_nested:
        return tensor
    storage = tensor.untyped_storage()
    flat = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return flat.set_(storage, 0, (storage.nbytes() // tensor.element_size(),))  # type: ignore[call-overload]


def nested_operation(name: str, tensors: Sequence[Tensor], outputs: tuple[TensorType, ...]) -> Op:
    """The operation of an operator that reads or returns nested tensors: each part is computed by itself."""
    if name in ("_scaled_dot_product_attention_math", "scaled_dot_product_attention"):
        parts = zip(*[_shapes(each) for each in tensors[:3]], strict=True)
        macs = sum(prod(query[:-1]) * key[-2] * (query[-1] + value[-1]) for query, key, value in parts)
        return Declared(name, outputs, macs, None)
    if name == "linear" and not tensors[1].is_nested:
        return Declared(name, outputs, sum(map(prod, _shapes(tensors[0]))) * tensors[1].shape[0], None)
    if name in ("bmm", "matmul") and all(each.is_nested for each in tensors):
        pairs = zip(_shapes(tensors[0]), _shapes(tensors[1]), strict=True)
        return Declared(name, outputs, sum(prod(left) * right[-1] for left, right in pairs), None)
    if name in COPIES or name in FREE:
        return Declared(name, outputs)
    if name in ELEMENTWISE or name in WITHOUT_PRODUCTS:
        return Declared(name, outputs, declared_flops=None)
    return Unknown(name, outputs)


def _shapes(tensor: Tensor) -> list[list[int]]:
    """The shape of each part of a nested tensor."""
    found: list[list[int]] = torch.ops.aten._nested_tensor_size(tensor).tolist()
    return found
