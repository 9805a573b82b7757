"""Views: operators that look at a tensor in another way, as operations, once the shape that they make is known."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from inception_lens.ops import Declared, Expand, Flatten, Op, Permute, Reshape, Select, Shape, Slice, TensorType

View = Callable[[Shape, Shape, tuple[Any, ...]], Op]
"""From the shapes of input and output and the other arguments to the operation."""


def reshaped(shape: Shape, output: Shape, arguments: tuple[Any, ...] = ()) -> Op:
    """A Flatten where one run of axes becomes one, the last axes where they can be; else a Reshape."""
    last, fewer = len(shape) - 1, len(shape) - len(output)
    for end in range(last, fewer - 1, -1) if fewer > 0 else ():
        start = end - fewer
        if (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]) == output:
            return Flatten(start, -1 if end == last else end)
    return Reshape(output)


def _transposed(shape: Shape, output: Shape, arguments: tuple[Any, ...]) -> Op:
    order = list(range(len(shape)))
    first, second = (axis % len(shape) for axis in arguments or (0, 1))
    order[first], order[second] = order[second], order[first]
    return Permute(tuple(order))


def _sliced(shape: Shape, output: Shape, arguments: tuple[Any, ...]) -> Op:
    given: list[Any] = [*arguments, *[0, None, None, 1][len(arguments) :]]
    dim, start, step = given[0] % len(shape), given[1] or 0, given[3] or 1
    size = shape[dim]
    start = min(max(start + (size if start < 0 else 0), 0), size)
    taken = output[dim]
    return Slice(dim, start, start + max((taken - 1) * step + 1, 0) if taken else start, step)


def _selected(shape: Shape, output: Shape, arguments: tuple[Any, ...]) -> Op:
    dim, index = arguments
    dim %= len(shape)
    return Select(dim, index % shape[dim])


VIEWS: dict[str, View] = {
    "view": reshaped,
    "_unsafe_view": reshaped,
    "_reshape_alias": reshaped,
    "unsqueeze": reshaped,
    "squeeze": reshaped,
    "t": lambda shape, output, arguments: _transposed(shape, output, ()) if len(shape) > 1 else Reshape(output),
    "transpose": _transposed,
    "permute": lambda shape, output, arguments: Permute(tuple(axis % len(shape) for axis in arguments[0])),
    "expand": lambda shape, output, arguments: Expand(output),
    "slice": _sliced,
    "select": _selected,
}
"""Operators with one output that lies in their input."""


def parts(name: str, shape: Shape, outputs: tuple[TensorType, ...], arguments: tuple[Any, ...]) -> list[Op]:
    """The parts that a split of an axis makes, each a view."""
    if name == "unbind":
        dim = (arguments[0] if arguments else 0) % len(shape)
        return [Select(dim, i) for i in range(len(outputs))]
    if name in ("split", "split_with_sizes"):
        dim, start, found = (arguments[1] if len(arguments) > 1 else 0) % len(shape), 0, []
        for output in outputs:
            found.append(Slice(dim, start, start + output.shape[dim]))
            start += output.shape[dim]
        return list(found)
    return [Declared(name, (output,), view=True) for output in outputs]
