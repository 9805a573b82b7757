"""How many elements of a pruned model's parameters are not zero; its costs are those of dense tensors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

from inception_lens.pytorch.trace.model_index import ModelIndex

SAMPLE = 64
"""Elements of one parameter that are read to find out whether a model is pruned."""

SHARE = 8
"""A model is pruned if one in so many of the sample is zero; padding vectors and initialisation make no such share."""

ORIGINAL, MASK = "_orig", "_mask"
"""What `torch.nn.utils.prune` appends to the name of a tensor: it is the product of a parameter and a buffer."""


def nonzero_elements(index: ModelIndex) -> dict[str, int]:
    """The non-zero elements of each parameter, by its name; empty if the model is not pruned, or has no values.

    Of a model that is not pruned a sample of one parameter is read: tracing reads no weights.
    """
    parameters = index.parameters
    masks = {name.removesuffix(MASK) + ORIGINAL: mask for name, mask in index.buffers.items() if name.endswith(MASK)}
    if masks.keys().isdisjoint(parameters) and not _has_zeros([*parameters.values()]):
        return {}
    if not all(map(_has_values, parameters.values())):
        return {}
    return {name: _nonzero(tensor, masks.get(name)) for name, tensor in parameters.items()}


def _has_zeros(parameters: Sequence[Tensor]) -> bool:
    """Whether many elements are zero of a matrix or kernel from the middle of the model."""
    middle = len(parameters) // 2
    for tensor in chain(parameters[middle:], parameters[:middle]):
        if tensor.dim() > 1 and tensor.numel() >= SAMPLE:
            if not _has_values(tensor):
                return False
            elements = tensor.detach().reshape(-1)[:: tensor.numel() // SAMPLE]
            return SHARE * int((elements == 0).sum()) >= len(elements)
    return False


def _has_values(tensor: Tensor) -> bool:
    """Whether a tensor is an ordinary one whose elements can be compared."""
    kind = type(tensor)
    return (kind is nn.Parameter or kind is Tensor) and not tensor.is_meta and tensor.layout is torch.strided


def _nonzero(tensor: Tensor, mask: Tensor | None) -> int:
    values = tensor.detach()
    return int(torch.count_nonzero(values if mask is None or mask.shape != tensor.shape else values * mask))
