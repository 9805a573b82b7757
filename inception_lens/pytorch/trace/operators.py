"""Operators of PyTorch as operations: what a functional call, `a + b` or `x.view(...)` is in a graph.

A rule reads the arguments of one operator of the ATen library and answers with the operation and the tensors that it
reads, or with None, where the operator is then taken apart, or asked for its output's shape on the meta device. The
rules stand in the modules beside this one, and `rules.py` holds them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from inception_lens.ops import Declared, Op, TensorType
from inception_lens.pytorch.trace.values import NAMES

Tensor = torch.Tensor


class Call(NamedTuple):
    """What an operator is: the operation, its inputs, and the learned tensors that belong to it."""

    op: Op
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor | None, ...] = ()


class Arguments:
    """The arguments of one call of an operator, by position or name, with the defaults that they have."""

    __slots__ = ("given", "named", "owned")

    def __init__(self, given: Sequence[Any], named: dict[str, Any], owned: Callable[[Any], bool]) -> None:
        self.given, self.named = given, named
        self.owned = owned
        """Whether a tensor is the model's own: a parameter or a buffer."""

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """The argument at `position`, or the one called `name`, or the default."""
        if position < len(self.given):
            return self.given[position]
        return self.named.get(name, default)


Rule = Callable[[Arguments], Call | None]

Rules = dict[str, Rule]
"""By the operator's name, `relu`; in-place forms `relu_` share the rule."""


def adds(rules: Rules, *names: str) -> Callable[[Rule], Rule]:
    """Put a rule into a table under the names of its operators."""

    def put(function: Rule) -> Rule:
        rules.update(dict.fromkeys(names, function))
        return function

    return put


def sizes(value: Any, dimensions: int) -> tuple[int, ...]:
    """A size for every axis, written once or once per axis."""
    given = (value,) if isinstance(value, int) else tuple(value)
    return given * dimensions if len(given) == 1 else given


def weighted(a: Arguments, op: Op, inputs: tuple[Tensor, ...], weights: tuple[Tensor | None, ...]) -> Call:
    """A call of an operation with weights of its own, or, where they are computed, with the weights as inputs."""
    present = tuple([tensor for tensor in weights if tensor is not None])
    if all(map(a.owned, present)):
        return Call(op, inputs, present)
    shapes = tuple([tuple(tensor.shape) for tensor in inputs])
    types = op.output_types(tuple([TensorType(tuple(each.shape), NAMES[each.dtype]) for each in inputs]))
    macs, rest = op.macs(shapes, types[0].shape), op.extra_flops(shapes, types[0].shape)
    assert macs is not None
    assert rest is not None
    return Call(Declared(op.kind, types, macs, rest), (*inputs, *present))
