"""What a rule is: it reads the arguments of one operator of the ATen library and returns the operation that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from inception_lens.ops import Op


class OperatorCall(NamedTuple):
    """One call of an operator in terms of the graph."""

    op: Op
    inputs: tuple[Tensor, ...]
    """The tensors that are inputs of the node."""
    weights: tuple[Tensor, ...] = ()
    """The weights that belong to the operation, in the order of `op.parameters` and `op.buffers`."""


class OperatorArguments:
    """The arguments of one call of an operator, of which PyTorch leaves out those that have their default value."""

    __slots__ = ("is_owned", "keywords", "positional", "training")

    def __init__(
        self, positional: Sequence[Any], keywords: Mapping[str, Any], is_owned: Callable[[Tensor], bool], training: bool
    ) -> None:
        self.positional, self.keywords = positional, keywords
        self.training = training
        """Whether the model is in training mode."""
        self.is_owned = is_owned
        """Whether a tensor is a parameter or a buffer of the model."""

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """The argument at `position` or called `name`, or the default."""
        if position < len(self.positional):
            return self.positional[position]
        return self.keywords.get(name, default)


OperatorRule = Callable[[OperatorArguments], OperatorCall | None]
"""None if the operation does not describe this call; then the operator is decomposed, or run on the meta device."""

RuleTable = dict[str, OperatorRule]
"""Rules by the operator's name, such as `relu`; the in-place form `relu_` has the same rule."""


def rule_for(table: RuleTable, *names: str) -> Callable[[OperatorRule], OperatorRule]:
    """A decorator that adds a rule to a table under the names of its operators."""

    def add(rule: OperatorRule) -> OperatorRule:
        table.update(dict.fromkeys(names, rule))
        return rule

    return add


def per_axis(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    """A size for every spatial axis, from one size for all of them or one for each."""
    sizes = (value,) if isinstance(value, int) else tuple(value)
    return sizes * dimensions if len(sizes) == 1 else sizes


def weighted(op: Op, x: Tensor, *weights: Tensor | None) -> OperatorCall:
    """A call on `x` with those weights that are not None."""
    return OperatorCall(op, (x,), tuple([tensor for tensor in weights if tensor is not None]))
