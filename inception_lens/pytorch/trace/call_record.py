"""What one call of an operator adds to a graph, kept by the layouts of its arguments.

A model calls the same operators on the same shapes over and over: the layers of a transformer, the blocks of a residual
network. Each is resolved once; after that only names are new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch._ops import OpOverload

from inception_lens.graph import CallFacts
from inception_lens.pytorch.trace.operator_facts import Args, Kwargs
from inception_lens.pytorch.trace.standard_modules import CALLS
from inception_lens.pytorch.trace.traced_tensor import LAYOUTS, Layout


class CallStep(NamedTuple):
    """One node. Tensors are numbered: first the arguments of the call, then the outputs of its steps."""

    function: str
    """The operator, after which the node is named."""
    facts: CallFacts
    """The operation, the types of its inputs and outputs, and its cost."""
    inputs: tuple[int, ...]
    """Numbers of the tensors that the node reads."""
    weights: tuple[int, ...]
    """Numbers of the arguments that are its parameters and buffers."""


class ReturnedTensor(NamedTuple):
    """A tensor that a call returns."""

    number: int
    """Number of the tensor, as in `CallStep`."""
    layout: Layout | None
    """None if it is the argument of this number itself."""
    base: int | None = None
    """Number of the tensor that it is a view of."""


class WrittenArgument(NamedTuple):
    """An argument that a call writes to."""

    argument: int
    """Number of the argument."""
    number: int
    """Number of the tensor that it becomes."""
    is_separate: bool
    """Whether the tensor of this number is another result of the call, so that a further node returns the argument."""


class CallRecord(NamedTuple):
    """What one call of an operator adds to a graph, and what it returns."""

    function: Callable[..., object]
    """The operator; its identity is in the key of the record, and cannot be that of another while this lives."""
    steps: tuple[CallStep, ...]
    arguments: tuple[int, ...]
    """Numbers of the arguments that nodes read, or that results are views of."""
    read: tuple[int, ...]
    """Numbers of the arguments whose values matter; of the others only the layout does."""
    result: object
    """What the operator returns, with a ReturnedTensor in the place of each tensor."""
    bases: dict[int, Layout]
    """Layouts of the tensors which are not arguments and of which results are views, by number."""
    written: tuple[WrittenArgument, ...]
    special: str | None = None
    """Name of the tracer's method that handles a call which depends on more than the layouts of its arguments."""


SpecialCall = Callable[[OpOverload, Args, Kwargs, list[Tensor]], object]
"""A method of the tracer: from an operator, its arguments, and all tensors among them to what it returns."""

CallKey = tuple[object, ...]
"""The identity of an operator, and its arguments with the layout of each tensor in its place."""

RECORDS: dict[CallKey, dict[CallKey, CallRecord]] = {}
"""The records by everything else that they depend on: the device, the default dtype, the training flag, and whether
`torch.autocast` is enabled; then by the call."""

MAX_RECORDS = 20_000
"""Records, or calls of standard modules, up to which none is forgotten."""


def clear() -> None:
    """Forget all records, as after a new formula, and the calls of standard modules."""
    for records in RECORDS.values():
        records.clear()
    CALLS.clear()
    LAYOUTS.clear()


def records_for(device: torch.device, *, training: bool, autocast: bool) -> dict[CallKey, CallRecord]:
    """The records of calls on this device, with the present default dtype; they are changed in place."""
    records = RECORDS.setdefault((device, torch.get_default_dtype(), training, autocast), {})
    if max(len(records), len(CALLS)) > MAX_RECORDS:
        clear()
    return records
