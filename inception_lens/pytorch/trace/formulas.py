"""Costs that users register for operators and modules of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from torch import nn

from inception_lens.errors import ConfigError
from inception_lens.ops import Declared, Op, Shape, TensorType
from inception_lens.pytorch.trace.call_record import clear

Shapes = Shape | Sequence[Shape]
"""The shape of one output, or those of several."""


class Formula(msgspec.Struct, frozen=True):
    """How one operator or module is counted; `register` describes the fields."""

    macs: Callable[..., int]
    flops: Callable[..., int] | None
    output: Callable[..., Shapes] | None

    def of_operator(self, name: str, inputs: Sequence[TensorType], outputs: tuple[TensorType, ...]) -> Op:
        """The operation that an operator is."""
        return self._operation(name, (), inputs, outputs)

    def of_module(self, module: nn.Module, inputs: Sequence[TensorType]) -> tuple[Op, tuple[TensorType, ...]]:
        """The operation that a module is, and the types of its outputs."""
        shapes = [each.shape for each in inputs]
        found = self.output(module, *shapes) if self.output else shapes[0]
        several = bool(found) and not isinstance(found[0], int)
        outputs = cast(Sequence[Shape], found if several else (found,))
        types = tuple([TensorType(tuple(shape), inputs[0].dtype) for shape in outputs])
        return self._operation(type(module).__name__, (module,), inputs, types), types

    def _operation(
        self, name: str, module: tuple[nn.Module, ...], inputs: Sequence[TensorType], outputs: tuple[TensorType, ...]
    ) -> Op:
        shapes = [each.shape for each in inputs], [each.shape for each in outputs]
        flops = self.flops(*module, *shapes) if self.flops else 0
        return Declared(name, outputs, int(self.macs(*module, *shapes)), int(flops))


FORMULAS: dict[str | type[nn.Module], Formula] = {}
"""The registered formulas, by an operator's name (`mylib::attention`) or a module's class."""


def register(
    target: str | type[nn.Module],
    macs: Callable[..., int],
    *,
    flops: Callable[..., int] | None = None,
    output: Callable[..., Shapes] | None = None,
) -> None:
    """Register the cost of an operator or a module.

    Args:
        target: an operator's name, `mylib::attention`, or a module's class, which is then not run.
        macs: returns the multiply-accumulates of the forward pass. For an operator it is called with the list of its
            inputs' shapes and the list of its outputs' shapes, for a module with the module and these lists.
        flops: returns the FLOPs other than the two of each multiply-accumulate, from the same arguments; by default
            there are none.
        output: for a module, returns the shape of its output, or those of several, from the module and the shapes of
            its inputs; by default the shape is that of the first input.

    Raises:
        ConfigError: the target is neither an operator's name nor a module's class.
    """
    known = (isinstance(target, str) and "::" in target) or (isinstance(target, type) and issubclass(target, nn.Module))
    if not known:
        raise ConfigError(f"{target!r} is neither an operator's name, such as `mylib::attention`, nor a module's class")
    FORMULAS[target] = Formula(macs, flops, output)
    clear()
