"""Standard modules as operations: what a module of `torch.nn` is in a graph, without running it.

The table in `writers/pytorch/module_table.py` pairs each module class with its operation; here it is read by class.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from operator import itemgetter
from typing import NamedTuple

import torch
from torch import Tensor, nn

from inception_lens.graph import CallFacts
from inception_lens.ops import Op, Shape
from inception_lens.pytorch.build.lowering import module_class
from inception_lens.pytorch.trace.traced_tensor import DTYPES, Layout, layout_of
from inception_lens.writers.pytorch.module_table import MODULES

ModuleReader = Callable[[nn.Module, Shape], Op | None]
"""From a module and the shape of its input to the operation; None if the module has to be run."""


def _readers() -> dict[type[nn.Module], tuple[ModuleReader, ...]]:
    found: dict[type[nn.Module], tuple[ModuleReader, ...]] = {}
    for row in MODULES:
        if (reader := row.reader()) is not None:
            kind = module_class(row.module, row.own)
            found[kind] = (*found.get(kind, ()), reader)
    return found


READERS = _readers()
"""Readers of the modules that need not be run, by class. A subclass may do anything, so it is always run."""

OPERATION_NAMES = {module_class(row.module, row.own): row.op.__name__ for row in MODULES if not row.own}
"""The operation that each module of `torch.nn` is, by class."""


STATISTICS = ("running_mean", "running_var")
"""Buffers that standard modules read."""

INDEX_DTYPES = frozenset({torch.int32, torch.int64})
"""Dtypes that an embedding takes as indices."""


class StandardCall(NamedTuple):
    """What a standard module is in a graph, on an input of one layout."""

    facts: CallFacts
    outputs: tuple[Layout, ...]
    is_inplace: bool
    needed: tuple[tuple[Shape, torch.dtype], ...]
    """Shapes and dtypes of the parameters and buffers that the operation reads."""


CALLS: dict[tuple[object, ...], StandardCall | None] = {}
"""The calls by the module's class, the layout of its input, its settings and the names of its parameters; None if it
has to be run."""

SETTINGS: dict[type[nn.Module], Callable[[dict[str, object]], object]] = {}
"""Functions from the attributes of a module to its settings, by class."""

STATE_OF_ANY_MODULE = frozenset(vars(nn.Module()))


def _settings(module: nn.Module) -> Callable[[dict[str, object]], object]:
    names = [name for name in vars(module) if name not in STATE_OF_ANY_MODULE and not name.startswith("_")]
    return itemgetter(*names) if names else lambda _: None


def standard_call(
    module: nn.Module, layout: Layout, owned: Container[int]
) -> tuple[StandardCall | None, Sequence[Tensor]]:
    """What a standard module is on an input of this layout, and the parameters and buffers that it reads.

    A module computes with its tensors, not with the settings that say how it was built. The StandardCall is None, and
    the module has to be run, if one of its tensors has not the shape or the dtype that its operation needs, or is not
    a tensor of the model: `functional_call` replaces them.

    Args:
        module: a module of a class in `READERS`.
        layout: that of its only argument.
        owned: identities of the model's parameters and buffers.
    """
    state, kind = module.__dict__, type(module)
    settings = SETTINGS.get(kind)
    if settings is None:
        settings = SETTINGS[kind] = _settings(module)
    parameters, buffers = state["_parameters"], state["_buffers"]
    reads = [tensor for tensor in parameters.values() if tensor is not None] if parameters else []
    present: object = None
    if len(reads) != len(parameters):
        present = tuple([tensor is None for tensor in parameters.values()])
    if buffers:
        statistics = [buffers[role] for role in STATISTICS if buffers.get(role) is not None]
        present = (present, len(statistics))
        reads += statistics
    if kind is nn.Embedding:  # whose output has the dtype of its table
        present = reads[0].dtype
    try:
        is_known = (key := (kind, layout, settings(state), present, *parameters)) in CALLS
    except (KeyError, TypeError):  # a user's own attributes
        call = _standard_call(module, layout, reads)
    else:
        if not is_known:
            CALLS[key] = _standard_call(module, layout, reads)
        call = CALLS[key]
    if call is None:
        return None, ()
    for tensor, (shape, dtype) in zip(reads, call.needed, strict=True):
        if id(tensor) not in owned or tensor.shape != shape or tensor.dtype is not dtype:
            return None, ()
        if tensor.layout is not torch.strided:
            return None, ()
    return call, reads


def _standard_call(module: nn.Module, layout: Layout, reads: Sequence[Tensor]) -> StandardCall | None:
    type_, dtype = layout.type, layout.dtype
    if not dtype.is_floating_point and type(module) is not nn.Embedding:
        return None  # the dtype of the output is not always that of the input
    op = operation_of(module, type_.shape)
    if op is None or layout.is_sparse:
        return None
    if type(module) is nn.Embedding:
        if dtype not in INDEX_DTYPES:
            return None
        dtype = DTYPES[op.output_types((type_,))[0].dtype]
    needed = tuple([(each.shape, dtype) for each in (*op.parameters(type_.shape), *op.buffers(type_.shape))])
    if len(reads) != len(needed):
        return None
    types = op.output_types((type_,))
    outputs = tuple([layout_of(each.shape, DTYPES[each.dtype]) for each in types])
    return StandardCall(CallFacts.of(op, (type_,), types), outputs, bool(getattr(op, "inplace", False)), needed)


def operation_of(module: nn.Module, shape: Shape) -> Op | None:
    """The operation that a module is on an input of this shape; None if the module has to be run."""
    for reader in READERS.get(type(module), ()):
        if (op := reader(module, shape)) is not None:
            return op
    return None
