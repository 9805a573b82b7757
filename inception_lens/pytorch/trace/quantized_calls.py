"""Recording operators on quantized tensors: one call, or several consecutive ones of an operator that fuses them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor
from torch._ops import OpOverload

from inception_lens.graph import CallFacts
from inception_lens.ops import TensorType
from inception_lens.pytorch.trace.call_record import CallRecord, CallStep, ReturnedTensor
from inception_lens.pytorch.trace.operator_facts import facts_of
from inception_lens.pytorch.trace.rules.checks import declared
from inception_lens.pytorch.trace.rules.rule import OperatorCall
from inception_lens.pytorch.trace.traced_tensor import DTYPES, Layout, layout_of, type_of

CHANNELS_LAST = frozenset({"Conv2d", "Conv3d", "ConvTranspose2d", "ConvTranspose3d"})
"""Operations whose quantized kernels return the channels of each position next to each other."""


def quantized_record(
    func: OpOverload,
    calls: Sequence[OperatorCall],
    tensors: Sequence[Tensor],
    arguments: int,
    owns: Callable[[Tensor], bool],
) -> CallRecord:
    """The record of a call.

    Args:
        func: the operator.
        calls: the operations that it computes, by its rule.
        tensors: the tensors among its arguments, and after them those in packed objects.
        arguments: how many of these tensors are arguments.
        owns: whether a tensor is a parameter or a buffer of the model.
    """
    numbers = {id(tensor): i for i, tensor in enumerate(tensors)}
    steps: list[CallStep] = []
    first: tuple[int, ...] = ()
    count, types = len(tensors), tuple[TensorType, ...]()
    for call in calls:
        inputs, weights, op = call.inputs, call.weights, call.op
        input_types = (*types[:1], *map(type_of, inputs))
        types = op.output_types(input_types)
        if not all(map(owns, weights)):  # computed weights are further inputs
            op, inputs, weights = declared(op, input_types), (*inputs, *weights), ()
            input_types = (*input_types, *map(type_of, call.weights))
        function = op.kind.lower() if steps else facts_of(func).short_name.rpartition("::")[2]
        read, own = (tuple([numbers[id(each)] for each in given]) for given in (inputs, weights))
        steps.append(CallStep(function, CallFacts.of(op, input_types, types), (*first, *read), own))
        first, count = (count,), count + len(types)
    is_last = steps[0].facts.op.kind in CHANNELS_LAST
    returned = [
        ReturnedTensor(count - len(types) + i, _layout(each, channels_last=is_last)) for i, each in enumerate(types)
    ]
    read_by_nodes = {number for step in steps for number in step.inputs}
    return CallRecord(
        partial(_without_warnings, func),
        tuple(steps),
        tuple([number for number in range(len(tensors)) if number in read_by_nodes]),
        tuple(range(arguments, len(tensors))),
        returned[0] if len(returned) == 1 else tuple(returned),
        {},
        (),
    )


def _without_warnings(func: OpOverload, *args: object, **kwargs: object) -> object:
    """What an operator returns, without the warning that quantized tensors are deprecated."""
    with warnings.catch_warnings(action="ignore"):
        result: object = func(*args, **kwargs)
    return result


def _layout(type_: TensorType, *, channels_last: bool) -> Layout:
    shape, dtype = type_.shape, DTYPES[type_.dtype]
    if not channels_last:
        return layout_of(shape, dtype)
    strides, elements = [0] * len(shape), 1
    for axis in (1, *range(len(shape) - 1, 1, -1), 0):
        strides[axis] = elements
        elements *= max(shape[axis], 1)
    return layout_of(shape, dtype, tuple(strides))
