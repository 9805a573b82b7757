"""Nested lists, tuples and dictionaries of tensors, as PyTorch's operators take and return them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from torch import Tensor

Found = TypeVar("Found")
Values = TypeVar("Values")


def tensors_in(values: Iterable[object]) -> list[Tensor]:
    """All tensors among values, including those in nested containers."""
    return found_in(values, Tensor)


def found_in(values: Iterable[object], kind: type[Found]) -> list[Found]:
    """All objects of a class among values, including those in nested containers."""
    found: list[Found] = []
    for value in values:
        if isinstance(value, kind):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += found_in(value, kind)
        elif isinstance(value, dict):
            found += found_in(value.values(), kind)
    return found


def map_tensors(values: Values, change: Callable[[Tensor], object]) -> Values:
    """A copy of nested containers in which every tensor is replaced."""
    return map_found(values, Tensor, change)


def map_found(values: Values, kind: type[Found], change: Callable[[Found], object]) -> Values:
    """A copy of nested containers in which every object of a class is replaced."""
    return cast(Values, _mapped(values, kind, change))


def _mapped(value: object, kind: type[Found], change: Callable[[Found], object]) -> object:
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, tuple) and (make := getattr(value, "_make", None)):  # a NamedTuple
        return make([_mapped(each, kind, change) for each in value])
    if isinstance(value, list | tuple):
        return type(value)([_mapped(each, kind, change) for each in value])
    if isinstance(value, dict):
        return {key: _mapped(each, kind, change) for key, each in value.items()}
    return value
