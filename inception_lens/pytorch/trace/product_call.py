"""One call of an operator that multiplies matrices, as the rules of its cost read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch._ops import OpOverload

from inception_lens.ops import Shape, TensorType
from inception_lens.pytorch.trace.rules.rule import OperatorArguments


class ProductCall(NamedTuple):
    """One call of an operator."""

    inputs: Sequence[TensorType]
    """Types of all tensors among its arguments."""
    outputs: Sequence[TensorType]
    """Types of the tensors that it returns."""
    arguments: Mapping[str, Any]
    """All arguments by their names in the operator's schema, those with their default value included."""

    def shape(self, name: str) -> Shape:
        """Shape of the tensor that is the argument `name`; that of a missing one is `()`."""
        tensor = self.arguments.get(name)
        return tuple(tensor.shape) if isinstance(tensor, Tensor) else ()


def product_call(
    func: OpOverload, inputs: Sequence[TensorType], outputs: Sequence[TensorType], arguments: OperatorArguments
) -> ProductCall:
    """The call of an operator with its arguments by their names."""
    named = {
        each.name: arguments.get(position, each.name, each.default_value)
        for position, each in enumerate(func._schema.arguments)
    }
    return ProductCall(inputs, outputs, named)


Cost = tuple[int | None, int | None]
"""MACs, and FLOPs in addition to two per MAC; None if unknown."""

ProductRule = Callable[[ProductCall], Cost]


def has_bias(call: ProductCall) -> bool:
    """Whether a call adds a bias, a tensor of one axis."""
    return len(call.shape("bias")) == 1
