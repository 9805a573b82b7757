"""Facts about operators from PyTorch's registry: whether one has a rule, is a composition, or writes to a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload

from inception_lens.pytorch.trace.containers import tensors_in
from inception_lens.pytorch.trace.operator_costs import short_name
from inception_lens.pytorch.trace.quantized_rules import QUANTIZED_RULES, QuantizedRule
from inception_lens.pytorch.trace.rules.rule import OperatorRule
from inception_lens.pytorch.trace.rules.table import RULES
from inception_lens.pytorch.trace.rules.views import VIEWS

ALIASES = frozenset({"aten::detach", "aten::alias", "aten::lift_fresh", "aten::lift", "aten::detach_"})
"""Operators that return their input."""

READING = frozenset({
    "aten::_local_scalar_dense", "aten::equal", "aten::q_scale", "aten::q_zero_point", "aten::qscheme",
    "aten::q_per_channel_axis",
})  # fmt: skip
"""Operators that return a Python value read from a tensor."""

READS_TYPE_ONLY = frozenset({
    "zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "new_zeros", "new_ones",
    "new_full", "new_empty", "new_empty_strided",
})  # fmt: skip
"""Operators that use only the type of their input, so that the node does not read it."""

SIZED_BY_INTEGERS = frozenset({"_pack_padded_sequence", "_pad_packed_sequence"})
"""Operators whose output shapes depend on the values of their integer inputs, and on no others."""

Args = tuple[Any, ...]
Kwargs = Mapping[str, Any]


class OperatorFacts(NamedTuple):
    """What is looked up at every call of an operator; its schema would create new objects for each answer."""

    name: str
    short_name: str
    rule: OperatorRule | None
    """The rule of the operator or of its form that is not in-place; None if it writes to another tensor than its
    first argument."""
    quantized_rule: QuantizedRule | None
    """The rule of an operator on quantized tensors or packed weights."""
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
        None if schema.is_mutable and not name.endswith("_") else RULES.get(name) or RULES.get(name.removesuffix("_")),
        None if schema.is_mutable else QUANTIZED_RULES.get(name),
        torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), key),  # type: ignore[no-untyped-call]
        schema.is_mutable,
        short in VIEWS or any(each.alias_info for each in schema.returns),
        any(argument.name == "device" for argument in schema.arguments),
    )


def written_tensors(func: OpOverload, args: Args, kwargs: Kwargs) -> list[Tensor]:
    """The tensors that an operator writes to."""
    return tensors_in(_written(func, args, kwargs).values())


def _written(func: OpOverload, args: Args, kwargs: Kwargs) -> dict[str, object]:
    """The arguments that an operator writes to, by the names of their memory in its schema, which lists lack."""
    found: dict[str, object] = {}
    for i, argument in enumerate(func._schema.arguments):
        if argument.alias_info and argument.alias_info.is_write:
            memory = min(argument.alias_info.before_set, default=argument.name)
            found[memory] = args[i] if i < len(args) else kwargs.get(argument.name)
    return found


class WritingResults(NamedTuple):
    """What an operator that writes to tensors returns."""

    returned: tuple[object, ...]
    """By position: the argument that is written to, where its schema names the argument's memory, or new values."""
    new: list[Tensor]
    """The new tensors among them."""
    written: list[tuple[Tensor, Tensor]]
    """Each tensor that is written to, and what it is then: the operator may change its shape."""


def writing_results(func: OpOverload, args: Args, kwargs: Kwargs, results: object) -> WritingResults:
    """Distinguish the tensors that an operator writes to from new ones: it may write to a buffer and return another.

    Args:
        func: the operator.
        args: its positional arguments.
        kwargs: its keyword arguments.
        results: what it returns for these arguments, or for copies of them.
    """
    returns, arguments = func._schema.returns, _written(func, args, kwargs)
    values = (results,) if len(returns) == 1 else tuple(results) if isinstance(results, list | tuple) else ()
    first = next(iter(arguments), "")
    memories = [min(each.alias_info.before_set, default=first) if each.alias_info else "" for each in returns]
    after = {**arguments, **dict(zip(memories, values, strict=True))}
    return WritingResults(
        tuple([arguments.get(memory, value) for memory, value in zip(memories, values, strict=True)]),
        tensors_in([value for memory, value in zip(memories, values, strict=True) if memory not in arguments]),
        list(zip(tensors_in(arguments.values()), tensors_in([after[each] for each in arguments]), strict=True)),
    )


def has_no_meta_result(func: OpOverload, error: Exception) -> bool:
    """Whether an operator failed only because the meta device has no values, or no kernel for it."""
    return (
        torch.Tag.data_dependent_output in func.tags
        or torch.Tag.dynamic_output_shape in func.tags
        or isinstance(error, NotImplementedError)
        or "meta" in str(error).lower()
        or "no fake impl" in str(error)
    )


def sized_by_values(func: OpOverload) -> str:
    """Why an operator cannot be recorded by the layouts of its arguments."""
    return f"the shape of what `{func._schema.name}` returns depends on the values of its input"
