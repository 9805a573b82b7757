"""Rules of views: operators whose output is in their input's memory, once the shape of the output is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from inception_lens.ops import Declared, Expand, Flatten, Op, Permute, Reshape, Select, Shape, Slice, TensorType

ViewRule = Callable[[Shape, Shape, Sequence[Any]], Op]
"""From the shapes of input and output and the further arguments to the operation."""


def reshaped(shape: Shape, output: Shape, arguments: Sequence[object] = ()) -> Op:
    """A Flatten if consecutive axes become one, the last axes if several runs would do; otherwise a Reshape.

    A Flatten holds for every batch and image size, and a Reshape only for this shape.
    """
    last, fewer = len(shape) - 1, len(shape) - len(output)
    for end in range(last, fewer - 1, -1) if fewer > 0 else ():
        start = end - fewer
        if (*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]) == output:
            return Flatten(start, -1 if end == last else end)
    return Reshape(output)


def _squeezed(shape: Shape, output: Shape, arguments: Sequence[int | Sequence[int]]) -> Op:
    """As `reshaped`, but never a Flatten if the first axis is removed, which would stay for a larger batch."""
    dims = arguments[0] if arguments else range(len(shape))
    dims = (dims,) if isinstance(dims, int) else dims
    removes_first = shape[:1] == (1,) and 0 in [axis % len(shape) for axis in dims]
    return Reshape(output) if removes_first else reshaped(shape, output)


def _transposed(shape: Shape, output: Shape, arguments: Sequence[int]) -> Op:
    order = list(range(len(shape)))
    first, second = (axis % len(shape) for axis in arguments or (0, 1))
    order[first], order[second] = order[second], order[first]
    return Permute(tuple(order))


def _sliced(shape: Shape, output: Shape, arguments: Sequence[int | None]) -> Op:
    defaults = (0, None, None, 1)
    dim, first, _, step = (*arguments, *defaults[len(arguments) :])
    axis, start, step = (dim or 0) % len(shape), first or 0, step or 1
    size, taken = shape[axis], output[axis]
    start = min(max(start + (size if start < 0 else 0), 0), size)
    stop = start + (taken - 1) * step + 1 if taken else start
    return Slice(axis, start, stop, step)


def _selected(shape: Shape, output: Shape, arguments: Sequence[int]) -> Op:
    dim, index = arguments
    dim %= len(shape)
    return Select(dim, index % shape[dim])


VIEWS: dict[str, ViewRule] = {
    "view": reshaped,
    "_unsafe_view": reshaped,
    "_reshape_alias": reshaped,
    "unsqueeze": reshaped,
    "squeeze": _squeezed,
    "t": lambda shape, output, arguments: _transposed(shape, output, ()) if len(shape) > 1 else Reshape(output),
    "transpose": _transposed,
    "permute": lambda shape, output, arguments: Permute(tuple(axis % len(shape) for axis in arguments[0])),
    "expand": lambda shape, output, arguments: Expand(output),
    "slice": _sliced,
    "select": _selected,
}
"""Rules of the operators with one output."""


def split_parts(name: str, shape: Shape, outputs: Sequence[TensorType], arguments: Sequence[Any]) -> Sequence[Op]:
    """The operations of a view with several outputs, one for each of them."""
    if name == "unbind":
        dim = (arguments[0] if arguments else 0) % len(shape)
        return [Select(dim, i) for i in range(len(outputs))]
    if name in ("split", "split_with_sizes"):
        dim, start, parts = (arguments[1] if len(arguments) > 1 else 0) % len(shape), 0, []
        for output in outputs:
            parts.append(Slice(dim, start, start + output.shape[dim]))
            start += output.shape[dim]
        return parts
    return [Declared(name, (output,), view=True) for output in outputs]
