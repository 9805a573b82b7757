"""Layers grouped into modules by the path in their names; each module is the exact sum of its layers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from inception_lens.analyses.records import Group, Layer
from inception_lens.errors import GraphError
from inception_lens.ops import is_minor

EVERY_LEVEL = 1_000_000
"""A depth beyond that of any name."""


class TreeRow(msgspec.Struct, frozen=True):
    """One line of a tree of modules."""

    level: int
    """Nesting depth; 0 at the top."""
    label: str
    """The part of the name that is not in the name of the enclosing line."""
    group: Group
    """The module with its sums."""

    @property
    def description(self) -> str:
        """Labels of the module's operations; empty where there are more than three."""
        layers = self.group.layers
        main = [layer for layer in layers if not is_minor(layer.role, layer.op)] or layers
        labels = [layer.label.removeprefix(f"{self.label} ") for layer in main if layer.label.lower() != self.label]
        return ", ".join(labels) if len(labels) <= 3 else ""


def module_of(name: str, depth: int = 1) -> str:
    """The module that a layer belongs to: the first `depth` parts of its name."""
    return "/".join(name.split("/", depth)[:depth])


def grouped(layers: Iterable[Layer], depth: int) -> tuple[Group, ...]:
    """Group layers by the first `depth` parts of their names; see `Analysis.by_module`."""
    _check(depth)
    return tuple([summed(name, members) for name, members in _modules(layers, depth).items()])


def tree(layers: Iterable[Layer], depth: int | None, sort: Callable[[Group], Any] | None) -> tuple[TreeRow, ...]:
    """The modules as the lines of a tree; see `Analysis.tree`."""
    _check(depth)
    return tuple(_rows(layers, "", 0, 1, depth or EVERY_LEVEL, sort))


def _check(depth: int | None) -> None:
    if depth is not None and depth < 1:
        raise GraphError(f"a depth of {depth}: modules have a depth of at least 1")


def _modules(layers: Iterable[Layer], depth: int) -> dict[str, list[Layer]]:
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        groups.setdefault(module_of(layer.name, depth), []).append(layer)
    return groups


def _rows(
    layers: Iterable[Layer], above: str, level: int, part: int, depth: int, sort: Callable[[Group], Any] | None
) -> Iterator[TreeRow]:
    """The rows of layers whose names agree in all parts before number `part`."""
    groups = grouped(layers, part)
    for group in sorted(groups, key=sort) if sort else groups:
        name, deep, parts = group.name, part, _modules(group.layers, part + 1)
        while depth > deep and len(parts) == 1 and name not in parts:
            (name,), deep = parts, deep + 1
            parts = _modules(group.layers, deep + 1)
        label = name.removeprefix(f"{above}/") if name != above else group.layers[0].op
        yield TreeRow(level, label, msgspec.structs.replace(group, name=name))
        if deep < depth and len(parts) > 1:
            yield from _rows(group.layers, name, level + 1, deep + 1, depth, sort)


def summed(name: str, layers: Iterable[Layer]) -> Group:
    """Sum `layers` into the group called `name`."""
    layers = tuple(layers)
    last = layers[-1]
    training = last.backward_macs is not UNSET
    return Group(
        name=name,
        layers=layers,
        params=sum([layer.params for layer in layers]),
        params_trainable=sum([layer.params_trainable for layer in layers]),
        buffers=sum([layer.buffers for layer in layers]),
        macs=sum([layer.macs or 0 for layer in layers]),
        flops=sum([layer.flops or 0 for layer in layers]),
        weight_bytes=sum([layer.weight_bytes for layer in layers]),
        activation_bytes=sum([layer.activation_bytes or 0 for layer in layers]),
        live_bytes=max([layer.live_bytes or 0 for layer in layers]),
        output_shape=last.output_shape,
        receptive_field=max([layer.receptive_field or 0 for layer in layers]) or None,
        exact=None not in [layer.flops for layer in layers],
        params_exact=all(layer.params_exact for layer in layers),
        backward_macs=sum([layer.backward_macs or 0 for layer in layers]) if training else UNSET,
        saved_activation_bytes=sum([layer.saved_activation_bytes or 0 for layer in layers]) if training else UNSET,
    )
