"""Costs that users register for operators and modules of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from torch import nn

from inception_lens.errors import ConfigError
from inception_lens.ops import Declared, Op, Shape, TensorType


class Formula(msgspec.Struct, frozen=True):
    """How one operator or module is counted."""

    macs: Callable[..., int]
    flops: Callable[..., int] | None
    output: Callable[..., Any] | None

    def of_operator(self, name: str, inputs: Sequence[TensorType], outputs: tuple[TensorType, ...]) -> Op:
        """The operation that an operator is."""
        return self._counted(name, (), inputs, outputs)

    def of_module(self, module: nn.Module, inputs: Sequence[TensorType]) -> tuple[Op, tuple[TensorType, ...]]:
        """The operation that a module is, and the types of its outputs."""
        shapes = [each.shape for each in inputs]
        made = self.output(module, *shapes) if self.output else shapes[0]
        each: Any = made if made and not isinstance(made[0], int) else (made,)
        outputs = tuple([TensorType(tuple(shape), inputs[0].dtype) for shape in each])
        return self._counted(type(module).__name__, (module,), inputs, outputs), outputs

    def _counted(
        self, name: str, first: tuple[Any, ...], inputs: Sequence[TensorType], outputs: tuple[TensorType, ...]
    ) -> Op:
        shapes = [each.shape for each in inputs], [each.shape for each in outputs]
        rest = self.flops(*first, *shapes) if self.flops else 0
        return Declared(name, outputs, int(self.macs(*first, *shapes)), int(rest))


FORMULAS: dict[str | type[nn.Module], Formula] = {}
"""What users registered, by an operator's name (`mylib::attention`) or a module's class."""


def register(
    target: str | type[nn.Module],
    macs: Callable[..., int],
    *,
    flops: Callable[..., int] | None = None,
    output: Callable[..., Shape | Sequence[Shape]] | None = None,
) -> None:
    """Say what an operator or a module of yours costs.

    Args:
        target: an operator's name, `mylib::attention`, or a module's class, which is then not run.
        macs: for an operator from the lists of its inputs' and outputs' shapes, for a module from the module and those,
            to the multiply-accumulates of the forward pass.
        flops: likewise, FLOPs beside the two per multiply-accumulate; without it there are none.
        output: for a module, from the module and the shapes of its inputs to the shape of its output, or several;
            without it the first input's.

    Raises:
        ConfigError: the target is no operator's name and no module's class.
    """
    known = (isinstance(target, str) and "::" in target) or (isinstance(target, type) and issubclass(target, nn.Module))
    if not known:
        raise ConfigError(f"{target!r} is neither an operator's name, such as `mylib::attention`, nor a module's class")
    FORMULAS[target] = Formula(macs, flops, output)
