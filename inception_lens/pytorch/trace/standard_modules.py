"""Standard modules as operations: what a module of `torch.nn` is in a graph, without running it.

The table in `writers/pytorch/module_table.py` pairs each module class with its operation; here it is read by class.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from inception_lens.ops import Op, Shape
from inception_lens.pytorch.build.lowering import module_class
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


def operation_of(module: nn.Module, shape: Shape) -> Op | None:
    """The operation that a module is on an input of this shape; None if the module has to be run."""
    for reader in READERS.get(type(module), ()):
        if (op := reader(module, shape)) is not None:
            return op
    return None
