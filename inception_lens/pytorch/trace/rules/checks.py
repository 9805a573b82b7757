"""Checks that PyTorch makes when an operator runs, for rules that do not run it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inception_lens.errors import GraphError, ShapeError
from inception_lens.ops import Declared, Op, Saved, TensorType, format_shape

ONE_DTYPE = frozenset({"conv", "linear", "attention", "recurrent"})
"""Categories of operations that multiply: PyTorch promotes no dtype among their tensors."""

HALF = frozenset({torch.float16, torch.bfloat16})
"""Dtypes that PyTorch's norms take together with weights of float32."""


def check_dtypes(op: Op, tensors: Sequence[Tensor]) -> None:
    """Check the dtypes of an operation's inputs and weights.

    Raises:
        GraphError: PyTorch does not compute the operation on tensors of these dtypes.
    """
    if op.category in ONE_DTYPE:
        count = 3 if op.category == "attention" else len(tensors)  # a mask may be boolean
        check_same_dtype([each.dtype for each in tensors[:count]])
    elif op.category == "norm":
        first = tensors[0].dtype
        allowed = {first, torch.float32} if first in HALF else {first}
        check_same_dtype([first, *[each.dtype for each in tensors[1:] if each.dtype not in allowed]])
        if not first.is_floating_point:
            raise GraphError(f"a norm of {_name(first)}: PyTorch computes it for floating-point tensors only")


def check_same_dtype(dtypes: Sequence[torch.dtype]) -> None:
    """Check that tensors have one dtype.

    Raises:
        GraphError: two differ.
    """
    for dtype in dtypes:
        if dtype is not dtypes[0]:
            raise GraphError(f"expected tensors of the same dtype, but got {_name(dtypes[0])} and {_name(dtype)}")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def check_shapes(op: Op, inputs: tuple[TensorType, ...], weights: Sequence[Tensor]) -> None:
    """Check that weights have the shapes that an operation reads on these inputs.

    Raises:
        ShapeError: one has another shape.
    """
    shapes = [each.shape for each in inputs]
    needed = [tensor.shape for tensor in (*op.parameters(*shapes), *op.buffers(*shapes))]
    for need, have in zip(needed, weights, strict=True):
        if need != have.shape:
            raise ShapeError(
                f"an input of {format_shape(shapes[0])} needs weights of "
                f"{format_shape(need)}, and these are {format_shape(tuple(have.shape))}"
            )


def declared(op: Op, inputs: tuple[TensorType, ...]) -> Op:
    """The operation of known cost for a call that differs from `op` in what its fields describe.

    Weights may be computed, so that they are inputs of the call.
    """
    shapes, types = tuple([each.shape for each in inputs]), op.output_types(inputs)
    macs, flops = op.macs(shapes, types[0].shape), op.extra_flops(shapes, types[0].shape)
    assert macs is not None
    assert flops is not None
    kept = op.saved(inputs, types[0])
    if kept is not None and kept.inputs_for_weights:  # weights that are computed are further inputs
        kept = Saved(inputs_for=((0, 1), (1, 0)))
    return Declared(op.kind, types, macs, flops, kept=kept)
