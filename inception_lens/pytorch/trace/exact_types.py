"""Models that ask whether the class of a tensor is exactly `torch.Tensor`, which a traced tensor cannot claim.

Python has no hook for `type(x)`, and the model takes another branch without an error. So its code is searched for such
a comparison before it runs, and a model that has one is traced with ordinary tensors. A comparison in a library that
the model calls through objects, or with a class that is only known when it runs, is not found.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from types import CellType, CodeType, FunctionType, ModuleType
from weakref import WeakKeyDictionary

from torch import nn

CLASS_OF = frozenset({"type", "__class__"})
"""Names by which code gets the class of an object."""

COMPARISONS = frozenset({"IS_OP", "COMPARE_OP", "CONTAINS_OP", "BINARY_SUBSCR"})
"""Instructions that compare a class, or look it up."""

NOT_SEARCHED = sys.stdlib_module_names | {"torch", "numpy", "inception_lens"}
"""Packages whose functions do not compare the class of a model's tensors."""

COMPARING: WeakKeyDictionary[type, bool] = WeakKeyDictionary()
"""Whether the code of each class compares."""

CLEAN: set[CodeType] = set()
"""Code that was searched, and of which nothing compares that it calls."""


def compare_exact_types(modules: Iterable[nn.Module]) -> bool:
    """Whether the code of one of these modules, of other classes than PyTorch's, compares one with `torch.Tensor`."""
    kinds = {type(each) for each in modules}
    new = [kind for kind in kinds if kind not in COMPARING]
    if new:
        any_compares = _search([(kind, each) for kind in new for each in _methods(kind, "forward")])
        COMPARING.update(
            {kind: any_compares and _search([(kind, each) for each in _methods(kind, "forward")]) for kind in new}
        )
    return any(COMPARING[kind] for kind in kinds) or _search(list(_attributes(modules)))


def _attributes(modules: Iterable[nn.Module]) -> Iterator[tuple[type, FunctionType]]:
    """The functions that modules hold, other than their methods."""
    for each in modules:
        if FunctionType in map(type, vars(each).values()):
            yield from ((type(each), value) for value in vars(each).values() if type(value) is FunctionType)


def _search(functions: list[tuple[type, FunctionType]]) -> bool:
    """Whether functions, or those that they name, compare; each is called by a method of a class."""
    seen: set[CodeType] = set()
    while functions:
        kind, function = functions.pop()
        code = function.__code__
        if code in seen or code in CLEAN or not _is_searched(function.__module__):
            continue
        seen.add(code)
        for each in _with_nested(code):
            if _compares(each):
                return True
            functions += [(kind, found) for found in _named(each, function.__globals__, kind)]
        cells = [_content(cell) for cell in function.__closure__ or ()]
        functions += [(kind, each) for each in cells if isinstance(each, FunctionType)]
    CLEAN.update(seen)
    return False


def _is_searched(module: str | None) -> bool:
    return module is not None and module.partition(".")[0] not in NOT_SEARCHED


def _methods(kind: type, name: str) -> Iterator[FunctionType]:
    """The method or the property that objects of a class have under a name."""
    for each in kind.__mro__:
        if name in vars(each):
            found = vars(each)[name]
            found = getattr(found, "__func__", None) or getattr(found, "fget", None) or found
            if isinstance(found, FunctionType):
                yield found
            return


def _with_nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _with_nested(each)


def _named(code: CodeType, names: dict[str, object], kind: type) -> Iterator[FunctionType]:
    """The functions that code of a class refers to, as `function`, `module.function` or `self.method`."""
    for name in code.co_names:
        yield from _methods(kind, name)
        value = names.get(name)
        if isinstance(value, FunctionType):
            yield value
        elif isinstance(value, ModuleType) and _is_searched(value.__name__):
            members = [getattr(value, each, None) for each in code.co_names]
            yield from (each for each in members if isinstance(each, FunctionType))


def _content(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # it is still empty
        return None


def _compares(code: CodeType) -> bool:
    """Whether a line of the code gets the class of an object, names `Tensor`, and compares."""
    if CLASS_OF.isdisjoint(code.co_names):
        return False
    instructions = [(each.positions.lineno if each.positions else 0, each) for each in dis.get_instructions(code)]
    for _, line in groupby(instructions, key=lambda each: each[0]):
        here = [each for _, each in line]
        values = {each.argval for each in here if isinstance(each.argval, str)}
        gets_class, names = not CLASS_OF.isdisjoint(values), not {"Tensor", "torch.Tensor"}.isdisjoint(values)
        if gets_class and names and ("get" in values or any(each.opname in COMPARISONS for each in here)):
            return True
    return False
