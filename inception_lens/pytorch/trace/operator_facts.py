"""Facts about operators from PyTorch's registry: whether one has a rule, is a composition, or writes to a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload

from inception_lens.pytorch.trace.operator_costs import short_name
from inception_lens.pytorch.trace.rules.rule import OperatorRule
from inception_lens.pytorch.trace.rules.table import RULES
from inception_lens.pytorch.trace.rules.views import VIEWS
from inception_lens.pytorch.trace.traced_tensor import tensors_in

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]


class OperatorFacts(NamedTuple):
    """What is looked up at every call of an operator; its schema would create new objects for each answer."""

    name: str
    short_name: str
    rule: OperatorRule | None
    """The rule of the operator or of its form that is not in-place; None for a form that writes to an `out` tensor."""
    is_composite: bool
    """Whether PyTorch implements it by other operators."""
    is_mutable: bool
    """Whether it writes to an argument."""
    is_view: bool
    """Whether what it returns is in its input's memory."""
    has_device: bool
    """Whether one of its arguments is the device of what it returns."""


@cache
def facts_of(func: OpOverload) -> OperatorFacts:
    """The facts about an operator."""
    schema, key = func._schema, torch._C.DispatchKey.CompositeImplicitAutograd
    name, short = schema.name, short_name(schema.name)
    return OperatorFacts(
        name,
        short,
        None if func._overloadname == "out" else RULES.get(name) or RULES.get(name.removesuffix("_")),
        torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), key),  # type: ignore[no-untyped-call]
        schema.is_mutable,
        short in VIEWS or any(each.alias_info for each in schema.returns),
        any(argument.name == "device" for argument in schema.arguments),
    )


def written_tensors(func: OpOverload, args: Args, kwargs: Kwargs) -> list[Tensor]:
    """The tensors that an operator writes to."""
    found: list[Tensor] = []
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info and argument.alias_info.is_write:
            found += tensors_in((kwargs[argument.name] if argument.name in kwargs else args[i],))
    return found


def has_no_meta_result(func: OpOverload, error: Exception) -> bool:
    """Whether an operator failed only because the meta device has no values, or no kernel for it."""
    return (
        torch.Tag.data_dependent_output in func.tags
        or torch.Tag.dynamic_output_shape in func.tags
        or isinstance(error, NotImplementedError)
        or "meta" in str(error).lower()
    )
